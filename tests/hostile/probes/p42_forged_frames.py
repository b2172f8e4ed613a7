"""Writes frames of its own into every descriptor that could be the control channel."""

import os
import struct

from attempts import for_ever, frame, sockets

VARIANTS = (
    "garbage",
    "half a frame",
    "announced too large",
    "empty",
    "ready again",
    "loaded again",
    "a million",
    "two results",
)
ENDS = ("exited", "succeeded", "timed_out", "result_too_large")
SETTINGS = {"timeoutMs": 1500}
FRAMES = {
    "garbage": b"\xff" * 100,
    "half a frame": struct.pack(">IB", 100, 18) + b"{",
    "announced too large": struct.pack(">IB", 2**31, 18) + b"x" * 4096,
    "empty": struct.pack(">I", 0),
    "ready again": frame({}, 16),
    "loaded again": frame({}, 17),
    "a million": frame({"nonce": "x", "output": 1}) * 20_000,
    "two results": frame({"nonce": "x", "output": "forged"}) * 2,
}


def handler(event, context):
    for descriptor in {*range(3, 64), *sockets()}:
        try:
            os.set_blocking(descriptor, True)
            os.write(descriptor, FRAMES[event["variant"]])
        except OSError:
            continue
    if event["variant"] == "half a frame":
        for_ever()
    return {"wrote": "no: nothing came of it"}


def judge(run):
    return ["a forged output was taken"] if run["output"] == "forged" else []
