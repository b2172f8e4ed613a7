"""Forks until it is stopped, and leaves its children behind."""

import os
import signal

from attempts import until_refused

ENDS = ("succeeded", "exited", "out_of_memory")
MOST = 3000


def handler(event, context):
    count, error = until_refused(fork, MOST)
    return {"children": f"no: {count}, {error}" if count < MOST else f"yes: {count}"}


def fork():
    if os.fork() == 0:
        signal.pause()
