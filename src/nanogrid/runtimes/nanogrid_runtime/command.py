"""A function that is an executable of the archive, started once per run."""

import errno
import os

from nanogrid_runtime.artifacts import Artifacts
from nanogrid_runtime.channel import split
from nanogrid_runtime.child import Child, Exchange
from nanogrid_runtime.failures import failure, raised, too_large
from nanogrid_runtime.process import enter, left_processes, output_folder
from nanogrid_runtime.values import decode, encode, find_fault

SHOWN_CHARACTERS = 200
HINTS = {
    errno.EACCES: "It is not executable: set its mode with chmod +x before it is packed.",
    errno.ENOENT: "The interpreter in its first line is not in the sandbox.",
    errno.ENOEXEC: "It needs a first line such as #!/bin/sh, or to be a program for this machine.",
}


class NoCommand(Exception):
    """Raised when the handler is no executable of the archive."""


class Command:
    """The function: answers one INVOKE after the other."""

    def __init__(self, order, path, ended, artifacts):
        self._artifacts = artifacts
        self._name = order["handler"]
        self._path = path
        self._root = order["code"]
        self._max_output = order["maxOutput"]
        self._ended = ended
        self._environment = {**os.environ, "NANOGRID_FUNCTION_NAME": order["functionName"]}

    def answer(self, payload):
        """Run the command; the payload of RESULT."""
        head, event = split(payload)
        environment = {
            **self._environment,
            "NANOGRID_RUN_ID": head["runId"],
            "NANOGRID_DEADLINE_MS": str(head["deadlineMs"]),
        }
        if "traceparent" in head:
            environment["TRACEPARENT"] = head["traceparent"]
        try:
            child = Child(self._path, environment)
        except OSError as exc:
            message = f"{self._name} could not be started: {exc.strerror}. {HINTS.get(exc.errno, '')}"
            return self._result(head["nonce"], b"error", failure("exception", message, type(exc).__name__))
        exchange = Exchange(child, event, self._max_output, self._ended)
        exchange.run()
        return self._result(head["nonce"], *self._judge(child, exchange), child.peak_kb)

    def _result(self, nonce, field, content, peak_kb=0):
        # In this order: what still runs could write more.
        dirty = left_processes()
        dirty = not self._artifacts.hand_over(nonce) or dirty
        facts = (encode(nonce), peak_kb, b"true" if dirty else b"false", field, content)
        return b'{"nonce":%s,"peakMemoryKb":%d,"dirty":%s,"%s":%s}' % facts

    def _judge(self, child, exchange):
        """The field of RESULT that the run fills, and its JSON."""
        if exchange.too_much:
            return b"error", too_large(f"more than {self._max_output}", self._max_output)
        if child.code != 0:
            tail = exchange.tail.decode("utf-8", "replace").strip()
            said = f" It wrote last: {tail}" if tail else " It wrote nothing to stderr."
            return b"error", failure("exited", f"{self._name} {how_ended(child.code)}.{said}")
        return parsed(bytes(exchange.output).strip(), self._name)


def parsed(output, name):
    """The command's output as it stands, where it is JSON; nothing at all is null."""
    if not output:
        return b"output", b"null"
    try:
        value = decode(output)
        fault = find_fault(value) if b"\\ud" in output or b"\\uD" in output else ""
    except (ValueError, RecursionError) as exc:
        fault = str(exc)
    if not fault:
        return b"output", output
    shown = output[: 4 * SHOWN_CHARACTERS].decode("utf-8", "replace")[:SHOWN_CHARACTERS]
    message = f"{name} wrote to stdout what is not JSON: {fault}. It begins: {shown}"
    return b"error", failure("result_not_serializable", message)


def how_ended(code):
    if code >= 0:
        return f"ended with exit code {code}"
    import signal as names

    return f"was ended by {names.Signals(-code).name}"


def find_command(order):
    """The executable's path. Raises NoCommand."""
    name, root = order["handler"], order["code"]
    path = os.path.normpath(os.path.join(root, name))
    if not path.startswith(f"{root}/") or not os.path.isfile(path):
        files = ", ".join(sorted(os.listdir(root))) or "nothing"
        raise NoCommand(f"The handler {name!r} is not in the archive; it has: {files}.")
    if not os.access(path, os.X_OK):
        raise NoCommand(f"The handler {name!r} is not executable: set its mode with chmod +x before it is packed.")
    return path


def load(order, ended, channel):
    """Find the command. Returns it and None, or None and the error as JSON."""
    try:
        output = output_folder()
        artifacts = Artifacts(channel, output, order["artifacts"])
        enter(order, output)
        return Command(order, find_command(order), ended, artifacts), None
    except NoCommand as exc:
        return None, failure("init_failed", str(exc), "HandlerNotFound")
    except (OSError, ValueError) as exc:
        return None, raised("init_failed", exc, order["code"])
