"""What one function leaves behind, another never sees, however often they take turns."""

import os

import pytest

#: `make residue` takes a thousand.
ALTERNATIONS = int(os.environ.get("ALTERNATIONS", "40"))
#: Leaves twelve kinds of residue: all that lasts longer than a run.
PLANT = """
import atexit, builtins, ctypes, json, os, signal, socket, sys, threading, time

def handler(event, context):
    open("/tmp/residue", "w").close()
    os.environ["RESIDUE"] = "1"
    json.residue = builtins.residue = sys.residue = 1
    if threading.active_count() < 20:
        threading.Thread(target=time.sleep, args=(3600,), daemon=True, name="residue").start()
    if event["daemon"] and os.fork() == 0:
        os.setsid()
        time.sleep(3600)
    open("/dev/shm/residue", "w").close()
    sys.listening = socket.socket(socket.AF_UNIX)
    sys.listening.bind("\\0residue%d" % time.monotonic_ns())
    sys.opened = os.open("/dev/zero", os.O_RDONLY)
    os.dup2(sys.opened, 777)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    atexit.register(print, "residue")
    os.chdir("/tmp")
    os.umask(0)
    ctypes.CDLL(None).shmget(4711, 4096, 0o1666)
    return "planted"
"""
LOOK = """
import builtins, ctypes, json, os, signal, sys, threading

def handler(event, context):
    umask = os.umask(0o22)
    os.umask(umask)
    shown = lambda path: open(path).read()
    found = {
        "file": os.path.exists("/tmp/residue"),
        "environment": "RESIDUE" in os.environ,
        "changed module": any(hasattr(module, "residue") for module in (json, builtins, sys)),
        "thread": any(thread.name == "residue" for thread in threading.enumerate()),
        "daemon": sum(name.isdigit() for name in os.listdir("/proc")) > 2,
        "shared memory file": os.path.exists("/dev/shm/residue"),
        "shared memory": ctypes.CDLL(None).shmget(4711, 4096, 0) != -1,
        "abstract socket": "residue" in shown("/proc/net/unix"),
        "descriptor": os.path.exists("/proc/self/fd/777"),
        "signal": signal.getsignal(signal.SIGUSR1) is not signal.SIG_DFL,
        "folder": os.getcwd() == "/tmp",
        "umask": umask == 0,
    }
    return sorted(kind for kind, seen in found.items() if seen)
"""


@pytest.mark.parametrize("daemon", [False, True], ids=["the sandbox stays warm", "a daemon is left"])
def test_twelve_kinds_of_residue_are_invisible_to_another_function(attacked, daemon):
    attacked.deploy("planter", source=PLANT)
    attacked.deploy("looker", source=LOOK)
    seen = [said(attacked.run(name, {"daemon": daemon})) for _ in range(ALTERNATIONS) for name in ("planter", "looker")]

    assert seen == ["planted", []] * ALTERNATIONS


def said(run: dict) -> object:
    """The output, or why there is none."""
    return run["error"] or run["output"]


def test_the_look_finds_what_a_function_left_for_itself(attacked):
    """Else the test above would prove nothing."""
    attacked.deploy("both", source=f"{PLANT}\nplant = handler\n{LOOK}\nlook = handler\n" + BOTH)
    seen = attacked.run("both", {"daemon": False})["output"]

    assert set(seen) == KINDS - {"daemon"}


BOTH = """
def handler(event, context):
    plant(event, context)
    return look(event, context)
"""
KINDS = {
    "file",
    "environment",
    "changed module",
    "thread",
    "daemon",
    "shared memory file",
    "shared memory",
    "abstract socket",
    "descriptor",
    "signal",
    "folder",
    "umask",
}


def test_a_run_that_leaves_a_process_behind_ends_its_sandbox(attacked):
    attacked.deploy("planter", source=PLANT)
    attacked.run("planter", {"daemon": True})
    next_run = attacked.run("planter", {"daemon": False})

    assert next_run["usage"]["coldStart"] is True
    assert attacked.damage() == []
