"""The Python runtime: `python3 -I -S -B python.py FD` inside a sandbox, under Python 3.8 to 3.14.

`docs/runtime-protocol.md` describes what goes over FD. One file, and as little of the standard library as possible:
what is imported here decides how fast a sandbox starts and how much memory a spare holds.

The function runs in this very process and may patch what it likes. The loop keeps private references to all that it
uses, so that a patched `json`, `os.write` or `sys.stdout` harms the function that patched it and not the answer.
"""

import builtins
import os
import resource
import sys
import time

# `json` itself costs 6 ms and 1.5 MB, nearly all of it for `re`; its accelerator alone does the work.
from _json import encode_basestring, make_encoder, make_scanner

LOAD, INVOKE = 1, 2
READY, LOADED, RESULT = 16, 17, 18

#: Exit code for a platform that does not keep to the protocol (EX_SOFTWARE).
PROTOCOL_BROKEN = 70
READ_AT_ONCE = 64 * 1024
MAX_MESSAGE = 4096
MAX_LINE = 300
#: Frames of a stack trace: so many of the outermost, so many of the innermost.
OUTERMOST, INNERMOST = 10, 30
MAX_CAUSES = 3
#: What an error's JSON may take; the platform reads no more of LOADED.
MAX_ERROR_BYTES = 48 * 1024
PR_SET_CHILD_SUBREAPER = 36

ENVIRONMENT = {
    "HOME": "/tmp",
    "TMPDIR": "/tmp",
    "LANG": "C.UTF-8",
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "TZ": "UTC",
}

now, getpid, waitpid, exit_now, open_file = time.time, os.getpid, os.waitpid, os._exit, open


class ProtocolBroken(Exception):
    """The platform sent what nobody expects here."""


class HandlerNotFound(Exception):
    """The handler's name leads to nothing that can be called."""


class Channel:
    """Frames over the control socket."""

    def __init__(self, fd):
        os.set_inheritable(fd, False)
        os.set_blocking(fd, True)
        self._fd = fd
        self._rest = b""
        self._read, self._readv, self._write = os.read, os.readv, os.write

    def receive(self):
        """The next frame as kind and payload; None when the platform has gone."""
        data = self._rest
        while len(data) < 5:
            more = self._read(self._fd, READ_AT_ONCE)
            if not more:
                return None
            data += more
        end = 4 + int.from_bytes(data[:4], "big")
        if len(data) < end:
            data = self._complete(data, end)
        self._rest = data[end:]
        return data[4], data[5:end]

    def send(self, kind, payload):
        """Write a whole frame."""
        frame = (len(payload) + 1).to_bytes(4, "big") + bytes((kind,)) + payload
        sent = self._write(self._fd, frame)
        while sent < len(frame):
            sent += self._write(self._fd, memoryview(frame)[sent:])

    def _complete(self, data, end):
        frame = bytearray(end)
        frame[: len(data)] = data
        view, filled = memoryview(frame), len(data)
        while filled < end:
            count = self._readv(self._fd, [view[filled:]])
            if not count:
                raise ProtocolBroken("the connection ended in the middle of a frame")
            filled += count
        return frame


class Grammar:
    """How the scanner reads JSON that the platform has already checked."""

    strict = True
    object_hook = object_pairs_hook = parse_constant = None
    parse_float, parse_int = float, int


def as_lambda_does(value):
    """What JSON has no word for: decimals become floats, since tables of DynamoDB are full of them."""
    if is_decimal(value):
        return float(value)
    raise TypeError(type(value).__name__)


def is_decimal(value):
    decimal = sys.modules.get("decimal")
    return decimal is not None and isinstance(value, decimal.Decimal)


scan = make_scanner(Grammar)
markers = {}
encode_chunks = make_encoder(markers, as_lambda_does, encode_basestring, None, ":", ",", False, False, False)


def decode(payload):
    return scan(str(payload, "utf-8"), 0)[0]


