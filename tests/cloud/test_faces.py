"""The gateway and the Lambdas are two faces of one API: case by case they answer the same."""

import base64
import hashlib
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from msgspec import structs

from gateway_harness import HELLO, TOKEN, Grid, opened, working
from lambda_events import HOST, event
from nanogrid.api.route import Router
from nanogrid.client.bundle import Entry, pack
from nanogrid.cloud.control_plane.assignment import all_routes
from nanogrid.cloud.control_plane.face import Face
from nanogrid.errors import NanoGridError, StoreUnavailable
from records import DEAD

#: Ids, times and counts that differ from one grid to the next, and nothing else.
_VOLATILE = re.compile(
    r"(?P<id>req_|fn_|run_|key_|ngk_)[0-9A-Za-z_=-]+|\d{4}-\d\d-\d\dT[0-9:.]+Z|(?<=\"queuedMs\":)[0-9.]+|(?<=\"initMs\":)[0-9.]+"
)
_MULTIPART = (
    b'--b\r\ncontent-disposition: form-data; name="name"\r\n\r\nparts\r\n'
    b'--b\r\ncontent-disposition: form-data; name="runtime"\r\n\r\npython3.11\r\n'
    b'--b\r\ncontent-disposition: form-data; name="source"\r\n\r\ndef handler(e, c): return "\xc3\xbc"\r\n--b--\r\n'
)


_ARCHIVE = pack({"main.py": Entry(b"def handler(event, context): return 'sent ahead'\n")})


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass(frozen=True)
class Case:
    """One request; `{run}`, `{function}` and `{key}` in its path are the latest that the grid made."""

    method: str
    path: str
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    query: str = ""
    token: str | None = TOKEN
    #: What is done to the grid first.
    before: Callable[[Grid, str], Awaitable[None]] | None = None
    #: Runs need somebody who works on them; a queued one needs that nobody does.
    works: bool = False

    def sent(self, known: dict[str, str]) -> tuple[str, dict[str, str], bytes | None]:
        """Path, headers and body as they go out."""
        headers = {"authorization": f"Bearer {self.token}"} if self.token else {}
        body = self.body if isinstance(self.body, bytes | None) else json.dumps(self.body).encode()
        if body is not None:
            headers["content-type"] = "application/json"
        return self.path.format(**known), headers | self.headers, body


async def _bury(grid: Grid, run_id: str) -> None:
    """The latest run fails as if five platform failures had been; what else waits was cancelled."""
    leases = await grid.backend.task_queue.receive(limit=10, wait_s=20)
    (lease,) = (lease for lease in leases if lease.task.run_id == run_id)
    await grid.backend.run_store.start(run_id, lease.attempt)
    await grid.backend.run_store.finish(run_id, lease.attempt, DEAD)
    await grid.backend.dead_letters.bury(lease, "broken five times")


async def _answers_as_a_page(grid: Grid, _: str) -> None:
    grid.calls["hello"] = lambda event: _page(event) if "rawPath" in event else event


def _page(event: dict[str, Any]) -> dict[str, Any]:
    return {
        "statusCode": 201,
        "headers": {"Content-Type": "text/html", "Cache-Control": "max-age=9", "Server": "mine"},
        "body": f"{event['requestContext']['http']['method']} {event['rawPath']} {event.get('body')}",
    }


