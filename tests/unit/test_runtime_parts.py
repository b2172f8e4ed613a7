"""What a handler yields: a list where nobody reads along, else part by part, each when the one before was taken."""

import json

import msgspec
import pytest
from msgspec import Raw

from nanogrid import wire
from runtime_harness import NODE, PYTHON, error_of, loaded_runtime, needs_node, output_of, write_code

PYTHON_CODE = """
async def awaited(n):
    import asyncio
    await asyncio.sleep(0)
    return n

def plain(event, context):
    for n in range(event):
        yield {"n": n}

async def asynchronous(event, context):
    for n in range(event):
        yield {"n": await awaited(n)}

async def returned(event, context):
    return asynchronous(event, context)

def raw(event, context):
    yield b"\\xff\\x00"
    yield "text"

def failing(event, context):
    try:
        yield 1
        raise ValueError("in the middle")
    finally:
        print("closed")

def odd(event, context):
    try:
        yield {1, 2}
    finally:
        print("closed")

def large(event, context):
    while True:
        yield "x" * 1_000_000
"""
NODE_CODE = """
exports.plain = function* (event) { for (let n = 0; n < event; n++) yield { n }; };
exports.asynchronous = async function* (event) {
  for (let n = 0; n < event; n++) yield { n: await Promise.resolve(n) };
};
exports.returned = async (event) => exports.asynchronous(event);
exports.raw = async function* () { yield Buffer.from([255, 0]); yield "text"; };
exports.failing = async function* () {
  try { yield 1; throw new TypeError("in the middle"); } finally { console.log("closed"); }
};
exports.odd = function* () { try { yield 10n; } finally { console.log("closed"); } };
exports.large = function* () { for (;;) yield "x".repeat(1_000_000); };
exports.stuck = async function* () { yield 1; await new Promise(() => {}); };
exports.readable = async () => require("stream").Readable.from(["a", "b"]);
"""
RUNTIMES = [pytest.param(PYTHON, id="python"), pytest.param(NODE, id="node", marks=needs_node)]
GENERATORS = ["plain", "asynchronous", "returned"]


@pytest.fixture(params=RUNTIMES)
def open_runtime(request, tmp_path):
    code = write_code(tmp_path / "code", {"main.py": PYTHON_CODE, "main.js": NODE_CODE})

    def opened(handler, **fields):
        return loaded_runtime(request.param, code, f"main.{handler}", **fields)

    return opened


def streamed(runtime, event=None):
    """The result of a run whose parts are read, and the parts."""
    order = wire.Invoke(
        nonce="n", run_id="run_1", attempt=1, deadline_ms=2**45, stream=True, event=Raw(json.dumps(event).encode())
    )
    runtime.control.sendall(wire.encode(wire.INVOKE, order))
    parts = []
    while (frame := runtime.receive())[0] == wire.PART:
        part = wire.decode_part(frame[1])
        parts.append((msgspec.json.decode(part.part), part.base64))
        runtime.control.sendall(wire.encode(wire.GO, msgspec.Struct()))
    assert frame[0] == wire.RESULT
    return wire.decode_result(frame[1]), parts


@pytest.mark.parametrize("handler", GENERATORS)
def test_what_is_yielded_is_a_list_where_nobody_reads_along(open_runtime, handler):
    with open_runtime(handler) as runtime:
        some, none = runtime.invoke(2), runtime.invoke(0)

    assert (output_of(some), some.streamed) == ([{"n": 0}, {"n": 1}], True)
    assert (output_of(none), none.streamed) == ([], True)


@pytest.mark.parametrize("handler", GENERATORS)
def test_parts_are_sent_as_they_come_where_somebody_reads(open_runtime, handler):
    with open_runtime(handler) as runtime:
        result, parts = streamed(runtime, 3)
        again, none = streamed(runtime, 0)

    assert parts == [({"n": n}, False) for n in range(3)]
    assert (output_of(result), result.streamed, none, again.streamed) == ([], True, [], True)


def test_bytes_are_base64_and_say_so(open_runtime):
    with open_runtime("raw") as runtime:
        _, parts = streamed(runtime)
        gathered = runtime.invoke()

    assert parts == [("/wA=", True), ("text", False)]
    assert output_of(gathered) == ["/wA=", "text"]


def test_what_fails_in_the_middle_is_a_failure_after_the_parts(open_runtime):
    with open_runtime("failing") as runtime:
        result, parts = streamed(runtime)
        gathered = runtime.invoke()

    assert parts == [(1, False)]
    assert error_of(result).message == error_of(gathered).message == "in the middle"
    assert error_of(result).kind == "exception"


def test_what_is_no_json_is_a_failure_and_the_generator_is_closed(open_runtime):
    with open_runtime("odd") as runtime:
        result, _ = streamed(runtime)
        gathered = runtime.invoke()
        runtime.hang_up()

    assert error_of(result).kind == error_of(gathered).kind == "result_not_serializable"
    assert runtime.output.count("closed") == 2


def test_a_list_that_is_too_large_is_refused_before_it_fills_the_memory(open_runtime):
    with open_runtime("large", max_output=3_000_000) as runtime:
        result = runtime.invoke()

    assert error_of(result).kind == "result_too_large"


@needs_node
def test_in_node_a_generator_that_waits_for_nothing_and_a_stream_of_its_library(tmp_path):
    code = write_code(tmp_path / "code", {"main.js": NODE_CODE})
    with loaded_runtime(NODE, code, "main.readable") as runtime:
        assert output_of(runtime.invoke()) == ["a", "b"]
    with loaded_runtime(NODE, code, "main.stuck") as runtime:
        result, parts = streamed(runtime)

    assert parts == [(1, False)]
    assert "nothing will settle" in error_of(result).message
