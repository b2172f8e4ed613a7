"""A runtime as a plain process on a socket pair, spoken to with the platform's own `wire`."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import Raw

import nanogrid
from nanogrid import wire
from nanogrid.model import MAX_INPUT_BYTES

RUNTIMES = Path(nanogrid.__file__).parent / "runtimes"
PYTHON = [sys.executable, "-I", "-S", "-B", str(RUNTIMES / "python.py")]
COMMAND = [sys.executable, "-I", "-S", "-B", str(RUNTIMES / "command.py")]
NODE = ["node", str(RUNTIMES / "nodejs.js")]
#: A runtime that does not answer is a failed test, not a hanging one.
PATIENCE_S = 30.0

needs_node = pytest.mark.skipif(
    shutil.which("node") is None and os.environ.get("CI") != "true", reason="there is no node on PATH"
)


class StartedRuntime:
    """One runtime; `output` is what it and the function wrote, once it has ended."""

    def __init__(self, command: list[str], output: Path) -> None:
        self.control, inside = socket.socketpair()
        self.control.settimeout(PATIENCE_S)
        self.reader = wire.FrameReader(MAX_INPUT_BYTES + wire.FRAME_MARGIN)
        self._output = output
        self._calls = 0
        #: What is /tmp behind walls: a folder of its own, because runtimes of other tests have theirs.
        self.temporary = output.with_suffix(".tmp")
        self.temporary.mkdir()
        with output.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, str(inside.fileno())],
                pass_fds=[inside.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={"PATH": os.environ["PATH"], "TMPDIR": str(self.temporary)},
                start_new_session=True,
            )
        inside.close()

    @property
    def output(self) -> str:
        return self._output.read_text(errors="replace")

    def receive(self) -> tuple[int, bytes]:
        """The next frame. Raises EOFError when the runtime has gone."""
        while True:
            data = self.control.recv(self.reader.wants)
            if not data:
                raise EOFError(self.output)
            for kind, payload in self.reader.feed(data):
                return kind, bytes(payload)

    def load(self, code: Path, handler: str, **fields: Any) -> wire.WireError | None:
        """Take READY, send LOAD; how the import failed, or None."""
        assert self.receive()[0] == wire.READY
        facts = {"environment": {}, "function_name": "probe", "version": 3, "function_id": "fn_1", "memory_mb": 128}
        order = wire.Load(code=str(code), handler=handler, **{**facts, **fields})
        self.control.sendall(wire.encode(wire.LOAD, order))
        kind, payload = self.receive()
        assert kind == wire.LOADED
        return wire.decode_loaded(payload).error

    def send_event(self, event: bytes, *, run_id: str = "run_1", deadline_ms: int = 2**45) -> str:
        """Send INVOKE; its nonce."""
        self._calls += 1
        nonce = f"nonce-{self._calls}"
        order = wire.Invoke(nonce=nonce, run_id=run_id, attempt=2, deadline_ms=deadline_ms, event=Raw(event))
        self.control.sendall(wire.encode(wire.INVOKE, order))
        return nonce

    def invoke(self, event: Any = None, **fields: Any) -> wire.Result:
        """Run the handler once."""
        return self.invoke_raw(json.dumps(event).encode(), **fields)

    def invoke_raw(self, event: bytes, **fields: Any) -> wire.Result:
        """Likewise, with the event's very bytes."""
        nonce = self.send_event(event, **fields)
        kind, payload = self.receive()
        assert kind == wire.RESULT
        result = wire.decode_result(payload)
        assert result.nonce == nonce
        return result

    def hang_up(self) -> int:
        """Close the connection; the exit code."""
        self.control.close()
        return self.process.wait(PATIENCE_S)

    def ended(self) -> int:
        """Wait for an end that the runtime makes itself; the exit code. Whatever it still sends is a mistake."""
        assert self.control.recv(1) == b""
        return self.process.wait(PATIENCE_S)


def output_of(result: wire.Result) -> Any:
    """The output as a value; a failure shows its error."""
    assert result.error is None, result.error
    return msgspec.json.decode(result.output)


def error_of(result: wire.Result) -> wire.WireError:
    assert result.error is not None, result.output
    return result.error


def write_code(folder: Path, files: dict[str, str]) -> Path:
    """Write source files into a folder for code, and return it."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@contextmanager
def started_runtime(command: list[str], workspace: Path) -> Iterator[StartedRuntime]:
    """A runtime that has been started and not loaded; gone with all its children at the end."""
    output = workspace.parent / f"{workspace.name}.{time.monotonic_ns()}.log"
    runtime = StartedRuntime(command, output)
    try:
        yield runtime
    finally:
        runtime.control.close()
        runtime.process.kill()
        runtime.process.wait()


@contextmanager
def loaded_runtime(
    command: list[str], code: Path, handler: str = "main.handler", **fields: Any
) -> Iterator[StartedRuntime]:
    """A runtime with the folder's code loaded."""
    with started_runtime(command, code) as runtime:
        error = runtime.load(code, handler, **fields)
        assert error is None, error
        yield runtime
