"""A 202 means "on disk": seen from outside, by what the server asks of the kernel, and in which order."""

import asyncio
import re
import shutil

import pytest

from flow_steps import deploy, ended, http, run
from grid import started_grid

RUNS = 24
#: One page of SQLite and its frame: where a run's id is in what is written.
SHOWN_BYTES = 8192
CALL = re.compile(r"^(?P<pid>\d+) +(?P<name>\w+)\((?P<rest>.*)$")
GOES_ON = re.compile(r"^(?P<pid>\d+) +<\.\.\. (?P<name>\w+) resumed>")
WAL = "nanogrid.db-wal>"


@pytest.fixture
def strace():
    found = shutil.which("strace")
    if found is None:
        pytest.skip("strace is not installed")
    return found


class Trace:
    """System calls in the order they began, with where each had ended."""

    def __init__(self, lines):
        self.calls = []
        self._open = {}
        for number, line in enumerate(lines):
            if match := CALL.match(line):
                call = {"name": match["name"], "text": match["rest"], "began": number, "done": number}
                self.calls.append(call)
                if line.rstrip().endswith("<unfinished ...>"):
                    self._open[match["pid"], match["name"]] = call
            elif (match := GOES_ON.match(line)) and (call := self._open.pop((match["pid"], match["name"]), None)):
                call["done"] = number

    def written(self, run_id, mark, before):
        """Where the log got a page with the run's id and that mark, the last time before that line."""
        pages = (call for call in self.calls if call["name"] == "pwrite64" and WAL in call["text"])
        return [
            page["done"] for page in pages if run_id in page["text"] and mark in page["text"] and page["done"] < before
        ]

    def synced(self, after, before):
        """Whether the log was brought to disk, wholly between these lines."""
        syncs = (call for call in self.calls if call["name"] == "fdatasync" and WAL in call["text"])
        return any(after < sync["began"] and sync["done"] < before for sync in syncs)

    def answered(self, run_id):
        """Where the 202 for that run began to be sent."""
        sent = (call for call in self.calls if call["name"] in ("write", "writev", "sendto", "sendmsg"))
        return next(call["began"] for call in sent if "HTTP/1.1 202" in call["text"] and run_id in call["text"])


async def whole(out, pid):
    """What strace wrote, when it has seen the process end: it writes on for a moment."""
    # A short process id is padded with blanks.
    end = re.compile(rf"^{pid} +\+\+\+ (exited|killed)", re.MULTILINE)
    while not end.search(text := out.read_text(errors="replace")):  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    return text


async def test_every_202_follows_the_sync_of_the_log_that_holds_its_run_and_its_task(strace, tmp_path):
    out = tmp_path / "trace"
    watched = "trace=pwrite64,fdatasync,write,writev,sendto,sendmsg"
    wrapper = (strace, "-D", "-f", "-y", "-s", str(SHOWN_BYTES), "-e", watched, "-e", "signal=none", "-o", str(out))
    async with started_grid("--sandbox", "process", wrapper=wrapper) as grid, http(grid) as client:
        await deploy(client, "hello", "def handler(event, context):\n    return event\n")
        answers = [await run(client, "hello", n, Prefer="respond-async") for n in range(RUNS // 2)]
        answers += await asyncio.gather(
            *(run(client, "hello", n, Prefer="respond-async", **{"Idempotency-Key": str(n)}) for n in range(RUNS // 2))
        )
        ids = [answer.json()["runId"] for answer in answers]
        await asyncio.gather(*(ended(client, run_id) for run_id in ids))
        server = grid.pid
    text = await whole(out, server)
    trace = Trace(text.splitlines())
    late = []
    for run_id in ids:
        answered = trace.answered(run_id)
        for mark in ("createdAt", "enqueuedAt"):  # of the run, and of its task
            pages = trace.written(run_id, mark, answered)
            if not pages or not trace.synced(pages[0], answered):
                late.append((run_id, mark))

    assert [answer.status_code for answer in answers] == [202] * RUNS
    assert late == []
