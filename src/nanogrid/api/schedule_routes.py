"""The rows of the route table about schedules."""

from nanogrid import errors
from nanogrid.api import schedules, scopes
from nanogrid.api.records import NewSchedule, SchedulesQuery, ScheduleUpdate
from nanogrid.api.route import Route
from nanogrid.ports import Page
from nanogrid.schedule import ScheduleDetail, ScheduleReport

#: The largest input that a schedule may keep, and what is around it.
_MAX_BODY = 128 * 1024

SCHEDULE_ROUTES: tuple[Route, ...] = (
    Route(
        method="POST",
        path="/schedules",
        operation_id="createSchedule",
        summary="Let a function run at certain times",
        handler=schedules.create_schedule,
        scopes=scopes.RUN,
        body=NewSchedule,
        max_body=_MAX_BODY,
        statuses=(201,),
        answer=ScheduleDetail,
        refusals=(errors.FunctionNotFound, errors.NameTaken, errors.QuotaReached),
    ),
    Route(
        method="GET",
        path="/schedules",
        operation_id="listSchedules",
        summary="List schedules by name, with when each fires next and how it went last",
        handler=schedules.list_schedules,
        scopes=scopes.FOLLOW,
        query=SchedulesQuery,
        answer=Page[ScheduleReport],
        refusals=(errors.FunctionNotFound,),
    ),
    Route(
        method="GET",
        path="/schedules/{name}",
        operation_id="getSchedule",
        summary="Read a schedule, with its next due times and what came of the latest",
        handler=schedules.get_schedule,
        scopes=scopes.FOLLOW,
        answer=ScheduleDetail,
        refusals=(errors.ScheduleNotFound,),
    ),
    Route(
        method="PUT",
        path="/schedules/{name}",
        operation_id="changeSchedule",
        summary="Change a schedule, pause or resume it: what is absent stays as it is",
        handler=schedules.change_schedule,
        scopes=scopes.RUN,
        body=ScheduleUpdate,
        max_body=_MAX_BODY,
        answer=ScheduleDetail,
        refusals=(errors.FunctionNotFound, errors.ScheduleNotFound, errors.QuotaReached, errors.RevisionConflict),
    ),
    Route(
        method="DELETE",
        path="/schedules/{name}",
        operation_id="deleteSchedule",
        summary="Delete a schedule; runs that it has made go on",
        handler=schedules.delete_schedule,
        scopes=scopes.RUN,
        statuses=(204,),
        refusals=(errors.ScheduleNotFound, errors.RevisionConflict),
    ),
)
