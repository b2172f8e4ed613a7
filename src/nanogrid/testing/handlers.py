"""Finds handlers and calls them in this very process, so that a debugger and a patch reach them."""

import asyncio
import base64
import importlib
import inspect
import json
import sys
import traceback
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from msgspec import Raw

from nanogrid.clock import Clock
from nanogrid.model import ErrorKind, Function, RunError
from nanogrid.ports import Invocation

Handler = Callable[[Any, Any], Any]


class Context:
    """The handler's second argument, as in a sandbox."""

    identity = None
    client_context = None

    def __init__(self, function: Function, invocation: Invocation, clock: Clock) -> None:
        """The time that remains is counted by the clock."""
        self.aws_request_id = self.run_id = invocation.run_id
        self.attempt = invocation.attempt
        self.traceparent = invocation.traceparent or None
        self.function_name = function.name
        self.function_version = str(function.version)
        self.memory_limit_in_mb = str(function.memory_mb)
        self.invoked_function_arn = f"arn:aws:lambda:local:000000000000:function:{function.name}"
        self.log_group_name = f"/aws/lambda/{function.name}"
        self.log_stream_name = f"{function.version}/{function.function_id}"
        self._clock = clock
        self._ends = clock.monotonic() + invocation.timeout_ms / 1000

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the run is ended; 0 when the time is over."""
        return max(0, round((self._ends - self._clock.monotonic()) * 1000))


def imported(folder: Path, name: str) -> Handler:
    """The handler `module.function` of the code in the folder. Raises whatever the import raises.

    Its modules are its own: this process and other functions may have some of the same names.
    """
    module_name, _, attribute = name.replace("/", ".").rpartition(".")
    own = {path.stem for path in folder.iterdir()}
    others = _taken_out(own)
    sys.path.insert(0, str(folder))
    try:
        importlib.invalidate_caches()
        handler: Handler = getattr(importlib.import_module(module_name), attribute)
    finally:
        sys.path.remove(str(folder))
        _taken_out(own)
        sys.modules.update(others)
    return handler


class Called(NamedTuple):
    """What became of a call: an output or an error."""

    output: Raw = Raw(b"null")
    error: RunError | None = None
    #: Whether the handler has yielded its output.
    streamed: bool = False


def call(handler: Handler, event: Raw, context: Context) -> Called:
    """What the handler makes of the event: an output, or how it failed. What it yields becomes a list."""
    try:
        value = handler(json.loads(bytes(event)), context)
        if inspect.isawaitable(value):
            value = asyncio.run(_awaited(value))
        streamed = inspect.isgenerator(value) or inspect.isasyncgen(value)
        if streamed:
            value = asyncio.run(_listed(value)) if inspect.isasyncgen(value) else list(value)
    except SystemExit as exc:
        return Called(error=described(exc, ErrorKind.EXITED))
    except MemoryError as exc:
        return Called(error=described(exc, ErrorKind.OUT_OF_MEMORY))
    except Exception as exc:  # noqa: BLE001 - whatever the handler raises is the run's failure
        return Called(error=described(exc, ErrorKind.EXCEPTION))
    try:
        output = json.dumps(value, allow_nan=False, separators=(",", ":"), default=_bytes if streamed else None)
        return Called(output=Raw(output.encode()), streamed=streamed)
    except (TypeError, ValueError, RecursionError) as exc:
        return Called(error=described(exc, ErrorKind.RESULT_NOT_SERIALIZABLE))


def described(exc: BaseException, kind: ErrorKind) -> RunError:
    """The exception as the failure of a run, with the frames that are not ours."""
    frames = [frame for frame in traceback.extract_tb(exc.__traceback__) if frame.filename != __file__]
    lines = [f"{Path(frame.filename).name}:{frame.lineno} in {frame.name}: {frame.line}" for frame in frames]
    return RunError(kind=kind, type=type(exc).__name__, message=str(exc) or type(exc).__name__, stack_trace=lines)


def _bytes(part: object) -> str:
    """Bytes that were yielded, as the runtimes write them."""
    if isinstance(part, bytes | bytearray | memoryview):
        return base64.b64encode(part).decode()
    raise TypeError(f"Object of type {type(part).__name__} is not JSON serializable")


async def _listed(parts: AsyncIterator[Any]) -> list[Any]:
    return [part async for part in parts]


async def _awaited(value: Any) -> Any:
    return await value


def _taken_out(names: set[str]) -> dict[str, ModuleType]:
    """The modules and packages of these names, which are no longer imported."""
    return {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] in names}
