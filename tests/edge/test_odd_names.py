"""Odd names in every place that takes one: a refusal, never a file, a mistake of ours, or somebody else's record."""

import re

import msgspec
import pytest
from edge_server import edge, run_body
from raw_http import request

from gateway_harness import TOKEN
from nanogrid.api.routes import ROUTES
from nanogrid.identifiers import is_function_reference, is_run_id

RUN = "run_" + "0" * 26
# As they stand in a URL.
ODD = [
    "..",
    "..%2f",
    "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "..%5c..%5c",
    "..%252f",
    "%00",
    "hello%00",
    "hello%0a",
    "hello%0d%0ax:%20y",
    "hello%20",
    "%e2%80%a5",  # two dot leader
    "%c0%ae%c0%ae%c0%af",  # an overlong ../
    "%ef%bc%8e%ef%bc%8e",  # full-width dots
    "%ff",
    "%",
    "%zz",
    "hell%C3%B6",
    "*",
    "hello'--",
    "hello;",
    "{id}",
    "~",
    "CON",
    "a" * 65,
    "a" * 8000,
    RUN.upper(),
    RUN[:-1],
    RUN + "a",
    RUN.replace("run_", "ruN_"),
    "fn_" + "0" * 26 + "%0a",
]
PATHS = [(route.methods[0], *re.split("{.*}", route.path)) for route in ROUTES if "{" in route.path]
QUERIES = ["/runs?functionId=", "/runs?cursor=", "/functions?cursor=", "/dead-letters?cursor="]
NAMES = ["..", "../x", "a/b", "\0", "hello\0", "hello\n", "\u2025", "x" * 10_000, "é", " ", "-a"]


@pytest.mark.parametrize(("method", "before", "after"), PATHS)
async def test_an_odd_name_in_a_path_is_not_found_or_no_name_for_something_new(method, before, after):
    body = {"PUT": b'{"memoryMb": 256}', "POST": b"{}"}.get(method, b"")
    async with edge() as served:
        statuses = {
            odd: (await served.ask(request(method, before + odd + after, body, token=TOKEN))).status for odd in ODD
        }

    # PUT makes what is not there: of a name that nothing can have it says so.
    assert set(statuses.values()) <= {400, 404, *([422] if method == "PUT" else [])}, statuses


@pytest.mark.parametrize(
    "target", ["/runs?functionId=", "/runs?cursor=", "/functions?cursor=", "/dead-letters?cursor="]
)
async def test_an_odd_name_in_a_query_is_refused(target):
    async with edge() as served:
        statuses = {odd: (await served.ask(request("GET", target + odd, token=TOKEN))).status for odd in ODD}

    assert set(statuses.values()) <= {400, 404, 414, 422}, statuses


@pytest.mark.parametrize(
    "name", ["..", "../x", "a/b", "\0", "hello\0", "hello\n", "\u2025", "x" * 10_000, "é", " ", "-a"]
)
async def test_an_odd_name_in_a_body_is_refused(name):
    deployment = {"name": name, "runtime": "python3.11", "source": "def handler(e, c): pass\n"}
    asked = msgspec.json.encode({"functionId": name})
    async with edge() as served:
        run = await served.ask(request("POST", "/run", asked, token=TOKEN))
        deployed = await served.ask(request("POST", "/functions", msgspec.json.encode(deployment), token=TOKEN))

    assert run.status in (404, 422)
    assert deployed.status == 422


@pytest.mark.parametrize("key", ["", " ", "a b", "\xe9", "x" * 256, "x" * 10_000])
async def test_an_odd_idempotency_key_is_refused(key):
    async with edge() as served:
        reply = await served.ask(request("POST", "/run", run_body(1), token=TOKEN, idempotency_key=key))

    assert reply.status == 400


async def test_an_encoded_slash_does_not_make_another_route():
    async with edge() as served:
        reply = await served.ask(request("GET", "/functions/hello%2Fversions", token=TOKEN))

    assert reply.status == 404


@pytest.mark.parametrize("odd", ["..", "\0", "hello\n", "\u2025", "", "a" * 65, RUN + "\n"])
def test_an_odd_name_is_no_identifier(odd):
    assert not is_run_id(odd)
    assert not is_function_reference(odd)
