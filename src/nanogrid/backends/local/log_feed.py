"""The log feed in memory."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from nanogrid.backends.followers import Followers, lines_lost
from nanogrid.model import LogLine
from nanogrid.ports import LogFeed

#: Lines that a follower may be behind with.
_LINES_KEPT = 1_000


class LocalLogFeed(LogFeed):
    """Followers by function."""

    def __init__(self) -> None:
        """Nobody follows yet."""
        self._followers: dict[str, Followers[LogLine]] = {}

    def publish(self, lines: list[LogLine]) -> None:
        """See the port."""
        for line in lines:
            followers = self._followers.get(line.function_id)
            if followers is not None:
                followers.tell(line)

    @asynccontextmanager
    async def follow(self, function_id: str) -> AsyncIterator[AsyncIterator[LogLine]]:
        """See the port."""
        followers = self._followers.setdefault(function_id, Followers(_LINES_KEPT, lines_lost))
        try:
            with followers.follow() as lines:
                yield lines
        finally:
            if not followers:
                self._followers.pop(function_id, None)
