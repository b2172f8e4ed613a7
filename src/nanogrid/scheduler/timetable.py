"""When a schedule is due: an expression of cron's, or an interval, read in a time zone.

The library parses and walks cron's fields over naive local times; which moments these mean is decided here, as Debian's
cron decides it, with two kinds of expression:

1. Minute or hour is a wildcard (`*/5 * * * *`): it is due whenever a clock on the wall would show a match. An hour
   that comes twice counts twice, one that never comes does not count.
2. Both are fixed (`30 2 * * *`): it is due once for each local time. One that comes twice counts the first time; one
   that never comes counts when the clock has just skipped it.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import pairwise

from cronsim import CronSim, CronSimError

from nanogrid.errors import InvalidField
from nanogrid.scheduler.zones import find_zone, first_moment, local_time, moments

_NICKNAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_EVERY = re.compile(r"every (?:(?P<count>[0-9]{1,6}) ?)?(?P<unit>m|h|d|minutes?|hours?|days?)", re.IGNORECASE)
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
_LONGEST = timedelta(days=366)
_FIELDS = 5
_HINT = "Write five fields of cron such as '0 7 * * MON-FRI', @hourly, @daily, or 'every 5 minutes'."
#: No clock is set further back than this, and nobody sets it twice within.
_NEARBY = (timedelta(hours=-3), timedelta(0), timedelta(hours=3))
#: The parser looks for a match in local times from here on.
_SOME_DAY = datetime(2000, 1, 1)  # noqa: DTZ001 - local times are naive
_DAY_MINUTES = 24 * 60


class Timetable:
    """The due times of one expression in one zone."""

    def __init__(self, expression: str, timezone: str, *, anchor: datetime) -> None:
        """Intervals count from the minute of `anchor`. Raises `InvalidField` for what is no expression or zone."""
        self._zone: tzinfo = find_zone(timezone)
        self._anchor = anchor.astimezone(UTC).replace(second=0, microsecond=0)
        self._every = _interval(expression)
        self._cron = "" if self._every else _cron(expression)

    def next_after(self, moment: datetime) -> datetime:
        """The first due time after the moment, in UTC."""
        moment = moment.astimezone(UTC)
        if self._every is not None:
            return self._anchor + ((moment - self._anchor) // self._every + 1) * self._every
        return self._fixed(moment) if self._is_fixed else self._wild(moment)

    def between(self, first: datetime, last: datetime) -> Iterator[datetime]:
        """The due times from the due time `first` on, up to and including `last`."""
        due = first
        while due <= last:
            yield due
            due = self.next_after(due)

    def latest(self, first: datetime, last: datetime, most: int) -> list[datetime]:
        """The latest `most` of these due times, oldest first, however many there are."""
        span = timedelta(hours=1)
        while True:
            begin = max(first, self.next_after(last - span))
            found = list(self.between(begin, last))
            if len(found) >= most or begin == first:
                return found[-most:]
            span *= 4

    @property
    def shortest_gap(self) -> timedelta:
        """The shortest time between two due times, clock changes aside."""
        if self._every is not None:
            return self._every
        cron = CronSim(self._cron, _SOME_DAY)
        times = sorted(hour * 60 + minute for hour in cron.hours for minute in cron.minutes)
        # The last of one day and the first of the next: days in a row, or so we must assume.
        gaps = [later - earlier for earlier, later in pairwise([*times, times[0] + _DAY_MINUTES])]
        return timedelta(minutes=min(gaps))

    @property
    def description(self) -> str:
        """The expression in words."""
        if self._every is None:
            return CronSim(self._cron, _SOME_DAY).explain()
        count, unit = next((self._every // size, name) for name, size in _PARTS if self._every % size == timedelta(0))
        return f"Every {unit}" if count == 1 else f"Every {count} {unit}s"

    @property
    def _is_fixed(self) -> bool:
        minute, hour = self._cron.split()[:2]
        return not minute.startswith("*") and not hour.startswith("*")

    def _fixed(self, moment: datetime) -> datetime:
        # Local times grow, and so do the moments that each counts at: the first one after is the next.
        for local in CronSim(self._cron, local_time(moment, self._zone) - self._shift(moment)):
            if (due := first_moment(local, self._zone)) > moment:
                return due
        raise _never(self._cron)

    def _wild(self, moment: datetime) -> datetime:
        # Where the clock is set back nearby, a later local time may come at an earlier moment: look at all of them.
        now, shift = local_time(moment, self._zone), self._shift(moment)
        found: list[datetime] = []
        for local in CronSim(self._cron, now - shift):
            if found and local > now + shift:
                break
            found += [due for due in moments(local, self._zone) if due > moment]
            if found and not shift:
                break
        if not found:
            raise _never(self._cron)
        return min(found)

    def _shift(self, moment: datetime) -> timedelta:
        """By how much the clock is changed nearby; mostly not at all."""
        near = [(moment + side).astimezone(self._zone).utcoffset() or timedelta(0) for side in _NEARBY]
        return max(near) - min(near)


_PARTS = (("day", _UNITS["d"]), ("hour", _UNITS["h"]), ("minute", _UNITS["m"]))


def tidy(expression: str) -> str:
    """The expression with single spaces."""
    return " ".join(expression.split())


def _interval(expression: str) -> timedelta | None:
    """How long `every …` is; None for another expression."""
    text = tidy(expression)
    if not text.lower().startswith("every"):
        return None
    match = _EVERY.fullmatch(text)
    every = int(match["count"] or 1) * _UNITS[match["unit"][0].lower()] if match else timedelta(0)
    if not timedelta(0) < every <= _LONGEST:
        raise InvalidField(
            f"{text[:80]!r} is no interval.",
            path="$.expression",
            hint="Write 'every 5 minutes', 'every hour' or 'every 2 days': a minute at least, a year at most.",
        )
    return every


def _cron(expression: str) -> str:
    """Five fields that can be walked. Raises `InvalidField`."""
    text = tidy(expression)
    cron = _NICKNAMES.get(text.lower(), text)
    if len(cron.split()) != _FIELDS:
        raise InvalidField(f"{text[:80]!r} is no schedule.", path="$.expression", hint=_HINT)
    try:
        next(CronSim(cron, _SOME_DAY))
    except CronSimError as exc:
        wrong = str(exc).removeprefix("Bad ")
        raise InvalidField(f"the {wrong} of {text[:80]!r} is impossible.", path="$.expression", hint=_HINT) from exc
    except (StopIteration, ValueError, AssertionError) as exc:
        raise _never(text) from exc
    return cron


def _never(expression: str) -> InvalidField:
    return InvalidField(f"{expression[:80]!r} is never due.", path="$.expression", hint=_HINT)
