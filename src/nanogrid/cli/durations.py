"""Durations as people type them."""

import re

import typer

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)?")
_UNIT_MS = {"ms": 1, "s": 1000, None: 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def duration_ms(text: str) -> int:
    """The duration in milliseconds; a bare number is seconds. Raises `typer.BadParameter`."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise typer.BadParameter(f"{text!r} is no duration; write 30, 500ms, 2m or 1h.")
    return round(float(match[1]) * _UNIT_MS[match[2]])


def in_words(ms: float) -> str:
    """The duration in the largest unit that is not too coarse for it, such as 3 h or 90 min."""
    seconds = ms / 1000
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size or seconds == size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