_RUN = {"functionId": "hello", "input": {"n": 1}}
_PUT = {"memoryMb": 256}
CASES = [
    # What needs no token.
    *[Case("GET", path, token=None) for path in ("/health/live", "/health/ready", "/openapi.json", "/docs", "/")],
    *[Case("GET", path, token=None) for path in ("/console/app.js", "/console/base.css", "/console/icon.svg")],
    Case("HEAD", "/docs", token=None),
    # Who asks.
    Case("GET", "/functions", token=None),
    Case("GET", "/functions", token="wrong"),
    Case("GET", "/functions", token=None, headers={"authorization": f"Basic {TOKEN}"}),
    Case("GET", "/functions", headers={"origin": "https://evil.test"}),
    Case("GET", "/functions", headers={"origin": f"https://{HOST}"}),
    Case("POST", "/run", {"functionId": "hello"}, token=None),
    # Deploying.
    Case("POST", "/functions", HELLO),
    Case("POST", "/functions", HELLO),
    Case("POST", "/functions", {"name": "hello"}),
    Case("POST", "/functions", {"name": "no/slash", "runtime": "python3.11", "source": ""}),
    Case("POST", "/functions", {"name": "old", "runtime": "python2", "source": ""}),
    Case("POST", "/functions", b"{"),
    Case("POST", "/functions", '{"name": "zürich"}'.encode()),
    Case("POST", "/functions", b"{}", headers={"content-type": "text/plain"}),
    Case("POST", "/functions", _MULTIPART, headers={"content-type": "multipart/form-data; boundary=b"}),
    Case("POST", "/functions", b"\xff\xfe", headers={"content-type": "multipart/form-data; boundary=b"}),
    # Archives that are sent ahead.
    Case("POST", "/uploads", {"sha256": _digest(_ARCHIVE), "size": len(_ARCHIVE)}),
    Case("POST", "/uploads", {"sha256": _digest(_ARCHIVE), "size": 2**40}),
    Case("POST", "/uploads", {"sha256": "no digest", "size": 1}),
    Case("POST", "/functions", {"name": "sent", "runtime": "python3.11", "upload": _digest(_ARCHIVE)}),
    Case("PUT", f"/uploads/{_digest(_ARCHIVE)}", _ARCHIVE, headers={"content-type": "application/octet-stream"}),
    Case("PUT", f"/uploads/{_digest(_ARCHIVE)}", b"other", headers={"content-type": "application/octet-stream"}),
    Case("PUT", "/uploads/no-digest", b"other"),
    Case("POST", "/functions", {"name": "sent", "runtime": "python3.11", "upload": _digest(_ARCHIVE)}),
    Case("DELETE", "/functions/sent"),
    # Reading and changing.
    Case("GET", "/functions"),
    Case("GET", "/functions", query="limit=1"),
    Case("GET", "/functions", query="limit=0"),
    Case("GET", "/functions", query="limit=1&limit=2"),
    Case("GET", "/functions", query="cursor=%FF"),
    Case("GET", "/functions/hello"),
    Case("HEAD", "/functions/hello"),
    Case("GET", "/functions/{function}"),
    Case("GET", "/functions/hello", query="version=7"),
    Case("GET", "/functions/nobody"),
    Case("GET", "/functions/%2e%2e"),
    Case("GET", "/functions/a%2Fb"),
    Case("GET", "/functions/hello", headers={"cookie": "a=b"}),
    Case("PUT", "/functions/hello", _PUT),
    Case("PUT", "/functions/hello", {"memoryMb": 1}),
    Case("PUT", "/functions/nobody", _PUT),
    Case("GET", "/functions/hello/versions"),
    # Versions and aliases.
    Case("GET", "/functions/hello/code", query="version=1"),
    Case("GET", "/functions/hello/code", query="version=9"),
    Case("POST", "/functions/hello/rollback", {}),
    Case("POST", "/functions/hello/rollback", {"version": 9}),
    Case("PUT", "/functions/hello/aliases/live", {"version": 2, "weights": {"1": 0.5}}),
    Case("PUT", "/functions/hello/aliases/live", {"version": 2, "weights": {"1": 1.5}}),
    Case("PUT", "/functions/hello/aliases/latest", {"version": 2}),
    Case("GET", "/functions/hello/aliases"),
    Case("GET", "/functions/hello/aliases/live"),
    Case("POST", "/run", _RUN | {"functionId": "hello:2"}, works=True),
    Case("POST", "/run", _RUN | {"functionId": "hello:nobody"}),
    Case("DELETE", "/functions/hello/aliases/live"),
    Case("DELETE", "/functions/hello/aliases/live"),
    # Functions as web servers. What `hello` echoes differs from face to face, so that it is told what to answer.
    Case("POST", "/fn/hello/a/b", {"n": 1}, query="c=d", before=_answers_as_a_page, works=True),
    Case("GET", "/fn/hello", before=_answers_as_a_page, works=True),
    Case("HEAD", "/fn/hello", headers={"origin": "https://evil.test"}, works=True),
    Case("PATCH", "/fn/hello:1/x", works=True),
    Case("PATCH", "/fn/hello", token=None),
    Case("GET", "/fn/hello", token="wrong"),
    Case("GET", "/fn/nobody", token=None),
    Case("TRACE", "/fn/hello"),
    # Running.
    Case("POST", "/run", _RUN, works=True),
    Case("POST", "/run", {"functionId": "hello", "input": "grüße"}, works=True),
    Case("POST", "/run", {"functionId": "nobody"}),
    Case("POST", "/run", {"functionId": "hello", "inptu": 1}),
    Case("POST", "/run", _RUN | {"mode": "async"}, headers={"idempotency-key": "k1"}),
    Case("POST", "/run", _RUN | {"mode": "async"}, headers={"idempotency-key": "k1"}),
    Case("POST", "/run", _RUN | {"input": 2, "mode": "async"}, headers={"idempotency-key": "k1"}),
    Case("GET", "/runs/{run}"),
    Case("GET", "/runs/{run}", query="waitMs=1"),
    Case("HEAD", "/runs/{run}"),
    Case("GET", "/runs/{run}/explain"),
    Case("GET", "/runs/run_none/explain"),
    Case("GET", "/runs/{run}/artifacts"),
    Case("GET", "/runs/{run}/artifacts/deep/file.txt"),
    Case("DELETE", "/runs/{run}"),
    Case("DELETE", "/runs/{run}"),
    Case("GET", "/runs/{run}/explain"),
    Case("GET", "/runs/run_none"),
    Case("GET", "/runs", query="functionId=hello&status=succeeded"),
    Case("GET", "/runs", query="status=lost"),
    Case("GET", "/functions/hello/logs", query="limit=2"),
    Case("GET", "/functions/nobody/logs", query="follow=true"),
    # The wait runs out.
    Case("POST", "/run", _RUN, headers={"prefer": "wait=0"}),
    # What the platform could not run.
    Case("GET", "/dead-letters", before=_bury),
    Case("POST", "/dead-letters/{run}/redrive"),
    Case("POST", "/dead-letters/{run}/redrive"),
    Case("POST", "/dead-letters/run_none/redrive"),
    # Schedules.
    Case("POST", "/schedules", {"function": "hello", "expression": "0 7 * * *", "timezone": "Europe/Berlin"}),
    Case("POST", "/schedules", {"function": "hello", "expression": "0 7 * * *"}),
    Case("POST", "/schedules", {"function": "hello", "name": "two", "expression": "every 0 minutes"}),
    Case("POST", "/schedules", {"function": "hello", "name": "two", "expression": "@daily", "timezone": "Berlin"}),
    Case("POST", "/schedules", {"function": "hello", "name": "a/b", "expression": "@daily"}),
    Case("POST", "/schedules", {"function": "nobody", "expression": "@daily"}),
    Case("GET", "/schedules"),
    Case("GET", "/schedules", query="functionId=nobody"),
    Case("HEAD", "/schedules"),
    Case("GET", "/schedules/hello"),
    Case("HEAD", "/schedules/hello"),
    Case("GET", "/schedules/nobody"),
    Case("PUT", "/schedules/hello", {"enabled": False, "overlap": "queue"}),
    Case("PUT", "/schedules/hello", {"overlap": "wait"}),
    Case("DELETE", "/schedules/hello"),
    Case("DELETE", "/schedules/hello"),
    # Secrets.
    Case("PUT", "/secrets/password", {"value": "correct horse"}),
    Case("PUT", "/secrets/password", {"value": ""}),
    Case("PUT", "/secrets/1", {"value": "x"}),
    Case("GET", "/secrets"),
    Case("POST", "/vault/rotate"),
    Case("PUT", "/functions/hello", {"secrets": {"PASSWORD": "absent"}}),
    Case("DELETE", "/secrets/password"),
    Case("DELETE", "/secrets/password"),
    # Keys and quotas.
    Case("POST", "/keys", {"name": "ci", "scopes": ["run"], "functions": ["hello"], "tenant": "acme"}),
    Case("POST", "/keys", {"name": "ci", "scopes": ["root"]}),
    Case("GET", "/keys", query="tenant=acme"),
    Case("GET", "/keys/{key}", query="tenant=acme"),
    Case("DELETE", "/keys/{key}", query="tenant=acme"),
    Case("GET", "/keys/{key}"),
    Case("PUT", "/quota", {"functions": 3}, query="tenant=acme"),
    Case("PUT", "/quota", {"functions": -1}, query="tenant=acme"),
    Case("GET", "/quota", query="tenant=acme"),
    # What is not there.
    Case("GET", "/nothing"),
    Case("POST", "/functions/hello"),
    Case("PATCH", "/runs"),
    Case("GET", "/console/app.py"),
    Case("GET", "/metrics"),
    Case("DELETE", "/functions/hello"),
    Case("GET", "/functions/hello"),
]

