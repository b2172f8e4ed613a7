"""How the SDK speaks: what it repeats, what it never repeats, and how refusals become errors."""

import httpx
import pytest
from fake_grid import FakeGrid, Pauses, problem

from nanogrid import errors
from nanogrid.client import AsyncClient, ConnectionFailed
from nanogrid.errors import (
    BacklogFull,
    FunctionNotFound,
    InvalidField,
    MethodNotAllowed,
    NanoGridError,
    PlatformError,
    StoreUnavailable,
    TooLarge,
    Unauthorized,
)


async def test_a_request_that_was_never_sent_is_sent_again():
    grid, pauses = FakeGrid(), Pauses()
    grid.add("echo")
    grid.answers = [httpx.ConnectError("refused"), httpx.ConnectError("refused")]

    output = await grid.client(sleep=pauses.sleep).run("echo", 7)

    assert output == 7
    assert pauses.taken == pytest.approx([0.1, 0.3])


async def test_a_synchronous_run_whose_connection_broke_is_not_repeated():
    grid = FakeGrid()
    grid.add("echo")
    grid.answers = [httpx.RemoteProtocolError("gone")]

    with pytest.raises(ConnectionFailed, match="may have reached it"):
        await grid.client().run("echo", 7)

    assert len(grid.requests) == 1


async def test_a_request_that_something_before_the_grid_finds_too_large_says_how_large_it_was():
    grid = FakeGrid()
    grid.add("echo")
    grid.answers = [httpx.Response(413, json={"message": "Request Too Long"})]

    with pytest.raises(TooLarge, match=r"takes no request of 7\d{6} bytes; on AWS that is 6 MB") as caught:
        await grid.client().run("echo", "x" * 7_000_000)

    assert caught.value.code == "too_large"


async def test_an_answer_that_lies_elsewhere_is_fetched_there_without_the_token():
    grid = FakeGrid()
    grid.add("echo")
    await grid.client().run("echo", 7)
    (record,) = grid.runs.values()
    grid.requests.clear()
    grid.answers = [
        httpx.Response(303, headers={"location": "https://bucket.test/whole"}),
        httpx.Response(200, json=record),
    ]

    output = await grid.client().run("echo", 7)

    here, there = grid.requests
    assert output == 7
    assert (there.method, str(there.url), there.content) == ("GET", "https://bucket.test/whole", b"")
    assert "authorization" in here.headers
    assert "authorization" not in there.headers


async def test_a_submission_whose_connection_broke_is_repeated_under_the_same_key():
    grid = FakeGrid()
    grid.add("echo")
    grid.answers = [httpx.ReadError("gone")]

    await grid.client(sleep=Pauses().sleep).submit("echo", 7)

    first, second = (request.headers["idempotency-key"] for request in grid.requests)
    assert first == second


async def test_two_submissions_have_two_keys_unless_one_is_given():
    grid = FakeGrid()
    grid.add("echo")
    client = grid.client()

    for key in (None, None, "mine"):
        await client.submit("echo", 7, idempotency_key=key)

    keys = [request.headers["idempotency-key"] for request in grid.requests]
    assert len(set(keys)) == 3
    assert keys[2] == "mine"


async def test_where_no_grid_answers_the_error_names_the_address_and_the_way_out():
    grid = FakeGrid()
    grid.answers = [httpx.ConnectError("refused")] * 3

    with pytest.raises(ConnectionFailed, match=r"http://grid\.test.*nanogrid up"):
        await grid.client(sleep=Pauses().sleep).function("echo")


async def test_an_overloaded_grid_is_asked_again_when_it_said():
    grid, pauses = FakeGrid(), Pauses()
    grid.add("echo")
    grid.answers = [problem(429, "backlog_full", "full.", headers={"Retry-After": "7"})] * 2

    output = await grid.client(sleep=pauses.sleep).run("echo", 7)

    assert output == 7
    assert pauses.taken == [7, 7]


