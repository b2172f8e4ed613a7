"""The scheduler: fires functions at the times that their schedules say."""

from nanogrid.scheduler.loop import SchedulerLoop
from nanogrid.scheduler.scheduler import Scheduler, Served
from nanogrid.scheduler.schedules import ScheduleChange, Schedules
from nanogrid.scheduler.shelf import Shelf

__all__ = ["ScheduleChange", "Scheduler", "SchedulerLoop", "Schedules", "Served", "Shelf"]