Sent = tuple[int, dict[str, str], bytes]


async def by_gateway(grid: Grid, case: Case, known: dict[str, str]) -> Sent:
    path, headers, body = case.sent(known)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(grid.gateway), base_url=f"http://{HOST}") as client:
        address = f"{path}?{case.query}" if case.query else path
        answer = await client.request(case.method, address, headers=headers, content=body)
    return answer.status_code, dict(answer.headers), answer.content


async def by_lambda(grid: Grid, case: Case, known: dict[str, str]) -> Sent:
    path, headers, body = case.sent(known)
    told = await face(grid)(event(case.method, path, query=case.query, headers=headers, body=body))
    body = base64.b64decode(told["body"]) if told["isBase64Encoded"] else told["body"].encode()
    return told["statusCode"], told["headers"], body


async def _spill(content: bytes) -> str:
    return f"https://bucket.test/{len(content)}"


def face(grid: Grid, *, spill: Callable[[bytes], Awaitable[str]] = _spill, **report: Any) -> Face:
    services = structs.replace(grid.gateway._services, streams=False)

    async def authenticate(authorization: str | None) -> Any:
        return grid.gateway._auth.principal(authorization)

    return Face(all_routes(), services, authenticate, spill, report.get("report", _silent))


def _silent(*_: object, **__: object) -> None:
    pass


