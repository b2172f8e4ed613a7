"""A grid in memory for the tests of people's functions: no server, no sandbox, and a clock that a test turns.

With NanoGrid installed, pytest has the fixture `nanogrid_grid`. See docs/how-to/test-functions.md.
"""

from nanogrid.testing.clock import ManualClock
from nanogrid.testing.grid import MemoryGrid

__all__ = ["ManualClock", "MemoryGrid"]
