"""Runs on after it has returned: at exit, in threads, in signal handlers, in destructors, in traces."""

import atexit
import os
import signal
import sys
import threading
import time

from attempts import frame, sockets


ENDS = ("succeeded", "exited")


class Late:
    def __del__(self):
        forge()


def handler(event, context):
    atexit.register(forge)
    signal.signal(signal.SIGALRM, lambda *_: forge())
    signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
    threading.Thread(target=later, daemon=True).start()
    sys.settrace(lambda *_: None)
    event["late"] = Late()
    return {"returned": "no: that is final"}


def later():
    time.sleep(0.01)
    forge()


def forge():
    for descriptor in sockets():
        os.write(descriptor, frame({"nonce": "x", "output": "forged"}))
