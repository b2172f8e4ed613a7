"""Raises a function's memory where runs have ended for the lack of it, as far as the function lets it be raised.

What one worker has learnt holds for all of its runs at once; for the others, and for good, it holds as a new version.
"""

from collections.abc import Awaitable, Callable

from msgspec import structs

from nanogrid.clock import Clock
from nanogrid.errors import NanoGridError
from nanogrid.model import ErrorKind, Function, RunError, Task
from nanogrid.observe import Log
from nanogrid.ports import Registry
from nanogrid.sizing import raised_memory_mb

_MOST_KNOWN = 10_000


class AutoMemory:
    """What memory versions have come to need."""

    def __init__(
        self, registry: Registry, clock: Clock, log: Log, *, warm_successor: Callable[[Function], Awaitable[None]]
    ) -> None:
        """`warm_successor` loads a version before runs go to it."""
        self._registry = registry
        self._clock = clock
        self._log = log
        self._warm_successor = warm_successor
        #: In MB, by function and version.
        self._known: dict[tuple[str, int], int] = {}

    def sized(self, function: Function) -> Function:
        """The version with the memory that its runs need, as far as is known; never with less than it has."""
        known_mb = self._known.get((function.function_id, function.version), 0)
        return structs.replace(function, memory_mb=known_mb) if known_mb > function.memory_mb else function

    def raised(self, function: Function, error: RunError | None, run_id: str) -> Function | None:
        """The version with more memory, where a run ended for the lack of it and there is more to be had."""
        if error is None or error.kind is not ErrorKind.OUT_OF_MEMORY:
            return None
        place = function.function_id, function.version
        # Another run of it may have shown a greater need meanwhile.
        memory_mb = max(raised_memory_mb(function.memory_mb, function.auto_memory_mb), self._known.get(place, 0))
        if memory_mb <= function.memory_mb:
            return None
        self._known[place] = memory_mb
        if len(self._known) > _MOST_KNOWN:
            del self._known[next(iter(self._known))]
        self._log.warning(
            "worker.memory_raised",
            function=function.name,
            function_id=function.function_id,
            version=function.version,
            from_mb=function.memory_mb,
            to_mb=memory_mb,
            ceiling_mb=function.auto_memory_mb,
            run_id=run_id,
        )
        return structs.replace(function, memory_mb=memory_mb)

    async def keep(self, task: Task, memory_mb: int) -> None:
        """Make the function's next version with this memory, unless its latest is another one or has it already.

        The run that has shown the need is over: whatever happens here changes nothing about it.
        """
        try:
            await self._keep(task, memory_mb)
        except NanoGridError as exc:
            # Deleted, deployed anew, or a store is away: the next run of this version shows the need again.
            self._log.warning("worker.memory_not_kept", function_id=task.function_id, error=str(exc))

    async def _keep(self, task: Task, memory_mb: int) -> None:
        latest = await self._registry.get(task.function_id, tenant=task.tenant)
        if latest.version != task.version or latest.memory_mb >= memory_mb:
            return
        larger = structs.replace(
            latest,
            version=latest.version + 1,
            memory_mb=memory_mb,
            updated_at=self._clock.now(),
            note=f"memory raised from {latest.memory_mb} to {memory_mb} MB: {task.run_id} ran out of it",
        )
        await self._warm_successor(larger)
        await self._registry.update(larger)
