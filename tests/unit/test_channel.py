"""The channel: an order out, an answer in, and nothing else tolerated."""

import asyncio
import os
import socket
import struct
from typing import Self

from nanogrid import wire
from nanogrid.sandbox.channel import ENDED, EXPIRED, STRAY, Channel
from waiting import until

LONG_S = 30.0


def framed(payload: bytes, kind: int = wire.RESULT) -> bytes:
    return struct.pack(">IB", len(payload) + 1, kind) + payload


class Line:
    """A channel, and the other end of its socket in the test's hand."""

    def __init__(self) -> None:
        stream, self.peer = socket.socketpair()
        os.set_blocking(stream.fileno(), False)
        self.channel = Channel(stream)
        self.stream = stream

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.channel.close()
        self.peer.close()

    async def until_spoilt(self) -> None:
        """Return when the channel has noticed."""
        await until(lambda: not self.channel.quiet)


async def test_an_order_is_sent_and_its_answer_returned():
    with Line() as line:
        exchange = asyncio.create_task(line.channel.exchange(bytearray(b"order"), LONG_S))
        await asyncio.sleep(0)
        order = line.peer.recv(100)
        line.peer.sendall(framed(b"answer"))
        kind, payload = await exchange

    assert order == b"order"
    assert (kind, bytes(payload)) == (wire.RESULT, b"answer")


async def test_an_order_larger_than_the_socket_holds_arrives_whole():
    order = bytearray(range(256)) * 20_000

    def answer_when_read(peer: socket.socket) -> bytes:
        got = bytearray()
        while len(got) < len(order):
            got += peer.recv(1 << 20)
        peer.sendall(framed(b"done"))
        return bytes(got)

    with Line() as line:
        reading = asyncio.create_task(asyncio.to_thread(answer_when_read, line.peer))
        kind, _ = await line.channel.exchange(order, LONG_S)
        got = await reading
        quiet = line.channel.quiet

    assert kind == wire.RESULT
    assert got == order
    assert quiet


async def test_an_order_that_is_not_read_does_not_outlast_the_time():
    with Line() as line:
        kind, _ = await line.channel.exchange(bytearray(20_000_000), 0.02)

    assert kind == EXPIRED


async def test_an_answer_before_the_order_was_read_spoils_the_channel():
    with Line() as line:
        line.peer.sendall(framed(b"too early"))
        kind, _ = await line.channel.exchange(bytearray(20_000_000), LONG_S)
        quiet = line.channel.quiet

    assert kind == wire.RESULT
    assert not quiet


async def test_the_end_of_the_stream_is_an_answer_of_its_own():
    with Line() as line:
        line.peer.close()
        first, _ = await line.channel.exchange(bytearray(b"order"), LONG_S)
        second, _ = await line.channel.exchange(bytearray(b"order"), LONG_S)

    assert (first, second) == (ENDED, ENDED)


async def test_the_end_amid_a_frame_is_an_end():
    with Line() as line:
        line.peer.sendall(framed(b"whole")[:-1])
        line.peer.close()
        kind, _ = await line.channel.exchange(bytearray(b"order"), LONG_S)

    assert kind == ENDED


async def test_an_end_while_nobody_asks_is_noticed():
    with Line() as line:
        line.peer.close()
        await line.until_spoilt()

        assert not line.channel.quiet


async def test_a_frame_that_nobody_expects_spoils_the_channel():
    with Line() as line:
        line.peer.sendall(framed(b"stray"))
        await line.until_spoilt()
        kind, _ = await line.channel.exchange(bytearray(b"order"), LONG_S)

    assert kind == STRAY


async def test_a_byte_that_nobody_expects_spoils_the_channel():
    with Line() as line:
        line.peer.sendall(b"\0")
        await line.until_spoilt()
        kind, _ = await line.channel.exchange(bytearray(b"order"), LONG_S)

    assert kind == STRAY


async def test_of_two_answers_the_first_counts_and_the_second_spoils():
    with Line() as line:
        line.peer.sendall(framed(b"first") + framed(b"second"))
        _, payload = await line.channel.exchange(bytearray(b"order"), LONG_S)
        quiet = line.channel.quiet

    assert bytes(payload) == b"first"
    assert not quiet


async def test_a_frame_too_long_is_refused_at_its_header_and_not_read():
    with Line() as line:
        header = struct.pack(">IB", 500_000_000, wire.RESULT)
        line.peer.sendall(header)
        kind, payload = await line.channel.exchange(bytearray(b"order"), LONG_S)
        os.set_blocking(line.peer.fileno(), False)
        line.peer.send(bytes(100_000))
        await asyncio.sleep(0)
        unread = line.stream.recv(1 << 20)

    assert (kind, payload) == (wire.REFUSED, header)
    assert unread


async def test_an_answer_that_waits_in_the_socket_at_the_deadline_counts():
    with Line() as line:
        answer = line.channel.expect()
        line.peer.sendall(framed(b"just in time"))
        line.channel._ring()
        _, payload = await answer

    assert bytes(payload) == b"just in time"


async def test_closing_tells_who_waits():
    with Line() as line:
        answer = line.channel.expect()
        line.channel.close()
        line.channel.close()
        kind, _ = await line.channel.wait(answer, LONG_S)

    assert kind == ENDED
