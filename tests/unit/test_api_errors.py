"""Every error has a status, and every refusal has the one shape."""

import io
import json

import pytest

from gateway_harness import serving
from nanogrid import errors
from nanogrid.api.errors import STATUSES, problem_answer, status_of
from nanogrid.errors import MethodNotAllowed, StoreUnavailable

TREE = [kind for kind in vars(errors).values() if isinstance(kind, type)]


@pytest.mark.parametrize("kind", TREE, ids=lambda kind: kind.__name__)
def test_every_error_has_a_status_of_its_own_kind(kind):
    status = status_of(kind)

    assert 400 <= status < 600
    # Only what is nobody's fault but ours may fall through to 500.
    assert status != 500 or kind in (errors.NanoGridError, errors.ConfigError)


def test_every_error_has_a_code_of_its_own():
    codes = [kind.code for kind in TREE]

    assert len(codes) == len(set(codes))


def test_the_table_names_only_errors_of_the_tree():
    assert set(STATUSES) <= set(TREE)


def test_a_problem_has_the_members_of_rfc_9457_and_ours():
    error = errors.InvalidField("$.memoryMb: too small.", path="$.memoryMb", hint="Use 128.")
    answer = problem_answer(error, "req_1")

    assert answer.media_type == "application/problem+json"
    assert json.loads(answer.body) == {
        "type": "/docs#invalid_field",
        "title": "Invalid field",
        "status": 422,
        "detail": "$.memoryMb: too small. Use 128.",
        "code": "invalid_field",
        "requestId": "req_1",
        "errors": [{"path": "$.memoryMb", "message": "$.memoryMb: too small."}],
    }


@pytest.mark.parametrize(
    ("error", "header"),
    [
        (errors.Unauthorized("no."), ("www-authenticate", 'Bearer realm="nanogrid"')),
        (errors.BacklogFull("full.", retry_after_s=9), ("retry-after", "9")),
        (MethodNotAllowed("no.", allowed=("GET", "PUT")), ("allow", "GET, PUT")),
        (StoreUnavailable("away."), ("retry-after", "1")),
    ],
)
def test_a_refusal_carries_the_header_that_belongs_to_it(error, header):
    assert header in problem_answer(error, "req_1").headers


async def test_a_fault_of_ours_is_a_500_that_leaks_nothing_and_is_found_in_the_log():
    async def faulty() -> bytes:
        raise ZeroDivisionError("secret")

    stream = io.StringIO()
    async with serving(stream=stream, metrics_text=faulty) as (_, client):
        answer = await client.get("/metrics")

    request_id = answer.headers["x-request-id"]
    assert answer.status_code == 500
    assert answer.json()["requestId"] == request_id
    assert "secret" not in answer.text
    assert "ZeroDivisionError: secret" in stream.getvalue()
    assert request_id in stream.getvalue()


async def test_a_store_that_is_away_is_a_503_and_is_logged():
    async def away() -> bytes:
        raise StoreUnavailable("the disk is full.")

    stream = io.StringIO()
    async with serving(stream=stream, metrics_text=away) as (_, client):
        answer = await client.get("/metrics")

    assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable")
    assert "gateway.unavailable" in stream.getvalue()


async def test_an_unknown_path_is_a_404_and_a_wrong_method_a_405_that_names_the_right_ones():
    async with serving() as (_, client):
        unknown = [await client.get(path) for path in ("/nothing", "/functions/", "/functions//logs", "/run/")]
        wrong = await client.patch("/functions/hello")

    assert [answer.status_code for answer in unknown] == [404] * 4
    assert wrong.status_code == 405
    assert wrong.headers["allow"] == "DELETE, GET, PUT"


async def test_every_answer_has_a_request_id_of_its_own():
    async with serving() as (_, client):
        answers = [await client.get(path) for path in ("/health/live", "/nothing", "/", "/functions")]
        answers.append(await client.delete("/functions/hello"))

    assert len({answer.headers["x-request-id"] for answer in answers}) == 5
    assert all(answer.headers["x-content-type-options"] == "nosniff" for answer in answers)
    assert not any("access-control-allow-origin" in answer.headers for answer in answers)


async def test_answers_are_counted_by_route_and_status():
    async with serving() as (grid, client):
        await client.get("/functions/hello")
        await client.get("/functions/nobody")
        await client.get("/nothing")

    def counted(route: str, status: str) -> float | None:
        labels = {"route": route, "status": status}
        return grid.metrics.registry.get_sample_value("nanogrid_http_requests_total", labels)

    assert counted("getFunction", "200") == 1
    assert counted("getFunction", "404") == 1
    assert counted("none", "404") == 1
