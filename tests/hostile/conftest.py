"""One grid for all attacks of a test process, for each kind of sandbox."""

from collections.abc import Iterator

import pytest
from arena import Arena, arena

DRIVERS = ("bubblewrap",)


@pytest.fixture(scope="session", params=DRIVERS)
def attacked(request) -> Iterator[Arena]:
    with arena(request.param) as started:
        yield started
