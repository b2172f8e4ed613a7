"""What a function returns as an answer under `/fn`."""

import base64
from typing import Any

import msgspec
import pytest
from msgspec import Raw

from nanogrid.api.call_answer import SANDBOX, call_answer
from nanogrid.api.call_stream import gathered_answer
from nanogrid.errors import AnswerRefused
from nanogrid.model import Mode, Run, RunStatus
from records import SOME_TIME


def ended(output: Any, **changes: Any) -> Run:
    """A run that succeeded with this output."""
    fields = {"status": RunStatus.SUCCEEDED, "output": Raw(msgspec.json.encode(output))} | changes
    return Run(run_id="run_1", function_id="fn_1", function_name="page", version=1, created_at=SOME_TIME, **fields)


def test_headers_that_are_the_grids_or_the_connections_are_dropped():
    dropped = {
        "Connection": "close",
        "Transfer-Encoding": "chunked",
        "Content-Length": "7",
        "X-Request-Id": "mine",
        "X-NanoGrid-Run": "mine",
        "X-Content-Type-Options": "",
        "Clear-Site-Data": '"*"',
        "Strict-Transport-Security": "max-age=9",
        "Service-Worker-Allowed": "/",
    }
    answer = call_answer(ended({"statusCode": 200, "headers": dropped | {"X-Mine": 1, "X-Flag": True, "X-No": None}}))

    assert dict(answer.headers) == {
        "x-mine": "1",
        "x-flag": "true",
        "content-security-policy": SANDBOX,
        "x-nanogrid-run": "run_1",
    }


def test_a_functions_own_policy_comes_behind_the_sandbox():
    answer = call_answer(ended({"statusCode": 200, "headers": {"content-security-policy": "default-src 'none'"}}))

    assert dict(answer.headers)["content-security-policy"] == f"{SANDBOX}, default-src 'none'"


@pytest.mark.parametrize(
    "told",
    [
        {"statusCode": 101},  # would end the talk in HTTP
        {"statusCode": 99},
        {"statusCode": 600},
        {"statusCode": "two hundred"},
        {"statusCode": True},
        {"statusCode": None},
        {"statusCode": 200, "headers": {"a": "b\r\nc: d"}},
        {"statusCode": 200, "headers": {"a\r\nb": "c"}},
        {"statusCode": 200, "headers": {"": "c"}},
        {"statusCode": 200, "headers": {"a": "\u20ac"}},
        {"statusCode": 200, "headers": {"content-type": "a\nb"}},
        {"statusCode": 200, "headers": {"content-security-policy": "a\nb"}},
        {"statusCode": 200, "headers": {"a": ["b"]}},
        {"statusCode": 200, "headers": []},
        {"statusCode": 200, "cookies": ["a=1\nb: c"]},
        {"statusCode": 200, "body": {"a": 1}},
        {"statusCode": 200, "body": "%%%", "isBase64Encoded": True},
    ],
    ids=str,
)
def test_what_is_no_answer_is_refused_whole(told):
    with pytest.raises(AnswerRefused) as refused:
        call_answer(ended(told))

    assert refused.value.run_id == "run_1"


@pytest.mark.parametrize("status", [204, 205, 304])
def test_a_status_without_a_body_has_none(status):
    assert call_answer(ended({"statusCode": str(status), "body": "x"})).body == b""


def test_bytes_come_back_as_bytes():
    told = {"statusCode": 200, "body": base64.b64encode(b"\x89PNG").decode(), "isBase64Encoded": True}
    answer = call_answer(ended(told))

    assert (answer.body, answer.media_type) == (b"\x89PNG", "application/octet-stream")


def test_a_run_that_is_not_done_is_a_time_out():
    with pytest.raises(Exception, match="its run goes on") as refused:
        call_answer(ended(None, status=RunStatus.RUNNING, mode=Mode.SYNC))

    assert refused.value.code == "call_timed_out"


@pytest.mark.parametrize(
    ("parts", "status", "media_type", "body"),
    [
        (["a", "b"], 200, "text/plain; charset=utf-8", b"ab"),
        ([{"n": 1}, "x", [2]], 200, "application/x-ndjson", b'{"n":1}\nx[2]\n'),
        (
            [{"statusCode": 201, "headers": {"content-type": "text/html"}, "body": "<p>"}, "x"],
            201,
            "text/html",
            b"<p>x",
        ),
        ([{"statusCode": 204}, "dropped"], 204, "text/plain; charset=utf-8", b""),
        ([], 200, "text/plain; charset=utf-8", b""),
    ],
)
def test_what_was_yielded_is_one_answer_where_it_could_not_be_streamed(parts, status, media_type, body):
    answer = gathered_answer(ended(parts, streamed=True))

    assert (answer.status, answer.media_type, answer.body) == (status, media_type, body)
    assert ("x-nanogrid-run", "run_1") in answer.headers


def test_a_first_part_that_is_no_good_head_is_refused():
    with pytest.raises(AnswerRefused):
        gathered_answer(ended([{"statusCode": 99}, "x"], streamed=True))
