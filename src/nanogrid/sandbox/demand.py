"""How many spares of a kind are worth their memory: as many as were lately asked for at once."""

import math

#: What remains of a peak after a second: half of it after half a minute.
_FADE = 0.5 ** (1 / 30)
#: However many were asked for: a spare is a started runtime, of 2 MB (a fork) to 50 MB (node).
MOST_SPARES = 16


class Demand:
    """The most sandboxes of one kind that functions asked for within one second, fading."""

    def __init__(self) -> None:
        """Nobody has asked."""
        self._second_began = -math.inf
        self._within = 0
        self._peak = 0.0

    def note(self, now: float) -> None:
        """One more was asked for, at that time on the clock."""
        if now - self._second_began >= 1.0:
            self._second_began, self._within = now, 0
        self._within += 1
        self._peak = max(self._peak, self._within)

    def fade(self) -> None:
        """Another second has passed."""
        self._peak *= _FADE

    def spares(self, least: int) -> int:
        """How many to keep where `least` are kept anyway; none where none are."""
        return max(least, min(math.floor(self._peak), MOST_SPARES)) if least else 0
