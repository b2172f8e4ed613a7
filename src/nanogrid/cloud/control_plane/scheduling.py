"""The scheduler of a grid on AWS: EventBridge calls it every minute, and it attends to what is due.

The same agenda, time-table and policies as on one machine, so that a schedule means the same in both places.
"""

from collections.abc import Mapping
from typing import Any

from nanogrid.aliases import Aliases
from nanogrid.backends.aws import AwsBackend
from nanogrid.clock import Clock
from nanogrid.cloud.control_plane.face import Report
from nanogrid.cloud.control_plane.tokens import FRESH_S
from nanogrid.dispatcher import Dispatcher
from nanogrid.errors import NanoGridError
from nanogrid.quotas import Quotas
from nanogrid.schedule import Fire, FireOutcome, Schedule
from nanogrid.scheduler import Scheduler, Schedules, Served, Shelf

#: What the rule's target is called with, see the template.
TICK: Mapping[str, str] = {"tick": "schedules"}
#: Nothing more is begun after this, in seconds: what is begun has ended before Lambda ends it. The next tick goes on.
WITHIN_S = 20.0


def is_tick(event: Mapping[str, Any]) -> bool:
    """Whether the event is the rule's: no request has such a field."""
    return event.get("tick") == TICK["tick"]


async def tick(scheduler: Scheduler, quotas: Quotas) -> Served:
    """Attend to what is due. Who only ever ticks authenticates nobody, and knows quotas only by this."""
    await quotas.refresh(max_age_s=FRESH_S)
    return await scheduler.serve(within_s=WITHIN_S)


def make_scheduler(backend: AwsBackend, dispatcher: Dispatcher, clock: Clock, report: Report) -> Scheduler:
    """What fires."""

    def on_fire(schedule: Schedule, fire: Fire) -> None:
        if fire.outcome is not FireOutcome.STARTED:
            report(
                "schedule.not_fired",
                schedule=schedule.name,
                tenant=schedule.tenant,
                outcome=fire.outcome,
                due_at=fire.due_at,
                count=fire.count,
                reason=fire.reason,
            )

    def on_failure(exc: Exception) -> None:
        if isinstance(exc, NanoGridError):
            report("schedule.postponed", error=str(exc))
        else:
            report("schedule.failed", exc_info=exc)

    shelf = Shelf(backend.record_store, clock)
    return Scheduler(shelf, backend.run_store, dispatcher.run, clock, on_fire=on_fire, on_failure=on_failure)


def make_schedules(backend: AwsBackend, aliases: Aliases, quotas: Quotas, clock: Clock) -> Schedules:
    """What people change; the next tick sees it."""
    shelf = Shelf(backend.record_store, clock)
    return Schedules(shelf, backend.run_store, clock, resolve=aliases.resolve, check_room=quotas.check_schedule)