def encode(value):
    """JSON in UTF-8. Raises ValueError, TypeError or RecursionError for what is no JSON; `find_fault` says where."""
    markers.clear()  # a failed attempt leaves its marks behind
    return "".join(encode_chunks(value, 0)).encode()


def find_fault(value, path="$", above=frozenset()):
    """Where and why the value is no JSON, such as `$.items[3]: datetime`; "" where it is."""
    if not isinstance(value, (dict, list, tuple)):
        fault = scalar_fault(value)
        return fault and f"{path}: {fault}"
    if id(value) in above:
        return f"{path}: {type(value).__name__} that contains itself"
    above = above | {id(value)}
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, child in pairs:
        key_fault = scalar_fault(key)
        fault = key_fault and f"{path}: {key_fault} as a key"
        fault = fault or find_fault(child, path + step(key), above)
        if fault:
            return fault
    return ""


def scalar_fault(value):
    if isinstance(value, str):
        return "" if value.isascii() or is_text(value) else "str with half of a surrogate pair"
    if isinstance(value, float):
        return "" if value - value == 0 else f"float {value}"
    if value is None or isinstance(value, bool):
        return ""
    if isinstance(value, int):
        return "" if has_digits(value) else "int with too many digits"
    if is_decimal(value):
        return "" if value.is_finite() else f"Decimal {value}"
    return type(value).__name__


def is_text(value):
    try:
        return bool(value.encode())
    except UnicodeEncodeError:
        return False


def has_digits(value):
    try:
        return bool(int.__repr__(value))
    except ValueError:
        return False


def step(key):
    if isinstance(key, str):
        return f".{key}" if key.isidentifier() else f"[{encode_basestring(key)}]"
    return f"[{key}]"


def plain(text, limit):
    """Text that any reader of JSON accepts, and not too much of it."""
    text = text if len(text) <= limit else f"{text[:limit]} [{len(text) - limit} more characters]"
    return text.encode("utf-8", "backslashreplace").decode()


def failure(kind, name, message, trace=()):
    """An error as the wire carries it, already JSON."""
    error = {"kind": kind, "type": plain(name, 200), "message": plain(message, MAX_MESSAGE), "stackTrace": list(trace)}
    content = encode(error)
    return content if len(content) <= MAX_ERROR_BYTES else encode({**error, "stackTrace": []})


def raised(kind, exc, root):
    """The error for an exception of the function."""
    if isinstance(exc, MemoryError):
        kind = "out_of_memory"
    return failure(kind, type(exc).__name__, message_of(exc), stack_trace(exc, root))


def message_of(exc):
    try:
        return str(exc)
    except BaseException as broken:  # the function's own __str__: it may raise anything
        return f"the exception cannot be shown: its __str__ raised {type(broken).__name__}"


def stack_trace(exc, root):
    """The user's frames, outermost first; then those of what caused it."""
    lines = frame_lines(exc, root)
    for _ in range(MAX_CAUSES):
        exc = exc.__cause__ or (None if exc.__suppress_context__ else exc.__context__)
        if exc is None:
            break
        lines.append(plain(f"caused by {type(exc).__name__}: {message_of(exc)}", MAX_LINE))
        lines += frame_lines(exc, root)
    return lines


def frame_lines(exc, root):
    places, step_down = [], exc.__traceback__
    while step_down is not None:
        code = step_down.tb_frame.f_code
        places.append((code.co_filename, step_down.tb_lineno, code.co_name))
        step_down = step_down.tb_next
    if isinstance(exc, SyntaxError) and exc.filename:
        places.append((exc.filename, exc.lineno, "<module>"))
    places = [place for place in places if place[0].startswith(root + "/")]
    left_out = len(places) - OUTERMOST - INNERMOST
    if left_out <= 0:
        return [frame_line(place, root) for place in places]
    outermost = [frame_line(place, root) for place in places[:OUTERMOST]]
    return [*outermost, f"[{left_out} more frames]", *(frame_line(place, root) for place in places[-INNERMOST:])]


