"""Parts from a hostile runtime: handed on one by one, in time, and only where they were asked for."""

import asyncio
import contextlib

import pytest
from msgspec import Raw

from nanogrid.clock import Clock
from nanogrid.errors import SandboxBroken
from nanogrid.model import RECORDED_STREAM_BYTES
from nanogrid.ports import Invocation, Outlet, Part
from nanogrid.sandbox.failures import PROTOCOL_ERROR
from nanogrid.sandbox.guard import Guard
from process_cell import ProcessCell
from sample_function import FUNCTION
from waiting import until

#: What scripted runtimes say beside what `process_cell` gives them.
SAY = """
def part(call, value, **fields):
    send(20, {"nonce": call["nonce"], "part": value, **fields})
    receive()

def raw(body):
    stream.sendall(struct.pack(">IB", len(body) + 1, 20) + body)
    receive()

"""
YIELDS = """
def handler(call):
    for value in call["event"]:
        part(call, value)
    return {"output": [], "streamed": True}
serve(handler)
"""


class Reader(Outlet):
    def __init__(self, *, wants=True, slow=False):
        self.parts = []
        self._wants = wants
        self._slow = slow

    async def keep(self, run_id, path, content):
        raise AssertionError("no run of these leaves files")

    def wants_parts(self, run_id):
        return self._wants

    async def part(self, run_id, part):
        self.parts.append(part)
        if self._slow:
            await asyncio.Event().wait()


@contextlib.asynccontextmanager
async def loaded(script):
    async def unpacked(_digest):
        return None

    guard = Guard(ProcessCell.scripted(SAY + script), Clock(), unpacked)
    try:
        assert await guard.load(FUNCTION) is None
        yield guard
    finally:
        await guard.kill()


def call(event=b"null", timeout_ms=30_000):
    return Invocation(run_id="run_1", attempt=1, input=Raw(event), timeout_ms=timeout_ms)


async def test_parts_are_handed_on_and_are_the_records_output():
    reader = Reader()
    async with loaded(YIELDS) as guard:
        reply = await guard.invoke(call(b'[1,"two",{"three":3}]'), None, reader)
        empty = await guard.invoke(call(b"[]"), None, reader)

        assert guard.reusable
    assert reader.parts == [Part(value=Raw(text)) for text in (b"1", b'"two"', b'{"three": 3}')]
    assert (reply.output, reply.streamed, reply.output_truncated) == (Raw(b'[1,"two",{"three": 3}]'), True, False)
    assert (empty.output, empty.streamed) == (Raw(b"[]"), True)


async def test_a_record_keeps_the_first_parts_of_many_and_says_so():
    script = """
def handler(call):
    for _ in range(5):
        part(call, "x" * 100_000)
    return {"output": [], "streamed": True}
serve(handler)
"""
    reader = Reader()
    async with loaded(script) as guard:
        reply = await guard.invoke(call(), None, reader)

    assert len(reader.parts) == 5
    assert reply.output_truncated
    assert len(reply.output) <= RECORDED_STREAM_BYTES + 2


async def test_a_reader_who_is_too_slow_is_not_waited_for_past_the_time_out():
    async with loaded(YIELDS) as guard:
        reply = await guard.invoke(call(b"[1]", timeout_ms=300), None, Reader(slow=True))

        assert reply.error is not None
        assert (reply.error.kind, guard.reusable) == ("timed_out", False)


async def test_a_sandbox_that_is_ended_does_not_wait_for_its_reader():
    reader = Reader(slow=True)
    async with loaded(YIELDS) as guard:
        running = asyncio.create_task(guard.invoke(call(b"[1]"), None, reader))
        await until(lambda: bool(reader.parts))
        await guard.kill()

        with pytest.raises(SandboxBroken):
            await running


@pytest.mark.parametrize(
    ("script", "reader"),
    [
        ("serve(lambda call: part(call, 1))", Reader(wants=False)),
        ("serve(lambda call: part(call, 1))", None),
        ('serve(lambda call: part({"nonce": "of another run"}, 1))', Reader()),
        ('serve(lambda call: raw(b"no json"))', Reader()),
        ('serve(lambda call: raw(b\'{"nonce":"x","part":"\\xff"}\'))', Reader()),
    ],
    ids=["not asked for", "no outlet", "another's nonce", "no JSON", "no UTF-8"],
)
async def test_a_part_that_may_not_come_ends_the_sandbox(script, reader):
    async with loaded(script) as guard:
        reply = await guard.invoke(call(), None, reader)

        assert reply.error is not None
        assert (reply.error.type, guard.reusable) == (PROTOCOL_ERROR, False)
