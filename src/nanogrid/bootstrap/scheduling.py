"""Wires the scheduler of a grid on one machine: what it keeps, what it fires, and who hears of it."""

from typing import NamedTuple

from nanogrid.aliases import Aliases
from nanogrid.backends.local import LocalBackend
from nanogrid.clock import Clock
from nanogrid.dispatcher import Dispatcher
from nanogrid.errors import NanoGridError
from nanogrid.model import Run
from nanogrid.observe import Log, Metrics
from nanogrid.quotas import Quotas
from nanogrid.schedule import Fire, FireOutcome, Schedule
from nanogrid.scheduler import Scheduler, SchedulerLoop, Schedules, Shelf

#: How long one look at a run that is waited for lasts, in seconds.
_WAIT_S = 600.0


class Scheduling(NamedTuple):
    """What people change, and what fires it."""

    schedules: Schedules
    loop: SchedulerLoop


def wire_scheduling(
    backend: LocalBackend,
    dispatcher: Dispatcher,
    aliases: Aliases,
    quotas: Quotas,
    clock: Clock,
    log: Log,
    metrics: Metrics,
) -> Scheduling:
    """The scheduler and its loop; nothing runs yet."""
    shelf = Shelf(backend.record_store, clock)

    def on_fire(schedule: Schedule, fire: Fire) -> None:
        metrics.count_fire(fire)
        if fire.outcome is not FireOutcome.STARTED:
            log.warning(
                "schedule.not_fired",
                schedule=schedule.name,
                tenant=schedule.tenant,
                outcome=fire.outcome.value,
                due_at=fire.due_at.isoformat(),
                count=fire.count,
                reason=fire.reason,
            )

    def on_failure(exc: Exception) -> None:
        if isinstance(exc, NanoGridError):
            log.warning("schedule.postponed", error=str(exc))
        else:
            log.error("schedule.failed", error=str(exc), exc_info=exc)

    async def until_ended(run_id: str, tenant: str) -> Run:
        return await dispatcher.get(run_id, tenant=tenant, wait_s=_WAIT_S)

    scheduler = Scheduler(shelf, backend.run_store, dispatcher.run, clock, on_fire=on_fire, on_failure=on_failure)
    loop = SchedulerLoop(scheduler, clock, until_ended=until_ended, on_failure=on_failure)
    schedules = Schedules(
        shelf,
        backend.run_store,
        clock,
        resolve=aliases.resolve,
        check_room=quotas.check_schedule,
        on_change=loop.wake,
    )
    return Scheduling(schedules, loop)
