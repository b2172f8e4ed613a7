"""How long a caller still waits."""

import math
from collections.abc import Callable

#: How long one request waits for a run at most, in seconds; the next request goes on waiting.
_WAIT_S = 20.0


class Deadline:
    """The end of a caller's patience."""

    def __init__(self, timeout_s: float | None, monotonic: Callable[[], float]) -> None:
        """`timeout_s` counts from now; None never ends."""
        self._monotonic = monotonic
        self._end = math.inf if timeout_s is None else monotonic() + timeout_s

    def next_wait_s(self) -> float:
        """How long the next request may wait, in seconds."""
        return min(_WAIT_S, max(0.0, self._end - self._monotonic()))

    def over(self) -> bool:
        """Whether there is no time left."""
        return self._monotonic() >= self._end
