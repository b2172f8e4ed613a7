"""The process around the function: its environment, its memory, and what it leaves running."""

import os
import resource
import sys
import time

ENVIRONMENT = {
    "HOME": "/tmp",
    "TMPDIR": "/tmp",
    "LANG": "C.UTF-8",
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "TZ": "UTC",
}
#: The peak may differ from the process's own record by so much without being inherited, in KiB.
TOLERANCE_KB = 1024
PR_SET_CHILD_SUBREAPER = 36

# The function may have a module of that name.
del sys.modules["resource"]


def output_folder():
    """Where the function leaves the files that are kept; to be asked before `enter`."""
    return os.path.join(os.environ.get("TMPDIR") or "/tmp", "output")


def enter(order, output):
    """Give the process the function's environment and folder. What the function's settings say wins."""
    os.environ.clear()
    os.environ.update(ENVIRONMENT)
    os.environ.update(
        {
            "_HANDLER": order["handler"],
            "LAMBDA_TASK_ROOT": order["code"],
            "AWS_LAMBDA_FUNCTION_NAME": order["functionName"],
            "AWS_LAMBDA_FUNCTION_VERSION": str(order["version"]),
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(order["memoryMb"]),
        }
    )
    if order["artifacts"] is not None:
        os.environ["NANOGRID_OUTPUT"] = output
    os.environ.update(order["environment"])
    time.tzset()
    os.chdir(order["code"])


def adopt_orphans():
    """Make daemons that the function leaves children of this process, where `left_processes` finds them.

    The first process of a sandbox has them already. Elsewhere it takes prctl: `ctypes` would cost 1.3 ms and 0.9 MB,
    what lies beneath it a fifth of that.
    """
    if os.getpid() == 1:
        return
    try:
        from _ctypes import call_function, dlopen, dlsym

        call_function(dlsym(dlopen(None, 0), "prctl"), (PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
    except (ImportError, OSError):
        pass  # then only direct children are found


def left_processes(waitpid=os.waitpid, no_hang=os.WNOHANG, no_child=ChildProcessError):
    """Reap what has ended; whether anything still runs."""
    try:
        while waitpid(-1, no_hang)[0]:
            pass
    except no_child:
        return False
    return True


class PeakMemory:
    """The process's peak since it was last asked, in KiB."""

    def __init__(self):
        # Through exec a process inherits the peak of the one that started it, and nothing resets that: where getrusage
        # says more than the process's own record, ask the record, though it takes ten times as long.
        self._ask = high_water if max_rss() > high_water() + TOLERANCE_KB else max_rss
        self._mark = 0

    def take(self):
        """The peak; the next one counts from now on, where the sandbox allows it."""
        peak = self._ask()
        if peak > self._mark:
            reset_high_water()
            self._mark = self._ask()
        return peak


def max_rss(getrusage=resource.getrusage, whose=resource.RUSAGE_SELF):
    return getrusage(whose).ru_maxrss


def high_water(os_open=os.open, os_read=os.read, os_close=os.close):
    try:
        fd = os_open("/proc/self/status", os.O_RDONLY)
    except OSError:
        return max_rss()
    status = os_read(fd, 8192)
    os_close(fd)
    _, found, after = status.partition(b"VmHWM:")
    return int(after.split(None, 1)[0]) if found else max_rss()


def reset_high_water(os_open=os.open, os_write=os.write, os_close=os.close):
    try:
        fd = os_open("/proc/self/clear_refs", os.O_WRONLY)
    except OSError:
        return
    try:
        os_write(fd, b"5")
    except OSError:
        pass  # not allowed here: peaks are those of the process's whole life
    finally:
        os_close(fd)
