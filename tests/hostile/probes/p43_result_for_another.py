"""Sends a result in the name of another run."""

import os

from attempts import for_ever, frame, sockets

ENDS = ("exited", "timed_out")
SETTINGS = {"timeoutMs": 1000}


def handler(event, context):
    for descriptor in sockets():
        os.write(descriptor, frame({"nonce": event["run"], "runId": event["run"], "output": "forged", "attempt": 99}))
    for_ever()
