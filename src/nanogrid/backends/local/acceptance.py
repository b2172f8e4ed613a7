"""What is promised on one machine: run and task share a commit."""

from nanogrid.backends.local.run_store import LocalRunStore
from nanogrid.backends.local.task_queue import LocalTaskQueue
from nanogrid.errors import StoreUnavailable
from nanogrid.model import Run, Task
from nanogrid.ports import Acceptance


class LocalAcceptance(Acceptance):
    """Two rows for each promise, in one group: written with one wait for the disk."""

    def __init__(self, run_store: LocalRunStore, task_queue: LocalTaskQueue) -> None:
        """Both are on the same database."""
        self._run_store = run_store
        self._task_queue = task_queue

    async def accept(self, run: Run, task: Task) -> None:
        """See the port. What there is no room for is refused before anything is written."""
        self._task_queue.check_room(task)
        recorded, sent = self._run_store.record(run), self._task_queue.record(task)
        # Where only the task is on disk, whoever takes it finds no run, and lets it go.
        await recorded
        try:
            await sent
        except StoreUnavailable:
            await self._run_store.withdraw(run.run_id)
            raise