def frame_line(place, root):
    filename, number, name = place
    return plain(f"{filename[len(root) + 1 :]}:{number} in {name}: {source_line(filename, number)}", MAX_LINE)


def source_line(filename, number):
    try:
        with open_file(filename, encoding="utf-8", errors="backslashreplace") as file:
            return next((line.strip() for at, line in enumerate(file, 1) if at == number), "")
    except OSError:
        return ""


class Context:
    """The handler's second argument: Lambda's, and the run's id and attempt under NanoGrid's names."""

    identity = None
    client_context = None

    def __init__(self, facts, call):
        self.__dict__.update(facts)
        self.aws_request_id = self.run_id = call["runId"]
        self.attempt = call["attempt"]
        self._deadline_ms = call["deadlineMs"]

    def get_remaining_time_in_millis(self):
        """Milliseconds until the run is ended; 0 when the time is over."""
        return max(0, int(self._deadline_ms - now() * 1000))


def facts_of(order):
    """What the context of every run says."""
    name, version = order["functionName"], str(order["version"])
    return {
        "function_name": name,
        "function_version": version,
        # Text, as Lambda has it: handlers that do int() on it work with both, comparisons with "128" only so.
        "memory_limit_in_mb": str(order["memoryMb"]),
        "invoked_function_arn": f"arn:aws:lambda:local:000000000000:function:{name}",
        "log_group_name": f"/aws/lambda/{name}",
        "log_stream_name": f"{version}/{order['functionId']}",
    }


class PeakMemory:
    """The process's peak since it was last asked, in KiB."""

    def __init__(self):
        # A process inherits through exec the peak of the one that started it, and nothing resets that: where
        # getrusage knows more than the process's own record, ask the record, which takes ten times as long.
        self._ask = high_water if max_rss() > high_water() + 1024 else max_rss
        self._mark = 0

    def take(self):
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
    """Where the sandbox does not allow it, peaks are those of the process's whole life."""
    try:
        fd = os_open("/proc/self/clear_refs", os.O_WRONLY)
    except OSError:
        return
    try:
        os_write(fd, b"5")
    except OSError:
        pass
    finally:
        os_close(fd)


def adopt_orphans():
    """Make daemons of the function children of this process, where `left_processes` finds them.

    The first process of a sandbox has them already. For others the price of ctypes, 1.3 ms and 0.9 MB, is paid by the
    spare: nobody waits for it.
    """
    if getpid() == 1:
        return
    try:
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    except (ImportError, OSError, AttributeError):
        pass  # then only direct children are found


def left_processes(waitpid=waitpid, no_hang=os.WNOHANG, no_child=ChildProcessError):
    """Reap what has ended; whether anything still runs."""
    try:
        while waitpid(-1, no_hang)[0]:
            pass
    except no_child:
        return False
    return True


class Streams:
    """stdout and stderr: lines go out as they are written, and nothing that is written is refused."""

    def __init__(self):
        self._own = [stream for stream in (sys.stdout, sys.stderr) if stream is not None]
        for stream in self._own:
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)

    def flush(self):
        for stream in self._own:
            self._flush(stream)
        for stream in (sys.stdout, sys.stderr):
            if stream not in self._own:
                self._flush(stream)

    def _flush(self, stream):
        try:
            stream.flush()
        except Exception:  # the function may have closed it, or put anything in its place: that is its own loss
            pass


class RootLogging:
    """Gives the root logger Lambda's handler, once `logging` is imported and if the function has set up none."""

    def __init__(self):
        self._done = False
        self.run_id = ""

    def set_up(self):
        logging = None if self._done else sys.modules.get("logging")
        root = getattr(logging, "root", None)
        if root is None:
            return
        self._done = True
        if root.handlers:
            return
        handler = logging.StreamHandler()
        form = "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s"
        handler.setFormatter(logging.Formatter(form, "%Y-%m-%dT%H:%M:%S"))
        handler.formatter.converter = time.gmtime
        handler.addFilter(self._name_run)
        root.addHandler(handler)

    def _name_run(self, record):
        record.aws_request_id = self.run_id
        return True


