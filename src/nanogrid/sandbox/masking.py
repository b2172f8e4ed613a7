"""Takes secret values out of what a function writes, also where one arrives in pieces."""

from collections.abc import Iterable

#: Shorter values are not taken out: half of every text would be stars.
MIN_LENGTH = 8
_STARS = b"***"


class Mask:
    """The values of one function."""

    def __init__(self, values: Iterable[str]) -> None:
        """Longer ones come first, so that no part of one stays because another begins alike."""
        encoded = {value.encode() for value in values if len(value) >= MIN_LENGTH}
        self._values = sorted(encoded, key=len, reverse=True)

    def __bool__(self) -> bool:
        return bool(self._values)

    def data(self, data: bytes) -> bytes:
        """The data with stars in place of each value."""
        for value in self._values:
            data = data.replace(value, _STARS)
        return data

    def text(self, text: str) -> str:
        """The text with stars in place of each value."""
        return self.data(text.encode(errors="surrogatepass")).decode(errors="surrogatepass")

    def begun(self, data: bytes) -> int:
        """How many bytes at the end of the data may be the beginning of a value."""
        longest = min(len(data), max((len(value) for value in self._values), default=1) - 1)
        for size in range(longest, 0, -1):
            if any(value.startswith(data[-size:]) for value in self._values):
                return size
        return 0
