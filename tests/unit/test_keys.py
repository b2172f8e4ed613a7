"""Keys and quotas: what each opens, for how long, and for whom."""

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from gateway_harness import HELLO, TOKEN, serving
from nanogrid.key_ring import KeyRing, token_digest
from nanogrid.model import Quota
from nanogrid.quotas import Quotas

ALL = ["deploy", "run", "read", "admin"]


@asynccontextmanager
async def holding(grid, token):
    """A client with that token."""
    transport, headers = httpx.ASGITransport(grid.gateway), {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://grid.test", headers=headers) as client:
        yield client


async def made(owner, **fields):
    answer = await owner.post("/keys", json={"name": "some", "scopes": ALL} | fields)
    assert answer.status_code == 201, answer.text
    return answer.json()


def code(answer):
    return answer.json()["code"]


async def test_a_token_is_shown_once_and_kept_as_its_digest_only():
    async with serving() as (grid, owner):
        created = await owner.post("/keys", json={"name": "ci", "scopes": ["deploy"]})
        key = created.json()
        shown = await owner.get(created.headers["location"])
        listed = (await owner.get("/keys")).json()["items"]
        files = b"".join(path.read_bytes() for path in grid.folder.glob("nanogrid.db*"))

    assert created.headers["cache-control"] == "no-store"
    token = key.pop("token")
    assert shown.json() == key
    assert listed == [key]
    assert token.startswith("ngk_")
    assert len(token) == 4 + 43
    assert token.encode() not in files
    assert token_digest(token).encode() in files


async def test_a_revoked_key_opens_nothing_from_then_on():
    async with serving() as (grid, owner):
        key = await made(owner)
        async with holding(grid, key["token"]) as client:
            before = await client.get("/functions")
            revoked = await owner.delete(f"/keys/{key['keyId']}")
            after = await client.get("/functions")
        again = await owner.delete(f"/keys/{key['keyId']}")

    assert (before.status_code, revoked.status_code, after.status_code) == (200, 204, 401)
    assert (again.status_code, code(again)) == (404, "key_not_found")


async def test_a_key_ends_at_its_time():
    async with serving() as (grid, owner):
        soon = datetime.now(UTC) + timedelta(hours=1)
        key = await made(owner, expiresAt=soon.isoformat())
        async with holding(grid, key["token"]) as client:
            before = await client.get("/functions")
            grid.gateway._auth._now = lambda: soon
            after = await client.get("/functions")

    assert (before.status_code, after.status_code) == (200, 401)
    assert "expired" in after.json()["detail"]


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"name": ""}, "$.name"),
        ({"name": "a\nb"}, "$.name"),
        ({"scopes": []}, "$.scopes"),
        ({"scopes": ["root"]}, "$.scopes[0]"),
        ({"functions": []}, "$.functions"),
        ({"functions": ["no name"]}, "$.functions[0]"),
        ({"expiresAt": "2001-01-01T00:00:00Z"}, "$.expiresAt"),
        ({"expiresAt": "2999-01-01T00:00:00"}, "$.expiresAt"),
        ({"tenant": "Not/One"}, "$.tenant"),
        ({"owner": True}, "$.owner"),
    ],
)
async def test_an_impossible_key_is_a_422_that_names_the_field_and_none_is_made(fields, path):
    async with serving() as (_, owner):
        answer = await owner.post("/keys", json={"name": "some", "scopes": ["run"]} | fields)
        listed = await owner.get("/keys")

    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["path"] == path
    assert listed.json()["items"] == []


async def test_keys_outlive_a_restart_and_reach_other_processes_at_their_next_refresh():
    async with serving() as (grid, owner):
        elsewhere = KeyRing(grid.backend.record_store, grid.clock, owner_digest=token_digest(TOKEN))
        key = await made(owner, tenant="acme")
        digest = token_digest(key["token"])
        await elsewhere.refresh()
        known = elsewhere.principals.get(digest)
        await owner.delete(f"/keys/{key['keyId']}?tenant=acme")
        await elsewhere.refresh(max_age_s=60)
        still = elsewhere.principals.get(digest)
        await elsewhere.refresh()

        assert known is not None
        assert (known.tenant, still) == ("acme", known)
        assert digest not in elsewhere.principals
        assert elsewhere.principals[token_digest(TOKEN)].name == "owner"


# Scopes


async def test_a_run_key_runs_and_follows_and_does_nothing_else():
    async with serving() as (grid, owner):
        key = await made(owner, scopes=["run"])
        async with holding(grid, key["token"]) as client:
            ran = await client.post("/run", json={"functionId": "hello", "input": 1})
            followed = await client.get(f"/runs/{ran.json()['runId']}")
            refused = [
                await client.get("/functions"),
                await client.get("/runs"),
                await client.delete("/functions/hello"),
                await client.post("/keys", json={"name": "more", "scopes": ["admin"]}),
            ]

    assert (ran.status_code, followed.status_code) == (200, 200)
    assert {(answer.status_code, code(answer)) for answer in refused} == {(403, "scope_missing")}
    assert "`admin`" in refused[-1].json()["detail"]