async def _answers(send: Callable[[Grid, Case, dict[str, str]], Awaitable[Sent]]) -> list[tuple[Case, Sent]]:
    answers = []
    known: dict[str, str] = {"run": "", "function": "", "key": ""}
    async with opened() as grid:
        for case in CASES:
            if case.before:
                await case.before(grid, known["run"])
            if case.works:
                async with working(grid):
                    sent = await send(grid, case, known)
            else:
                sent = await send(grid, case, known)
            _remember(known, sent[2])
            answers.append((case, sent))
    return answers


def _remember(known: dict[str, str], body: bytes) -> None:
    record = json.loads(body) if body.startswith(b"{") else {}
    known |= {name: record[f"{name}Id"] for name in known if f"{name}Id" in record and "items" not in record}


def _settled(sent: Sent) -> tuple[int, dict[str, str], str]:
    status, headers, body = sent
    # API Gateway counts the bytes itself.
    kept = {name: _VOLATILE.sub("…", value) for name, value in headers.items() if name != "content-length"}
    return status, kept, _VOLATILE.sub("…", body.decode(errors="backslashreplace"))


async def test_both_faces_answer_every_case_the_same():
    gateway, lambdas = await _answers(by_gateway), await _answers(by_lambda)

    for (case, expected), (_, actual) in zip(gateway, lambdas, strict=True):
        assert _settled(actual) == _settled(expected), case
    statuses = {sent[0] for _, sent in gateway}
    assert statuses >= {200, 201, 202, 204, 400, 401, 403, 404, 405, 409, 415, 422}


