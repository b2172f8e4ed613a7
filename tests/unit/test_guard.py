"""The guard: whatever a function does, a typed answer, and never a spoilt sandbox for the next run."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec import Raw, structs

from nanogrid.clock import Clock
from nanogrid.errors import CodeNotFound, SandboxBroken
from nanogrid.model import MAX_OUTPUT_BYTES, ErrorKind, RunError
from nanogrid.ports import Invocation, Reply
from nanogrid.sandbox.failures import PROTOCOL_ERROR
from nanogrid.sandbox.guard import Guard
from process_cell import ECHO, ProcessCell
from sample_function import FUNCTION
from waiting import until


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def unpacked(digest: str) -> Path:
    return Path("/code") / digest


@contextlib.asynccontextmanager
async def guarded(
    script: str, *, out_of_memory: bool = False, min_import_s: float = 10.0
) -> AsyncIterator[tuple[Guard, ProcessCell]]:
    cell = ProcessCell.scripted(script, out_of_memory=out_of_memory)
    guard = Guard(cell, Clock(), unpacked, min_import_s=min_import_s)
    try:
        yield guard, cell
    finally:
        await guard.kill()


@contextlib.asynccontextmanager
async def loaded(script: str, *, out_of_memory: bool = False) -> AsyncIterator[tuple[Guard, ProcessCell]]:
    async with guarded(script, out_of_memory=out_of_memory) as (guard, cell):
        assert await guard.load(FUNCTION) is None
        yield guard, cell


def call(event: bytes = b"null", *, timeout_ms: int = 30_000) -> Invocation:
    return Invocation(run_id="run_1", attempt=1, input=Raw(event), timeout_ms=timeout_ms)


async def one_reply(script: str, invocation: Invocation | None = None, *, out_of_memory: bool = False) -> Reply:
    """The reply of the first run; the sandbox must be gone afterwards."""
    async with loaded(script, out_of_memory=out_of_memory) as (guard, cell):
        reply = await guard.invoke(invocation or call())
        assert not guard.reusable
        assert not cell.alive
        return reply


async def failed_load(script: str, *, timeout_ms: int = 30_000, out_of_memory: bool = False) -> RunError:
    """How the load failed; the sandbox must be gone afterwards."""
    async with guarded(script, out_of_memory=out_of_memory, min_import_s=0.0) as (guard, cell):
        error = await guard.load(structs.replace(FUNCTION, timeout_ms=timeout_ms))
        assert error is not None
        assert not guard.reusable
        assert not cell.alive
        return error


def raw_result(members: str) -> str:
    """A script that answers one run with these JSON members, as they stand."""
    return f"""load()
