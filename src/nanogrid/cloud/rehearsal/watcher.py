"""Who watches a rehearsal."""

from typing import Protocol

from nanogrid.cloud.rehearsal.report import Moment, Sample


class Watcher(Protocol):
    """Is told what happens, as it happens."""

    def step(self, text: str) -> None:
        """The rehearsal does this next."""

    def moment(self, moment: Moment) -> None:
        """Something happened during the burst."""

    def sample(self, sample: Sample) -> None:
        """How it stands during the burst, about twice a second."""
