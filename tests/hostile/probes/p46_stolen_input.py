"""Leaves somebody who reads the channel, to take the input of the next run."""

import os
import threading

from attempts import sockets

VARIANTS = ("thread", "child")
ENDS = ("succeeded", "exited", "timed_out")
SETTINGS = {"timeoutMs": 1500}


def handler(event, context):
    if event["variant"] == "thread":
        threading.Thread(target=steal, daemon=True).start()
    elif os.fork() == 0:
        steal()
        os._exit(0)
    return {"left": "no: it can only take its own"}


def steal():
    for descriptor in sockets():
        os.set_blocking(descriptor, True)
        stolen = os.read(descriptor, 65536)
        os.write(2, b"stolen: " + stolen[:100])
