"""What Lambda calls: one handler for each of the two functions, each with the grid that it opened at its first call."""

import asyncio
import os
import sys
import traceback
from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

import msgspec

from nanogrid.api.errors import internal_answer
from nanogrid.clock import Clock
from nanogrid.cloud.control_plane.event import told
from nanogrid.cloud.control_plane.grid import ControlPlane, open_control_plane
from nanogrid.cloud.control_plane.scheduling import is_tick


class Entry:
    """A handler. One environment of a Lambda has one, and calls it one event at a time."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        """Nothing is read or opened yet."""
        self._environ = environ
        self._runner: asyncio.Runner | None = None
        self._control_plane: ControlPlane | None = None
        self._opened = AsyncExitStack()

    def __call__(self, event: Mapping[str, Any], _context: object) -> dict[str, Any]:
        """Answer one event; the event loop and what it opened stay for the next."""
        self._runner = self._runner or asyncio.Runner()
        return self._runner.run(self._tick() if is_tick(event) else self._answer(event))

    def close(self) -> None:
        """End what was opened. Lambda never does: an environment that is no longer needed is frozen, then gone."""
        if self._runner is not None:
            self._runner.run(self._opened.aclose())
            self._runner.close()

    async def _answer(self, event: Mapping[str, Any]) -> dict[str, Any]:
        try:
            face = (await self._opened_once()).face
        except Exception as exc:  # noqa: BLE001 - the top: the caller gets an answer, and the reason is in the log
            request_id = f"req_{event['requestContext']['requestId']}"
            report("control_plane.not_opened", request_id=request_id, exc_info=exc)
            return told(internal_answer(request_id), request_id) or {}
        return await face(event)

    async def _tick(self) -> dict[str, Any]:
        """Attend to the schedules that are due. Raises where that cannot be done: Lambda counts it as an error."""
        served = await (await self._opened_once()).tick()
        return {"nextAt": None if served.next_at is None else served.next_at.isoformat()}

    async def _opened_once(self) -> ControlPlane:
        if self._control_plane is None:
            opening = open_control_plane(self._environ, Clock(), report)
            self._control_plane = await self._opened.enter_async_context(opening)
        return self._control_plane


def report(event: str, *, exc_info: BaseException | None = None, **fields: object) -> None:
    """One event as one line of JSON, for CloudWatch."""
    line: dict[str, object] = {"event": event, "level": "error" if exc_info else "warning", **fields}
    line["timestamp"] = datetime.now(UTC)
    if exc_info is not None:
        line["exception"] = "".join(traceback.format_exception(exc_info))
    sys.stdout.write(msgspec.json.encode(line).decode() + "\n")
    sys.stdout.flush()


#: The handlers by the names that the template has. They are one: API Gateway decides who is asked what, and each role
#: allows only what its own routes need.
resource_manager = Entry(os.environ)
dispatcher = Entry(os.environ)
