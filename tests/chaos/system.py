"""What a campaign needs of whatever it is that it tries to break."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

from chaos.history import History
from chaos.schedule import Fault

#: Does harm, heals it, and says in a few words what it did.
Harm = Callable[[float], Awaitable[str]]


class System(ABC):
    """A started grid and the harm that can be done to it."""

    backend: str
    sandbox: str
    token: str
    #: How many clients ask at once, and how many promised runs they leave open, so that load and faults go together.
    clients, most_open = 12, 300
    #: How long a client waits for one answer, in seconds.
    answer_s = 15.0
    #: What the clients have seen; some harm is judged by it at once.
    history: History
    #: A file in which executions leave a line each; None where no sandbox can reach one.
    marks: Path | None = None

    def count_executions(self, folder: Path) -> None:
        """Let functions leave marks below that folder: plain processes see it, and each has a user of its own."""
        self.marks = folder / "marks"
        self.marks.touch()
        self.marks.chmod(0o666)

    @property
    @abstractmethod
    def url(self) -> str:
        """Where its front door is now."""

    @abstractmethod
    def harms(self) -> dict[str, Harm]:
        """Every kind of fault that can be done here."""

    async def inject(self, fault: Fault) -> str:
        return await self.harms()[fault.kind](fault.strength)

    async def executions(self) -> Counter[str]:
        """How often each token was executed, as far as the functions could leave a mark."""
        return Counter(self.marks.read_text().split() if self.marks else [])
