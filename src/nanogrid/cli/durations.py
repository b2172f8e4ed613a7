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
