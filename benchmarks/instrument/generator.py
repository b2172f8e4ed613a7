"""The load generator: a process of its own, so that nothing of the orchestration disturbs it.

`python -m instrument.generator` reads an `Order` from stdin and prints `Answers`. Where wrk is on PATH, it drives the
closed loops instead: it leaves more of the machine to the server. wrk fills up its percentiles with the requests that
a slow answer kept it from sending; ours are as measured.
"""

import asyncio
import json
import math
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec
import uvloop

from instrument.listed_loop import ListedLoop
from instrument.machine import on_cpus
from instrument.open_loop import OpenLoop, poisson, precise_loop, steady
from nanogrid.cli.load import Tally, Target, closed_loop
from nanogrid.model import Record

HERE = Path(__file__).parent
_PATIENCE_S = 300.0
_OK = 200
_WRK_FILES = ("body", "headers", "expected")


class GeneratorFailed(Exception):
    """Raised when a load could not be driven to its end: a connection was refused or broken."""


class Order(Record, frozen=True, kw_only=True):
    """One load."""

    #: closed: `clients` that wait for answers; poisson, steady: arrivals at `rate`; list: every target once.
    kind: Literal["closed", "poisson", "steady", "list"]
    targets: list[Target]
    #: For arrivals: how many may be under way.
    clients: int = 1
    seconds: float = 0.0
    #: For lists: how long a client rests before its next request.
    pause_s: float = 0.0
    #: Arrivals in a second.
    rate: float = 0.0
    seed: int = 1


class Answers(Record, frozen=True, kw_only=True):
    """What came back. Times are in microseconds; NaN is None."""

    generator: str
    answers: int
    seconds: float
    p50_us: float | None
    p99_us: float | None
    p999_us: float | None
    wrong: int = 0
    first_wrong: str = ""
    #: How late the generator itself was, where it has a timetable: 99 % were sent within this.
    late_p99_us: float | None = None

    @property
    def rate(self) -> float:
        """Right answers in a second."""
        return self.answers / self.seconds if self.seconds else 0.0