def test_the_cases_leave_no_route_out():
    router = Router(all_routes())
    met = set()
    for case in CASES:
        try:
            route, _ = router.find(case.method, case.path)
        except NanoGridError:
            continue
        met.add(route.operation_id)

    assert met == {route.operation_id for route in all_routes()}


async def test_lines_that_were_to_be_followed_are_the_recent_ones_and_the_answer_says_so():
    async with opened() as grid:
        await by_lambda(grid, Case("POST", "/functions", HELLO), {})
        async with working(grid):
            await by_lambda(grid, Case("POST", "/run", _RUN), {})
        status, _, body = await by_lambda(grid, Case("GET", "/functions/hello/logs", query="follow=true"), {})

    record = json.loads(body)
    assert status == 200
    assert [line["text"] for line in record["lines"]] == ["one", "two"]
    assert "cannot be followed" in record["note"]


async def test_an_answer_that_is_too_large_for_a_lambda_lies_elsewhere():
    kept: list[bytes] = []

    async def spill(content: bytes) -> str:
        kept.append(content)
        return "https://bucket.test/whole"

    async with opened() as grid:
        await by_lambda(grid, Case("POST", "/functions", HELLO), {})
        grid.calls["hello"] = lambda _: 'a"b' * 1_500_000
        path, headers, body = Case("POST", "/run", _RUN).sent({})
        async with working(grid):
            told = await face(grid, spill=spill)(event("POST", path, headers=headers, body=body))

    assert told["statusCode"] == 303
    assert told["headers"]["location"] == "https://bucket.test/whole"
    assert json.loads(kept[0])["output"] == 'a"b' * 1_500_000


async def test_a_large_answer_full_of_quotation_marks_travels_as_base64():
    async with opened() as grid:
        await by_lambda(grid, Case("POST", "/functions", HELLO), {})
        grid.calls["hello"] = lambda _: '"' * 2_000_000
        path, headers, body = Case("POST", "/run", _RUN).sent({})
        async with working(grid):
            told = await face(grid)(event("POST", path, headers=headers, body=body))

    assert told["isBase64Encoded"] is True
    assert len(json.dumps(told)) < 6_291_556


async def test_a_slash_that_api_gateway_decoded_is_no_slash_of_ours():
    told_event = event("GET", "/functions/hello", headers={"authorization": f"Bearer {TOKEN}"})
    told_event |= {"rawPath": "/functions/a/b", "pathParameters": {"id": "a/b"}}
    async with opened() as grid:
        told = await face(grid)(told_event)

    assert told["statusCode"] == 404
    assert json.loads(told["body"])["code"] == "not_found"


async def test_a_body_that_is_larger_than_the_route_takes_is_a_413():
    case = Case("POST", "/run", b'"' + b"x" * 6_500_000 + b'"')
    async with opened() as grid:
        gateway, lambda_ = await by_gateway(grid, case, {}), await by_lambda(grid, case, {})

    assert _settled(lambda_) == _settled(gateway)
    assert gateway[0] == 413


@pytest.mark.parametrize(
    ("fault", "status", "event_name"),
    [(StoreUnavailable("away"), 503, "control_plane.unavailable"), (KeyError("x"), 500, "control_plane.failed")],
)
async def test_a_fault_of_ours_is_told_without_what_it_was_and_goes_to_the_log(fault, status, event_name):
    logged: list[str] = []

    async def spill(_: bytes) -> str:
        raise fault

    async with opened() as grid:
        await by_lambda(grid, Case("POST", "/functions", HELLO), {})
        grid.calls["hello"] = lambda _: "x" * 6_290_000
        path, headers, body = Case("POST", "/run", _RUN).sent({})
        async with working(grid):
            answering = face(grid, spill=spill, report=lambda name, **_: logged.append(name))
            told = await answering(event("POST", path, headers=headers, body=body))

    assert told["statusCode"] == status
    assert logged == [event_name]
    assert told["headers"]["x-request-id"] in told["body"]
