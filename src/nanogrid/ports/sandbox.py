"""The ports of the worker: one sandbox, what makes sandboxes, and what gives them out."""

from abc import ABC, abstractmethod
from collections.abc import Callable

from msgspec import Raw

from nanogrid.model import NULL, Artifact, Function, Logs, Network, Record, RunError


class Invocation(Record, frozen=True, kw_only=True):
    """One call of a handler."""

    run_id: str
    attempt: int
    input: Raw
    #: How long the handler has, in milliseconds.
    timeout_ms: int
    #: W3C's, for what the handler does; empty where nobody traces.
    traceparent: str = ""


class Reply(Record, frozen=True, kw_only=True):
    """How a sandbox answered: an output or an error, never both."""

    output: Raw = NULL
    #: Whether the output is the list of what the handler has yielded, and whether of that only the beginning.
    streamed: bool = False
    output_truncated: bool = False
    error: RunError | None = None
    logs: Logs = Logs()
    #: The files that the run left, as the outlet has kept them.
    artifacts: list[Artifact] = []
    duration_ms: float = 0.0
    peak_memory_mb: float = 0.0


class Part(Record, frozen=True, kw_only=True):
    """One of the values that a handler yields."""

    value: Raw
    #: Whether the value stands for bytes, as base64.
    base64: bool = False


class Outlet(ABC):
    """Takes what a run hands out before it ends."""

    @abstractmethod
    async def keep(self, run_id: str, path: str, content: bytes) -> Artifact:
        """Keep a file that the run left in its output folder; the sandbox waits meanwhile. Raises `StoreUnavailable`.

        No path of a run comes twice; each is relative, without `.`, `..` and control characters.
        """

    @abstractmethod
    def wants_parts(self, run_id: str) -> bool:
        """Whether somebody reads what the run yields while it does; asked once, when an attempt begins."""

    @abstractmethod
    async def part(self, run_id: str, part: Part) -> None:
        """Hand a part to who reads; returns when there is room for the next one."""


#: Takes what a run writes, piece by piece, as it is written.
LogSink = Callable[[bytes], None]


class Sandbox(ABC):
    """One isolated environment: one version of one function, one run at a time.

    After `kill`, and after it died by itself, every method may still be called and does no harm.
    """

    @abstractmethod
    async def load(self, function: Function) -> RunError | None:
        """Import the function's code; once in a sandbox's life. None, or how the import failed.

        Raises `SandboxBroken` where the fault is not the function's.
        """

    @abstractmethod
    async def invoke(
        self, invocation: Invocation, on_log: LogSink | None = None, outlet: Outlet | None = None
    ) -> Reply:
        """Run the handler once. The function's failure, of whatever kind, is a `Reply`.

        Ends by its own clock at the time-out, whatever the function does. Files that the run left go to the outlet
        before this returns; without one they are thrown away. Raises `SandboxBroken`, and what the outlet raises.
        Cancelling it kills the sandbox.
        """

    @abstractmethod
    async def kill(self) -> None:
        """End everything that runs inside, and remove what it left. Idempotent; returns when it is gone."""

    @property
    @abstractmethod
    def reusable(self) -> bool:
        """Whether another run may go in: alive, idle, and nothing about it is in doubt."""

    @property
    @abstractmethod
    def memory_mb(self) -> float:
        """What it occupies now, as far as known, in MB; the pool's budget counts with it."""


class SandboxDriver(ABC):
    """Makes sandboxes of one kind."""

    @abstractmethod
    async def start(self) -> None:
        """Prove that sandboxes can be made here, and sweep what a crash left. Raises `SandboxUnavailable`."""

    @abstractmethod
    async def create(self, runtime: str, network: Network) -> Sandbox:
        """Start a spare: the runtime is up, no code yet. Raises `SandboxUnavailable`."""

    @abstractmethod
    def why_not(self, network: Network) -> str:
        """Why sandboxes of this kind can't have that network here; empty where they can."""

    @abstractmethod
    def runtimes(self) -> list[str]:
        """The runtimes that this driver can start, such as `python3.11`."""

    @abstractmethod
    async def close(self) -> None:
        """End all that is left."""


class Claim(Record, frozen=True, kw_only=True):
    """A sandbox that the pool has given out: loaded, and nobody else's."""

    sandbox: Sandbox
    cold: bool
    #: Starting (if no spare was there) and importing, in milliseconds; 0 when warm.
    init_ms: float = 0.0


class SandboxPool(ABC):
    """The worker's sandboxes: spare and warm."""

    @abstractmethod
    async def acquire(self, function: Function) -> Claim | RunError:
        """A sandbox with this version loaded; an error where its import fails.

        Waits while the memory budget is taken. Raises `SandboxUnavailable`, `SandboxBroken`, `CodeNotFound`.
        """

    @abstractmethod
    def take(self, function: Function) -> Claim | None:
        """A warm sandbox with this version, where one idles and the function may run once more. Never waits."""

    @abstractmethod
    def release(self, claim: Claim) -> None:
        """Take the sandbox back: warm if it is reusable, else it is ended in the background. Does not block."""

    @abstractmethod
    def keeps(self, function_id: str) -> bool:
        """Whether some version of the function is in a sandbox, warm or at work: it was called lately."""

    @abstractmethod
    def census(self) -> dict[str, int]:
        """How many sandboxes there are now, by state: spare, warm, busy, starting."""

    @abstractmethod
    async def close(self) -> None:
        """End every sandbox."""