class Generator:
    """Drives loads from chosen processors."""

    def __init__(self, *, cpus: frozenset[int] | None, wrk: str | None) -> None:
        """`wrk` is where it is, None to do without."""
        self._cpus = cpus
        self._wrk = wrk

    async def closed(self, target: Target, *, clients: int, seconds: float) -> Answers:
        """So many clients, each waiting for its answer before it sends again."""
        order = Order(kind="closed", targets=[target], clients=clients, seconds=seconds)
        if self._wrk is None or target.status != _OK:
            return await self._own(order)
        return await self._by_wrk(self._wrk, order)

    async def warm_up(self, target: Target, *, clients: int, seconds: float) -> None:
        """As `closed`, for its effect on the server only. Raises `GeneratorFailed` where an answer is wrong."""
        answers = await self._own(Order(kind="closed", targets=[target], clients=clients, seconds=seconds))
        if answers.wrong:
            raise GeneratorFailed(
                f"{answers.wrong} answers were wrong in the warm-up; the first: {answers.first_wrong}"
            )

    async def arrivals(
        self, target: Target, *, kind: Literal["poisson", "steady"], rate: float, seconds: float
    ) -> Answers:
        """Arrivals at a rate, whether or not answers come; latency counts from the moment that each was due."""
        return await self._own(Order(kind=kind, targets=[target], clients=256, seconds=seconds, rate=rate))

    async def listed(self, targets: list[Target], *, clients: int, pause_s: float = 0.0) -> Answers:
        """Every target once, by so many clients, who rest for the pause before each further one."""
        return await self._own(Order(kind="list", targets=targets, clients=clients, pause_s=pause_s))

    async def _own(self, order: Order) -> Answers:
        arguments = [sys.executable, "-m", "instrument.generator"]
        output = await self._call(arguments, stdin=msgspec.json.encode(order))
        return msgspec.json.decode(output, type=Answers)

    async def _by_wrk(self, wrk: str, order: Order) -> Answers:
        with tempfile.TemporaryDirectory(prefix="nanogrid-wrk-") as folder:
            files = _wrk_files(order.targets[0], Path(folder))
            options = ["-t1", f"-c{order.clients}", f"-d{math.ceil(order.seconds)}", "-s", str(HERE / "checked.lua")]
            output = await self._call([wrk, *options, _url(order.targets[0]), "--", *files])
        return _read_wrk(output)

    async def _call(self, arguments: list[str], stdin: bytes = b"") -> bytes:
        with on_cpus(self._cpus):
            process = await asyncio.create_subprocess_exec(
                *arguments,
                cwd=HERE.parent,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
        output, errors = await process.communicate(stdin)
        if process.returncode:
            raise GeneratorFailed(f"{arguments[0]} ended with {process.returncode}: {errors.decode()[-500:].strip()}")
        return output


def find_wrk() -> str | None:
    """Where wrk is, if it is there."""
    return shutil.which("wrk")


def _wrk_files(target: Target, folder: Path) -> list[str]:
    """Body, headers and what is expected, as files: arguments could be read by everybody."""
    head, _, body = target.request.partition(b"\r\n\r\n")
    headers = head.split(b"\r\n")[1:]
    for name, content in zip(
        _WRK_FILES,
        (body, b"".join(line + b"\n" for line in headers), b"".join(part + b"\n" for part in target.expect)),
        strict=True,
    ):
        (folder / name).write_bytes(content)
    return [str(folder / name) for name in _WRK_FILES]


def _url(target: Target) -> str:
    path = target.request.split(b" ", 2)[1].decode()
    return f"http://{target.host}:{target.port}{path}"


def _read_wrk(output: bytes) -> Answers:
    said = json.loads(output.strip().rpartition(b"\n")[2])
    wrong = said["wrong"] + said["lost"]
    return Answers(
        generator="wrk",
        answers=said["answers"] - said["wrong"],
        seconds=said["seconds"],
        p50_us=said["p50"],
        p99_us=said["p99"],
        p999_us=said["p999"],
        wrong=wrong,
        first_wrong=said["first"] or (f"{said['lost']} connections were lost" if said["lost"] else ""),
    )


def summary(tally: Tally, *, late: Tally | None = None) -> Answers:
    """A tally's figures."""

    def percentile(percent: float) -> float | None:
        return round(tally.percentile(percent) * 1e6, 1) if tally.latencies else None

    return Answers(
        generator="own",
        answers=len(tally.latencies),
        seconds=tally.seconds,
        p50_us=percentile(50),
        p99_us=percentile(99),
        p999_us=percentile(99.9),
        wrong=tally.wrong,
        first_wrong=tally.first_wrong,
        late_p99_us=round(late.percentile(99) * 1e6, 1) if late and late.latencies else None,
    )


async def _drive(order: Order) -> Answers:
    if order.kind == "closed":
        return summary(await closed_loop(order.targets[0], clients=order.clients, seconds=order.seconds))
    if order.kind == "list":
        listed = ListedLoop(order.targets, pause_s=order.pause_s)
        return summary(await listed.run(order.clients, patience_s=_PATIENCE_S))
    loop = OpenLoop(order.targets[0], connections=order.clients)
    await loop.run(_timetable(order), order.seconds)
    return summary(loop.tally, late=loop.lateness)


def _timetable(order: Order) -> Iterator[float]:
    if order.kind == "poisson":
        return poisson(order.rate, order.seconds, order.seed)
    return steady(order.rate, order.seconds)


def main() -> None:
    """Do what stdin orders."""
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    factory = precise_loop if order.kind in ("poisson", "steady") else uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        answers = runner.run(_drive(order))
    sys.stdout.buffer.write(msgspec.json.encode(answers) + b"\n")


if __name__ == "__main__":
    main()
