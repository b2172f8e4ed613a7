"""Local time and the moments that it means: one, two where the clock is set back, none where it is set forward."""

import difflib
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, available_timezones

from nanogrid.errors import InvalidField

_MINUTE = timedelta(minutes=1)


def find_zone(name: str) -> tzinfo:
    """The time zone of that IANA name. Raises `InvalidField`, which names those that are written alike."""
    try:
        return UTC if name == "UTC" else ZoneInfo(name)
    except (KeyError, ValueError, OSError) as exc:
        alike = _alike(name)
        raise InvalidField(
            f"there is no time zone {name[:80]!r}.",
            path="$.timezone",
            hint=f"Did you mean {' or '.join(alike)}?" if alike else "Use an IANA name, such as Europe/Berlin.",
        ) from exc


def local_time(moment: datetime, zone: tzinfo) -> datetime:
    """What clocks show in the zone at the moment: naive."""
    return moment.astimezone(zone).replace(tzinfo=None)


def moments(local: datetime, zone: tzinfo) -> list[datetime]:
    """The moments at which clocks in the zone show this: none, one or two, earlier first."""
    both = {local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)}
    return sorted(moment for moment in both if local_time(moment, zone) == local)


def first_moment(local: datetime, zone: tzinfo) -> datetime:
    """The first moment at which clocks show this; where they never do, the one at which they have just skipped it."""
    while not (found := moments(local, zone)):
        local += _MINUTE
    return found[0]


def _alike(name: str) -> list[str]:
    """Zones whose whole name, or city, is written much like this."""
    zones = {zone.lower(): zone for zone in available_timezones()}
    cities = {zone.rpartition("/")[2]: zone for zone in zones if "/" in zone and not zone.startswith("etc/")}
    wanted = name.strip().lower().replace(" ", "_")[:80]
    close = difflib.get_close_matches(wanted, zones, n=2, cutoff=0.8)
    if not close:
        close = [cities[city] for city in difflib.get_close_matches(wanted, cities, n=2, cutoff=0.8)]
    return [zones[zone] for zone in close]
