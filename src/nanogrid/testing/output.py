"""What handlers print goes into the logs of their runs, what others print where it always went."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from nanogrid.ports import LogSink


class _Routed:
    """Stands in for `sys.stdout` or `sys.stderr`."""

    def __init__(self, own: TextIO, sinks: dict[int, LogSink]) -> None:
        self._own = own
        self._sinks = sinks

    def write(self, text: str) -> int:
        sink = self._sinks.get(threading.get_ident())
        if sink is None:
            return self._own.write(text)
        sink(text.encode(errors="replace"))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._own, name)


class Output:
    """The output of the handlers of one grid, by the thread in which each runs."""

    def __init__(self) -> None:
        """Nothing is routed yet."""
        self._sinks: dict[int, LogSink] = {}
        self._own: tuple[TextIO, TextIO] | None = None
        self._lock = threading.Lock()

    @contextmanager
    def into(self, sink: LogSink) -> Iterator[None]:
        """Within the context, what this thread prints goes into the sink."""
        thread = threading.get_ident()
        with self._lock:
            self._sinks[thread] = sink
            self._route()
        try:
            yield
        finally:
            with self._lock:
                del self._sinks[thread]
                self._put_back()

    def _route(self) -> None:
        # Anew for each run: whoever captures output swaps the streams between two tests.
        if self._own is None:
            self._own = sys.stdout, sys.stderr
            sys.stdout, sys.stderr = (_Routed(own, self._sinks) for own in self._own)

    def _put_back(self) -> None:
        if self._own is not None and not self._sinks:
            sys.stdout, sys.stderr = self._own
            self._own = None
