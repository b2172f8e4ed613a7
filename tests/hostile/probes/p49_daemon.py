"""Leaves a daemon: forked twice, in a session of its own, deaf to signals."""

import os
import signal
import time

from attempts import for_ever


def handler(event, context):
    if os.fork() == 0:
        os.setsid()
        if os.fork():
            os._exit(0)
        for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
            signal.signal(number, signal.SIG_IGN)
        os.closerange(0, 64)
        for_ever()
    time.sleep(0.05)
    return {"left": "no: it ends with its sandbox"}
