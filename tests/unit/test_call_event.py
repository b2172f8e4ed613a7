"""A request under `/fn` as the function sees it."""

import base64
import json
from typing import Any

import pytest

from nanogrid.api.call_event import call_event
from nanogrid.api.message import Request
from nanogrid.errors import TooLarge
from nanogrid.model import Principal


def asked(method: str = "GET", path: str = "/fn/page", **changes: Any) -> Request:
    fields: dict[str, Any] = {"query": "", "headers": {"host": "grid.test"}, "params": {"name": "page"}} | changes
    return Request(id="req_1", method=method, path=path, **fields)


def seen(request: Request) -> dict[str, Any]:
    return json.loads(bytes(call_event(request)))


def test_an_event_has_the_members_of_payload_format_2():
    headers = {"host": "grid.test", "cookie": "a=1; b=2", "user-agent": "curl", "x-forwarded-prefix": "/elsewhere"}
    request = asked("POST", "/fn/page/ä b/c", query="q=1&q=2&e=&p=%2F", headers=headers, body=b"hi", client="192.0.2.7")

    assert seen(request) == {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/%C3%A4%20b/c",
        "rawQueryString": "q=1&q=2&e=&p=%2F",
        "cookies": ["a=1", "b=2"],
        "headers": {
            "host": "grid.test",
            "user-agent": "curl",
            "x-forwarded-proto": "http",
            "x-forwarded-prefix": "/fn/page",
        },
        "queryStringParameters": {"q": "1,2", "e": "", "p": "/"},
        "requestContext": {
            "domainName": "grid.test",
            "http": {
                "method": "POST",
                "path": "/%C3%A4%20b/c",
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.7",
                "userAgent": "curl",
            },
            "requestId": "req_1",
            "routeKey": "$default",
            "stage": "$default",
        },
        "body": "hi",
        "isBase64Encoded": False,
    }


@pytest.mark.parametrize(
    ("path", "raw"), [("/fn/page", "/"), ("/fn/page/", "/"), ("/fn/page/a/", "/a/"), ("/fn/page//a", "//a")]
)
def test_an_applications_own_paths_begin_behind_its_name(path, raw):
    assert seen(asked(path=path))["rawPath"] == raw


@pytest.mark.parametrize(
    ("body", "headers"), [(b"\xff\xfe", {}), (b"plain", {"content-encoding": "gzip"})], ids=["no text", "compressed"]
)
def test_what_is_no_text_comes_in_base64(body, headers):
    event = seen(asked("POST", body=body, headers=headers))

    assert (base64.b64decode(event["body"]), event["isBase64Encoded"]) == (body, True)


def test_a_function_never_sees_the_grids_token_but_sees_a_token_of_its_own():
    headers = {"authorization": "Bearer x"}

    assert "authorization" not in seen(asked(headers=headers, principal=Principal(name="a")))["headers"]
    assert seen(asked(headers=headers))["headers"]["authorization"] == "Bearer x"


def test_a_body_that_grows_past_the_largest_input_is_too_large():
    with pytest.raises(TooLarge, match="as a function's input"):
        call_event(asked("POST", body=b"\xff" * 5_000_000))
