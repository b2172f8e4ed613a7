"""What pytest finds when NanoGrid is installed: the fixture `nanogrid_grid`."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from nanogrid.testing import MemoryGrid


@pytest.fixture
def nanogrid_grid() -> "Iterator[MemoryGrid]":
    """A grid in memory, empty for each test; see `nanogrid.testing.MemoryGrid`."""
    # pytest imports every plugin in every project: only a test that uses the grid shall wait for it to be imported.
    from nanogrid.testing import MemoryGrid  # noqa: PLC0415

    with MemoryGrid() as grid:
        yield grid