call = receive()
body = b'{{"nonce":"' + call["nonce"].encode() + b'",{members}}}'
stream.sendall(struct.pack(">IB", len(body) + 1, RESULT) + body)
receive()"""


def kind_of(reply: Reply) -> ErrorKind | None:
    return reply.error and reply.error.kind


# The honest ways.


async def test_an_event_goes_in_and_an_output_comes_back():
    async with loaded(ECHO) as (guard, _):
        reply = await guard.invoke(call(b'{"n": [1, 2.50, "\xe2\x98\x83"]}'))

        assert reply.error is None
        assert bytes(reply.output) == b'{"n": [1, 2.5, "\\u2603"]}'
        assert guard.reusable


async def test_the_runtime_is_told_what_it_needs():
    script = "order = load()\ncall = receive()\nresult(call, output=[order, call])\nreceive()"
    async with loaded(script) as (guard, cell):
        reply = await guard.invoke(call(b"7"))

    assert cell.placed == Path("/code") / FUNCTION.code_sha256
    text = bytes(reply.output).decode()
    for piece in ('"main.handler"', '"COLOUR": "blue"', '"memoryMb": 128', '"runId": "run_1"', '"event": 7'):
        assert piece in text


async def test_every_run_has_another_nonce():
    async with loaded('serve(lambda call: {"output": call["nonce"]})') as (guard, _):
        nonces = {bytes((await guard.invoke(call())).output) for _ in range(20)}

    assert len(nonces) == 20


async def test_an_exception_leaves_the_sandbox_reusable():
    script = """serve(lambda call: {"error": {
        "kind": "exception", "type": "ValueError", "message": "no", "stackTrace": ["main.py:1 in handler"]}})"""
    async with loaded(script) as (guard, _):
        reply = await guard.invoke(call())

        assert reply.error == RunError(
            kind=ErrorKind.EXCEPTION, type="ValueError", message="no", stack_trace=["main.py:1 in handler"]
        )
        assert guard.reusable


async def test_each_run_has_its_own_logs_and_the_import_counts_to_the_first():
    script = 'print("imported", flush=True)\nserve(lambda call: print("run", call["event"], flush=True))'
    async with loaded(script) as (guard, _):
        first = await guard.invoke(call(b"1"))
        second = await guard.invoke(call(b"2"))

    assert first.logs.text == "imported\nrun 1\n"
    assert second.logs.text == "run 2\n"


async def test_logs_are_passed_on_as_they_are_written():
    pieces: list[bytes] = []
    async with loaded('serve(lambda call: print("line", flush=True))') as (guard, _):
        await guard.invoke(call(), pieces.append)
        await guard.invoke(call())

    assert b"".join(pieces) == b"line\n"


async def test_an_output_of_six_megabytes_passes():
    async with loaded(f'serve(lambda call: {{"output": "x" * {MAX_OUTPUT_BYTES - 2}}})') as (guard, _):
        reply = await guard.invoke(call())

        assert len(bytes(reply.output)) == MAX_OUTPUT_BYTES
        assert guard.reusable


async def test_an_event_of_six_megabytes_passes():
    async with loaded('serve(lambda call: {"output": len(call["event"])})') as (guard, _):
        reply = await guard.invoke(call(b'"' + b"x" * 6_000_000 + b'"'))

    assert bytes(reply.output) == b"6000000"


async def test_the_memory_is_read_and_the_peak_is_passed_on():
    async with loaded('serve(lambda call: {"peakMemoryKb": 2048})') as (guard, _):
        reply = await guard.invoke(call())

        assert guard.memory_mb > 1
        assert reply.peak_memory_mb == 2.0


@pytest.mark.parametrize(("said", "meant"), [("-5", 0.0), ("9" * 4000, 10240.0)], ids=["negative", "4000 digits"])
async def test_an_impossible_peak_is_clamped(said, meant):
    async with loaded(raw_result(f'"peakMemoryKb":{said}')) as (guard, _):
        reply = await guard.invoke(call())

    assert (reply.error, reply.peak_memory_mb) == (None, meant)


# The handler that does not come back.


@pytest.mark.parametrize(
    "handler",
    [
        "while True: pass",
        "time.sleep(3600)",
        "signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(3600)",
        "os.kill(os.getpid(), signal.SIGSTOP)",
    ],
)
async def test_a_handler_past_its_time_is_ended(handler):
    reply = await one_reply(f"load()\nreceive()\n{handler}", call(timeout_ms=50))

    assert kind_of(reply) is ErrorKind.TIMED_OUT
    assert reply.error is not None
    assert "50 ms" in reply.error.message
    assert "timeoutMs" in reply.error.message


async def test_what_it_wrote_before_its_time_out_is_kept():
    script = 'print("so far", flush=True)\nload()\nreceive()\ntime.sleep(3600)'
    reply = await one_reply(script, call(timeout_ms=50))

    assert reply.logs.text == "so far\n"


async def test_an_event_that_is_not_read_does_not_hold_up_the_time_out():
    reply = await one_reply("load()\ntime.sleep(3600)", call(b'"' + b"x" * 5_000_000 + b'"', timeout_ms=50))

    assert kind_of(reply) is ErrorKind.TIMED_OUT


# The process that dies.


@pytest.mark.parametrize(
    ("death", "says"),
    [
        ("sys.exit(3)", "code 3"),
        ("os._exit(0)", "code 0"),
        ("os.abort()", "SIGABRT"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL"),
    ],
)
async def test_a_death_is_named(death, says):
    reply = await one_reply(f'load()\nreceive()\nprint("last words", flush=True)\n{death}')

    assert kind_of(reply) is ErrorKind.EXITED
    assert reply.error is not None
    assert says in reply.error.message
    assert reply.logs.text == "last words\n"


async def test_a_death_at_the_memory_limit_is_told_apart():
    reply = await one_reply("load()\nreceive()\nos.kill(os.getpid(), 9)", out_of_memory=True)

    assert kind_of(reply) is ErrorKind.OUT_OF_MEMORY
    assert reply.error is not None
    assert "128 MB" in reply.error.message


async def test_closing_every_descriptor_is_an_end_and_not_a_time_out():
    reply = await one_reply("load()\nreceive()\nos.closerange(0, 64)\ntime.sleep(3600)")

    assert kind_of(reply) is ErrorKind.EXITED
    assert reply.error is not None
    assert "closed its connection" in reply.error.message


async def test_a_process_that_dies_between_runs_is_not_reused():
    script = "serve(lambda call: threading.Timer(0.01, os._exit, [4]).start())"
    async with loaded(script) as (guard, _):
        reply = await guard.invoke(call())
        await until(lambda: not guard.reusable)
        late = await guard.invoke(call())

    assert reply.error is None
    assert kind_of(late) is ErrorKind.EXITED
    assert late.error is not None
    assert "code 4" in late.error.message


# What the runtime reports.


@pytest.mark.parametrize("kind", ["out_of_memory", "exited", "result_too_large"])
async def test_a_failure_that_spoils_the_process_ends_the_sandbox(kind):
    reply = await one_reply(f'serve(lambda call: {{"error": {{"kind": "{kind}", "type": "E", "message": "m"}}}})')

    assert kind_of(reply) == kind


async def test_a_result_that_is_not_json_leaves_the_sandbox_reusable():
    script = 'serve(lambda call: {"error": {"kind": "result_not_serializable", "type": "E", "message": "m"}})'
    async with loaded(script) as (guard, _):
        reply = await guard.invoke(call())

        assert kind_of(reply) is ErrorKind.RESULT_NOT_SERIALIZABLE
        assert guard.reusable


async def test_a_run_that_left_processes_behind_succeeds_and_ends_the_sandbox():
    reply = await one_reply('serve(lambda call: {"output": 1, "dirty": True})')

    assert (reply.error, bytes(reply.output)) == (None, b"1")


async def test_an_output_beside_an_error_is_dropped():
    script = 'serve(lambda call: {"output": 1, "error": {"kind": "exception", "type": "E", "message": "m"}})'
    async with loaded(script) as (guard, _):
        reply = await guard.invoke(call())

    assert bytes(reply.output) == b"null"


async def test_an_error_is_cut_to_a_sane_size():
    script = """serve(lambda call: {"error": {"kind": "exception", "type": "T" * 1000, "message": "m" * 10000,
        "stackTrace": ["l" * 2000] * 20 + ["l"] * 480}})"""
    async with loaded(script) as (guard, _):
        error = (await guard.invoke(call())).error

    assert error is not None
    assert (len(error.type), len(error.stack_trace), len(error.stack_trace[0])) == (256, 50, 1024)
    assert error.message == "m" * 8192 + " [1808 more characters]"
    assert error.stack_trace[25] == "[451 more lines]"


# Too much.


async def test_one_byte_too_much_is_too_large():
    reply = await one_reply(f'serve(lambda call: {{"output": "x" * {MAX_OUTPUT_BYTES - 1}}})')

    assert kind_of(reply) is ErrorKind.RESULT_TOO_LARGE
    assert bytes(reply.output) == b"null"


async def test_a_header_that_announces_too_much_is_too_large_at_once():
    script = 'load()\nreceive()\nstream.sendall(struct.pack(">IB", 500_000_000, RESULT))\ntime.sleep(3600)'
    reply = await one_reply(script)

    assert kind_of(reply) is ErrorKind.RESULT_TOO_LARGE
    assert reply.error is not None
    assert "500000000 bytes" in reply.error.message


async def test_a_result_that_nests_too_deep_is_not_serializable():
    reply = await one_reply(raw_result('"output":' + "[" * 5000 + "]" * 5000))

    assert kind_of(reply) is ErrorKind.RESULT_NOT_SERIALIZABLE


async def test_a_flood_of_output_neither_blocks_the_run_nor_fills_us():
    script = 'serve(lambda call: [os.write(1, b"x" * 65536) for _ in range(800)] and {"output": 1})'
    async with loaded(script) as (guard, _):
        reply = await guard.invoke(call())

        assert bytes(reply.output) == b"1"
        assert reply.logs.truncated
        assert len(reply.logs.text) < 257 * 1024
        assert guard.reusable


# Forged answers. Each is what runs after the order has been read as `call`.

FORGED = {
    "another nonce": 'send(RESULT, {"nonce": "0" * 16, "output": 1})',
    "no nonce": 'send(RESULT, {"output": 1})',
    "an unknown kind": 'send(99, {"nonce": call["nonce"], "output": 1})',
    "a kind of ours": 'send(INVOKE, {"nonce": call["nonce"], "output": 1})',
    "ready again": "send(READY, {})",
    "not JSON": 'stream.sendall(struct.pack(">IB", 4, RESULT) + b"...")',
    "no frame": 'stream.sendall(b"HTTP/1.1 200 OK\\r\\n\\r\\n")',
    "an empty frame": 'stream.sendall(struct.pack(">IB", 0, RESULT))',
    "an error of the platform": 'result(call, error={"kind": "platform", "type": "E", "message": "m"})',
    "a time-out that was none": 'result(call, error={"kind": "timed_out", "type": "E", "message": "m"})',
    "an error that is none": 'result(call, error={"kind": "x" * 9999, "type": "E", "message": "m"})',
}


@pytest.mark.parametrize("forgery", FORGED.values(), ids=FORGED.keys())
async def test_a_forged_answer_ends_the_sandbox_and_is_the_functions_fault(forgery):
    reply = await one_reply(f"load()\ncall = receive()\n{forgery}\ntime.sleep(3600)")

    assert kind_of(reply) is ErrorKind.EXITED
    assert reply.error is not None
    assert reply.error.type == PROTOCOL_ERROR
    assert len(reply.error.message) < 1000


async def test_a_second_answer_is_dropped_and_ends_the_reuse():
    script = (
        'load()\ncall = receive()\nstream.sendall(pack(RESULT, {"nonce": call["nonce"], "output": 1}) * 2)\nreceive()'
    )
    async with loaded(script) as (guard, _):
        reply = await guard.invoke(call())

        assert bytes(reply.output) == b"1"
        assert not guard.reusable


async def test_a_frame_between_runs_is_the_functions_fault():
    script = """def handler(call):
    threading.Timer(0.01, send, [RESULT, {"nonce": "0", "output": "stolen"}]).start()
