"""When a connection is cut, by a clock that the test turns."""

import io
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from nanogrid.gateway.protocol import HoldUp
from nanogrid.gateway.watch import Patience, Watch
from nanogrid.observe import make_log

PATIENCE = Patience(head_s=10, rest_s=20, close_s=2, read_s=30, min_bytes_per_s=100)


@dataclass(eq=False)
class FakeConnection:
    """What a watch sees of a connection."""

    hold_up: tuple[HoldUp, int] | None = None
    left: int = 0
    taken: int = 0
    cuts: list[str] = field(default_factory=list)

    @property
    def transport(self) -> SimpleNamespace:
        return SimpleNamespace(left=self.left, taken=self.taken, abort=lambda: self.cuts.append("abort"))

    def cut(self) -> None:
        self.cuts.append("cut")


def watching(*connections: FakeConnection) -> Watch:
    return Watch(set(connections), make_log("json", io.StringIO()), PATIENCE)


@pytest.mark.parametrize(("hold_up", "limit"), [(HoldUp.HEAD, 10), (HoldUp.REST, 20), (HoldUp.CLOSE, 2)])
def test_a_hold_up_ends_at_its_limit_and_not_before(hold_up, limit):
    connection = FakeConnection(hold_up=(hold_up, 1))
    watch = watching(connection)
    watch.look(0, 0.5)
    watch.look(0.5, limit - 0.1)
    before = list(connection.cuts)
    watch.look(limit - 0.1, limit)

    assert (before, connection.cuts) == ([], ["cut"])


def test_the_next_requests_head_has_the_whole_time_again():
    connection = FakeConnection(hold_up=(HoldUp.HEAD, 1))
    watch = watching(connection)
    watch.look(0, 9)
    connection.hold_up = (HoldUp.HEAD, 2)
    watch.look(9, 18)

    assert connection.cuts == []


def test_a_hold_up_that_was_over_between_begins_anew():
    connection = FakeConnection(hold_up=(HoldUp.HEAD, 1))
    watch = watching(connection)
    watch.look(0, 9)
    connection.hold_up = None
    watch.look(9, 10)
    connection.hold_up = (HoldUp.HEAD, 1)
    watch.look(10, 19)

    assert connection.cuts == []


def test_a_reader_that_keeps_the_rate_is_not_cut_however_long_it_takes():
    reader = FakeConnection(left=10**9)
    watch = watching(reader)
    for second in range(1000):
        reader.taken += 101
        watch.look(second, second + 1)

    assert reader.cuts == []


def test_a_reader_below_the_rate_is_cut_though_it_never_stops():
    reader = FakeConnection(left=10**9)
    watch = watching(reader)
    for second in range(32):
        reader.taken += 99
        watch.look(second, second + 1)

    assert reader.cuts[0] == "abort"


def test_a_reader_that_has_it_all_is_forgotten():
    reader = FakeConnection(left=10)
    watch = watching(reader)
    watch.look(0, 29)
    reader.left = 0
    watch.look(29, 58)
    reader.left = 10
    watch.look(58, 87)

    assert reader.cuts == []
