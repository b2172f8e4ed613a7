"""Opens the kernel's cryptography, by which a reader could write to the page cache (CVE-2026-31431)."""

import socket

from attempts import attempt

AF_ALG = 38


def handler(event, context):
    return {
        "stream": attempt(socket.socket, AF_ALG, socket.SOCK_SEQPACKET, 0),
        "datagram": attempt(socket.socket, AF_ALG, socket.SOCK_DGRAM, 0),
        "pair": attempt(socket.socketpair, AF_ALG, socket.SOCK_SEQPACKET),
    }
