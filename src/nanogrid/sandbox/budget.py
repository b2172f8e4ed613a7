"""How much the pool's sandboxes occupy together, and how much they may."""

#: What a sandbox counts before anybody has measured it, in MB.
ESTIMATE_MB = 16.0


class Budget:
    """Counts what sandboxes really occupy, not what they might: their own limits guard each of them alone."""

    def __init__(self, limit_mb: float, max_sandboxes: int) -> None:
        """Both limits hold at once."""
        self._limit_mb = limit_mb
        self._max = max_sandboxes
        self.count = 0
        self.mb = 0.0

    def enter(self, mb: float) -> None:
        """One more sandbox, of that size."""
        self.count += 1
        self.mb += mb

    def leave(self, mb: float) -> None:
        """One less."""
        self.count -= 1
        self.mb = self.mb - mb if self.count else 0.0

    def change(self, by_mb: float) -> None:
        """A sandbox has grown, or shrunk where negative."""
        self.mb += by_mb

    def has_room(self, *, without: int = 0, without_mb: float = 0.0) -> bool:
        """Whether one more may start, after so many of that size are gone. The only one always may."""
        count = self.count - without
        fits = self.mb - without_mb + ESTIMATE_MB <= self._limit_mb
        return count == 0 or (count < self._max and fits)

    @property
    def excess_mb(self) -> float:
        """How far the memory is over its limit; not positive where all is well."""
        return self.mb - self._limit_mb
