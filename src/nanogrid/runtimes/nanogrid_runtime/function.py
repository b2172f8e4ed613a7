"""A function in Python: its import, its context, its runs."""

import builtins
import os
import sys
import time

from nanogrid_runtime.artifacts import Artifacts
from nanogrid_runtime.channel import split
from nanogrid_runtime.failures import failure, raised, too_large, unwritable
from nanogrid_runtime.parts import Gathered, NoPart, Sent, take_all, take_each, yields
from nanogrid_runtime.process import PeakMemory, enter, left_processes, output_folder
from nanogrid_runtime.values import decode, encode

#: The field of RESULT for what a handler has yielded, with what says so.
STREAMED = b'streamed":true,"output'

now, getpid, exit_now = time.time, os.getpid, os._exit


class HandlerNotFound(Exception):
    """Raised when the handler's name leads to nothing that can be called."""


class Context:
    """The handler's second argument: Lambda's, and the run's id and attempt under NanoGrid's names."""

    identity = None
    client_context = None

    def __init__(self, facts, call):
        self.__dict__.update(facts)
        self.aws_request_id = self.run_id = call["runId"]
        self.attempt = call["attempt"]
        self.traceparent = call.get("traceparent")
        self._deadline_ms = call["deadlineMs"]

    def get_remaining_time_in_millis(self):
        """Milliseconds until the run is ended; 0 when the time is over."""
        return max(0, int(self._deadline_ms - now() * 1000))


def facts_of(order):
    """What the context says in every run."""
    name, version = order["functionName"], str(order["version"])
    return {
        "function_name": name,
        "function_version": version,
        # Text, as Lambda has it: code that does int() on it would take both, code that compares it with "128" only this.
        "memory_limit_in_mb": str(order["memoryMb"]),
        "invoked_function_arn": f"arn:aws:lambda:local:000000000000:function:{name}",
        "log_group_name": f"/aws/lambda/{name}",
        "log_stream_name": f"{version}/{order['functionId']}",
    }


class Function:
    """The loaded function: answers one INVOKE after the other."""

    def __init__(self, order, handler, streams, logs, artifacts, channel):
        self._handler = handler
        self._channel = channel
        self._artifacts = artifacts
        self._streams = streams
        self._logs = logs
        self._root = order["code"]
        self._max_output = order["maxOutput"]
        self._facts = facts_of(order)
        self._peak = PeakMemory()
        self._pid = getpid()
        self._loop = None
        #: Set when the handler has ended the process; the answer goes out first.
        self.exit_code = None

    def answer(self, payload):
        """Run the handler; the payload of RESULT."""
        try:
            call = decode(payload)
        except (ValueError, RecursionError, MemoryError) as exc:
            return self._refuse(payload, exc)
        self._logs.run_id = call["runId"]
        self._logs.set_up()
        field, content = self._run(call, Context(self._facts, call))
        return self._result(call["nonce"], field, content)

    def _run(self, call, context):
        """The field of RESULT that the run fills, and its JSON."""
        try:
            value = self._handler(call["event"], context)
            if hasattr(type(value), "__await__"):
                value = self._wait_for(value)
            if yields(value):
                return STREAMED, self._drained(value, call)
        except NoPart as exc:
            return b"error", exc.error
        except SystemExit as exc:
            self.exit_code = exc.code if isinstance(exc.code, int) else int(exc.code is not None)
            message = f"The handler called sys.exit({'' if exc.code is None else repr(exc.code)}); return instead."
            return b"error", raised("exited", exc, self._root, message)
        except BaseException as exc:  # whatever the function raises is its answer
            return b"error", raised("exception", exc, self._root)
        return self._written(value)

    def _drained(self, value, call):
        """Hand on all that the handler yields; what then is its output."""
        if call.get("stream"):
            taker = Sent(self._root, self._max_output, self._channel, call["nonce"])
        else:
            taker = Gathered(self._root, self._max_output)
        if hasattr(type(value), "__anext__"):
            self._wait_for(take_each(value, taker.take))
        else:
            take_all(value, taker.take)
        return taker.output()

    def _wait_for(self, awaitable):
        """One event loop for all runs: clients that the function keeps go on working."""
        import asyncio

        if self._loop is None or self._loop.is_closed():
            self._loop = asyncio.new_event_loop()
            asyncio.set_event_loop(self._loop)
        return self._loop.run_until_complete(awaitable)

    def _written(self, value):
        try:
            output = encode(value)
        except MemoryError as exc:
            return b"error", raised("out_of_memory", exc, self._root)
        except Exception as exc:  # a subclass of dict runs the function's code while it is read
            return b"error", unwritable(value, exc)
        if len(output) > self._max_output:
            return b"error", too_large(len(output), self._max_output)
        return b"output", output

    def _result(self, nonce, field, content):
        self._streams.flush()
        if getpid() != self._pid:
            self._end_child(field)
        # In this order: what still runs could write more.
        dirty = left_processes()
        dirty = not self._artifacts.hand_over(nonce) or dirty
        facts = b'"peakMemoryKb":%d,"dirty":%s' % (self._peak.take(), b"true" if dirty else b"false")
        return b'{"nonce":%s,%s,"%s":%s}' % (encode(nonce), facts, field, content)

    def _end_child(self, field):
        """A child that the handler forked has come back from it: the answer is its parent's."""
        code = int(field == b"error") if self.exit_code is None else self.exit_code
        exit_now(code & 0xFF)

    def _refuse(self, payload, exc):
        """The event is JSON, but more than Python reads: nested too deep, too large, a number of thousands of digits."""
        call, _ = split(payload)
        return self._result(
            call["nonce"], b"error", raised("exception", exc, self._root, f"Python cannot read the event: {exc}.")
        )


