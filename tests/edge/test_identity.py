"""Who may ask what, over the wire: every route by every identity; and what an answer gives away."""

import ast
import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from edge_server import Edge, edge
from raw_http import Reply, request

import nanogrid
from gateway_harness import TOKEN
from nanogrid.api.routes import ROUTES
from nanogrid.gateway.console import console_routes
from nanogrid.identifiers import new_function_id, new_key_id, new_run_id
from nanogrid.model import Scope

RUN = new_run_id()
LATER = datetime.now(UTC) + timedelta(days=1)
CHANGE = msgspec.json.encode({"memoryMb": 256})
DEPLOY = msgspec.json.encode({"name": "other", "runtime": "python3.11", "source": "def handler(e, c): pass\n"})
KEY = msgspec.json.encode({"name": "ci", "scopes": ["read"]})
UPLOAD = msgspec.json.encode({"sha256": "0" * 64, "size": 5})
NO_KEY = new_key_id()
SCHEDULE = msgspec.json.encode({"function": "hello", "expression": "@daily"})
ASK = msgspec.json.encode({"functionId": "hello", "input": 1})

# operation: method, target, body, status with the right token, status without
TABLE = {
    "deployFunction": ("POST", "/functions", DEPLOY, 201, 401),
    "listFunctions": ("GET", "/functions", b"", 200, 401),
    "getFunction": ("GET", "/functions/hello", b"", 200, 401),
    "listVersions": ("GET", "/functions/hello/versions", b"", 200, 401),
    "updateFunction": ("PUT", "/functions/hello", CHANGE, 200, 401),
    "deleteFunction": ("DELETE", "/functions/hello", b"", 204, 401),
    "readLogs": ("GET", "/functions/hello/logs", b"", 200, 401),
    "runFunction": ("POST", "/run", ASK, 200, 401),
    "listRuns": ("GET", "/runs", b"", 200, 401),
    "getRun": ("GET", f"/runs/{RUN}", b"", 404, 401),
    "explainRun": ("GET", f"/runs/{RUN}/explain", b"", 404, 401),
    "listArtifacts": ("GET", f"/runs/{RUN}/artifacts", b"", 404, 401),
    "getArtifact": ("GET", f"/runs/{RUN}/artifacts/a/b.txt", b"", 404, 401),
    "cancelRun": ("DELETE", f"/runs/{RUN}", b"", 404, 401),
    "listDeadLetters": ("GET", "/dead-letters", b"", 200, 401),
    "redrive": ("POST", f"/dead-letters/{RUN}/redrive", b"", 404, 401),
    "placeUpload": ("POST", "/uploads", UPLOAD, 200, 401),
    "keepUpload": ("PUT", f"/uploads/{hashlib.sha256(b'large').hexdigest()}", b"large", 204, 401),
    "rollBack": ("POST", "/functions/hello/rollback", b"{}", 422, 401),
    "getCode": ("GET", "/functions/hello/code", b"", 200, 401),
    "listAliases": ("GET", "/functions/hello/aliases", b"", 200, 401),
    "getAlias": ("GET", "/functions/hello/aliases/live", b"", 404, 401),
    "putAlias": ("PUT", "/functions/hello/aliases/live", b'{"version": 1}', 200, 401),
    "deleteAlias": ("DELETE", "/functions/hello/aliases/live", b"", 404, 401),
    "putSecret": ("PUT", "/secrets/password", b'{"value": "correct horse"}', 200, 401),
    "listSecrets": ("GET", "/secrets", b"", 200, 401),
    "deleteSecret": ("DELETE", "/secrets/password", b"", 404, 401),
    "rotateVault": ("POST", "/vault/rotate", b"", 200, 401),
    "createSchedule": ("POST", "/schedules", SCHEDULE, 201, 401),
    "listSchedules": ("GET", "/schedules", b"", 200, 401),
    "getSchedule": ("GET", "/schedules/hello", b"", 404, 401),
    "changeSchedule": ("PUT", "/schedules/hello", b'{"enabled": false}', 404, 401),
    "deleteSchedule": ("DELETE", "/schedules/hello", b"", 404, 401),
    "createKey": ("POST", "/keys", KEY, 201, 401),
    "listKeys": ("GET", "/keys", b"", 200, 401),
    "getKey": ("GET", f"/keys/{NO_KEY}", b"", 404, 401),
    "revokeKey": ("DELETE", f"/keys/{NO_KEY}", b"", 404, 401),
    "getQuota": ("GET", "/quota", b"", 200, 401),
    "putQuota": ("PUT", "/quota", b"{}", 200, 401),
    "callFunction": ("POST", "/fn/hello", b"1", 200, 401),
    "callPath": ("GET", "/fn/hello/a/b?c=d", b"", 200, 401),
    "metrics": ("GET", "/metrics", b"", 200, 401),
    "live": ("GET", "/health/live", b"", 200, 200),
    "ready": ("GET", "/health/ready", b"", 200, 200),
    "openapi": ("GET", "/openapi.json", b"", 200, 200),
    "docs": ("GET", "/docs", b"", 200, 200),
}
#: Pages and files of the console hold nothing of the grid's; they ask for it with a token.
CONSOLE = {route.operation_id: ("GET", route.path, b"", 200, 200) for route in console_routes()}

