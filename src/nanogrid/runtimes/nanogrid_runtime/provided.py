"""A function that brings its own runtime: an executable `bootstrap`, which asks Lambda's Runtime API for one event after
the other."""

import os
import threading

# What the platform's own process does with these, the bootstrap must not inherit.
from _signal import SIGPIPE, SIGXFSZ

from nanogrid_runtime.artifacts import Artifacts
from nanogrid_runtime.channel import split
from nanogrid_runtime.command import NoCommand, how_ended
from nanogrid_runtime.failures import failure, raised, too_large
from nanogrid_runtime.process import enter, output_folder
from nanogrid_runtime.runtime_api import RuntimeApi, serve_api
from nanogrid_runtime.values import decode, encode, find_fault

BOOTSTRAP = "bootstrap"
SHOWN_CHARACTERS = 200


class Provided:
    """The function: hands each INVOKE to the bootstrap, and takes its answer."""

    def __init__(self, api, pid, artifacts):
        self._api = api
        self._pid = pid
        self._artifacts = artifacts

    def answer(self, payload):
        """The payload of RESULT."""
        head, event = split(payload)
        reset_peak(self._pid)
        told = self._api.run(head, bytes(event))
        peak_kb = peak_of(self._pid)
        if told is None:
            field, content = b"error", failure("exited", f"{BOOTSTRAP} {how_ended(self._api.code)} before it answered.")
        else:
            field, content = judged(*told)
        return self._result(head["nonce"], field, content, peak_kb)

    def _result(self, nonce, field, content, peak_kb):
        # In this order: what still runs could write more.
        dirty = self._api.code is not None or bool(children_of_ours() - {self._pid})
        dirty = not self._artifacts.hand_over(nonce) or dirty
        facts = (encode(nonce), peak_kb, b"true" if dirty else b"false", field, content)
        return b'{"nonce":%s,"peakMemoryKb":%d,"dirty":%s,"%s":%s}' % facts


def judged(kind, value):
    """The field of RESULT that the bootstrap's answer fills, and its JSON."""
    if kind == "too_large":
        return b"error", too_large(f"more than {value}", value)
    if kind == "error":
        return b"error", failure("exception", *value)
    return checked(value)


def checked(output):
    """The answer as it stands, where it is JSON; nothing at all is null."""
    if not output.strip():
        return b"output", b"null"
    try:
        value = decode(output)
        fault = find_fault(value) if b"\\ud" in output or b"\\uD" in output else ""
    except (ValueError, RecursionError) as exc:
        fault = str(exc)
    if not fault:
        return b"output", output
    shown = output[: 4 * SHOWN_CHARACTERS].decode("utf-8", "replace")[:SHOWN_CHARACTERS]
    return b"error", failure(
        "result_not_serializable", f"{BOOTSTRAP} answered with no JSON: {fault}. It begins: {shown}"
    )


def load(order, channel):
    """Start the bootstrap. Returns it, once it has asked for an event, and None; or None and the error as JSON."""
    try:
        output = output_folder()
        artifacts = Artifacts(channel, output, order["artifacts"])
        enter(order, output)
        path = find_bootstrap(order["code"])
        api = RuntimeApi(order)
        environment = {**os.environ, **lambda_environment(order), "AWS_LAMBDA_RUNTIME_API": serve_api(api)}
        pid = os.posix_spawn(path, [path], environment, setsigdef=[SIGPIPE, SIGXFSZ])
    except NoCommand as exc:
        return None, failure("init_failed", str(exc), "Runtime.InvalidEntrypoint")
    except (OSError, ValueError) as exc:
        return None, raised("init_failed", exc, order["code"])
    threading.Thread(target=reap, args=(pid, api), daemon=True).start()
    told = api.wait_until_up()
    if told is not None:
        return None, failure("init_failed", *told)
    if api.code is not None:
        message = f"{BOOTSTRAP} {how_ended(api.code)} before it had asked for an event."
        return None, failure("init_failed", message, "Runtime.ExitError")
    return Provided(api, pid, artifacts), None


def find_bootstrap(root):
    """The executable's path. Raises NoCommand."""
    path = os.path.join(root, BOOTSTRAP)
    if not os.path.isfile(path):
        files = ", ".join(sorted(os.listdir(root))) or "nothing"
        raise NoCommand(f"The archive has no file {BOOTSTRAP!r} at its top; it has: {files}.")
    if not os.access(path, os.X_OK):
        raise NoCommand(f"{BOOTSTRAP!r} is not executable: set its mode with chmod +x before it is packed.")
    return path


def lambda_environment(order):
    """What a bootstrap finds on Lambda besides what every function finds."""
    name = order["functionName"]
    return {
        "LAMBDA_RUNTIME_DIR": order["code"],
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": f"{name}/{order['version']}",
    }


def reap(pid, api):
    """Take leave of every child that ends, and tell the API of the bootstrap's end."""
    while True:
        try:
            ended, status = os.wait()
        except ChildProcessError:
            return
        if ended == pid:
            api.end(os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status))


def children_of_ours():
    """Processes that have this one as their parent: the bootstrap, and daemons that were left to us."""
    try:
        with open(f"/proc/self/task/{os.getpid()}/children") as file:
            return {int(pid) for pid in file.read().split()}
    except OSError:
        return set()


def reset_peak(pid):
    try:
        with open(f"/proc/{pid}/clear_refs", "w") as file:
            file.write("5")
    except OSError:
        pass  # not allowed here: peaks are those of the process's whole life


def peak_of(pid):
    """The bootstrap's peak since it was reset, in KiB."""
    try:
        with open(f"/proc/{pid}/status") as file:
            lines = [line.split() for line in file if line.startswith("VmHWM:")]
    except OSError:
        return 0
    return int(lines[0][1]) if lines else 0
