"""Opens sockets that reach the hypervisor, the kernel's tables and the bare wire."""

import socket

from attempts import attempt

KINDS = {
    "vsock": (40, socket.SOCK_STREAM, 0),
    "netlink": (16, socket.SOCK_RAW, 0),
    "netlink, netfilter": (16, socket.SOCK_RAW, 12),
    "packet": (17, socket.SOCK_RAW, 0x300),
    "raw": (socket.AF_INET, socket.SOCK_RAW, 1),
    "raw IPv6": (socket.AF_INET6, socket.SOCK_RAW, 58),
    "SCTP": (socket.AF_INET, socket.SOCK_STREAM, 132),
    "L2TP": (socket.AF_INET, socket.SOCK_DGRAM, 115),
    "Bluetooth": (31, socket.SOCK_RAW, 1),
    "CAN": (29, socket.SOCK_RAW, 1),
    "TIPC": (30, socket.SOCK_STREAM, 0),
    "RDS": (21, socket.SOCK_SEQPACKET, 0),
    "KCM": (41, socket.SOCK_DGRAM, 0),
    "XDP": (44, socket.SOCK_RAW, 0),
}


def handler(event, context):
    return {name: attempt(socket.socket, *kind) for name, kind in KINDS.items()}