# operation: status for an admin of another tenant, who has nothing: what is this tenant's is not there for him
OF_ANOTHER_TENANT = {
    "deployFunction": 201,
    "listFunctions": 200,
    "getFunction": 404,
    "listVersions": 404,
    "updateFunction": 404,
    "deleteFunction": 404,
    "readLogs": 404,
    "runFunction": 404,
    "listRuns": 200,
    "getRun": 404,
    "explainRun": 404,
    "listArtifacts": 404,
    "getArtifact": 404,
    "cancelRun": 404,
    "listDeadLetters": 200,
    "redrive": 404,
    "placeUpload": 200,
    "keepUpload": 204,
    "rollBack": 404,
    "getCode": 404,
    "listAliases": 404,
    "getAlias": 404,
    "putAlias": 404,
    "deleteAlias": 404,
    "putSecret": 200,
    "listSecrets": 200,
    "deleteSecret": 404,
    "createSchedule": 404,
    "listSchedules": 200,
    "getSchedule": 404,
    "changeSchedule": 404,
    "deleteSchedule": 404,
    "createKey": 201,
    "listKeys": 200,
    "getKey": 404,
    "revokeKey": 404,
    "getQuota": 200,
    "putQuota": 403,
    "rotateVault": 403,
    "callFunction": 404,
    "callPath": 404,
    "metrics": 403,
}

STRANGERS = {
    "no header": None,
    "no scheme": TOKEN,
    "another scheme": f"Basic {TOKEN}",
    "another token": "Bearer " + "x" * len(TOKEN),
    "the beginning": f"Bearer {TOKEN[:-1]}",
    "more": f"Bearer {TOKEN}x",
    "two": f"Bearer {TOKEN}, Bearer {TOKEN}",
    "another case": f"Bearer {TOKEN.upper()}",
    "nothing": "Bearer",
    "not ASCII": "Bearer \xe9\xff",
}


def test_every_route_has_a_row():
    assert {route.operation_id for route in ROUTES} == set(TABLE)
    assert {route.operation_id for route in [*ROUTES, *console_routes()] if route.public} == {
        name for name, row in (TABLE | CONSOLE).items() if row[4] != 401
    }


@pytest.mark.parametrize("name", TABLE | CONSOLE)
async def test_a_route_answers_the_right_token_and_nobody_else(name):
    method, target, body, right, without = (TABLE | CONSOLE)[name]
    async with edge() as served:
        before = await _state(served)
        strangers = {
            identity: (await served.ask(_as(header, method, target, body))).status
            for identity, header in STRANGERS.items()
        }
        after = await _state(served)
        known = await served.ask(request(method, target, body, token=TOKEN))

    assert strangers == dict.fromkeys(STRANGERS, without)
    assert before == after
    assert known.status == right


@pytest.mark.parametrize("name", OF_ANOTHER_TENANT)
async def test_a_key_that_is_not_for_this_opens_nothing(name):
    """Revoked, expired, without the scope: the table's further columns."""
    method, target, body, *_ = TABLE[name]
    (route,) = [route for route in ROUTES if route.operation_id == name]
    async with edge() as served:
        keys = {
            "revoked": await _made(served, scopes=["admin"]),
            "expired": await _made(served, scopes=["admin"], expiresAt=LATER.isoformat()),
            "wrong scope": await _made(served, scopes=sorted(frozenset(Scope) - route.scopes - {Scope.ADMIN})),
        }
        await served.ask(request("DELETE", f"/keys/{keys['revoked']['keyId']}", token=TOKEN))
        before = await _state(served)
        wrong = await served.ask(request(method, target, body, token=keys["wrong scope"]["token"]))
        served.grid.gateway._auth._now = lambda: LATER
        late = [await served.ask(request(method, target, body, token=keys[k]["token"])) for k in ("revoked", "expired")]
        after = await _state(served)

    assert (wrong.status, wrong.json()["code"]) == (403, "scope_missing")
    assert [reply.status for reply in late] == [401, 401]
    assert before == after


def test_every_route_with_a_token_is_tried_by_another_tenant():
    assert set(OF_ANOTHER_TENANT) == {route.operation_id for route in ROUTES if not route.public}


