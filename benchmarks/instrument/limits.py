"""What this machine can physically do, measured beside everything else: the denominators.

Run as a script, `limits.py` prints all of them as one JSON object, so that it can be placed on chosen processors.
"""

import json
import os
import socket
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

_MESSAGE = bytes(64)
_PING_PONGS = 4000
_FORKS = 100
_STARTS = 20
_IDLE = 20
_BATCH = 100
_BATCHES = 100
_SINGLES = 200
_OBJECTS = 20_000


def ping_pong_us(cpus: tuple[int, int] | None) -> float:
    """64 bytes over a socket pair to another process and back, p50; both on the given processors, None for free."""
    near, far = socket.socketpair()
    child = os.fork()
    if child == 0:
        _echo(near, far, cpus)
    far.close()
    before = os.sched_getaffinity(0)
    if cpus:
        os.sched_setaffinity(0, {cpus[0]})
    taken = [_timed_us(lambda: _round_trip(near)) for _ in range(_PING_PONGS)]
    os.sched_setaffinity(0, before)
    near.close()
    os.waitpid(child, 0)
    return median(taken)


def _echo(near: socket.socket, far: socket.socket, cpus: tuple[int, int] | None) -> None:
    near.close()
    if cpus:
        os.sched_setaffinity(0, {cpus[1]})
    while message := far.recv(64):
        far.send(message)
    os._exit(0)


def _round_trip(near: socket.socket) -> None:
    near.send(_MESSAGE)
    near.recv(64)


def fork_us() -> float:
    """Until a forked process says that it is there, p50."""
    return median(_fork_us() for _ in range(_FORKS))


def _fork_us() -> float:
    near, far = socket.socketpair()
    began = time.perf_counter_ns()
    child = os.fork()
    if child == 0:
        far.send(b"!")
        os._exit(0)
    near.recv(1)
    taken = time.perf_counter_ns() - began
    near.close()
    far.close()
    os.waitpid(child, 0)
    return taken / 1000


def forked_mb() -> float:
    """Memory, by proportional share, of one of twenty forked interpreters that have run a little and wait."""
    near, far = socket.socketpair()
    children = [_fork_idle(near, far) for _ in range(_IDLE)]
    for _ in children:
        near.recv(1)
    shares = [_pss_mb(child) for child in children]
    far.close()
    near.close()
    for child in children:
        os.waitpid(child, 0)
    return sum(shares) / _IDLE


def _fork_idle(near: socket.socket, far: socket.socket) -> int:
    child = os.fork()
    if child == 0:
        near.close()
        json.loads(json.dumps({"touched": list(range(1000))}))
        far.send(b"!")
        far.recv(1)
        os._exit(0)
    return child


def _pss_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:"))


def python_us() -> float:
    """Until a bare interpreter has started and ended, p50."""

    def start() -> None:
        # The system's interpreter, where it is there: what sandboxes run.
        program = "/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable
        os.waitpid(os.posix_spawn(program, [program, "-I", "-S", "-c", "pass"], {}), 0)

    return median(_timed_us(start) for _ in range(_STARTS))


def group_commit_rows_s(folder: Path) -> float:
    """Rows that SQLite makes durable in a second, a hundred to a commit."""
    with _database(folder / "group.db") as database:
        began = time.perf_counter()
        for batch in range(_BATCHES):
            _commit(database, batch * _BATCH, _BATCH)
        return _BATCHES * _BATCH / (time.perf_counter() - began)


def commit_us(folder: Path) -> float:
    """One durable row with a commit of its own, p50."""
    with _database(folder / "single.db") as database:
        return median(_timed_us(partial(_commit, database, number, 1)) for number in range(_SINGLES))


def _database(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.execute("CREATE TABLE runs (id INTEGER PRIMARY KEY, body BLOB)")
    return database


def _commit(database: sqlite3.Connection, first: int, count: int) -> None:
    database.execute("BEGIN")
    database.executemany("INSERT INTO runs VALUES (?, ?)", [(first + n, bytes(500)) for n in range(count)])
    database.execute("COMMIT")


def object_ns() -> float:
    """A small object made, asked and dropped, in nanoseconds at the best: tells builds of an interpreter apart."""

    def make_and_ask() -> None:
        for number in range(_OBJECTS):
            {"item": _Item(number).doubled()}.get("item")

    return min(_timed_us(make_and_ask) for _ in range(_STARTS)) * 1000 / _OBJECTS


class _Item:
    """Something small."""

    def __init__(self, number: int) -> None:
        self._number = number

    def doubled(self) -> int:
        """Next to nothing."""
        return 2 * self._number


def _timed_us(call: Callable[[], None]) -> float:
    began = time.perf_counter_ns()
    call()
    return (time.perf_counter_ns() - began) / 1000


def measure(folder: Path) -> dict[str, float]:
    """All limits that need no server. Processors are those that this process may use."""
    first, last = min(os.sched_getaffinity(0)), max(os.sched_getaffinity(0))
    return {
        "socket pair round trip, two processors, us": ping_pong_us((first, last)),
        "socket pair round trip, one processor, us": ping_pong_us((first, first)),
        "socket pair round trip, free, us": ping_pong_us(None),
        "fork to ready, us": fork_us(),
        "interpreter start and end, us": python_us(),
        "forked interpreter, MB": forked_mb(),
        "small Python object made and dropped, ns": object_ns(),
        "SQLite durable commit of one row, us": commit_us(folder),
        "SQLite durable rows in groups of 100, per s": group_commit_rows_s(folder),
    }


if __name__ == "__main__":
    # On the disk of the working folder, as a grid's data would be; memory could not be durable.
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        print(json.dumps({title: round(value, 1) for title, value in measure(Path(name)).items()}))
