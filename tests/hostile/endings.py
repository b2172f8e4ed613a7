"""How functions misbehave without meaning to attack anybody, and how each such run must end.

A typed and bounded answer, the same on every driver, soon after its cause.
"""

import time
from dataclasses import dataclass, field

from arena import Arena

LIMIT_MS = 1000
#: How long after its cause an end may come, in milliseconds: a time-out's after the limit, any other's after the start.
LATE_MS, PROMPT_MS, BIG_MS = 500, 200, 2000
MIB = 1024 * 1024


@dataclass(frozen=True)
class Ending:
    """One way to end."""

    what: str
    #: The handler's body.
    body: str
    #: The error's kind, or `succeeded`.
    kind: str
    #: What the error's message says among other things.
    says: str = ""
    #: Later than this after its cause is a missed target, in milliseconds.
    within_ms: float = PROMPT_MS
    settings: dict[str, object] = field(default_factory=dict)
    #: Before the handler, at import.
    top: str = ""

    @property
    def timed(self) -> bool:
        """Whether the cause is the time limit."""
        return self.kind == "timed_out"


def _endless(what: str, body: str) -> Ending:
    return Ending(what, body, "timed_out", "1000 ms", LATE_MS, {"timeoutMs": LIMIT_MS})


def _no_json(what: str, body: str, says: str) -> Ending:
    return Ending(what, f"return {body}", "result_not_serializable", says)


ENDINGS = [
    _endless("an endless loop", "while True: pass"),
    _endless("a sleep that ignores signals", "[signal.signal(n, signal.SIG_IGN) for n in (1, 2, 15)]; time.sleep(60)"),
    _endless("a wait within the C library", "ctypes.CDLL(None).pause()"),
    _endless("a process that stops itself", "os.kill(os.getpid(), signal.SIGSTOP)"),
    Ending("one large allocation", "return len(b'x' * 1024**3)", "out_of_memory", "128 MB", BIG_MS),
    Ending("memory piece by piece", "kept = [bytearray(MIB) for _ in range(1024)]", "out_of_memory", "128 MB", BIG_MS),
    Ending("sys.exit", "sys.exit(3)", "exited", "3"),
    Ending("os._exit", "os._exit(3)", "exited", "code 3"),
    Ending("a segmentation fault", "ctypes.string_at(0)", "exited", "SIGSEGV"),
    Ending("abort", "os.abort()", "exited", "SIGABRT"),
    Ending("killing itself", "os.kill(os.getpid(), signal.SIGKILL)", "exited", "SIGKILL"),
    Ending("closing every descriptor", "os.closerange(0, 4096)", "exited", "", BIG_MS),
    Ending("KeyboardInterrupt", "raise KeyboardInterrupt", "exception"),
    Ending("endless recursion", "return handler(event, context)", "exception", "recursion"),
    Ending("an exit while it is imported", "pass", "init_failed", "", BIG_MS, top="sys.exit(3)"),
    Ending("an exception while it is imported", "pass", "init_failed", "not defined", BIG_MS, top="no_such_thing()"),
    _no_json("a set", "{1, 2}", "set"),
    _no_json("bytes", "{'a': [b'x']}", "bytes"),
    _no_json("not a number", "float('nan')", "nan"),
    _no_json("a cycle", "(lambda kept: (kept.append(kept), kept)[1])([])", ""),
    _no_json("half a character", "'\\ud800'", "surrogate"),
    Ending("a result of 6 MiB", "return 'x' * (6 * MIB + 98)", "succeeded", within_ms=BIG_MS),
    Ending("a byte more", "return 'x' * (6 * MIB + 99)", "result_too_large", within_ms=BIG_MS),
    Ending(
        "a result of 300 MB",
        "return 'x' * 300_000_000",
        "result_too_large",
        within_ms=BIG_MS,
        settings={"memoryMb": 2048},
    ),
    Ending("200 MB on stdout", "for _ in range(3200): os.write(1, b'x' * 65536)", "succeeded", within_ms=BIG_MS),
    Ending("a million log lines", "for n in range(10**6): print(n)", "succeeded", within_ms=10 * BIG_MS),
    Ending("text of the whole world", "print(event['text']); return event['text']", "succeeded"),
]
SOURCE = """
import ctypes, os, signal, sys, time

MIB = 1024 * 1024
{top}

def handler(event, context):
    if event["calm"]:
        return "calm"
    {body}
"""
#: Snow, right to left, an emoji of four bytes, a NUL, a line separator.
TEXT = "☃ שלום 🦀 \0 \u2028 é"


@dataclass(frozen=True)
class Ended:
    """What came of one ending."""

    run: dict
    #: How long after its cause the answer was there.
    after_ms: float

    def faults(self, ending: Ending) -> list[str]:
        """What of the promise is not kept; how late it came is not among it."""
        error = self.run["error"] or {"kind": self.run["status"], "message": ""}
        faults = [] if error["kind"] == ending.kind else [f"it ended as {error}"]
        if ending.says.lower() not in error["message"].lower():
            faults.append(f"its message does not say {ending.says!r}: {error['message']!r}")
        if len(self.run["logs"]["text"].encode()) > 256 * 1024 + 200:
            faults.append("more of its logs is kept than may be")
        return faults


def end(attacked: Arena, ending: Ending) -> Ended:
    """Let a function end that way in a warm sandbox, or where its import fails in a new one."""
    source = SOURCE.format(top=ending.top, body=ending.body)
    attacked.deploy("ending", source=source, **({"timeoutMs": 30_000} | ending.settings))
    if not ending.top:
        attacked.run("ending", {"calm": True})
    began = time.monotonic()
    run = attacked.run("ending", {"calm": False, "text": TEXT})
    after_ms = (time.monotonic() - began) * 1000
    return Ended(run, max(0.0, after_ms - LIMIT_MS) if ending.timed else after_ms)
