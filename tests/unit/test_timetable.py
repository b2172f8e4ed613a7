"""When schedules are due: against an oracle that asks every minute what a clock on the wall shows."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nanogrid.errors import InvalidField
from nanogrid.scheduler.timetable import Timetable

START = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)

#: A zone and the date of a change of its clocks: forward, back, by half an hour, at midnight, by a law of this decade.
CHANGES = [
    ("Europe/Berlin", datetime(2026, 3, 29, tzinfo=UTC)),
    ("Europe/Berlin", datetime(2026, 10, 25, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 3, 8, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 11, 1, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 4, 5, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 10, 4, tzinfo=UTC)),
    ("America/Havana", datetime(2026, 3, 8, tzinfo=UTC)),
    ("America/Havana", datetime(2026, 11, 1, tzinfo=UTC)),
    ("Africa/Cairo", datetime(2026, 4, 24, tzinfo=UTC)),
    ("Antarctica/Troll", datetime(2026, 3, 29, tzinfo=UTC)),
    ("Antarctica/Troll", datetime(2026, 10, 25, tzinfo=UTC)),
    ("Europe/Kyiv", datetime(2026, 10, 25, tzinfo=UTC)),
    ("America/Juneau", datetime(2026, 6, 1, tzinfo=UTC)),
    ("Asia/Kolkata", datetime(2026, 6, 1, tzinfo=UTC)),
    ("UTC", datetime(2026, 3, 29, tzinfo=UTC)),
]


def matches(field, value):
    """Whether one field of numbers, lists, ranges, stars and steps has the value."""
    for term in field.split(","):
        span, _, step = term.partition("/")
        low, _, high = span.partition("-")
        if span == "*":
            low, high = 0, 59
        first, last = int(low), int(high or (59 if step else low))
        if value in range(first, last + 1, int(step or 1)):
            return True
    return False


def oracle(expression, zone, begin, end):
    """Every due time in (begin, end], by asking each minute; minutes and hours only, every day."""
    minute, hour = expression.split()[:2]
    zone = ZoneInfo(zone)
    wild = minute.startswith("*") or hour.startswith("*")

    def due(local):
        return matches(minute, local.minute) and matches(hour, local.hour)

    found, at = set(), begin.replace(second=0) - timedelta(hours=4)
    shown, last = set(), (at - MINUTE).astimezone(zone).replace(tzinfo=None)
    while at <= end:
        local = at.astimezone(zone).replace(tzinfo=None)
        if wild:
            if due(local):
                found.add(at)
        else:
            # What the clock has skipped is made up for now; what it shows again has been.
            passed, skipped = local, []
            while passed > last + MINUTE:
                passed -= MINUTE
                skipped.append(passed)
            if any(due(time) for time in skipped) or (due(local) and local not in shown):
                found.add(at)
            shown.add(local)
        last, at = local, at + MINUTE
    return sorted(time for time in found if begin < time <= end)


def numbers(most):
    return st.lists(st.integers(0, most), min_size=1, max_size=3).map(lambda found: ",".join(map(str, found)))


def fields(most, steps):
    ranges = st.tuples(st.integers(0, most), st.integers(0, most)).map(lambda two: f"{min(two)}-{max(two)}")
    return st.one_of(numbers(most), ranges, st.just("*"), st.sampled_from(steps).map(lambda step: f"*/{step}"))


@settings(max_examples=100, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    minute=fields(59, [5, 7, 15, 20, 30]),
    # Around the changes.
    hour=st.one_of(fields(23, [2, 3, 6]), st.sampled_from(["0", "1", "2", "3", "1,2", "2,3", "0-3"])),
    change=st.sampled_from(CHANGES),
    offset=st.integers(-60 * 60, 60 * 60),
)
def test_due_times_are_those_of_a_clock_on_the_wall(minute, hour, change, offset):
    zone, day = change
    begin = day + timedelta(seconds=offset * 10)
    end = begin + timedelta(hours=16)
    timetable = Timetable(f"{minute} {hour} * * *", zone, anchor=START)

    found, due = [], timetable.next_after(begin)
    while due <= end:
        found.append(due)
        due = timetable.next_after(due)

    assert found == oracle(f"{minute} {hour} * * *", zone, begin, end)


@settings(max_examples=60, derandomize=True, deadline=None)
@given(
    expression=st.sampled_from(["* * * * *", "*/20 1-3 * * *", "30 2 * * *", "every 7 minutes", "0 0 1 * *"]),
    change=st.sampled_from(CHANGES),
    minutes=st.integers(0, 5000),
    most=st.integers(1, 120),
)
def test_the_latest_of_many_are_the_end_of_all(expression, change, minutes, most):
    zone, day = change
    timetable = Timetable(expression, zone, anchor=START)
    first = timetable.next_after(day - timedelta(days=1))
    last = first + minutes * MINUTE

    assert timetable.latest(first, last, most) == list(timetable.between(first, last))[-most:]


@pytest.mark.parametrize(
    ("expression", "zone", "after", "due"),
    [
        # On the day when 02:30 does not exist it is due when the clock has skipped it, at 03:00 summer time.
        ("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00Z", ["2026-03-29T01:00Z", "2026-03-30T00:30Z"]),
        # On the day when 02:30 comes twice it is due the first time.
        ("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00Z", ["2026-10-25T00:30Z", "2026-10-26T01:30Z"]),
        # Whoever asks in the second of the two is not told of the first again.
        ("30 2 * * *", "Europe/Berlin", "2026-10-25T01:15Z", ["2026-10-26T01:30Z"]),
        # Hours that come twice count twice, for an hourly one.
        ("0 * * * *", "Europe/Berlin", "2026-10-24T23:30Z", ["2026-10-25T00:00Z", "2026-10-25T01:00Z"]),
        # Seven in the morning is seven in the morning, whatever the clock did at night.
        ("0 7 * * *", "America/New_York", "2026-03-07T13:00Z", ["2026-03-08T11:00Z", "2026-03-09T11:00Z"]),
        ("0 7 * * MON-FRI", "UTC", "2026-01-02T08:00Z", ["2026-01-05T07:00Z"]),
        # Both days are given: either will do.
        ("0 0 13 * FRI", "UTC", "2026-01-08T00:00Z", ["2026-01-09T00:00Z", "2026-01-13T00:00Z"]),
        ("0 0 L * *", "UTC", "2026-02-01T00:00Z", ["2026-02-28T00:00Z", "2026-03-31T00:00Z"]),
        ("0 9 * * MON#2", "UTC", "2026-01-01T00:00Z", ["2026-01-12T09:00Z"]),
        ("0 0 29 2 *", "UTC", "2026-01-01T00:00Z", ["2028-02-29T00:00Z", "2032-02-29T00:00Z"]),
        ("@hourly", "Asia/Kolkata", "2026-01-01T00:00Z", ["2026-01-01T00:30Z"]),
        ("@Weekly", "UTC", "2026-01-01T00:00Z", ["2026-01-04T00:00Z"]),
        ("every 5 minutes", "Asia/Kolkata", "2026-01-01T00:01Z", ["2026-01-01T00:05Z", "2026-01-01T00:10Z"]),
        ("every  2 Hours", "Europe/Berlin", "2026-03-29T00:30Z", ["2026-03-29T02:00Z", "2026-03-29T04:00Z"]),
        ("every day", "UTC", "2026-01-01T00:00Z", ["2026-01-02T00:00Z"]),
        ("every 90m", "UTC", "2026-01-01T00:00Z", ["2026-01-01T01:30Z"]),
    ],
)
def test_the_next_due_times(expression, zone, after, due):
    timetable = Timetable(expression, zone, anchor=START)
    first = timetable.next_after(datetime.fromisoformat(after))

    found = [first, *([timetable.next_after(first)] if len(due) > 1 else [])]

    assert found == [datetime.fromisoformat(moment) for moment in due]


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("", "is no schedule"),
        ("0 7 * *", "is no schedule"),
        ("0 0 7 * * *", "is no schedule"),
        ("@reboot", "is no schedule"),
        ("60 7 * * *", "the minute of"),
        ("0 24 * * *", "the hour of"),
        ("0 7 0 * *", "the day-of-month of"),
        ("0 7 * 13 *", "the month of"),
        ("0 7 * * MUN", "the day-of-week of"),
        ("0 0 31 2 *", "the day-of-month of"),
        ("*/0 * * * *", "the minute of"),
        ("1-0 * * * *", "the minute of"),
        ("every", "is no interval"),
        ("every 0 minutes", "is no interval"),
        ("every 30 seconds", "is no interval"),
        ("every 400 days", "is no interval"),
        ("every -1 hours", "is no interval"),
        ("L * * * *", "the minute of"),
        ("0 7 L/2 * *", None),
        ("0 7 * * L", "the day-of-week of"),
        ("0 7 1-L * *", "the day-of-month of"),
        ("0 7 * * 1#6", "the day-of-week of"),
        ("\N{ARABIC-INDIC DIGIT FIVE} 7 * * *", "the minute of"),
    ],
)
def test_what_is_no_expression_is_refused_by_its_field(expression, said):
    if said is None:
        Timetable(expression, "UTC", anchor=START)
        return
    with pytest.raises(InvalidField, match=said) as refused:
        Timetable(expression, "UTC", anchor=START)

    assert refused.value.path == "$.expression"
    assert refused.value.hint


@pytest.mark.parametrize(
    ("zone", "hint"),
    [
        ("europe/berlin", "Europe/Berlin"),
        ("Berlin", "Europe/Berlin"),
        ("New York", "America/New_York"),
        ("Mars/Olympus", "IANA name"),
        ("../../etc/passwd", "IANA name"),
        ("/etc/localtime", "IANA name"),
        ("Europe", "IANA name"),
        ("a\0b", "IANA name"),
        ("", "IANA name"),
    ],
)
def test_what_is_no_time_zone_is_refused_with_what_may_have_been_meant(zone, hint):
    with pytest.raises(InvalidField, match="no time zone") as refused:
        Timetable("@daily", zone, anchor=START)

    assert refused.value.path == "$.timezone"
    assert hint in refused.value.hint


@pytest.mark.parametrize(
    ("expression", "minutes", "description"),
    [
        ("* * * * *", 1, "Every minute"),
        ("*/5 * * * *", 5, "Every fifth minute of every hour"),
        ("0,30,59 * * * *", 1, "At minutes 0, 30, and 59 of every hour"),
        ("0 7 * * MON-FRI", 1440, "At 07:00 on Monday through Friday"),
        ("0 0,23 * * *", 60, "At 00:00 and 23:00 every day"),
        ("@hourly", 60, "At the start of every hour"),
        ("every 90 minutes", 90, "Every 90 minutes"),
        ("every 120 minutes", 120, "Every 2 hours"),
        ("every hour", 60, "Every hour"),
        ("every 7d", 7 * 1440, "Every 7 days"),
    ],
)
def test_an_expression_says_how_close_its_due_times_come_and_what_it_means(expression, minutes, description):
    timetable = Timetable(expression, "UTC", anchor=START)

    assert timetable.shortest_gap == minutes * MINUTE
    assert timetable.description == description


def test_an_interval_counts_from_the_minute_in_which_it_was_set():
    timetable = Timetable("every 10 minutes", "UTC", anchor=START + timedelta(minutes=3, seconds=40))

    assert timetable.next_after(START + timedelta(minutes=3, seconds=40)) == START + timedelta(minutes=13)
    assert timetable.next_after(START + timedelta(minutes=13)) == START + timedelta(minutes=23)
