"""What a runtime sends as files of a run is hostile: the guard takes what may come, and ends who sends what may not."""

import contextlib
import hashlib

import msgspec
import pytest
from msgspec import Raw

from nanogrid.clock import Clock
from nanogrid.errors import SandboxBroken, StoreUnavailable
from nanogrid.model import Artifact, ArtifactLimits
from nanogrid.ports import Invocation, Outlet
from nanogrid.sandbox.artifacts import Intake
from nanogrid.sandbox.failures import PROTOCOL_ERROR
from nanogrid.sandbox.guard import Guard
from nanogrid.wire import ArtifactHead
from process_cell import ProcessCell
from sample_function import FUNCTION

LIMITS = ArtifactLimits(count=3, file_bytes=10, total_bytes=15)
CALL = Invocation(run_id="run_1", attempt=1, input=Raw(b"null"), timeout_ms=30_000)
#: What scripted runtimes say beside what `process_cell` gives them.
SAY = """
def file(call, path, content, last=True, nonce=None):
    head = json.dumps({"nonce": nonce or call["nonce"], "path": path, "last": last}).encode() + b"\\n"
    stream.sendall(struct.pack(">IB", len(head) + len(content) + 1, 19) + head + content)
    receive()

"""


class Kept(Outlet):
    """Keeps in memory, or nothing at all where it is away."""

    def __init__(self, *, away=False):
        self.files = {}
        self.away = away

    async def keep(self, run_id, path, content):
        if self.away:
            raise StoreUnavailable("the disk is full.")
        self.files[path] = content
        return Artifact(path=path, size=len(content), sha256=hashlib.sha256(content).hexdigest())

    def wants_parts(self, run_id):
        return False

    async def part(self, run_id, part):
        raise AssertionError("nobody asked for parts")


def piece(path, content=b"", *, last=True, nonce="n"):
    return msgspec.json.encode(ArtifactHead(nonce=nonce, path=path, last=last)) + b"\n" + content


def intake():
    return Intake("run_1", "n", LIMITS)


@contextlib.asynccontextmanager
async def loaded(script, *, limits=LIMITS):
    async def unpacked(_digest):
        return None

    cell = ProcessCell.scripted(SAY + script)
    guard = Guard(cell, Clock(), unpacked, artifacts=limits)
    try:
        assert await guard.load(FUNCTION) is None
        yield guard
    finally:
        await guard.kill()


def test_pieces_become_files():
    took = intake()
    pieces = [piece("a", b"12", last=False), piece("a", b"3"), piece("b/c"), piece("d", bytes(10))]
    files = [took.take(one) for one in pieces]

    assert files == [None, ("a", b"123"), ("b/c", b""), ("d", bytes(10))]


@pytest.mark.parametrize(
    "path",
    [
        *("", "/etc/passwd", "../x", "a/../../x", "a//b", "a/", "./a", "a/.", "..", "."),
        *("new\nline", "\0", "escape\x1b[31m", "\x7f", "\x9b", "turned\u202etxt", "line\u2028end"),
        *("x" * 1025, "\u2603" * 342),
    ],
    ids=ascii,
)
def test_a_path_that_leads_elsewhere_or_misleads_is_refused(path):
    with pytest.raises(SandboxBroken):
        intake().take(piece(path))


@pytest.mark.parametrize(
    "pieces",
    [
        [piece("a", nonce="of another run")],
        [piece("a", bytes(11))],  # a file that is too large
        [piece("a", bytes(6), last=False), piece("a", bytes(6))],  # likewise, in pieces
        [piece("a", bytes(8)), piece("b", bytes(8))],  # too much in all
        [piece(name) for name in "abcd"],  # too many
        [piece("a"), piece("a")],  # twice
        [piece("a", last=False), piece("b")],  # another before the one is complete
        [b"no head"],
        [b"{}\n"],
        [b"\xff\n"],
        [piece("a")[:-1]],  # no line's end
        [b" " * 10_000 + piece("a")],
        [b'{"nonce":"n","path":"\\ud800","last":true}\n'],
    ],
)
def test_what_may_not_come_is_refused(pieces):
    took = intake()
    for one in pieces[:-1]:
        took.take(one)

    with pytest.raises(SandboxBroken):
        took.take(pieces[-1])


async def test_files_are_kept_before_the_answer_and_named_in_it():
    script = """
def handler(call):
    file(call, "a", b"12", last=False)
    file(call, "a", b"3")
    file(call, "b", b"")
    return {"output": "done"}
serve(handler)
"""
    outlet = Kept()
    async with loaded(script) as guard:
        replies = [await guard.invoke(CALL, None, outlet), await guard.invoke(CALL, None, outlet)]

    assert outlet.files == {"a": b"123", "b": b""}
    assert [[one.path for one in reply.artifacts] for reply in replies] == [["a", "b"]] * 2
    assert (replies[0].output, guard.reusable) == (Raw(b'"done"'), False)


async def test_without_an_outlet_files_are_thrown_away():
    async with loaded('serve(lambda call: file(call, "a", b"1"))') as guard:
        reply = await guard.invoke(CALL)

        assert (reply.error, reply.artifacts, guard.reusable) == (None, [], True)


@pytest.mark.parametrize("limits", [LIMITS, None], ids=["too large", "not asked for"])
async def test_who_sends_what_may_not_come_is_ended(limits):
    async with loaded('serve(lambda call: file(call, "a", bytes(11)))', limits=limits) as guard:
        reply = await guard.invoke(CALL, None, Kept())

        assert reply.error is not None
        assert reply.error.type == PROTOCOL_ERROR
        assert not guard.reusable


async def test_files_without_end_are_over_at_the_time_out():
    script = """
def handler(call):
    while True:
        file(call, "a", b"", last=False)
serve(handler)
"""
    async with loaded(script) as guard:
        reply = await guard.invoke(
            Invocation(run_id="run_1", attempt=1, input=Raw(b"null"), timeout_ms=300), None, Kept()
        )

    assert reply.error is not None
    assert reply.error.kind == "timed_out"


async def test_a_store_that_is_away_is_the_platforms_failure_and_ends_the_sandbox():
    async with loaded('serve(lambda call: file(call, "a", b"1"))') as guard:
        with pytest.raises(StoreUnavailable):
            await guard.invoke(CALL, None, Kept(away=True))

        assert not guard.reusable
