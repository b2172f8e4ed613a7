"""Fills the kernel's buffers: pipes and pairs of sockets, as many as it can open."""

import fcntl
import os
import socket

from attempts import until_refused

ENDS = ("succeeded", "exited", "out_of_memory", "timed_out")
SETTINGS = {"timeoutMs": 15000}
F_SETPIPE_SZ = 1031
KEPT = []


def handler(event, context):
    sockets, error = until_refused(full_pair, 100_000)
    pipes, _ = until_refused(full_pipe, 100_000)
    return {"buffers": f"no: {sockets} pairs of sockets, {pipes} pipes, {error}" if sockets < 100_000 else "yes"}


def full_pair():
    pair = socket.socketpair()
    KEPT.append(pair)
    for end in pair:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 30)
        fill(end.fileno())


def full_pipe():
    ends = os.pipe()
    KEPT.append(ends)
    fcntl.fcntl(ends[1], F_SETPIPE_SZ, 1 << 20)
    fill(ends[1])


def fill(descriptor):
    os.set_blocking(descriptor, False)
    try:
        while True:
            os.write(descriptor, b"x" * 65536)
    except BlockingIOError:
        pass
