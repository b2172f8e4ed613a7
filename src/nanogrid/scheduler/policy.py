"""What is done about due times that have come: which of them fire, and which are put on record as missed."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from nanogrid.schedule import Fire, FireOutcome, Missed

#: A due time that nobody has dealt with after this was missed. Longer than any tick of AWS is late.
LATE = timedelta(minutes=2)
#: Most due times that are made up for, and that wait for the run before.
MOST = 100
#: Fires that are kept on record.
KEPT = 20


class Verdict(NamedTuple):
    """What is done about due times, in order of time."""

    fire: list[datetime]
    missed: list[datetime]


def judged(dues: Sequence[datetime], now: datetime, missed: Missed) -> Verdict:
    """Which of these due times fire now.

    Those that are not late fire. Late ones all fire, by `all`; where there are no others, the last of them, by `once`.
    """
    late = [due for due in dues if now - due > LATE]
    punctual = list(dues[len(late) :])
    if missed is Missed.ALL:
        return Verdict([*late, *punctual], [])
    if missed is Missed.ONCE and late and not punctual:
        return Verdict(late[-1:], late[:-1])
    return Verdict(punctual, late)


def recorded(fires: Sequence[Fire], fire: Fire) -> list[Fire]:
    """The fires, newest first, with another one; what goes on as it was is one entry, and old entries go."""
    if fires and fire.outcome is not FireOutcome.STARTED and _is_like(fires[0], fire):
        count = fires[0].count + fire.count
        return [Fire(due_at=fire.due_at, at=fire.at, outcome=fire.outcome, reason=fire.reason, count=count), *fires[1:]]
    return [fire, *fires[: KEPT - 1]]


def _is_like(before: Fire, fire: Fire) -> bool:
    return before.outcome is fire.outcome and before.reason == fire.reason