async def test_patience_with_an_overloaded_grid_has_an_end():
    grid, pauses = FakeGrid(), Pauses()
    grid.answers = [problem(429, "backlog_full", "full.", headers={"Retry-After": "7"})] * 9

    with pytest.raises(BacklogFull) as refused:
        await grid.client(sleep=pauses.sleep, patience=20).run("echo", 7)

    assert refused.value.retry_after_s == 7
    assert sum(pauses.taken) <= 20


async def test_a_store_that_is_away_for_a_moment_is_waited_for_when_reading():
    grid = FakeGrid()
    grid.add("echo")
    grid.answers = [problem(503, "store_unavailable", "away.")]

    function = await grid.client(sleep=Pauses().sleep).function("echo")

    assert function.name == "echo"


# Every class of the tree that an answer can carry comes out as itself.
@pytest.mark.parametrize(
    "kind",
    [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, NanoGridError)],
)
async def test_a_problem_is_raised_as_the_class_whose_code_it_carries(kind):
    grid = FakeGrid()
    grid.answers = [problem(400, kind.code, "no.", headers={"Retry-After": "99"})] * 3

    with pytest.raises(NanoGridError) as refused:
        await grid.client(sleep=Pauses().sleep).function("echo")

    assert type(refused.value) is kind
    assert refused.value.detail == "no."


# status, the class that an answer without a code of ours is raised as
@pytest.mark.parametrize(("status", "kind"), [(401, Unauthorized), (502, PlatformError), (404, errors.NotFound)])
async def test_an_answer_of_something_on_the_way_is_an_error_by_its_status(status, kind):
    grid = FakeGrid()
    grid.answers = [httpx.Response(status, text="<html>proxy</html>") for _ in range(3)]

    with pytest.raises(kind, match=str(status)):
        await grid.client(sleep=Pauses().sleep).function("echo")


async def test_a_refused_field_is_named_by_its_path():
    grid = FakeGrid()
    grid.answers = [problem(422, "invalid_field", "too much.", errors=[{"path": "$.memoryMb", "message": "no"}])]

    with pytest.raises(InvalidField) as refused:
        await grid.client().function("echo")

    assert refused.value.path == "$.memoryMb"


async def test_a_method_that_a_path_has_not_says_which_it_has():
    grid = FakeGrid()
    grid.answers = [problem(405, "method_not_allowed", "no.", headers={"Allow": "GET, PUT"})]

    with pytest.raises(MethodNotAllowed) as refused:
        await grid.client().function("echo")

    assert refused.value.allowed == ("GET", "PUT")


# what answers, though it is no grid
@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, text="<html>hello</html>"),
        httpx.Response(200, json={"something": "else"}),
        httpx.Response(307, headers={"Location": "http://elsewhere.test/"}),
    ],
)
async def test_what_does_not_answer_like_a_grid_is_said_to_be_none(answer):
    grid = FakeGrid()
    grid.answers = [answer] * 3

    with pytest.raises(ConnectionFailed, match="does not answer like a grid"):
        await grid.client(sleep=Pauses().sleep).function("echo")


async def test_the_token_is_sent_with_every_request_and_appears_in_no_repr():
    grid = FakeGrid()
    grid.add("echo")
    client = grid.client()

    await client.function("echo")

    assert grid.requests[0].headers["authorization"] == "Bearer secret"
    assert "secret" not in repr(client._channel._place)


async def test_names_are_quoted_in_paths():
    grid = FakeGrid()

    with pytest.raises(FunctionNotFound):
        await grid.client().function("../runs?x")

    assert grid.requests[0].url.raw_path == b"/functions/..%2Fruns%3Fx"


async def test_a_port_without_a_server_is_a_connection_that_failed():
    async with AsyncClient("http://127.0.0.1:9", "t", environ={}, sleep=Pauses().sleep) as client:
        with pytest.raises(ConnectionFailed) as refused:
            await client.function("echo")

    assert refused.value.sent is False


async def test_a_failure_of_the_grid_names_the_request():
    grid = FakeGrid()
    grid.answers = [problem(503, "store_unavailable", "disk full.")] * 3

    with pytest.raises(StoreUnavailable, match="req_1"):
        await grid.client(sleep=Pauses().sleep).function("echo")