async def test_a_key_for_named_functions_runs_those_only_and_learns_of_no_others():
    async with serving() as (grid, owner):
        other = (await owner.post("/functions", json=HELLO | {"name": "other"})).json()["functionId"]
        hello = (await owner.get("/functions/hello")).json()["functionId"]
        foreign = (await owner.post("/run", json={"functionId": "other"})).json()["runId"]
        key = await made(owner, scopes=["run"], functions=["hello"])
        async with holding(grid, key["token"]) as client:
            allowed = [await client.post("/run", json={"functionId": ref}) for ref in ("hello", hello)]
            refused = [await client.post("/run", json={"functionId": ref}) for ref in ("other", other, "nobody")]
            runs = [await client.get(f"/runs/{foreign}"), await client.delete(f"/runs/{foreign}")]
            own = await client.get(f"/runs/{allowed[0].json()['runId']}")

    assert [answer.status_code for answer in allowed] == [200, 200]
    assert {(answer.status_code, answer.json()["detail"]) for answer in refused} == {
        (403, "this key may run hello only. Ask for another key.")
    }
    assert [(answer.status_code, code(answer)) for answer in runs] == [(404, "run_not_found")] * 2
    assert own.status_code == 200


# Tenants


async def test_tenants_do_not_see_each_other_and_may_use_the_same_names():
    async with serving() as (grid, owner):
        key = await made(owner, tenant="acme")
        async with holding(grid, key["token"]) as acme:
            unseen = await acme.get("/functions/hello")
            deployed = await acme.post("/functions", json=HELLO | {"memoryMb": 256})
            ours, theirs = await owner.get("/functions/hello"), await acme.get("/functions/hello")
            run = (await acme.post("/run", json={"functionId": "hello", "input": 1})).json()
            listed = [[r["runId"] for r in (await c.get("/runs")).json()["items"]] for c in (owner, acme)]
            peeks = [
                await owner.get(f"/functions/{theirs.json()['functionId']}"),
                await owner.get(f"/runs/{run['runId']}"),
                await owner.delete(f"/runs/{run['runId']}"),
                await owner.post(f"/dead-letters/{run['runId']}/redrive"),
                await owner.post("/run", json={"functionId": theirs.json()["functionId"]}),
                await owner.get("/runs", params={"functionId": theirs.json()["functionId"]}),
            ]

    assert (unseen.status_code, deployed.status_code) == (404, 201)
    assert (ours.json()["memoryMb"], theirs.json()["memoryMb"]) == (128, 256)
    assert (run["status"], run["tenant"]) == ("succeeded", "acme")
    assert listed == [[], [run["runId"]]]
    assert [answer.status_code for answer in peeks] == [404] * len(peeks)


async def test_one_key_of_idempotency_is_another_run_for_another_tenant():
    ask, once = {"functionId": "hello", "input": 1}, {"Idempotency-Key": "order-17"}
    async with serving() as (grid, owner), holding(grid, (await made(owner, tenant="acme"))["token"]) as acme:
        await acme.post("/functions", json=HELLO)
        runs = [(await c.post("/run", json=ask, headers=once)).json()["runId"] for c in (owner, acme, owner, acme)]

    assert runs[:2] == runs[2:]
    assert runs[0] != runs[1]


async def test_only_the_grids_owner_reaches_into_other_tenants():
    async with serving() as (grid, owner):
        acme_key = await made(owner, tenant="acme")
        other_key = await made(owner, tenant="other")
        async with holding(grid, acme_key["token"]) as acme:
            own = await made(acme, scopes=["read"])
            refused = [
                await acme.post("/keys", json={"name": "x", "scopes": ["read"], "tenant": "other"}),
                await acme.get("/keys?tenant=other"),
                await acme.get("/quota?tenant=default"),
                await acme.put("/quota", json={}),
                await acme.get("/metrics"),
            ]
            hidden = await acme.delete(f"/keys/{other_key['keyId']}")
            listed = await acme.get("/keys")
        by_owner = await owner.get("/keys?tenant=acme")

    assert own["tenant"] == "acme"
    assert {(answer.status_code, code(answer)) for answer in refused} == {(403, "scope_missing")}
    assert (hidden.status_code, code(hidden)) == (404, "key_not_found")
    assert [key["keyId"] for key in listed.json()["items"]] == [acme_key["keyId"], own["keyId"]]
    assert by_owner.json() == listed.json()


