"""Functions, runs, tasks and outcomes as tests need them: complete, and different where it was not said."""

import hashlib
from datetime import UTC, datetime

from msgspec import Raw

from nanogrid.identifiers import new_function_id, new_run_id
from nanogrid.model import ErrorKind, Function, Outcome, Run, RunError, RunStatus, Task

SOME_TIME = datetime(2026, 1, 1, tzinfo=UTC)
SUCCEEDED = Outcome(status=RunStatus.SUCCEEDED, output=Raw(b'{"answer":42}'))
FAILED = Outcome(
    status=RunStatus.FAILED, error=RunError(kind=ErrorKind.EXCEPTION, type="ValueError", message="no such thing")
)
AGAIN = Outcome(status=RunStatus.QUEUED, error=FAILED.error)
DEAD = Outcome(status=RunStatus.DEAD, error=RunError(kind=ErrorKind.PLATFORM, type="DeadLetter", message="gone"))


def digest_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def some_function(name: str = "hello", **fields: object) -> Function:
    values: dict[str, object] = {
        "function_id": new_function_id(),
        "name": name,
        "version": 1,
        "runtime": "python3.11",
        "handler": "main.handler",
        "code_sha256": digest_of(name.encode()),
        "code_size": 1,
        "created_at": SOME_TIME,
        "updated_at": SOME_TIME,
    }
    return Function(**(values | fields))


def some_run(**fields: object) -> Run:
    values: dict[str, object] = {
        "run_id": new_run_id(),
        "function_id": "fn_00000000000000000000000000",
        "function_name": "hello",
        "version": 1,
        "status": RunStatus.QUEUED,
        "created_at": SOME_TIME,
        "input": Raw(b'{"question":6}'),
    }
    return Run(**(values | fields))


def some_task(function_id: str = "fn_00000000000000000000000000", **fields: object) -> Task:
    values: dict[str, object] = {
        "run_id": new_run_id(),
        "function_id": function_id,
        "version": 1,
        "mode": "sync",
        "input": Raw(b"1"),
        "enqueued_at": SOME_TIME,
    }
    return Task(**(values | fields))
