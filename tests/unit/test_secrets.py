"""Secrets: sealed at rest, known to the function alone, and taken out of whatever it writes."""

import itertools
import json
from pathlib import Path

import httpx
import pytest
from fake_grid import NOW, FakeGrid
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from flow_steps import deploy, http, run
from gateway_harness import serving
from grid import started_grid
from nanogrid.backends.local.vault import LocalVault
from nanogrid.cli.main import make_app
from nanogrid.errors import VaultLocked
from nanogrid.sandbox.masking import Mask
from nanogrid.sandbox.secret_driver import _MaskedSink
from secret_steps import SECRET, TELLING, a_function_knows_its_secret

# The vault


async def test_what_is_sealed_opens_with_the_same_key_and_place_only(tmp_path):
    vault = LocalVault(tmp_path / "vault.key")
    sealed = [await vault.seal(b"value", bound_to="a") for _ in range(2)]
    opened = await LocalVault(tmp_path / "vault.key").unseal(sealed[0], bound_to="a")
    damaged = bytes([sealed[0][0] ^ 1]) + sealed[0][1:]
    for wrong, place in ((sealed[0], "b"), (damaged, "a"), (b"", "a"), (b"short", "a")):
        with pytest.raises(VaultLocked):
            await vault.unseal(wrong, bound_to=place)

    assert opened == b"value"
    assert sealed[0] != sealed[1]
    assert b"value" not in sealed[0]
    assert (tmp_path / "vault.key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["vault.key"]


async def test_without_its_key_nothing_opens_and_no_new_key_is_made(tmp_path):
    sealed = await LocalVault(tmp_path / "vault.key").seal(b"value", bound_to="a")
    (tmp_path / "vault.key").unlink()
    with pytest.raises(VaultLocked, match="Restore it from a backup"):
        await LocalVault(tmp_path / "vault.key").unseal(sealed, bound_to="a")
    (tmp_path / "vault.key").write_bytes(b"no key")
    with pytest.raises(VaultLocked):
        await LocalVault(tmp_path / "vault.key").seal(b"value", bound_to="a")

    assert (tmp_path / "vault.key").read_bytes() == b"no key"


async def test_while_a_rotation_is_under_way_two_keys_are_kept_and_afterwards_the_new_one_alone(tmp_path):
    path = tmp_path / "vault.key"
    vault = LocalVault(path)
    sealed = await vault.seal(b"value", bound_to="a")
    old = path.read_bytes()
    await vault.renew_key()
    during = path.read_bytes()
    # Who dies here comes back, finds two keys, and goes on with the same.
    vault = LocalVault(path)
    await vault.renew_key()
    again = path.read_bytes()
    resealed = await vault.reseal(sealed, bound_to="a")
    await vault.forget_old_keys()
    after = path.read_bytes()
    opened = await LocalVault(path).unseal(resealed, bound_to="a")
    with pytest.raises(VaultLocked):
        await vault.unseal(sealed, bound_to="a")

    assert during == again
    assert during[32:] == old
    assert after == during[:32] != old
    assert opened == b"value"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["vault.key"]


async def test_a_new_key_that_is_not_on_disk_seals_nothing(tmp_path):
    path = tmp_path / "vault.key"
    vault = LocalVault(path)
    await vault.seal(b"value", bound_to="a")
    # In the place of the file that is to be written.
    path.with_suffix(".new").mkdir()
    with pytest.raises(VaultLocked, match="cannot be used"):
        await vault.renew_key()
    sealed = await vault.seal(b"value", bound_to="a")

    assert await LocalVault(path).unseal(sealed, bound_to="a") == b"value"


# The API


def contents(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


async def test_a_secrets_value_is_in_no_answer_and_in_no_file():
    async with serving() as (grid, client):
        kept = await client.put("/secrets/password", json={"value": SECRET})
        listed = await client.get("/secrets")
        used = await client.put("/functions/hello", json={"secrets": {"KEY": "password"}})
        shown = await client.get("/functions/hello")
        files = contents(grid.folder)

    assert kept.status_code == used.status_code == 200
    assert set(kept.json()) == {"name", "createdAt", "updatedAt"}
    assert listed.json()["items"] == [kept.json()]
    assert shown.json()["secrets"] == {"KEY": "password"}
    assert not [answer for answer in (kept, listed, used, shown) if SECRET in answer.text]
    assert SECRET.encode() not in files


async def test_a_new_value_keeps_the_name_and_a_deleted_secret_is_gone():
    async with serving() as (_, client):
        first = (await client.put("/secrets/password", json={"value": "one"})).json()
        second = (await client.put("/secrets/password", json={"value": "two"})).json()
        deleted = await client.delete("/secrets/password")
        again = await client.delete("/secrets/password")

    assert first["createdAt"] == second["createdAt"]
    assert first["updatedAt"] < second["updatedAt"]
    assert (deleted.status_code, again.status_code, again.json()["code"]) == (204, 404, "secret_not_found")


@pytest.mark.parametrize(
    ("method", "path", "body", "place"),
    [
        ("PUT", "/secrets/password", {"value": ""}, "$.value"),
        ("PUT", "/secrets/password", {"value": "a\0b"}, "$.value"),
        ("PUT", "/secrets/password", {"value": "x" * 40_000}, "$.value"),
        ("PUT", "/secrets/no.name", {"value": "x"}, "$.name"),
        ("PUT", "/functions/hello", {"secrets": {"KEY": "absent"}}, "$.secrets.KEY"),
        ("PUT", "/functions/hello", {"secrets": {"1KEY": "absent"}}, "$.secrets"),
    ],
)
async def test_an_impossible_secret_is_a_422_that_names_the_field(method, path, body, place):
    async with serving() as (_, client):
        answer = await client.request(method, path, json=body)

    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["path"].startswith(place)


# In a sandbox


async def test_a_function_knows_its_secret_and_whatever_it_writes_does_not_show_it():
    async with started_grid() as grid, http(grid) as client:
        await a_function_knows_its_secret(client)


# A rotation


async def test_the_owner_rotates_the_key_and_functions_know_their_secrets_as_before():
    async with started_grid() as grid, http(grid) as client:
        await client.put("/secrets/key", json={"value": SECRET})
        await deploy(client, "telling", TELLING, secrets={"KEY": "key"})
        old = (grid.data / "vault.key").read_bytes()
        rotated = await client.post("/vault/rotate")
        new = (grid.data / "vault.key").read_bytes()
        await grid.stop()
        await grid.start()
        async with http(grid) as again:
            knows = (await run(again, "telling", SECRET)).json()

    assert (rotated.status_code, rotated.json()) == (200, {"secrets": 1})
    assert len(old) == len(new) == 32
    assert old != new
    assert knows["output"] is True


async def test_only_the_grids_owner_rotates_the_key():
    async with serving() as (grid, client):
        _, friend, _ = await grid.key_ring.create("friend", tenant="acme", scopes=["admin"])
        _, deployer, _ = await grid.key_ring.create("ci", tenant="default", scopes=["deploy"])
        answers = [
            await client.post("/vault/rotate", headers={"authorization": f"Bearer {token}"})
            for token in (friend, deployer)
        ]

    assert [(one.status_code, one.json()["code"]) for one in answers] == [(403, "scope_missing")] * 2


# Masking

VALUES = ["password1", "password12", "ssssssss", "sssssssst"]


@given(
    st.lists(st.one_of(st.sampled_from([v.encode() for v in VALUES]), st.binary(max_size=6)), max_size=6),
    st.lists(st.integers(0, 60), max_size=6),
)
def test_no_value_gets_through_however_it_is_cut_into_pieces(parts, cuts):
    written, passed = b"".join(parts), []
    sink = _MaskedSink(passed.append, Mask(VALUES))
    places = sorted({0, len(written), *(min(cut, len(written)) for cut in cuts)})
    for start, end in itertools.pairwise(places):
        sink(written[start:end])
    sink.flush()

    shown = b"".join(passed)
    assert not [value for value in VALUES if value.encode() in shown]


def test_short_values_and_other_text_stay_as_they_are():
    mask = Mask(["short", "long enough"])

    assert mask.text("a short text \ud800 is long enough") == "a short text \ud800 is ***"
    assert not Mask(["short"])


# The command line


def test_the_value_is_read_from_stdin_and_never_printed():
    grid = FakeGrid()
    grid.answers.append(httpx.Response(200, json={"name": "key", "createdAt": NOW, "updatedAt": NOW}))

    done = CliRunner().invoke(make_app(environ={}, connect=grid.blocking), ["secrets", "set", "key"], input="s3cret\n")

    assert done.exit_code == 0, done.output
    assert grid.asked() == {"value": "s3cret"}
    assert "s3cret" not in done.output


def test_secrets_are_listed_by_name_and_deleted():
    grid = FakeGrid()
    app = make_app(environ={}, connect=grid.blocking)
    grid.answers += [
        httpx.Response(200, json={"items": [{"name": "key", "createdAt": NOW, "updatedAt": NOW}]}),
        httpx.Response(204),
    ]

    listed = CliRunner().invoke(app, ["secrets", "list"])
    deleted = CliRunner().invoke(app, ["secrets", "rm", "key"])

    assert listed.stdout.splitlines()[1].startswith("key")
    assert deleted.stdout == "Deleted key.\n"


def test_a_rotation_says_how_many_secrets_are_sealed_anew():
    grid = FakeGrid()
    app = make_app(environ={}, connect=grid.blocking)
    grid.answers += [httpx.Response(200, json={"secrets": 1}), httpx.Response(200, json={"secrets": 3})]

    done = CliRunner().invoke(app, ["secrets", "rotate"])
    counted = CliRunner().invoke(app, ["secrets", "rotate", "--json"])

    assert done.stdout == "Sealed 1 secret under a new key.\n"
    assert json.loads(counted.stdout) == {"secrets": 3}
