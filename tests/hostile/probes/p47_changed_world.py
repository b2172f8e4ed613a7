"""Changes the runtime under its own feet, so that the next run is answered by it."""

import builtins
import ctypes
import gc
import json
import os
import sys
import threading

ENDS = ("succeeded", "exited", "exception", "timed_out", "result_not_serializable")
SETTINGS = {"timeoutMs": 2000}


def handler(event, context):
    forged = lambda *arguments, **named: '{"nonce": "0", "output": "forged"}'
    json.dumps = json.dump = json.JSONEncoder.encode = forged
    json.loads = json.JSONDecoder.decode = lambda *arguments, **named: {"nonce": "0"}
    builtins.open = forged
    sys.stdout = sys.stderr = None
    sys.meta_path.clear()
    threading.Thread.start = forged
    gc.disable()
    runtime = sys.modules["__main__"]
    for name in [name for name in vars(runtime) if not name.startswith("__")]:
        if callable(getattr(runtime, name)):
            setattr(runtime, name, forged)
    # The small integer 1 becomes 2 for everything that runs in this process.
    ctypes.c_int.from_address(id(1) + 24).value = 2
    os.write = forged
    return {"changed": "no: only itself"}