serve(handler)"""
    async with loaded(script) as (guard, _):
        await guard.invoke(call())
        await until(lambda: not guard.reusable)
        reply = await guard.invoke(call())

    assert reply.error is not None
    assert reply.error.type == PROTOCOL_ERROR


async def test_a_frame_on_stdout_is_only_text():
    script = (
        'serve(lambda call: sys.stdout.write(pack(RESULT, {"nonce": call["nonce"], "output": 2}).decode()) and None)'
    )
    async with loaded(script) as (guard, _):
        reply = await guard.invoke(call())

        assert bytes(reply.output) == b"null"
        assert '"output": 2' in reply.logs.text
        assert guard.reusable


# Imports.


async def test_an_import_that_fails_is_reported_as_the_runtime_says():
    script = """send(READY, {})
receive()
send(LOADED, {"error": {"kind": "init_failed", "type": "SyntaxError", "message": "line 3",
    "stackTrace": ["main.py:3"]}})
receive()"""
    error = await failed_load(script)

    assert error == RunError(
        kind=ErrorKind.INIT_FAILED, type="SyntaxError", message="line 3", stack_trace=["main.py:3"]
    )


async def test_an_exit_at_import_is_a_failed_import_and_shows_what_was_written():
    error = await failed_load('send(READY, {})\nreceive()\nprint("no such library", flush=True)\nos._exit(5)')

    assert error.kind is ErrorKind.INIT_FAILED
    assert "code 5" in error.message
    assert "no such library" in error.message


async def test_an_endless_import_is_a_failed_import():
    error = await failed_load("send(READY, {})\nreceive()\nwhile True: pass", timeout_ms=50)

    assert error.kind is ErrorKind.INIT_FAILED
    assert "0.05 s" in error.message


async def test_an_import_that_takes_too_much_memory_says_so():
    error = await failed_load("send(READY, {})\nreceive()\nos._exit(9)", out_of_memory=True)

    assert error.kind is ErrorKind.OUT_OF_MEMORY


@pytest.mark.parametrize(
    "forgery",
    [
        "send(RESULT, {})",
        'stream.sendall(b"x" * 100)',
        'send(LOADED, {"error": {"kind": "exception", "type": "E", "message": "m"}})',
        'send(LOADED, {"error": 1})',
    ],
)
async def test_a_forged_load_report_is_a_failed_import(forgery):
    error = await failed_load(f"send(READY, {{}})\nreceive()\n{forgery}\ntime.sleep(3600)")

    assert (error.kind, error.type) == (ErrorKind.INIT_FAILED, PROTOCOL_ERROR)


@pytest.mark.parametrize("script", ["os._exit(1)", "send(LOADED, {})\nreceive()"])
async def test_a_runtime_that_does_not_come_up_is_the_platforms_fault(script):
    async with guarded(script) as (guard, cell):
        with pytest.raises(SandboxBroken, match="the runtime"):
            await guard.load(FUNCTION)

        assert not cell.alive


async def test_code_that_is_gone_is_passed_on_and_ends_the_sandbox():
    async def gone(digest: str) -> Path:
        raise CodeNotFound(f"no code {digest}")

    cell = ProcessCell.scripted(ECHO)
    guard = Guard(cell, Clock(), gone)

    with pytest.raises(CodeNotFound):
        await guard.load(FUNCTION)
    assert not cell.alive


async def test_a_sandbox_loads_once():
    async with loaded(ECHO) as (guard, _):
        with pytest.raises(SandboxBroken):
            await guard.load(FUNCTION)

        assert guard.reusable


# One at a time, and the end.


async def test_nothing_runs_without_code():
    async with guarded(ECHO) as (guard, _):
        with pytest.raises(SandboxBroken):
            await guard.invoke(call())


async def test_a_busy_sandbox_takes_no_second_run():
    async with loaded("load()\nreceive()\ntime.sleep(3600)") as (guard, _):
        first = asyncio.create_task(guard.invoke(call(timeout_ms=200)))
        await asyncio.sleep(0)
        with pytest.raises(SandboxBroken):
            await guard.invoke(call())

        assert not guard.reusable
        assert kind_of(await first) is ErrorKind.TIMED_OUT


@pytest.mark.parametrize("script", ["send(READY, {})\nreceive()\ntime.sleep(3600)", "time.sleep(3600)"])
async def test_a_cancelled_load_leaves_nothing_behind(script):
    async with guarded(script) as (guard, cell):
        loading = asyncio.create_task(guard.load(FUNCTION))
        await asyncio.sleep(0)
        loading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await loading

        assert not cell.alive
        assert not guard.reusable


async def test_a_cancelled_run_leaves_nothing_behind():
    before = open_descriptors()
    async with loaded("load()\nreceive()\nsubprocess.Popen(['sleep', '3600']).wait()") as (guard, cell):
        running = asyncio.create_task(guard.invoke(call()))
        await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

        assert not cell.alive
        assert not guard.reusable
        assert open_descriptors() == before


async def test_a_run_that_the_platform_ends_is_no_failure_of_the_function():
    async with loaded("load()\nreceive()\ntime.sleep(3600)") as (guard, _):
        running = asyncio.create_task(guard.invoke(call()))
        await asyncio.sleep(0)
        await guard.kill()

        with pytest.raises(SandboxBroken, match="platform"):
            await running


async def test_killing_is_idempotent_and_gives_everything_back():
    before = open_descriptors()
    async with loaded(ECHO) as (guard, cell):
        await asyncio.gather(guard.kill(), guard.kill())
        await guard.kill()

        assert not cell.alive
        assert not guard.reusable
        assert guard.memory_mb == 0
        assert open_descriptors() == before
        with pytest.raises(SandboxBroken):
            await guard.invoke(call())


async def test_killing_after_it_died_by_itself_is_no_error():
    async with loaded("load()\nos._exit(1)") as (guard, _):
        await until(lambda: not guard.reusable)
        await guard.kill()

        assert not guard.reusable


async def test_twenty_crashes_leave_no_descriptor_and_no_task_behind():
    before = open_descriptors()
    for _ in range(20):
        await one_reply("load()\nreceive()\nos._exit(1)")

    assert open_descriptors() == before
    assert asyncio.all_tasks() == {asyncio.current_task()}
