"""Tokens of an AWS grid: read once, again when old, again for one that is new, and never because of floods."""

import pytest

from clocks import ManualClock
from nanogrid.api.auth import Principal, token_digest
from nanogrid.backends.local import open_local
from nanogrid.cloud.control_plane.principals import Principals
from nanogrid.cloud.control_plane.tokens import FRESH_S, FULL_S, GRACE_S, PAUSE_S, Tokens
from nanogrid.errors import KeyNotFound, StoreUnavailable, Unauthorized
from nanogrid.key_ring import KeyRing
from nanogrid.model import Scope
from nanogrid.quotas import Quotas


class Kept:
    """Where the digests are; `reads` counts."""

    def __init__(self) -> None:
        self.principals = {token_digest("first"): Principal(name="owner")}
        self.reads = self.looks = 0
        self.away = self.changed = False

    async def read(self) -> dict[str, Principal]:
        self.reads += 1
        if self.away:
            raise StoreUnavailable("away")
        self.changed = False
        return self.principals

    async def has_changed(self) -> bool:
        self.looks += 1
        if self.away:
            raise StoreUnavailable("away")
        return self.changed

    def revoke(self) -> None:
        self.principals, self.changed = {}, True


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def tokens(kept: Kept, clock: ManualClock) -> Tokens:
    return Tokens(kept.read, kept.has_changed, clock)


async def test_digests_are_read_once_for_many_requests(kept, tokens):
    names = [(await tokens.principal("Bearer first")).name for _ in range(3)]

    assert names == ["owner"] * 3
    assert kept.reads == 1


async def test_a_token_that_was_taken_back_is_refused_within_seconds(kept, clock, tokens):
    await tokens.principal("Bearer first")
    kept.revoke()
    await clock.advance(FRESH_S)

    with pytest.raises(Unauthorized):
        await tokens.principal("Bearer first")
    assert FRESH_S <= 5


async def test_where_nothing_changes_a_small_look_every_two_seconds_is_all_that_it_costs(kept, clock, tokens):
    for _ in range(int(FULL_S / FRESH_S)):
        for _ in range(10):
            await tokens.principal("Bearer first")
        await clock.advance(FRESH_S)

    assert (kept.reads, kept.looks) == (1, FULL_S / FRESH_S - 1)


async def test_what_was_changed_and_never_told_shows_within_a_minute(kept, clock, tokens):
    await tokens.principal("Bearer first")
    kept.principals = {}
    await clock.advance(FULL_S)

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


async def test_while_the_digests_cannot_be_read_the_known_ones_hold_and_few_try(kept, clock, tokens):
    await tokens.principal("Bearer first")
    kept.away = True
    await clock.advance(FRESH_S)
    names = [(await tokens.principal("Bearer first")).name for _ in range(10)]

    assert names == ["owner"] * 10
    assert (kept.reads, kept.looks) == (1, 1)


async def test_after_minutes_without_an_answer_nobody_is_let_in_and_nobody_is_called_unknown(kept, clock, tokens):
    await tokens.principal("Bearer first")
    kept.away = True
    for _ in range(int(GRACE_S / PAUSE_S) - 1):
        await clock.advance(PAUSE_S)
        await tokens.principal("Bearer first")
    await clock.advance(PAUSE_S)
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="cannot be looked up"):
            await tokens.principal("Bearer first")


async def test_who_was_revoked_during_an_outage_is_refused_as_soon_as_it_is_over(kept, clock, tokens):
    await tokens.principal("Bearer first")
    kept.away = True
    await clock.advance(FRESH_S)
    await tokens.principal("Bearer first")
    kept.revoke()
    kept.away = False
    await clock.advance(PAUSE_S)

    with pytest.raises(Unauthorized):
        await tokens.principal("Bearer first")


async def test_before_they_were_ever_read_nobody_is_let_in(kept, tokens):
    kept.away = True

    with pytest.raises(StoreUnavailable):
        await tokens.principal("Bearer first")


# Owners and keys


class OwnersAtSsm:
    """What SSM says, while it answers."""

    def __init__(self) -> None:
        self.away = False

    async def names(self) -> dict[str, str]:
        if self.away:
            raise StoreUnavailable("away")
        return {token_digest("owner's"): "owner"}


async def test_while_ssm_is_away_owners_hold_on_and_keys_are_as_fresh_as_ever(tmp_path, clock):
    owners = OwnersAtSsm()
    async with open_local(tmp_path, clock) as backend:
        front, elsewhere = (KeyRing(backend.record_store, clock, owner_digest="") for _ in range(2))
        made = await elsewhere.create("ci", tenant="default", scopes=[Scope.RUN])
        principals = Principals(owners, front, Quotas(backend.record_store, backend.registry, clock), clock)
        tokens = Tokens(principals.read, front.has_changed, clock)
        before = await tokens.principal(f"Bearer {made.token}")
        owners.away = True
        await elsewhere.revoke(made.key.key_id, tenant="default")
        await clock.advance(FRESH_S)
        with pytest.raises(Unauthorized):
            await tokens.principal(f"Bearer {made.token}")
        owner = await tokens.principal("Bearer owner's")
        await clock.advance(GRACE_S - 10)
        await tokens.principal("Bearer owner's")
        await clock.advance(GRACE_S)
        with pytest.raises(StoreUnavailable):
            await tokens.principal("Bearer owner's")

    assert (before.name, owner.name) == (made.key.key_id, "owner")


async def test_a_revocation_that_died_before_it_was_told_is_told_by_who_tries_again(tmp_path, clock):
    async with open_local(tmp_path, clock) as backend:
        front, elsewhere = (KeyRing(backend.record_store, clock, owner_digest="") for _ in range(2))
        made = await elsewhere.create("ci", tenant="default", scopes=[Scope.RUN])
        await front.refresh()
        await backend.record_store.delete("key", f"default/{made.key.key_id}")
        untold = await front.has_changed()
        with pytest.raises(KeyNotFound):
            await elsewhere.revoke(made.key.key_id, tenant="default")
        told = await front.has_changed()

    assert (untold, told) == (False, True)
