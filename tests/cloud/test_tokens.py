"""Tokens of an AWS grid: read once, again when old, again for one that is new, and never because of floods."""

import pytest

from clocks import ManualClock
from nanogrid.api.auth import Principal, token_digest
from nanogrid.cloud.control_plane.tokens import FRESH_S, PAUSE_S, Tokens
from nanogrid.errors import StoreUnavailable, Unauthorized


class Kept:
    """Where the digests are; `reads` counts."""

    def __init__(self) -> None:
        self.principals = {token_digest("first"): Principal(name="owner")}
        self.reads = 0
        self.away = False

    async def read(self) -> dict[str, Principal]:
        self.reads += 1
        if self.away:
            raise StoreUnavailable("away")
        return self.principals


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def tokens(kept: Kept, clock: ManualClock) -> Tokens:
    return Tokens(kept.read, clock)


async def test_digests_are_read_once_for_many_requests(kept, tokens):
    names = [(await tokens.principal("Bearer first")).name for _ in range(3)]

    assert names == ["owner"] * 3
    assert kept.reads == 1


async def test_a_token_that_was_taken_back_is_refused_when_the_digests_are_old(kept, clock, tokens):
    await tokens.principal("Bearer first")
    kept.principals = {}
    await clock.advance(FRESH_S)

    with pytest.raises(Unauthorized):
        await tokens.principal("Bearer first")


async def test_a_new_token_works_soon(kept, clock, tokens):
    await tokens.principal("Bearer first")
    kept.principals = {token_digest("second"): Principal(name="friend")}
    await clock.advance(PAUSE_S)

    assert (await tokens.principal("Bearer second")).name == "friend"


async def test_wrong_tokens_make_nobody_read_again_and_again(kept, tokens):
    for _ in range(5):
        with pytest.raises(Unauthorized):
            await tokens.principal("Bearer wrong")

    assert kept.reads == 1


async def test_who_sends_no_token_makes_nobody_read_again(kept, clock, tokens):
    await tokens.principal("Bearer first")
    await clock.advance(PAUSE_S)
    with pytest.raises(Unauthorized):
        await tokens.principal(None)

    assert kept.reads == 1


async def test_while_the_digests_cannot_be_read_the_known_ones_hold(kept, clock, tokens):
    await tokens.principal("Bearer first")
    kept.away = True
    await clock.advance(FRESH_S)

    assert (await tokens.principal("Bearer first")).name == "owner"
    assert kept.reads == 2


async def test_before_they_were_ever_read_nobody_is_let_in(kept, tokens):
    kept.away = True

    with pytest.raises(StoreUnavailable):
        await tokens.principal("Bearer first")
