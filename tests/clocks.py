"""A clock that a test turns by hand: the one that users' tests have."""

from nanogrid.testing.clock import ManualClock

__all__ = ["ManualClock"]
