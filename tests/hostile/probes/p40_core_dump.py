"""Crashes, so that its memory is written to a file or handed to the machine's crash reporter."""

import os
import resource

ENDS = ("exited",)


def handler(event, context):
    resource.setrlimit(resource.RLIMIT_CORE, (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2)
    print("core limit", resource.getrlimit(resource.RLIMIT_CORE)[0], flush=True)
    os.chdir("/tmp")
    os.abort()


def judge(run):
    holes = [] if "core limit 0" in run["logs"]["text"] else ["a core file may be written"]
    return (
        holes
        if "SIGABRT" in run["error"]["message"]
        else [*holes, f"the signal is not named: {run['error']['message']}"]
    )
