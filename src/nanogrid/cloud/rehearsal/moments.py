"""What happens during the burst, with the time since its first task."""

from nanogrid.clock import Clock
from nanogrid.cloud.rehearsal.group import Happening, What
from nanogrid.cloud.rehearsal.report import Moment
from nanogrid.cloud.rehearsal.watcher import Watcher

_WORDS = {
    What.LAUNCHED: "+ worker {}",
    What.CHOSEN: "  {} is to go: it drains",
    What.COMPLETED: "  {} has drained",
    What.TIMED_OUT: "! {} was given up by its hook",
    What.TERMINATED: "- worker {}",
    What.DIED: "x worker {} died",
}


class Moments:
    """Collects them and passes them on."""

    def __init__(self, clock: Clock, watcher: Watcher) -> None:
        """What happens before `begin` is not kept."""
        self._clock = clock
        self._watcher = watcher
        self._began_at: float | None = None
        self.seen: list[Moment] = []
        self.timed_out = 0

    def begin(self) -> None:
        """Time counts from now."""
        self._began_at = self._clock.monotonic()

    def now(self) -> float:
        """Seconds since the beginning."""
        return 0.0 if self._began_at is None else round(self._clock.monotonic() - self._began_at, 2)

    def tell(self, text: str) -> None:
        """Something happened."""
        if self._began_at is None:
            return
        moment = Moment(self.now(), text)
        self.seen.append(moment)
        self._watcher.moment(moment)

    def happened(self, happening: Happening) -> None:
        """Something happened to an instance."""
        self.timed_out += happening.what is What.TIMED_OUT
        self.tell(_WORDS[happening.what].format(happening.instance_id))
