"""A run that is queued or running: how it stands, and how it may go on."""

from datetime import datetime

from msgspec import UNSET, structs

from nanogrid.backends.local.recent_runs import size_of
from nanogrid.backends.local.run_table import IdempotencyKey, Saved
from nanogrid.errors import RunEnded
from nanogrid.model import NULL, Logs, Outcome, Run, RunStatus, Usage


class LiveRun:
    """The run without its input, and the input apart: the first changes often, the second never."""

    __slots__ = ("begun", "committing", "durable", "input", "run", "taken_up")

    def __init__(self, run: Run, *, durable: bool = False, taken_up: bool = False) -> None:
        """`durable` says that the run and its input are on disk, and that its changes must be before they are told.

        `taken_up` says that an earlier process left it unfinished.
        """
        self.run = structs.replace(run, input=UNSET)
        self.input = NULL if run.input is UNSET else run.input
        self.durable = durable
        self.taken_up = taken_up
        #: The latest attempt that can still come back; none outlives the process that began it.
        self.begun = 0
        #: Whether a change is on its way to the disk.
        self.committing = False

    @property
    def size(self) -> int:
        """About how many bytes it occupies."""
        return size_of(self.run) + len(memoryview(self.input))

    def in_full(self) -> Run:
        """The run with its input."""
        return structs.replace(self.run, input=self.input)

    def saved(self, run: Run, key: IdempotencyKey | None = None) -> Saved:
        """What is written of this run when it is as given."""
        return Saved(run, None if self.durable else self.input, key)

    def fence(self, attempt: int) -> None:
        """Raise `RunEnded` where a later attempt has begun."""
        if self.begun > attempt:
            raise RunEnded(f"attempt {attempt} of the run {self.run.run_id} was overtaken by attempt {self.begun}.")

    def begin(self, attempt: int, now: datetime) -> Run:
        """The run as this attempt begins; earlier ones are fenced off."""
        self.begun = attempt
        return structs.replace(self.run, status=RunStatus.RUNNING, attempt=attempt, started_at=now)

    def concluded(self, outcome: Outcome, now: datetime) -> Run:
        """The run with the outcome; one that is `queued` leaves it waiting for its next try."""
        again = outcome.status is RunStatus.QUEUED
        return structs.replace(
            self.run,
            status=outcome.status,
            output=outcome.output,
            streamed=outcome.streamed,
            output_truncated=outcome.output_truncated,
            error=outcome.error,
            logs=outcome.logs,
            artifacts=outcome.artifacts,
            usage=outcome.usage,
            retried=self.run.retried + again,
            ended_at=None if again else now,
        )

    def reopened(self) -> Run:
        """The dead run when it is queued again: as if it had just been sent, but for its attempts."""
        return structs.replace(
            self.run,
            status=RunStatus.QUEUED,
            output=NULL,
            streamed=False,
            output_truncated=False,
            error=None,
            logs=Logs(),
            artifacts=[],
            usage=Usage(),
            started_at=None,
            ended_at=None,
        )
