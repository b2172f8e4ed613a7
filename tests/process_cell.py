"""A real cell for tests: a plain process that runs a runtime written in a few lines of Python."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from nanogrid.model import Function
from nanogrid.sandbox.cell import Cell, Ending

#: What every scripted runtime begins with: frames by hand, and an honest `serve` for scripts that only need a handler.
PRELUDE = """
import json, os, signal, socket, struct, subprocess, sys, threading, time
LOAD, INVOKE, READY, LOADED, RESULT = 1, 2, 16, 17, 18
stream = socket.socket(fileno=int(sys.argv[1]))

def pack(kind, payload):
    body = json.dumps(payload).encode()
    return struct.pack(">IB", len(body) + 1, kind) + body

def send(kind, payload):
    stream.sendall(pack(kind, payload))

def read(count):
    data = bytearray()
    while len(data) < count:
        data += stream.recv(count - len(data)) or os._exit(0)
    return data

def receive():
    length, kind = struct.unpack(">IB", read(5))
    return json.loads(read(length - 1))

def result(call, **fields):
    sys.stdout.flush()
    send(RESULT, {"nonce": call["nonce"], **fields})

def load():
    send(READY, {})
    order = receive()
    send(LOADED, {})
    return order

def serve(handler):
    load()
    while True:
        call = receive()
        result(call, **(handler(call) or {}))
"""
ECHO = 'serve(lambda call: {"output": call["event"]})'


class ProcessCell(Cell):
    """A process in a session of its own; `out_of_memory` is what its ending will claim."""

    def __init__(self, command: list[str], *, out_of_memory: bool = False) -> None:
        self.control, inside = socket.socketpair()
        os.set_blocking(self.control.fileno(), False)
        self.output, write_end = os.pipe()
        os.set_blocking(self.output, False)
        self.out_of_memory = out_of_memory
        self.placed: Path | None = None
        self.process = subprocess.Popen(
            [*command, str(inside.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=write_end,
            stderr=write_end,
            pass_fds=[inside.fileno()],
            start_new_session=True,
        )
        inside.close()
        os.close(write_end)

    @classmethod
    def scripted(cls, script: str, *, out_of_memory: bool = False) -> "ProcessCell":
        """A cell whose runtime is the script, after the prelude."""
        return cls([sys.executable, "-I", "-S", "-c", PRELUDE + script], out_of_memory=out_of_memory)

    async def place(self, function: Function, code: Path) -> str:
        self.placed = code
        return str(code)

    async def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        await asyncio.to_thread(self.process.wait)

    async def ended(self) -> Ending:
        code = await asyncio.to_thread(self.process.wait)
        if code >= 0:
            return Ending(exit_code=code, out_of_memory=self.out_of_memory)
        return Ending(signal=signal.Signals(-code).name, out_of_memory=self.out_of_memory)

    def memory_mb(self) -> float:
        try:
            pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        except (OSError, IndexError):
            return 0.0
        return pages * os.sysconf("SC_PAGE_SIZE") / 1024**2

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self.process.poll() is None