class Function:
    """The loaded function: answers one INVOKE after the other."""

    def __init__(self, order, handler, streams, logs):
        self._handler = handler
        self._streams = streams
        self._logs = logs
        self._root = order["code"]
        self._max_output = order["maxOutput"]
        self._facts = facts_of(order)
        self._peak = PeakMemory()
        self._pid = getpid()
        self._loop = None
        #: Set once the handler has ended the process; the answer goes out first.
        self.exit_code = None

    def answer(self, payload):
        """Run the handler; the payload of RESULT."""
        try:
            call = decode(payload)
        except (ValueError, RecursionError) as exc:
            return self._refuse(payload, exc)
        self._logs.run_id = call["runId"]
        self._logs.set_up()
        output, error = self._run(call["event"], Context(self._facts, call))
        return self._result(call["nonce"], output, error)

    def _run(self, event, context):
        """Output and error, one of them None; both are JSON already."""
        try:
            value = self._handler(event, context)
            if hasattr(type(value), "__await__"):
                value = self._wait_for(value)
        except SystemExit as exc:
            self.exit_code = exc.code if isinstance(exc.code, int) else int(exc.code is not None)
            message = f"The handler called sys.exit({'' if exc.code is None else repr(exc.code)}). Return instead."
            return None, failure("exited", "SystemExit", message, stack_trace(exc, self._root))
        except BaseException as exc:  # whatever the function raises is its answer
            return None, raised("exception", exc, self._root)
        return self._written(value)

    def _wait_for(self, awaitable):
        """One event loop for all runs, so that clients which the function keeps go on working."""
        import asyncio

        if self._loop is None or self._loop.is_closed():
            self._loop = asyncio.new_event_loop()
            asyncio.set_event_loop(self._loop)
        return self._loop.run_until_complete(awaitable)

    def _written(self, value):
        try:
            output = encode(value)
        except MemoryError as exc:
            return None, raised("exception", exc, self._root)
        except BaseException as exc:  # a subclass of dict may raise anything while it is read
            return None, failure("result_not_serializable", "result_not_serializable", unwritable(value, exc))
        if len(output) <= self._max_output:
            return output, None
        size = f"The result has {len(output)} bytes; {self._max_output} are allowed."
        hint = "Store it elsewhere and return where it is."
        return None, failure("result_too_large", "result_too_large", f"{size} {hint}")

    def _result(self, nonce, output, error):
        self._streams.flush()
        if getpid() != self._pid:
            exit_now(0)  # a forked child came back from the handler: the answer is its parent's
        head = f'{{"nonce":{encode_basestring(nonce)},"peakMemoryKb":{self._peak.take()}'
        dirty = "true" if left_processes() else "false"
        body = b"output\":" + output if error is None else b"error\":" + error
        return f'{head},"dirty":{dirty},"'.encode() + body + b"}"

    def _refuse(self, payload, exc):
        """The event is JSON, but more than Python reads: nested too deep, or a number with thousands of digits."""
        head, found, _ = bytes(payload).partition(b',"event":')
        if not found:
            raise ProtocolBroken("the platform sent an INVOKE that cannot be read") from exc
        message = f"Python cannot read the event: {exc}"
        return self._result(decode(head + b"}")["nonce"], None, failure("exception", type(exc).__name__, message))


def unwritable(value, exc):
    try:
        fault = find_fault(value)
    except RecursionError:
        fault = "$: nested too deep"
    except BaseException:  # as above: reading the value runs the function's code
        fault = ""
    return f"The result cannot be written as JSON: {fault or message_of(exc)}. Convert it before you return it."


def load(order, streams, logs):
    """Import the function's code. Returns the function and None, or None and the error as JSON."""
    root = order["code"]
    try:
        enter(order)
        return Function(order, find_handler(order["handler"], root), streams, logs), None
    except HandlerNotFound as exc:
        return None, failure("init_failed", "HandlerNotFound", str(exc))
    except SystemExit as exc:
        message = f"The code called sys.exit({exc.code!r}) while it was imported."
        return None, failure("init_failed", "SystemExit", message, stack_trace(exc, root))
    except BaseException as exc:  # whatever the import raises is the answer
        return None, raised("init_failed", exc, root)


