"""Runs one call over many inputs, a bounded number at once, taking inputs only as there is room for them."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from typing import Any, Generic, TypeVar

from nanogrid.errors import InvalidField

I = TypeVar("I")  # noqa: E741 - an input
O = TypeVar("O")  # noqa: E741 - an output


class Window(Generic[I, O]):
    """The calls in flight, and the next input on its way. Use it once."""

    def __init__(
        self, call: Callable[[I], Awaitable[O]], inputs: AsyncIterator[I], *, size: int, ordered: bool
    ) -> None:
        """At most `size` inputs are taken whose outputs have not been handed out; in their order if `ordered`."""
        if size < 1:
            raise InvalidField(f"{size} at once is nothing.", path="$.concurrency", hint="Allow at least 1.")
        self._call = call
        self._inputs = inputs
        self._size = size
        self._ordered = ordered
        self._calls: deque[asyncio.Task[O]] = deque()
        self._next: asyncio.Task[I] | None = None
        self._exhausted = False

    async def outputs(self) -> AsyncGenerator[O, None]:
        """Each output as soon as it may be handed out. Raises what a call or the inputs raise.

        Closing it gives up whatever is still on its way.
        """
        try:
            while True:
                self._reach_for_input()
                due = self._due()
                if not due and self._next is None:
                    return
                await self._news(due)
                for task in [task for task in due if task.done()]:
                    self._calls.remove(task)
                    yield task.result()
        finally:
            await self._give_up()

    async def _news(self, due: list[asyncio.Task[O]]) -> None:
        await asyncio.wait({*due, *self._coming()}, return_when=asyncio.FIRST_COMPLETED)
        self._take_input()

    async def _give_up(self) -> None:
        left: list[asyncio.Task[Any]] = [*self._calls, *self._coming()]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def _coming(self) -> list[asyncio.Task[I]]:
        return [self._next] if self._next else []

    def _due(self) -> list[asyncio.Task[O]]:
        """The calls that are waited for: in order it is the oldest, else any."""
        return [self._calls[0]] if self._ordered and self._calls else list(self._calls)

    def _reach_for_input(self) -> None:
        if self._next is None and not self._exhausted and len(self._calls) < self._size:
            self._next = asyncio.ensure_future(_first(self._inputs))

    def _take_input(self) -> None:
        if self._next is None or not self._next.done():
            return
        arrived, self._next = self._next, None
        try:
            item = arrived.result()
        except StopAsyncIteration:
            self._exhausted = True
        else:
            self._calls.append(asyncio.ensure_future(_called(self._call, item)))


async def each(inputs: Iterable[I] | AsyncIterable[I]) -> AsyncIterator[I]:
    """The inputs one by one, whichever kind of iterable they are."""
    if isinstance(inputs, AsyncIterable):
        async for item in inputs:
            yield item
        return
    for item in inputs:
        yield item


async def _first(inputs: AsyncIterator[I]) -> I:
    return await anext(inputs)


async def _called(call: Callable[[I], Awaitable[O]], item: I) -> O:
    return await call(item)