@pytest.mark.parametrize("name", OF_ANOTHER_TENANT)
async def test_another_tenant_finds_nothing_of_this_one(name):
    method, target, body, *_ = TABLE[name]
    async with edge() as served:
        ran = (await served.ask(request("POST", "/run", ASK, token=TOKEN))).json()
        key = await _made(served, scopes=["read"])
        ids = {RUN: ran["runId"], NO_KEY: key["keyId"]}
        there = next((target.replace(never, real) for never, real in ids.items() if never in target), target)
        never = target.replace("hello", "nobody")
        other = (await _made(served, scopes=["admin"], tenant="other"))["token"]
        before = await _state(served)
        theirs = await served.ask(request(method, there, body, token=other))
        absent = await served.ask(request(method, never, body.replace(b"hello", b"nobody"), token=other))
        after = await _state(served)

    assert theirs.status == OF_ANOTHER_TENANT[name]
    assert before == after
    for real in ("hello", ran["runId"], ran["functionId"], key["keyId"]):
        assert theirs.status == 404 or real not in theirs.body.decode()
    if theirs.status == 404:
        assert _told(theirs, there) == _told(absent, never)


async def test_a_stranger_learns_nothing_about_what_there_is():
    targets = ["/functions/hello", "/functions/nobody", f"/functions/{new_function_id()}", "/functions/.."]
    async with edge() as served:
        replies = [await served.ask(request("GET", target)) for target in targets]

    assert len({_without_id(reply) for reply in replies}) == 1


async def test_what_is_gone_is_told_as_what_never_was():
    async with edge() as served:
        gone = (await served.ask(request("GET", "/functions/hello", token=TOKEN))).json()["functionId"]
        await served.ask(request("DELETE", "/functions/hello", token=TOKEN))
        never = new_function_id()
        replies = [await served.ask(request("GET", f"/functions/{ref}", token=TOKEN)) for ref in (gone, never)]

    texts = [_without_id(reply).replace(ref, "ID") for reply, ref in zip(replies, (gone, never), strict=True)]
    assert texts[0] == texts[1]
    assert replies[0].status == 404


@pytest.mark.parametrize("site", ["https://evil.test", "null", "http://127.0.0.1:1", "http://127.0.0.1.evil.test"])
@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
async def test_what_a_foreign_page_can_send_without_asking_is_refused(site, content_type):
    body = request("POST", "/run", token=TOKEN, origin=site, content_length="2")[:-2]
    async with edge() as served:
        foreign = await served.ask(body + f"content-type: {content_type}\r\n\r\n{{}}".encode())
        preflight = await served.ask(request("OPTIONS", "/run", origin=site, access_control_request_method="POST"))

    assert (foreign.status, preflight.status) == (403, 403)
    assert not [name for reply in (foreign, preflight) for name in reply.headers if name.startswith("access-control")]


# Names of what must not be compared byte by byte, for the time would tell how much of it was right.
_SECRET = ("token", "secret", "password", "authorization", "bearer", "signature", "hmac")


def _is_secret(node: ast.expr) -> bool:
    names = [n.id for n in ast.walk(node) if isinstance(n, ast.Name)]
    names += [n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute)]
    return any(word in name.lower() for name in names for word in _SECRET)


def _compared_secrets(source: str) -> list[int]:
    """The lines on which a secret is compared with `==`, `!=` or `in` a sequence that is compared item by item."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Compare)
        and any(isinstance(operator, ast.Eq | ast.NotEq) for operator in node.ops)
        and any(_is_secret(side) for side in [node.left, *node.comparators])
    ]


def test_the_check_below_finds_what_it_looks_for():
    assert _compared_secrets("if request.token == stored:\n    pass\nx = stored != digest(SECRET)\n") == [1, 3]


def test_no_secret_is_compared_byte_by_byte():
    root = Path(nanogrid.__file__).parent
    found = {
        str(path.relative_to(root)): lines
        for path in root.rglob("*.py")
        if (lines := _compared_secrets(path.read_text()))
    }

    assert found == {}


async def _state(served: Edge) -> object:
    functions = await served.grid.backend.registry.list_functions(limit=10)
    runs = await served.grid.backend.run_store.list_runs(limit=10)
    return functions, runs


async def _made(served: Edge, **fields: object) -> dict:
    asked = msgspec.json.encode({"name": "some"} | fields)
    reply = await served.ask(request("POST", "/keys", asked, token=TOKEN))
    assert reply.status == 201, reply.body
    return reply.json()


def _told(reply: Reply, target: str) -> str:
    """The answer without what was asked for."""
    text = _without_id(reply)
    for word in sorted({*target.split("/"), "hello", "nobody"} - {""}, key=len, reverse=True):
        text = text.replace(repr(word), "IT")
    return text


def _as(header: str | None, method: str, target: str, body: bytes) -> bytes:
    return request(method, target, body, **({} if header is None else {"authorization": header}))


def _without_id(reply: Reply) -> str:
    return reply.body.decode().replace(reply.headers["x-request-id"], "")