@pytest.mark.parametrize("key_id", ["nobody", "key_", "key_" + "0" * 26, "key_%2e%2e"])
async def test_an_unknown_key_is_a_404(key_id):
    async with serving() as (_, owner):
        answers = [await owner.get(f"/keys/{key_id}"), await owner.delete(f"/keys/{key_id}")]

    assert [(answer.status_code, code(answer)) for answer in answers] == [(404, "key_not_found")] * 2


# Quotas


async def limited(owner, **quota):
    """A tenant with that quota, and its token."""
    token = (await made(owner, tenant="acme"))["token"]
    answer = await owner.put("/quota?tenant=acme", json=quota)
    assert answer.status_code == 200, answer.text
    return token


async def test_a_quota_of_functions_is_a_409_for_one_more_and_none_for_a_next_version():
    async with serving() as (grid, owner), holding(grid, await limited(owner, functions=1)) as acme:
        first = await acme.post("/functions", json=HELLO)
        archives = grid.archives()
        second = await acme.post("/functions", json=HELLO | {"name": "other", "source": "handler = print\n"})
        update = await acme.put("/functions/hello", json={"source": "handler = len\n"})
        report = await owner.get("/quota?tenant=acme")

    assert (first.status_code, second.status_code, update.status_code) == (201, 409, 200)
    assert (code(second), archives) == ("quota_reached", 1)
    assert report.json()["quota"]["functions"] == 1
    assert report.json()["usage"]["functions"] == 1


async def test_a_quota_of_code_counts_every_version_once():
    async with serving() as (grid, owner):
        size = (await owner.get("/functions/hello")).json()["codeSize"]
        async with holding(grid, await limited(owner, codeBytes=2 * size)) as acme:
            await acme.post("/functions", json=HELLO)
            settings = await acme.put("/functions/hello", json={"memoryMb": 256})
            fits = await acme.put("/functions/hello", json={"source": HELLO["source"].replace("event", "EVENT")})
            too_much = await acme.put("/functions/hello", json={"source": HELLO["source"].replace("event", "Event")})
            usage = (await acme.get("/quota")).json()["usage"]

    assert (settings.status_code, fits.status_code, too_much.status_code) == (200, 200, 409)
    assert usage == {"functions": 1, "codeBytes": 2 * size, "schedules": 0}


async def test_runs_beyond_the_minutes_quota_are_a_429_that_says_when_to_come_again():
    async with serving() as (grid, owner), holding(grid, await limited(owner, runsPerMinute=2)) as acme:
        await acme.post("/functions", json=HELLO)
        answers = [await acme.post("/run", json={"functionId": "hello"}) for _ in range(3)]
        ours = await owner.post("/run", json={"functionId": "hello"})

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert (code(answers[2]), answers[2].headers["retry-after"]) == ("run_quota_reached", "30")
    assert ours.status_code == 200


async def test_runs_beyond_the_backlogs_quota_are_a_429_and_leave_nothing():
    async with (
        serving(idle=True) as (grid, owner),
        holding(grid, await limited(owner, backlog=2)) as acme,
    ):
        await acme.post("/functions", json=HELLO)
        ask = {"functionId": "hello", "mode": "async"}
        answers = [await acme.post("/run", json=ask) for _ in range(3)]
        runs = (await acme.get("/runs")).json()["items"]

    assert [answer.status_code for answer in answers] == [202, 202, 429]
    assert code(answers[2]) == "backlog_full"
    assert len(runs) == 2


async def test_runs_beyond_the_quota_at_once_wait_for_their_turn():
    async with (
        serving(idle=True) as (grid, owner),
        holding(grid, await limited(owner, concurrentRuns=1)) as acme,
    ):
        for name in ("a", "b"):
            await acme.post("/functions", json=HELLO | {"name": name})
            await acme.post("/run", json={"functionId": name, "mode": "async"})
        first = await grid.backend.task_queue.receive(limit=10, wait_s=0)
        none = await grid.backend.task_queue.receive(limit=10, wait_s=0)
        await grid.backend.task_queue.ack(first[0])
        second = await grid.backend.task_queue.receive(limit=10, wait_s=0)

    assert (len(first), none, len(second)) == (1, [], 1)


async def test_a_quota_reaches_other_processes_and_outlives_a_restart():
    async with serving() as (grid, owner):
        await limited(owner, functions=7)
        elsewhere = Quotas(grid.backend.record_store, grid.backend.registry, grid.clock)
        await elsewhere.refresh()

    assert elsewhere.of("acme") == Quota(functions=7)
    assert elsewhere.of("other") == Quota()


async def test_of_racing_deployments_no_more_than_the_quota_are_made():
    async with serving() as (grid, owner), holding(grid, await limited(owner, functions=3)) as acme:
        racing = [acme.post("/functions", json=HELLO | {"name": f"f{n}"}) for n in range(8)]
        statuses = sorted(answer.status_code for answer in await asyncio.gather(*racing))

    assert statuses == [201] * 3 + [409] * 5
