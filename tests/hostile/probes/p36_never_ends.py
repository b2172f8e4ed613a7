"""Never ends: it sleeps and ignores signals, stops itself, or stays within the C library."""

import ctypes
import os
import signal

from attempts import for_ever

VARIANTS = ("asleep", "stopped", "in C", "process 1 stopped")
ENDS = ("timed_out",)
SETTINGS = {"timeoutMs": 500}


def handler(event, context):
    for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_IGN)
    if event["variant"] == "stopped":
        os.kill(os.getpid(), signal.SIGSTOP)
    if event["variant"] == "process 1 stopped":
        os.kill(1, signal.SIGSTOP)
    if event["variant"] == "in C":
        ctypes.CDLL(None).pause()
    for_ever()
