"""Where a warm run's time in the server goes, step by step: a profile of a grid in this process, asked by one client.

Profiling makes Python dearer than C, so the steps' shares are told of the time that a run takes without it.
"""

import cProfile
import pstats
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Annotated

import typer
import uvloop
from instrument.bench import NO_OP, NO_OP_ANSWER
from instrument.generator import Generator
from instrument.report import write_between
from instrument.standings import markdown

from nanogrid import config
from nanogrid.bootstrap import open_grid
from nanogrid.cli.load import Target, make_target
from nanogrid.client import AsyncClient

_DOCS = Path(__file__).parent.parent / "docs" / "performance.md"
#: By the name of a function in C, or a part of a path: the first that fits.
_STEPS = (
    ("'send' of '_socket", "system calls: order to the sandbox"),
    ("'recv' of '_socket", "system calls: answer of the sandbox"),
    ("ioctl", "system calls: anything in the log pipe?"),
    ("urandom", "system calls: chance for ids and nonces"),
    ("write_whole", "system calls: answer to the client"),
    ("nanogrid/gateway/", "gateway: HTTP"),
    ("prometheus_client", "gateway: HTTP"),
    ("nanogrid/api/", "API: token, body, answer"),
    ("nanogrid/key_ring", "API: token, body, answer"),
    ("nanogrid/dispatcher", "dispatcher and worker"),
    ("nanogrid/worker/", "dispatcher and worker"),
    ("nanogrid/identifiers", "dispatcher and worker"),
    ("nanogrid/observe", "dispatcher and worker"),
    ("nanogrid/backends/", "registry, run store, bus, history"),
    ("nanogrid/sandbox/pool", "pool"),
    ("nanogrid/sandbox/inventory", "pool"),
    ("nanogrid/sandbox/ledger", "pool"),
    ("nanogrid/sandbox/shelves", "pool"),
    ("nanogrid/sandbox/", "sandbox: order, answer, logs, time-out"),
    ("nanogrid/wire", "sandbox: order, answer, logs, time-out"),
)
_REST = "asyncio and what else there is"
_LOOP = "event loop in C: waiting, reading, waking"

_Key = tuple[str, int, str]


async def measure(seconds: float) -> tuple[float, dict[str, float]]:
    """What a run takes of the event loop's thread, in microseconds; and of that, each step."""
    with tempfile.TemporaryDirectory(prefix="nanogrid-where-") as folder:
        async with open_grid(config.load({}, {"data": folder, "port": 0})) as started:
            async with AsyncClient(started.url, started.token, environ={}) as client:
                await client.deploy(NO_OP, name="noop")
            body = b'{"functionId":"noop","input":{}}'
            headers = {"Authorization": f"Bearer {started.token}"}
            target = make_target(f"{started.url}/run", body, headers, expect=(NO_OP_ANSWER,))
            await _drive(target, 1.0)
            run_us, _ = await _drive(target, seconds)
            profile = cProfile.Profile(time.thread_time)
            profile.enable()
            profiled_us, runs = await _drive(target, seconds)
            profile.disable()
    return run_us, _steps(profile, runs, profiled_us, run_us)


async def _drive(target: Target, seconds: float) -> tuple[float, int]:
    before = time.thread_time()
    answers = await Generator(cpus=None, wrk=None).closed(target, clients=1, seconds=seconds)
    return (time.thread_time() - before) / answers.answers * 1e6, answers.answers


def _steps(profile: cProfile.Profile, runs: int, profiled_us: float, run_us: float) -> dict[str, float]:
    spent: dict[str, float] = defaultdict(float)
    for key, (_, _, own_s, _, callers) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        step = _step(key)
        if step is None and callers:
            # A function in C belongs to whoever called it.
            for caller, (*_, share_s, _) in callers.items():
                spent[_step(caller) or _REST] += share_s
        else:
            spent[step or _REST] += own_s
    shares = {step: seconds / runs * 1e6 / profiled_us for step, seconds in spent.items()}
    shares[_LOOP] = max(0.0, 1 - sum(shares.values()))
    return {step: share * run_us for step, share in sorted(shares.items(), key=lambda item: -item[1])}


def _step(key: _Key) -> str | None:
    place = f"{key[0]}:{key[2]}"
    return next((step for part, step in _STEPS if part in place), None)


def main(
    *,
    seconds: Annotated[float, typer.Option(min=1, help="How long to profile.")] = 10.0,
    write_docs: Annotated[bool, typer.Option("--write-docs", help="Write the table of the docs.")] = False,
) -> None:
    """Profile, and print the steps."""
    run_us, steps = uvloop.run(measure(seconds))
    lines = [[step, f"{us:.0f} us", f"{us / run_us:.0%}"] for step, us in steps.items() if us >= 1]
    shown = markdown(["step", "of each run", "share"], [*lines, ["all", f"{run_us:.0f} us", ""]])
    print(shown)
    if write_docs:
        write_between(_DOCS, "where", shown)


if __name__ == "__main__":
    typer.run(main)
