"""The platform's own logs, out of CloudWatch: what functions write is in `nanogrid logs`."""

import enum
from collections.abc import Iterator
from datetime import UTC, datetime

from botocore.exceptions import ClientError

from nanogrid.cloud.deployment.account import Account, code_of, plainly
from nanogrid.cloud.deployment.stacks import Pause
from nanogrid.model import Record

_LOOK_S = 2.0
#: CloudWatch may show an event a little later than one that is younger.
_LATE_MS = 10_000


class Source(enum.StrEnum):
    """Whose logs."""

    API = "api"
    RESOURCE_MANAGER = "resource-manager"
    DISPATCHER = "dispatcher"
    WORKER = "worker"


LOG_GROUPS = {
    Source.API: "/nanogrid/api",
    Source.RESOURCE_MANAGER: "/aws/lambda/nanogrid-resource-manager",
    Source.DISPATCHER: "/aws/lambda/nanogrid-dispatcher",
    Source.WORKER: "/nanogrid/worker",
}


class LogEvent(Record, frozen=True, kw_only=True):
    """One line."""

    at: datetime
    source: Source
    #: Which Lambda environment, or which instance.
    stream: str
    text: str


class LogReader:
    """Reads the log groups of the stack."""

    def __init__(self, account: Account, pause: Pause) -> None:
        """Nothing is read yet."""
        self._logs = account.client("logs")
        self._pause = pause

    def read(self, sources: list[Source], since: datetime) -> list[LogEvent]:
        """All lines from that time on, in order of time. Groups that are not there have none."""
        with plainly():
            found = [event for source in sources for _, event in self._events(source, _milliseconds(since))]
        return sorted(found, key=lambda event: event.at)

    def follow(self, sources: list[Source], since: datetime) -> Iterator[LogEvent]:
        """The same, and then each line as it comes, until nobody wants any more."""
        seen: dict[str, int] = {}
        newest = _milliseconds(since)
        while True:
            with plainly():
                found = [pair for source in sources for pair in self._events(source, newest - _LATE_MS * bool(seen))]
            fresh = [(key, event) for key, event in found if key not in seen]
            seen |= {key: _milliseconds(event.at) for key, event in fresh}
            newest = max([newest, *seen.values()])
            seen = {key: at for key, at in seen.items() if at >= newest - 2 * _LATE_MS}
            yield from sorted((event for _, event in fresh), key=lambda event: event.at)
            self._pause(_LOOK_S)

    def _events(self, source: Source, start: int) -> Iterator[tuple[str, LogEvent]]:
        pages = self._logs.get_paginator("filter_log_events")
        try:
            for page in pages.paginate(logGroupName=LOG_GROUPS[source], startTime=start):
                for one in page["events"]:
                    at = datetime.fromtimestamp(one["timestamp"] / 1000, UTC)
                    text = one["message"].rstrip("\n")
                    yield one["eventId"], LogEvent(at=at, source=source, stream=one["logStreamName"], text=text)
        except ClientError as exc:
            if code_of(exc) != "ResourceNotFoundException":
                raise


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)