def enter(order):
    """Make the process the function's own: its environment, folder and import path."""
    root = order["code"]
    os.environ.clear()
    os.environ.update(ENVIRONMENT)
    os.environ.update(lambda_environment(order))
    os.environ.update(order["environment"])
    time.tzset()
    os.chdir(root)
    sys.path.insert(0, root)
    sys.argv[:] = [""]
    # `site`, which is not loaded, would have put these there.
    builtins.exit = builtins.quit = sys.exit
    # The function may have a module of that name.
    sys.modules.pop("resource", None)


def lambda_environment(order):
    return {
        "_HANDLER": order["handler"],
        "LAMBDA_TASK_ROOT": order["code"],
        "AWS_LAMBDA_FUNCTION_NAME": order["functionName"],
        "AWS_LAMBDA_FUNCTION_VERSION": str(order["version"]),
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(order["memoryMb"]),
    }


def find_handler(handler, root):
    """Import `module.function`, `package.module.function` or `package/module.function`."""
    module_name, _, name = handler.rpartition(".")
    module_name = module_name.replace("/", ".")
    if not module_name or not name:
        raise HandlerNotFound(f"The handler {handler!r} is not of the form module.function, such as main.handler.")
    try:
        __import__(module_name)
    except ModuleNotFoundError as exc:
        if exc.name and f"{module_name}.".startswith(f"{exc.name}."):
            files = ", ".join(sorted(os.listdir(root))) or "nothing"
            raise HandlerNotFound(f"The archive has no module {exc.name!r} for the handler; it has: {files}.") from None
        raise
    module = sys.modules[module_name]
    found = getattr(module, name, None)
    if not callable(found):
        raise HandlerNotFound(f"The module {module_name!r} has no function {name!r}; it has: {functions_of(module)}.")
    return found


def functions_of(module):
    """The names that may have been meant: what can be called and was made here."""
    own = [
        name
        for name, value in sorted(vars(module).items())
        if callable(value) and getattr(value, "__module__", "") == module.__name__
    ]
    return ", ".join(own) or "none"


def serve(channel):
    """READY, LOAD, LOADED, and then RESULT for INVOKE until the platform goes. Returns the exit code."""
    streams, logs = Streams(), RootLogging()
    channel.send(READY, b"{}")
    adopt_orphans()
    order = expect(channel, LOAD)
    if order is None:
        return 0
    pid = getpid()
    function, error = load(decode(order), streams, logs)
    logs.set_up()
    streams.flush()
    if getpid() != pid:
        return 0  # a child that was forked during the import: the answer is its parent's
    channel.send(LOADED, b"{}" if error is None else b'{"error":' + error + b"}")
    while True:
        call = expect(channel, INVOKE)
        if call is None:
            return 0
        if function is None:
            raise ProtocolBroken("the platform sent an INVOKE though the code could not be loaded")
        channel.send(RESULT, function.answer(call))
        if function.exit_code is not None:
            return function.exit_code


def expect(channel, kind):
    """The payload of the next frame, which must be of that kind; None when the platform has gone."""
    frame = channel.receive()
    if frame is None:
        return None
    if frame[0] != kind:
        raise ProtocolBroken(f"the platform sent a frame of kind {frame[0]} where only kind {kind} may come")
    return frame[1]


def main():
    code = PROTOCOL_BROKEN
    try:
        code = serve(Channel(int(sys.argv[1])))
    except (BrokenPipeError, ConnectionResetError):
        code = 0  # the platform has gone: nobody is left to be told
    except ProtocolBroken as exc:
        os.write(2, f"runtime: {exc}\n".encode())
    finally:
        # Never through the interpreter's own end: threads and exit functions of the function could hold it up.
        exit_now(code & 0xFF)


if __name__ == "__main__":
    main()
