"""What the SDK adds to the tree of `nanogrid.errors`.

    NanoGridError
    ├── ConnectionFailed     no grid answers, or something else does
    ├── WaitTimedOut         the run goes on, only the waiting is over
    └── RunUnsuccessful      the run ended without an output
        ├── FunctionFailed   its function failed
        ├── RunCancelled     somebody cancelled it
        └── RunDead          the platform could not run it

Whatever a grid refuses is raised as the class of `nanogrid.errors` whose `code` the answer carries.
"""

from nanogrid.errors import NanoGridError
from nanogrid.model import ErrorKind


class ConnectionFailed(NanoGridError):
    """Raised when no grid answers at a URL; `sent` says whether the request may have reached one."""

    code = "connection_failed"

    def __init__(self, detail: str, *, sent: bool = True, hint: str = "") -> None:
        """`sent` is False only where it is certain that nothing was sent."""
        super().__init__(detail, hint=hint)
        self.sent = sent


class WaitTimedOut(NanoGridError):
    """Raised when the caller's patience ends before the run does; the run goes on under `run_id`."""

    code = "wait_timed_out"

    def __init__(self, run_id: str) -> None:
        """`run_id` is what to ask for later."""
        super().__init__(f"{run_id} has not ended yet.", hint="It goes on; ask for it by its id, or cancel it.")
        self.run_id = run_id


class RunUnsuccessful(NanoGridError):
    """Base of how a run ends without an output. The function's failure is an exception here, and only here."""

    code = "run_unsuccessful"

    def __init__(
        self,
        detail: str,
        *,
        run_id: str,
        kind: ErrorKind,
        type: str,  # noqa: A002 - the record's word
        message: str,
        stack_trace: list[str],
        logs: str,
    ) -> None:
        """Everything that the run's record says of its end; `stack_trace` is outermost first."""
        super().__init__(detail)
        self.run_id = run_id
        self.kind = kind
        self.type = type
        self.message = message
        self.stack_trace = stack_trace
        self.logs = logs


class FunctionFailed(RunUnsuccessful):
    """Raised when the function failed: it raised, ran out of time or memory, or could not be loaded."""

    code = "function_failed"


class RunCancelled(RunUnsuccessful):
    """Raised when the run was cancelled."""

    code = "run_cancelled"


class RunDead(RunUnsuccessful):
    """Raised when the platform gave the run up; it is among the dead letters."""

    code = "run_dead"
