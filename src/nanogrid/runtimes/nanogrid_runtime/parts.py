"""What a handler yields: sent part by part where somebody reads it, gathered into a list where nobody does."""

from nanogrid_runtime.channel import GO, PART
from nanogrid_runtime.failures import raised, too_large, unwritable
from nanogrid_runtime.values import encode

GENERATOR = type(_ for _ in ())
#: What is returned most often; to ask it for a method that it has not takes five times as long.
PLAIN = frozenset({dict, list, tuple, str, int, float, bool, type(None)})


class NoPart(Exception):
    """Raised where what was yielded cannot be handed on; carries the run's error as JSON."""

    def __init__(self, error):
        super().__init__()
        self.error = error


def yields(value):
    """Whether the handler goes on when it has returned: what it returned is a generator, of either kind."""
    kind = type(value)
    if kind in PLAIN:
        return False
    return kind is GENERATOR or hasattr(kind, "__anext__")


class Gathered:
    """Parts as one list."""

    def __init__(self, root, max_output):
        self._root = root
        self._max_output = max_output
        self._parts = []
        self._size = 2

    def take(self, value):
        text, _ = written(value, self._root)
        self._size += len(text) + 1
        if self._size > self._max_output:
            raise NoPart(too_large(f"more than {self._max_output}", self._max_output))
        self._parts.append(text)

    def output(self):
        return b"[" + b",".join(self._parts) + b"]"


class Sent:
    """Parts on their way while the handler makes the next ones; each waits until the one before was taken."""

    def __init__(self, root, max_output, channel, nonce):
        self._root = root
        self._max_output = max_output
        self._channel = channel
        self._nonce = encode(nonce)

    def take(self, value):
        text, base64 = written(value, self._root)
        if len(text) > self._max_output:
            raise NoPart(too_large(len(text), self._max_output))
        head = b'{"nonce":%s,"base64":%s,"part":' % (self._nonce, b"true" if base64 else b"false")
        self._channel.send(PART, head + text + b"}")
        if self._channel.expect(GO) is None:
            raise BrokenPipeError  # the platform has gone: nobody is left to be told

    def output(self):
        return b"[]"


def written(value, root):
    """A part as JSON, and whether that is base64 of bytes. Raises NoPart."""
    try:
        if isinstance(value, (bytes, bytearray, memoryview)):
            from binascii import b2a_base64

            return b'"' + b2a_base64(value, newline=False) + b'"', True
        return encode(value), False
    except MemoryError as exc:
        raise NoPart(raised("out_of_memory", exc, root)) from None
    except Exception as exc:  # a subclass of dict runs the function's code while it is read
        raise NoPart(unwritable(value, exc)) from None


def take_all(parts, take):
    """Every part of a generator; it is closed whatever happens."""
    try:
        for part in parts:
            take(part)
    finally:
        parts.close()


async def take_each(parts, take):
    """Likewise of an asynchronous one."""
    try:
        async for part in parts:
            take(part)
    finally:
        if hasattr(parts, "aclose"):
            await parts.aclose()
