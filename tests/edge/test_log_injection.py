"""What users write stays a value: it ends no line of the grid's log."""

import io
import json

import pytest
from edge_server import edge
from raw_http import request

from gateway_harness import TOKEN, opened
from nanogrid.observe import make_log

NASTY = 'a\r\nb\n{"event":"forged"}\x1b[2J\x1b]0;t\x07\x9b31m\x85\u2028\u2029\u202e\x00\x7f\ud800'
#: All that a terminal might obey, but the line feed that ends a line.
CONTROLS = set(map(chr, [*range(10), *range(11, 32), *range(0x7F, 0xA0)])) | set("\u2028\u2029\u202e")


def boom(text: str) -> BaseException:
    """An error with a message and a traceback of its own."""
    with pytest.raises(ValueError, match="a") as caught:
        raise ValueError(text)
    return caught.value


@pytest.mark.parametrize("values", [{"name": NASTY}, {"nested": {"name": [NASTY]}}, {"exc_info": boom(NASTY)}])
def test_one_event_is_one_line_of_json(values):
    stream = io.StringIO()
    log = make_log("json", stream)
    for _ in range(3):
        log.warning("some.event", **values)

    lines = stream.getvalue().splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["some.event"] * 3
    assert all(line.isascii() for line in lines)


@pytest.mark.parametrize("values", [{"name": NASTY}, {"nested": {"name": [NASTY]}}, {"exc_info": boom(NASTY)}])
def test_a_line_for_a_person_drives_no_terminal(values):
    stream = io.StringIO()
    log = make_log("human", stream)
    log.warning("some.event", **values)
    log.warning("next.event")

    text = stream.getvalue()
    assert not CONTROLS & set(text)
    assert [line for line in text.splitlines() if not line.startswith(" ")] == [
        text.splitlines()[0],
        text.splitlines()[-1],
    ]


async def test_what_a_client_sends_is_escaped_in_the_grids_log():
    stream = io.StringIO()
    async with opened(stream=stream) as grid:
        grid.gateway._services = None
        sent = []

        async def send(message: dict) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": "GET",
            "path": f"/functions/{NASTY}",
            "query_string": b"version=1",
            "headers": [(b"host", b"grid.test"), (b"authorization", f"Bearer {TOKEN}".encode()), (b"x", b"a\nb")],
        }
        await grid.gateway(scope, None, send)

    assert sent[0]["status"] == 500
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["gateway.failed"]


async def test_a_function_named_to_forge_headers_or_lines_is_refused_and_quoted():
    stream = io.StringIO()
    body = json.dumps({"name": NASTY[:-1], "runtime": "python3.11", "source": "x"}).encode()
    async with edge(stream=stream) as served:
        reply = await served.ask(request("POST", "/functions", body, token=TOKEN))
        lines = stream.getvalue().splitlines()

    assert reply.status == 422
    assert not CONTROLS & set(reply.body.decode())
    assert all(isinstance(json.loads(line), dict) for line in lines)
