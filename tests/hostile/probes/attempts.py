"""What the probes share. Uploaded beside each of them: runs inside the sandbox.

An attempt ends as text: `no: ENOENT` where it was refused, `yes: …` where it went through. A probe returns its
attempts by name, and one `yes` in there is a hole.
"""

import ctypes
import errno
import json
import os
import signal
import struct
import time

#: The names that a function may find in its environment.
DOCUMENTED = (
    "HOME LANG PATH PWD TMPDIR TZ _HANDLER LAMBDA_TASK_ROOT AWS_LAMBDA_FUNCTION_NAME AWS_LAMBDA_FUNCTION_VERSION "
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE LC_CTYPE NANOGRID_OUTPUT"
).split()

_libc = ctypes.CDLL(None, use_errno=True)


def attempt(action, *arguments, **named):
    """Try it and say what came of it. Finding nothing is as good as a refusal."""
    try:
        result = action(*arguments, **named)
    except OSError as exc:
        return "no: " + errno.errorcode.get(exc.errno, str(exc))
    except Exception as exc:
        return f"no: {type(exc).__name__}"
    if result in (b"", "", [], {}, None, False):
        return "no: nothing there"
    return f"yes: {result!r:.200}"


def did(action, *arguments, **named):
    """For attempts whose success has no result."""

    def tried():
        action(*arguments, **named)
        return "done"

    return attempt(tried)


def read(path, size=64):
    with open(path, "rb", buffering=0) as file:
        return file.read(size)


def opens_for_writing(path):
    """Whether it could be written; nothing is."""
    os.close(os.open(path, os.O_WRONLY))
    return path


def creates(path):
    """Whether a file can be made there; it is taken away again."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    os.unlink(path)
    return path


def numbers():
    """The system calls of this machine, by name."""
    with open(os.path.join(os.path.dirname(__file__), "syscalls.json")) as file:
        return json.load(file)


def call(name, *arguments):
    """A system call as such, past every library."""
    number = numbers().get(name) if isinstance(name, str) else name
    if number is None:
        return "no: not on this machine"
    ctypes.set_errno(0)
    result = _libc.syscall(ctypes.c_long(number), *(_word(value) for value in arguments))
    if result >= 0:
        return f"yes: {result}"
    return "no: " + errno.errorcode.get(ctypes.get_errno(), "?")


def calls(*names):
    """Each of them with zeros."""
    return {name: call(name, 0, 0, 0, 0, 0) for name in names}


def in_a_child(action):
    """Run it in a child; how the child ended, as text."""
    child = os.fork()
    if child == 0:
        try:
            action()
        finally:
            os._exit(0)
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        return "no: " + signal.Signals(os.WTERMSIG(status)).name
    return f"yes: exit {os.WEXITSTATUS(status)}"


def until_refused(action, most):
    """Do it again and again; how often it went, and what stopped it."""
    for count in range(most):
        try:
            action()
        except OSError as exc:
            return count, errno.errorcode.get(exc.errno, "?")
        except (MemoryError, RuntimeError) as exc:
            return count, type(exc).__name__
    return most, "nothing"


def frame(payload, kind=18):
    """What a runtime sends: the length of the rest, a kind, JSON. 18 is a result."""
    body = json.dumps(payload).encode()
    return struct.pack(">IB", len(body) + 1, kind) + body


def sockets():
    """Numbers of the descriptors that are sockets; the control channel is among them."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            if os.readlink("/proc/self/fd/" + name).startswith("socket:"):
                found.append(int(name))
        except OSError:
            continue
    return found


def for_ever():
    while True:
        time.sleep(3600)


def _word(value):
    return value if isinstance(value, bytes) else ctypes.c_ulong(value)
