"""What the SDK does about schedules."""

from collections.abc import AsyncIterator
from typing import Any

from msgspec import Raw

from nanogrid.client.administration import Administration, quoted, without_none
from nanogrid.client.messages import decoded, json_input
from nanogrid.client.records import ScheduleInfo
from nanogrid.schedule import Missed, Overlap

#: Stands for an input that was not given: None is one.
_NOTHING: Any = object()


class Scheduling(Administration):
    """A part of `AsyncClient`."""

    async def add_schedule(
        self,
        function: str,
        expression: str,
        *,
        name: str | None = None,
        timezone: str | None = None,
        input: Any = _NOTHING,  # noqa: A002 - the API's word
        enabled: bool | None = None,
        missed: Missed | str | None = None,
        overlap: Overlap | str | None = None,
    ) -> ScheduleInfo:
        """Let the function run at certain times: five fields of cron, `@daily`, or `every 5 minutes`.

        The schedule is called as the function unless it has a `name`; the expression is read in `timezone`, an IANA
        name, UTC where there is none. The function gets `input`, or else the schedule's name and the due time.
        `missed` is what is done about due times at which no grid was there (`once`, `skip`, `all`), `overlap` what if
        the run before is still under way (`allow`, `skip`, `queue`). Raises `InvalidField`, `FunctionNotFound`,
        `NameTaken`, `QuotaReached`.
        """
        asked = {
            "name": name,
            "function": function,
            "expression": expression,
            "timezone": timezone,
            "input": _json(input),
            "enabled": enabled,
            "missed": missed,
            "overlap": overlap,
        }
        return decoded(await self._send("POST", "/schedules", without_none(asked)), ScheduleInfo)

    async def change_schedule(
        self,
        name: str,
        *,
        function: str | None = None,
        expression: str | None = None,
        timezone: str | None = None,
        input: Any = _NOTHING,  # noqa: A002 - the API's word
        enabled: bool | None = None,
        missed: Missed | str | None = None,
        overlap: Overlap | str | None = None,
    ) -> ScheduleInfo:
        """Change what is given of a schedule. Raises `ScheduleNotFound`, and what `add_schedule` raises."""
        asked = {
            "function": function,
            "expression": expression,
            "timezone": timezone,
            "input": _json(input),
            "enabled": enabled,
            "missed": missed,
            "overlap": overlap,
        }
        return decoded(await self._send("PUT", _path(name), without_none(asked)), ScheduleInfo)

    async def pause_schedule(self, name: str) -> ScheduleInfo:
        """Let it not fire until it is resumed. Raises `ScheduleNotFound`."""
        return await self.change_schedule(name, enabled=False)

    async def resume_schedule(self, name: str) -> ScheduleInfo:
        """Let it fire again, from its next due time on. Raises `ScheduleNotFound`."""
        return await self.change_schedule(name, enabled=True)

    async def schedule(self, name: str) -> ScheduleInfo:
        """The schedule, with its next due times and what came of the latest. Raises `ScheduleNotFound`."""
        return decoded(await self._get(_path(name), {}), ScheduleInfo)

    async def schedules(self, function: str | None = None) -> AsyncIterator[ScheduleInfo]:
        """All schedules by name, of one function or all, each with what came of its latest due time."""
        query = {} if function is None else {"functionId": function}
        async for schedule in self._pages("/schedules", query, ScheduleInfo):
            yield schedule

    async def delete_schedule(self, name: str) -> None:
        """Forget a schedule; runs that it has made go on. Raises `ScheduleNotFound`."""
        await self._channel.request("DELETE", _path(name))


def _path(name: str) -> str:
    return f"/schedules/{quoted(name)}"


def _json(value: Any) -> Raw | None:
    return None if value is _NOTHING else json_input(value)
