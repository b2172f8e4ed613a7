"""Answers twice: from a forked child too, or after the time is over."""

import os
import time

VARIANTS = ("child", "late")
ENDS = ("succeeded", "timed_out")
SETTINGS = {"timeoutMs": 500}


def handler(event, context):
    if event["variant"] == "late":
        time.sleep(0.6)
        return {"late": "yes: it was taken"}
    return {"child": "no: only one counts"} if os.fork() else {"child": "yes: the child's result was taken"}
