"""The promises of `Vault`, and those of the secrets that it seals."""

import asyncio
import base64
import contextlib
import json

import pytest

from fake_sandbox import FakeDriver
from nanogrid.errors import SecretNotFound, VaultLocked
from nanogrid.model import Network
from nanogrid.sandbox.secret_driver import SecretDriver
from nanogrid.sandbox.secret_pool import SecretPool
from nanogrid.secret_store import SecretStore
from open_pool import function
from working import CallingPool

#: Longer than what KMS takes at once.
LONG = "".join(chr(ord("a") + n % 26) for n in range(10_000))


def opened(bench, backend) -> SecretStore:
    return SecretStore(backend.record_store, backend.vault, bench.clock)


@contextlib.asynccontextmanager
async def secrets(bench):
    async with bench.open() as backend:
        yield opened(bench, backend)


async def kept(backend, place: str) -> bytes:
    """What lies in the record store."""
    return bytes((await backend.record_store.get("secret", place)).value)


# The vault


@pytest.mark.parametrize("value", [b"x", b"\x00\xff", b"v" * 4096, b"v" * 4097, LONG.encode() * 3])
async def test_what_is_sealed_opens_as_it_was(bench, value):
    async with bench.open() as backend:
        sealed = await backend.vault.seal(value, bound_to="acme/key")
    async with bench.open() as backend:
        assert await backend.vault.unseal(sealed, bound_to="acme/key") == value


async def test_what_is_sealed_does_not_show_and_looks_different_each_time(bench):
    async with bench.open() as backend:
        sealed = [await backend.vault.seal(b"correct horse", bound_to="acme/key") for _ in range(2)]

    assert b"correct horse" not in sealed[0]
    assert sealed[0] != sealed[1]


async def test_what_is_sealed_opens_in_its_own_place_only(bench):
    async with bench.open() as backend:
        sealed = await backend.vault.seal(LONG.encode(), bound_to="acme/key")
        for wrong, place in ((sealed, "acme/other"), (sealed, "other/key"), (b"", "acme/key"), (b"short", "acme/key")):
            with pytest.raises(VaultLocked, match=place):
                await backend.vault.unseal(wrong, bound_to=place)
            with pytest.raises(VaultLocked, match=place):
                await backend.vault.reseal(wrong, bound_to=place)


async def test_what_is_resealed_opens_in_the_same_place(bench):
    async with bench.open() as backend:
        sealed = await backend.vault.seal(LONG.encode(), bound_to="acme/key")
        await backend.vault.renew_key()
        before = await backend.vault.unseal(sealed, bound_to="acme/key")
        resealed = await backend.vault.reseal(sealed, bound_to="acme/key")
        await backend.vault.forget_old_keys()
        after = await backend.vault.unseal(resealed, bound_to="acme/key")
        with pytest.raises(VaultLocked):
            await backend.vault.unseal(resealed, bound_to="acme/other")

    assert before == after == LONG.encode()
    assert resealed != sealed


# Secrets


async def test_a_secret_is_told_to_the_functions_that_name_it_and_shown_to_nobody(bench):
    async with bench.open() as backend:
        store = opened(bench, backend)
        made = await store.put("key", "sk_live_1", tenant="acme")
        await store.put("long", LONG, tenant="acme")
        values = await store.values(function(tenant="acme", secrets={"KEY": "key", "LONG": "long"}))
        listed = await store.list_secrets(tenant="acme", limit=10, cursor=None)
        elsewhere = await store.list_secrets(tenant="other", limit=10, cursor=None)
        with pytest.raises(SecretNotFound):
            await store.values(function(tenant="other", secrets={"KEY": "key"}))

    assert values == {"KEY": "sk_live_1", "LONG": LONG}
    assert [secret.name for secret in listed.items] == ["key", "long"]
    assert listed.items[0] == made
    assert elsewhere.items == []
    assert "sk_live_1" not in repr(listed)


async def test_one_secrets_bytes_do_not_serve_as_anothers(bench):
    async with bench.open() as backend:
        store = opened(bench, backend)
        await store.put("mine", "mine", tenant="acme")
        await store.put("theirs", "theirs", tenant="other")
        record = await backend.record_store.get("secret", "acme/mine")
        theirs = await backend.record_store.get("secret", "other/theirs")
        await backend.record_store.put("secret", "acme/mine", theirs.value, revision=record.revision)
        with pytest.raises(VaultLocked):
            await store.values(function(tenant="acme", secrets={"KEY": "mine"}))
        locked = await store.locked()

    assert locked == ["acme/mine"]


# A rotation


async def filled(store: SecretStore) -> None:
    for number in range(5):
        await store.put(f"key-{number}", f"value {number}", tenant="acme" if number % 2 else "default")


