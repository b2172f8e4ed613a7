"""Turns off the randomness of addresses and types into the terminal of whoever started the grid."""

import fcntl
import os

from attempts import attempt, call

ADDR_NO_RANDOMIZE, READ_IMPLIES_EXEC = 0x0040000, 0x0400000
TIOCSTI, TIOCLINUX = 0x5412, 0x541C


def handler(event, context):
    return {
        "no randomness": call("personality", ADDR_NO_RANDOMIZE),
        "all executable": call("personality", READ_IMPLIES_EXEC),
        "type at stdin": attempt(types, 0, TIOCSTI),
        "type at stdout": attempt(types, 1, TIOCSTI),
        "type past a naive filter": call("ioctl", 0, 2**32 + TIOCSTI, b"x"),
        "paste": attempt(types, 1, TIOCLINUX),
        "terminal": attempt(terminal),
    }


def types(descriptor, request):
    return fcntl.ioctl(descriptor, request, b"x") and "typed"


def terminal():
    return os.open("/dev/tty", os.O_RDWR)