def load(order, streams, logs, channel):
    """Import the function's code. Returns the function and None, or None and the error as JSON."""
    root = order["code"]
    try:
        output = output_folder()
        artifacts = Artifacts(channel, output, order["artifacts"])
        enter(order, output)
        sys.path.insert(0, root)
        sys.argv[:] = [""]
        # `site`, which is not loaded, would have put these there.
        builtins.exit = builtins.quit = sys.exit
        return Function(order, find_handler(order["handler"], root), streams, logs, artifacts, channel), None
    except HandlerNotFound as exc:
        return None, failure("init_failed", str(exc), "HandlerNotFound")
    except SystemExit as exc:
        message = f"The code called sys.exit({'' if exc.code is None else repr(exc.code)}) while it was imported."
        return None, raised("init_failed", exc, root, message)
    except BaseException as exc:  # whatever the import raises is the answer
        return None, raised("init_failed", exc, root)


def find_handler(handler, root):
    """Import `module.function`, `package.module.function` or `package/module.function`."""
    module_name, _, name = handler.rpartition(".")
    module_name = module_name.replace("/", ".")
    if not module_name or not name:
        raise HandlerNotFound(f"The handler {handler!r} is not of the form module.function, such as main.handler.")
    try:
        __import__(module_name)
    except ModuleNotFoundError as exc:
        if not f"{module_name}.".startswith(f"{exc.name}."):
            raise
        files = ", ".join(sorted(os.listdir(root))) or "nothing"
        raise HandlerNotFound(f"The handler's module {exc.name!r} is not in the archive; it has: {files}.") from None
    module = sys.modules[module_name]
    found = getattr(module, name, None)
    if not callable(found):
        raise HandlerNotFound(f"The module {module_name!r} has no function {name!r}; it has: {functions_of(module)}.")
    return found


def functions_of(module):
    """The names that may have been meant: what can be called and was made there."""
    members = sorted(vars(module).items())
    own = [name for name, value in members if callable(value) and getattr(value, "__module__", "") == module.__name__]
    return ", ".join(own) or "none"