async def values(store: SecretStore) -> list[str]:
    return [
        (await store.values(function(tenant="acme" if n % 2 else "default", secrets={"K": f"key-{n}"})))["K"]
        for n in range(5)
    ]


VALUES = [f"value {number}" for number in range(5)]


async def test_after_a_rotation_everything_is_sealed_anew_and_opens_as_before(bench):
    async with bench.open() as backend:
        store = opened(bench, backend)
        await filled(store)
        shown = await store.list_secrets(tenant="acme", limit=10, cursor=None)
        before = await kept(backend, "default/key-0")
        count = await store.rotate()
        after = await kept(backend, "default/key-0")
        same = await store.list_secrets(tenant="acme", limit=10, cursor=None)
    async with secrets(bench) as store:
        found = await values(store)

    assert (count, found) == (5, VALUES)
    assert json.loads(before)["sealed"] != json.loads(after)["sealed"]
    assert same == shown


@pytest.mark.parametrize("steps", [0, 1, 3, 5])
async def test_a_rotation_that_was_cut_off_loses_nothing_and_the_next_goes_on(bench, steps):
    async with bench.open() as backend:
        store = opened(bench, backend)
        await filled(store)
        dying = SecretStore(_CutOff(backend.record_store, steps), _CutOff(backend.vault), bench.clock)
        with pytest.raises(ConnectionAbortedError):
            await dying.rotate()
        after = bench.crashed()
    async with secrets(after) as store:
        found = await values(store)
        await store.put("key-0", "value 0", tenant="default")
        count = await store.rotate()
        again = await values(store)
        locked = await store.locked()

    assert (found, count, again, locked) == (VALUES, 5, VALUES, [])


class _CutOff:
    """A record store of which so many writes succeed, or a vault: then the machine dies."""

    def __init__(self, inner, steps: int = 0) -> None:
        self._inner = inner
        self._steps = steps

    def __getattr__(self, name: str):
        return getattr(self._inner, name)

    async def put(self, *place, **revision):
        if not self._steps:
            raise ConnectionAbortedError
        self._steps -= 1
        return await self._inner.put(*place, **revision)

    async def forget_old_keys(self) -> None:
        raise ConnectionAbortedError


async def test_secrets_that_are_set_while_a_rotation_goes_on_open_afterwards(bench):
    async with secrets(bench) as store:
        await filled(store)
        await asyncio.gather(
            store.rotate(), *(store.put(f"key-{n}", f"value {n}", tenant="default") for n in (0, 2, 4))
        )
        found = await values(store)
        locked = await store.locked()

    assert (found, locked) == (VALUES, [])


async def test_a_secret_that_does_not_open_stops_a_rotation_which_says_so_and_keeps_the_old_key(bench):
    async with bench.open() as backend:
        store = opened(bench, backend)
        await filled(store)
        record = await backend.record_store.get("secret", "default/key-2")
        broken = json.loads(bytes(record.value)) | {"sealed": base64.b64encode(b"broken").decode()}
        await backend.record_store.put("secret", "default/key-2", json.dumps(broken).encode(), revision=record.revision)
        with pytest.raises(VaultLocked, match="default/key-2"):
            await store.rotate()
        await store.put("key-2", "value 2", tenant="default")
        found = await values(store)
        count = await store.rotate()

    assert (found, count) == (VALUES, 5)


# In sandboxes, where another process changes the secrets


async def test_a_sandbox_that_knows_an_old_value_is_not_used_again_whoever_changed_it(bench):
    asked = function(secrets={"KEY": "key"})
    async with bench.open() as backend:
        elsewhere, here, driver = opened(bench, backend), opened(bench, backend), FakeDriver()
        pool = SecretPool(CallingPool(lambda _: None), here)
        await elsewhere.put("key", "one", tenant="default")
        fresh = []
        sandbox = await SecretDriver(driver, here).create("python3.11", Network.NONE)
        await pool.acquire(asked)
        await sandbox.load(asked)
        for change in (None, "two", None):
            if change:
                await elsewhere.put("key", change, tenant="default")
            await pool.acquire(asked)
            fresh.append(sandbox.reusable)
        other = await SecretDriver(driver, here).create("python3.11", Network.NONE)
        await other.load(asked)
        await elsewhere.delete("key", tenant="default")
        await pool.acquire(asked)

    assert driver.made[0].function.environment == {"KEY": "one"}
    assert driver.made[1].function.environment == {"KEY": "two"}
    assert fresh == [True, False, False]
    assert not other.reusable


def test_where_others_change_secrets_nothing_that_knows_one_is_taken_without_a_look():
    pool = SecretPool(CallingPool(lambda _: None), None)

    assert pool.take(function(secrets={"KEY": "key"})) is None
    assert pool.take(function()) is not None
