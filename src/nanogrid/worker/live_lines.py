"""What a run writes, as lines for whoever follows."""

from nanogrid.clock import Clock
from nanogrid.model import LogLine
from nanogrid.ports import LogFeed

#: How much of a run's output is passed on live within a second, in bytes; the rest is in the run's logs.
_LIVE_BYTES = 64 * 1024
#: A line without an end is passed on in pieces of this size, in bytes.
_LONGEST_LINE = 8192


class LiveLines:
    """Cuts what a run writes into lines and passes them to whoever follows."""

    def __init__(self, feed: LogFeed, clock: Clock, run_id: str, function_id: str) -> None:
        """Nothing has been written yet."""
        self._feed = feed
        self._clock = clock
        self._run_id = run_id
        self._function_id = function_id
        self._rest = b""
        self._second = 0
        self._passed = 0
        self._held_back = 0

    def __call__(self, data: bytes) -> None:
        """Take a piece of what the run writes."""
        if not self._may_pass(len(data)):
            # Cutting a flood into lines would cost everybody else's time.
            self._held_back += len(data)
            return
        notice = self._notice()
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _LONGEST_LINE:
            lines, self._rest = [*lines, self._rest], b""
        self._pass_on([*notice, *lines])

    def end(self) -> None:
        """Pass on what came without a line's end, and say what was held back."""
        if lines := [*([self._rest] if self._rest else []), *self._notice()]:
            self._pass_on(lines)

    def _may_pass(self, size: int) -> bool:
        second = int(self._clock.monotonic())
        if second != self._second:
            self._second, self._passed = second, 0
        self._passed += size
        return self._passed <= _LIVE_BYTES

    def _notice(self) -> list[bytes]:
        if not self._held_back:
            return []
        lines = [self._rest, b"... %d bytes were too fast to be shown live ..." % self._held_back]
        self._rest, self._held_back = b"", 0
        return lines

    def _pass_on(self, lines: list[bytes]) -> None:
        now = self._clock.now()
        self._feed.publish(
            [
                LogLine(run_id=self._run_id, function_id=self._function_id, at=now, text=line.decode(errors="replace"))
                for line in lines
            ]
        )
