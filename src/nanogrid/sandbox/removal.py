"""The end of a cell, however long it takes; whoever asks for it waits for a while only."""

import asyncio
from collections.abc import Awaitable, Callable

#: From one try until the next, in seconds.
_NEXT_TRY_S = 0.5


class Removal:
    """Tries until nothing of the cell is left.

    What a cell holds is given back however long that takes: the kernel may have a full /tmp to free before a process is
    gone, and an engine may be busy. Functions that bring this about would otherwise use up what there is, or run on.
    """

    def __init__(self, is_gone: Callable[[], Awaitable[bool]], on_gone: Callable[[], None], *, within_s: float) -> None:
        """`is_gone` ends what it can and says whether all is; `within_s` is how long `done` waits at most."""
        self._is_gone = is_gone
        self._on_gone = on_gone
        self._within_s = within_s
        self._trying: asyncio.Task[None] | None = None

    @property
    def over(self) -> bool:
        """Whether it has been begun, and nothing is tried any more."""
        return self._trying is not None and self._trying.done()

    async def done(self) -> None:
        """Begin, if nobody has yet, and wait a while. Cancelling it does not stop what was begun."""
        if self._trying is None:
            self._trying = asyncio.create_task(self._try())
        await asyncio.wait([self._trying], timeout=self._within_s)

    def abandon(self) -> None:
        """Leave what has not ended yet to the next start's sweep."""
        if self._trying is not None:
            self._trying.cancel()

    async def _try(self) -> None:
        while not await self._is_gone():  # noqa: ASYNC110 - that something can be removed now is no event
            await asyncio.sleep(_NEXT_TRY_S)
        self._on_gone()
