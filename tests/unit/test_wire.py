"""Frames: the same however the stream is chopped, bounded whatever comes, and hostile payloads refused."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from nanogrid import wire
from nanogrid.errors import SandboxBroken

CAP = 200_000

frames = st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=300)), max_size=8)


def packed(*several: tuple[int, bytes]) -> bytes:
    return b"".join(wire.HEADER.pack(len(payload) + 1, kind) + payload for kind, payload in several)


def read_in_pieces(reader: wire.FrameReader, stream: bytes, cuts: list[int]) -> list[tuple[int, bytes]]:
    edges = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    got = [frame for a, b in itertools.pairwise(edges) for frame in reader.feed(stream[a:b])]
    return [(kind, bytes(payload)) for kind, payload in got]


@given(frames, st.lists(st.integers(0, 5000), max_size=12))
def test_any_chopping_gives_the_same_frames(sent, cuts):
    assert read_in_pieces(wire.FrameReader(), packed(*sent), cuts) == sent


@given(frames, st.sampled_from([0, CAP + 2, 2**32 - 1]), st.binary(max_size=50), st.lists(st.integers(0, 5000)))
def test_an_impossible_header_ends_the_stream_wherever_it_is_chopped(sent, length, rest, cuts):
    header = wire.HEADER.pack(length, wire.RESULT)

    got = read_in_pieces(wire.FrameReader(CAP), packed(*sent) + header + rest, cuts)

    assert got == [*sent, (wire.REFUSED, header)]


@given(st.binary(max_size=30_000), st.integers(1, 300_000))
def test_no_more_than_one_frame_is_ever_held(noise, size):
    reader = wire.FrameReader(CAP)
    stream = memoryview(packed((wire.RESULT, bytes(size))) + noise * 3)

    at, most = 0, 0
    while at < len(stream):
        chunk = stream[at : at + reader.wants]
        reader.feed(chunk)
        at += len(chunk)
        most = max(most, reader.held)

    assert most <= CAP + wire.HEADER.size


def test_a_large_frame_is_read_to_its_end_and_not_beyond():
    reader = wire.FrameReader()
    stream = packed((wire.RESULT, bytes(1_000_000)), (wire.RESULT, b"next"))

    at, got = 0, []
    while not got:
        wants = reader.wants
        got = reader.feed(stream[at : at + wants])
        at += wants

    assert at == 5 + 1_000_000
    assert len(got[0][1]) == 1_000_000


def test_a_result_comes_back_as_it_was_sent():
    sent = wire.Result(nonce="n", output=Raw(b'{"a":[1,2]}'), peak_memory_kb=9, dirty=True)

    [(kind, payload)] = wire.FrameReader().feed(wire.encode(wire.RESULT, sent))
    got = wire.decode_result(payload)

    assert kind == wire.RESULT
    assert (got.nonce, bytes(got.output), got.peak_memory_kb, got.dirty) == ("n", b'{"a":[1,2]}', 9, True)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[]",
        b'{"output":1}',  # no nonce
        b'{"nonce":7}',
        b'{"nonce":"n","output":NaN}',
        b'{"nonce":"n","output":[1,]}',
        b'{"nonce":"n","output":"\xff"}',  # not UTF-8
        b'{"nonce":"n","output":"\\ud800"}',  # half a surrogate pair
        b'{"nonce":"n","output":1}x',
        b'{"nonce":"n","peakMemoryKb":' + b"9" * 5000 + b"}",
    ],
)
def test_what_is_no_result_is_refused(payload):
    with pytest.raises(SandboxBroken, match="cannot be read"):
        wire.decode_result(payload)


@pytest.mark.parametrize("depth", [600, 100_000])
def test_an_output_that_nests_too_deep_is_told_apart(depth):
    output = b"[" * depth + b"]" * depth

    with pytest.raises(RecursionError):
        wire.decode_result(b'{"nonce":"n","output":' + output + b"}")


def test_an_output_with_many_brackets_side_by_side_is_read():
    output = b"[" + b"[[]]," * 5000 + b"{}]"

    assert bytes(wire.decode_result(b'{"nonce":"n","output":' + output + b"}").output) == output


def test_a_huge_error_keeps_its_message_and_loses_its_trace():
    error = wire.WireError(kind="exception", type="E", message="m" * 100_000, stack_trace=["line"] * 100_000)

    got = wire.decode_result(bytes(wire.encode(wire.RESULT, wire.Result(nonce="n", error=error)))[5:]).error

    assert got is not None
    assert (got.message, got.stack_trace) == ("m" * 100_000, [])


def test_a_load_report_is_small_or_refused():
    with pytest.raises(SandboxBroken, match="allowed"):
        wire.decode_loaded(b'{"error":null}' + b" " * wire.FRAME_MARGIN)
