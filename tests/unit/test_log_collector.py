"""The log collector: everything is read, a bounded part is kept, and nobody waits for it."""

import asyncio
import os
from typing import Self

import pytest

from nanogrid.sandbox.logs import LogCollector
from waiting import until


class Pipe:
    """A collector, and the write end of its pipe in the test's hand."""

    def __init__(self, **options: int) -> None:
        read_end, self.write_end = os.pipe()
        os.set_blocking(read_end, False)
        self.collector = LogCollector(read_end, **options)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.collector.close()
        os.close(self.write_end)

    def write(self, data: bytes) -> None:
        os.write(self.write_end, data)

    async def flood(self, size: int) -> None:
        """Write from a thread, as a process would: blocked by a full pipe."""

        def run() -> None:
            left = size
            while left:
                left -= os.write(self.write_end, b"x" * min(left, 65536))

        await asyncio.to_thread(run)


async def test_a_run_that_wrote_nothing_has_no_logs():
    with Pipe() as pipe:
        pipe.collector.begin(None)
        logs = pipe.collector.take()

    assert (logs.text, logs.truncated) == ("", False)


async def test_what_is_still_in_the_pipe_belongs_to_the_run():
    with Pipe() as pipe:
        pipe.collector.begin(None)
        pipe.write(b"hello\n")
        logs = pipe.collector.take()

    assert logs.text == "hello\n"


async def test_what_is_written_between_runs_belongs_to_the_later_one():
    with Pipe() as pipe:
        pipe.write(b"one")
        first = pipe.collector.take()
        pipe.write(b"between")
        pipe.collector.begin(None)
        pipe.write(b", two")
        second = pipe.collector.take()

    assert (first.text, second.text) == ("one", "between, two")


async def test_the_sink_gets_every_piece_and_first_what_was_written_before():
    pieces: list[bytes] = []
    with Pipe() as pipe:
        pipe.write(b"import")
        pipe.collector._drain()
        pipe.collector.begin(pieces.append)
        pipe.write(b"run")
        pipe.collector.take()
        pipe.write(b"later")
        pipe.collector.take()

    assert pieces == [b"import", b"run"]


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("snowman ☃ \U0001f600".encode(), "snowman ☃ \U0001f600"),
        (b"nul \0 bell \a escape \x1b[31m", "nul \0 bell \a escape \x1b[31m"),
        (b"not \xff\xfe UTF-8", "not \ufffd\ufffd UTF-8"),
    ],
)
async def test_any_bytes_become_text(written, text):
    with Pipe() as pipe:
        pipe.write(written)
        logs = pipe.collector.take()

    assert logs.text == text


async def test_a_run_that_fills_its_share_exactly_is_kept_whole():
    with Pipe(keep=20) as pipe:
        pipe.write(b"0123456789abcdefghij")
        logs = pipe.collector.take()

    assert (logs.text, logs.truncated) == ("0123456789abcdefghij", False)


async def test_too_much_keeps_head_and_tail_and_says_how_much_is_missing():
    with Pipe(keep=10) as pipe:
        pipe.write(b"first" + b"." * 1000 + b"final")
        logs = pipe.collector.take()

    assert logs.text == "first\n[1000 bytes are missing here: a run keeps the first and the last 5]\nfinal"
    assert logs.truncated


async def test_a_flood_is_read_to_its_end_and_little_of_it_kept():
    with Pipe() as pipe:
        pipe.collector.begin(None)
        await pipe.flood(50_000_000)
        held = len(pipe.collector._head) + len(pipe.collector._tail)
        logs = pipe.collector.take()

    assert held <= 3 * 128 * 1024
    assert logs.truncated
    assert 256 * 1024 < len(logs.text) < 256 * 1024 + 200


async def test_a_new_run_begins_with_an_empty_book():
    with Pipe(keep=10) as pipe:
        pipe.write(b"x" * 100)
        pipe.collector.take()
        pipe.write(b"y")
        logs = pipe.collector.take()

    assert (logs.text, logs.truncated) == ("y", False)


async def test_a_function_that_closes_its_output_costs_nothing():
    with Pipe() as pipe:
        pipe.write(b"last words")
        os.close(pipe.write_end)
        pipe.write_end = os.open(os.devnull, os.O_WRONLY)
        await until(lambda: not pipe.collector._armed)
        logs = pipe.collector.take()

    assert logs.text == "last words"


async def test_what_was_written_can_be_taken_after_the_close():
    with Pipe() as pipe:
        pipe.write(b"post mortem")
        pipe.collector.close()
        pipe.collector.close()
        logs = pipe.collector.take()

    assert logs.text == "post mortem"
