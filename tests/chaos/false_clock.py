"""Clocks that lie, by faketime: one that jumps for a while, and one that goes too fast or too slow from its start."""

import os
from pathlib import Path

FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")
#: Under faketime 0.9.10 a sleep until a moment of the monotonic clock, as CPython does it, fails with EINVAL.
_SLEEPS = """
import select, time
time.sleep = lambda seconds: select.select([], [], [], seconds)
"""


def jumping(folder: Path, offset: Path) -> dict[str, str]:
    """The environment of a process whose time of day is as the file `offset` says at each moment, such as `+1h`."""
    offset.write_text("+0")
    return _faked(folder) | {
        "FAKETIME_TIMESTAMP_FILE": str(offset),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


def drifting(folder: Path, rate: float) -> dict[str, str]:
    """The environment of a process all of whose clocks go at that rate, the monotonic one as well."""
    return _faked(folder) | {"FAKETIME": f"+0 x{rate}"}


def _faked(folder: Path) -> dict[str, str]:
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(_SLEEPS)
    path = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {"PYTHONPATH": os.pathsep.join(path), "LD_PRELOAD": str(FAKETIME)}
