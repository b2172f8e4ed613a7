"""Who may ask what: every route is in the table below, with and without the right token."""

import pytest

from gateway_harness import TOKEN, serving
from nanogrid.api.auth import Auth, Principal, token_digest
from nanogrid.api.routes import ROUTES
from nanogrid.errors import Unauthorized
from nanogrid.identifiers import new_run_id

PUBLIC = {"live", "ready", "openapi", "docs", "console"}


def address(path: str) -> str:
    return (
        path.replace("/runs/{id}", f"/runs/{new_run_id()}")
        .replace("{id}", "hello")
        .replace("{runId}", new_run_id())
        .replace("{name}", "hello")
        .replace("{path+}", "a/b")
    )


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.operation_id)
@pytest.mark.parametrize("token", [None, "", "wrong", TOKEN + "x", TOKEN[:-1]])
async def test_no_route_but_the_public_ones_answers_without_the_right_token(route, token):
    async with serving() as (grid, client):
        client.headers.pop("authorization")
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        answer = await client.request(route.methods[0], address(route.path), headers=headers)
        functions = await grid.backend.registry.list_functions(limit=10)

    if route.operation_id in PUBLIC:
        assert answer.status_code == 200
    else:
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert len(functions.items) == 1


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.operation_id)
async def test_every_route_takes_the_right_token(route):
    async with serving() as (_, client):
        answer = await client.request(route.methods[0], address(route.path))

    assert answer.status_code not in (401, 403, 405, 500)


@pytest.mark.parametrize("header", ["Bearer", "Basic " + TOKEN, TOKEN, "Bearer  ", f"Bearer {TOKEN}, Bearer x", "é"])
def test_only_a_bearer_token_is_read(header):
    auth = Auth({token_digest(TOKEN): Principal(name="admin")})

    with pytest.raises(Unauthorized):
        auth.principal(header)


@pytest.mark.parametrize("header", [f"Bearer {TOKEN}", f"bearer {TOKEN}", f"Bearer   {TOKEN} "])
def test_the_right_token_tells_who_asks(header):
    auth = Auth({token_digest(TOKEN): Principal(name="admin")})

    assert auth.principal(header).name == "admin"


async def test_nobody_unknown_makes_the_gateway_read_a_body():
    read = []

    async def body():
        read.append(1)
        yield b"{}"

    async with serving() as (_, client):
        answer = await client.post("/run", content=body(), headers={"authorization": "Bearer wrong"})

    assert answer.status_code == 401
    assert read == []


@pytest.mark.parametrize(
    "host", ["evil.test", "evil.test:80", "grid.test.evil.test", "", "[::2]", "127.0.0.1.evil.test"]
)
async def test_a_host_that_is_not_ours_is_a_421_even_with_the_token(host):
    async with serving() as (_, client):
        answer = await client.get("/functions", headers={"host": host})

    assert answer.status_code == 421


@pytest.mark.parametrize("host", ["grid.test", "GRID.test.", "localhost:8080", "127.0.0.1:1", "[::1]:8080"])
async def test_our_own_names_are_answered_with_any_port(host):
    async with serving() as (_, client):
        answer = await client.get("/health/live", headers={"host": host})

    assert answer.status_code == 200


@pytest.mark.parametrize("origin", ["https://evil.test", "null", "http://grid.test.evil.test", "http://grid.test:81"])
async def test_a_foreign_page_is_a_403_even_with_the_token(origin):
    async with serving() as (_, client):
        answer = await client.post("/run", json={"functionId": "hello"}, headers={"origin": origin})

    assert answer.status_code == 403


async def test_our_own_page_may_ask():
    async with serving() as (_, client):
        answer = await client.get("/functions", headers={"origin": "http://grid.test"})

    assert answer.status_code == 200


async def test_a_cookie_is_no_token():
    async with serving() as (_, client):
        client.headers.pop("authorization")
        answer = await client.get("/functions", headers={"cookie": f"token={TOKEN}"})

    assert answer.status_code == 401
