"""The guard over the real Python runtime: the two agree on what each ending looks like."""

import contextlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec import Raw, structs

import nanogrid
from nanogrid.clock import Clock
from nanogrid.model import ErrorKind, RunError
from nanogrid.ports import Invocation, Reply
from nanogrid.sandbox.guard import Guard
from process_cell import ProcessCell
from sample_function import FUNCTION

RUNTIME = Path(nanogrid.__file__).parent / "runtimes" / "python.py"
CALL = Invocation(run_id="run_1", attempt=1, input=Raw(b'{"name": "you"}'), timeout_ms=30_000)


@contextlib.asynccontextmanager
async def guarded(folder: Path, source: str) -> AsyncIterator[Guard]:
    (folder / "main.py").write_text(source)

    async def unpacked(_: str) -> Path:
        return folder

    guard = Guard(ProcessCell([sys.executable, "-I", "-S", "-B", str(RUNTIME)]), Clock(), unpacked)
    try:
        yield guard
    finally:
        await guard.kill()


async def replies(folder: Path, source: str, *, runs: int = 1, timeout_ms: int = 30_000) -> tuple[list[Reply], bool]:
    """What some runs answered, and whether another may follow."""
    async with guarded(folder, source) as guard:
        assert await guard.load(FUNCTION) is None
        call = structs.replace(CALL, timeout_ms=timeout_ms)
        return [await guard.invoke(call) for _ in range(runs)], guard.reusable


async def test_runs_answer_one_after_the_other_with_their_own_logs(tmp_path):
    source = 'def handler(event, context):\n    print("hi", event["name"])\n    return {"hello": event["name"]}\n'
    (first, second), reusable = await replies(tmp_path, source, runs=2)

    assert (bytes(first.output), bytes(second.output)) == (b'{"hello":"you"}', b'{"hello":"you"}')
    assert (first.logs.text, second.logs.text) == ("hi you\n", "hi you\n")
    assert first.peak_memory_mb > 1
    assert reusable


#: The handler's body, the kind of its end, a piece of the message, whether the sandbox may be used again.
ENDINGS = [
    ('raise ValueError("no")', ErrorKind.EXCEPTION, "no", True),
    ("raise KeyboardInterrupt", ErrorKind.EXCEPTION, "", True),
    ("return {1, 2}", ErrorKind.RESULT_NOT_SERIALIZABLE, "set", True),
    ("return float('nan')", ErrorKind.RESULT_NOT_SERIALIZABLE, "nan", True),
    ("return 'x' * 7_000_000", ErrorKind.RESULT_TOO_LARGE, "", False),
    ("raise MemoryError", ErrorKind.OUT_OF_MEMORY, "", False),
    ("import sys; sys.exit(3)", ErrorKind.EXITED, "3", False),
    ("import os; os._exit(3)", ErrorKind.EXITED, "code 3", False),
    ("import os; os.abort()", ErrorKind.EXITED, "SIGABRT", False),
    ("import os; os.closerange(0, 64)", ErrorKind.EXITED, "", False),
]


@pytest.mark.parametrize(("body", "kind", "piece", "stays"), ENDINGS, ids=[ending[0] for ending in ENDINGS])
async def test_every_end_has_its_kind(tmp_path, body, kind, piece, stays):
    [reply], reusable = await replies(tmp_path, f"def handler(event, context):\n    {body}\n")

    assert reply.error is not None
    assert reply.error.kind is kind
    assert piece in reply.error.message
    assert reusable is stays


async def test_a_forked_child_that_returns_too_gives_no_second_answer(tmp_path):
    source = "import os\ndef handler(event, context):\n    return 0 if os.fork() else 1\n"
    [reply], _ = await replies(tmp_path, source)

    assert bytes(reply.output) == b"0"


async def test_a_process_left_behind_ends_the_reuse(tmp_path):
    source = "import subprocess\ndef handler(event, context):\n    subprocess.Popen(['sleep', '3600'])\n"
    [reply], reusable = await replies(tmp_path, source)

    assert reply.error is None
    assert not reusable


async def test_a_function_that_patches_everything_harms_only_itself(tmp_path):
    source = """import builtins, json, os, sys
def handler(event, context):
    json.dumps = json.loads = os.write = os.read = builtins.open = None
    sys.stdout = None
    return 1
"""
    [_, second], reusable = await replies(tmp_path, source, runs=2)

    assert bytes(second.output) == b"1"
    assert reusable


async def test_an_endless_loop_that_refuses_to_end_is_ended(tmp_path):
    source = """import signal
def handler(event, context):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        try:
            while True: pass
        except BaseException: pass
"""
    [reply], reusable = await replies(tmp_path, source, timeout_ms=50)

    assert reply.error is not None
    assert reply.error.kind is ErrorKind.TIMED_OUT
    assert not reusable


#: The module, a piece of the message.
IMPORTS = [
    ("import nothing_of_that_name", "nothing_of_that_name"),
    ("def handler(:", "main.py"),
    ("raise SystemExit(4)", "4"),
    ("import os; os._exit(4)", "code 4"),
    ("def other(event, context): pass", "other"),
]


@pytest.mark.parametrize(("source", "piece"), IMPORTS, ids=[source for source, _ in IMPORTS])
async def test_every_failed_import_says_why(tmp_path, source, piece):
    async with guarded(tmp_path, source) as guard:
        error = await guard.load(FUNCTION)

        assert isinstance(error, RunError)
        assert error.kind is ErrorKind.INIT_FAILED
        assert piece in error.message + "".join(error.stack_trace)
        assert not guard.reusable
