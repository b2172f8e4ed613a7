"""Ends the runs of tasks that SQS itself moved to its dead-letter queue: the net below what workers decide.

A task comes there when it was received very often and nobody could say why it failed, for instance because each worker
that took it died at once. Its run ends as dead, with a letter, so that it can be looked at and redriven. One that was
only given back each time, without a failure, goes to the task queue again.
"""

import asyncio

from nanogrid.backends.aws.dead_letters import AwsDeadLetters
from nanogrid.backends.aws.envelope import Envelopes, Opened
from nanogrid.backends.aws.fares import Fares
from nanogrid.backends.aws.sqs import LONGEST_WAIT_S, Message, Queue
from nanogrid.backends.aws.tables import MAX_RECEIVES
from nanogrid.clock import Clock
from nanogrid.errors import PlatformError, RunEnded, RunNotFound
from nanogrid.model import MAX_PLATFORM_FAILURES, ErrorKind, Outcome, RunError, RunStatus
from nanogrid.ports import ResultBus, RunStore

#: Fences everything off: no attempt is later than this.
_LAST_ATTEMPT = 2**31 - 1
_VISIBILITY_S = 60
_PAUSE_S = 5.0
#: How long a message that nobody can read is left alone, in seconds; SQS deletes it in the end.
_UNREADABLE_S = 12 * 3600
_REASON = "SQS gave it up: it was handed out too often, and no worker could say why"


class Undertaker:
    """Works through the dead-letter queue of SQS."""

    def __init__(
        self,
        tasks: Queue,
        dead_queue: Queue,
        envelopes: Envelopes,
        fares: Fares,
        run_store: RunStore,
        dead_letters: AwsDeadLetters,
        result_bus: ResultBus,
        clock: Clock,
    ) -> None:
        """`run` has to run in at least one process of the grid."""
        self._tasks = tasks
        self._dead_queue = dead_queue
        self._envelopes = envelopes
        self._fares = fares
        self._run_store = run_store
        self._dead_letters = dead_letters
        self._result_bus = result_bus
        self._clock = clock

    async def run(self) -> None:
        """Bury what comes until cancelled."""
        while True:
            try:
                await self.bury_some(wait_s=LONGEST_WAIT_S)
            except PlatformError:
                # What was received comes back; so does this.
                await self._clock.sleep(_PAUSE_S)

    async def bury_some(self, *, wait_s: float) -> int:
        """Bury what is there, up to ten tasks; how many messages there were."""
        messages = await self._dead_queue.receive(limit=10, wait_s=wait_s, visibility_s=_VISIBILITY_S)
        await asyncio.gather(*(self._bury(message) for message in messages))
        return len(messages)

    async def _bury(self, message: Message) -> None:
        try:
            opened = await self._envelopes.open(message.body)
        except ValueError:
            await self._dead_queue.hide(message.receipt_handle, _UNREADABLE_S)
            return
        if await self._was_only_given_back(opened):
            await self._send_again(opened, message)
            return
        if await self._end(opened):
            attempt = opened.attempts + message.receives
            await self._dead_letters.keep(opened.task, _REASON, failures=MAX_PLATFORM_FAILURES, attempt=attempt)
        await self._dead_queue.delete(message.receipt_handle)

    async def _was_only_given_back(self, opened: Opened) -> bool:
        """Whether it was handed out so often because its function's limit or a drain stood against it each time."""
        return await self._fares.returns(opened.task.run_id) > MAX_RECEIVES / 2

    async def _send_again(self, opened: Opened, message: Message) -> None:
        body = await self._envelopes.seal(opened.task, attempts=opened.attempts + MAX_RECEIVES)
        await self._tasks.send(body, group=opened.task.function_id)
        await self._fares.forget(opened.task.run_id)
        await self._dead_queue.delete(message.receipt_handle)

    async def _end(self, opened: Opened) -> bool:
        """End the run as dead; whether it is, and needs a letter."""
        run_id = opened.task.run_id
        error = RunError(
            kind=ErrorKind.PLATFORM, type="DeadLetter", message=f"The platform could not run it: {_REASON}"
        )
        try:
            run = await self._run_store.finish(run_id, _LAST_ATTEMPT, Outcome(status=RunStatus.DEAD, error=error))
        except RunNotFound:
            return False
        except RunEnded:
            # Either it has its outcome, or whoever declared it dead did not come to its letter.
            return (await self._run_store.get(run_id)).status is RunStatus.DEAD
        await self._result_bus.publish(run)
        return True
