"""Prints perfect result frames to stdout and stderr."""

import os

from attempts import frame


def handler(event, context):
    for descriptor in (1, 2):
        os.write(descriptor, frame({"nonce": "0", "output": "forged"}) + b"\n")
    return {"printed": "no: it stays text"}


def judge(run):
    return [] if "forged" in run["logs"]["text"] else ["the text did not reach the log"]
