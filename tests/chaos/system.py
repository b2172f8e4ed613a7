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
    #: What the clients have seen; some harm is judged by it at once.
    history: History
    #: A file in which executions leave a line each; None where no sandbox can reach one.
    marks: Path | None = None

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
