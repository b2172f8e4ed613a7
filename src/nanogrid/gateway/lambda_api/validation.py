"""What Lambda says of members that break their constraints: all of them at once, in its own words."""

import re
from collections.abc import Iterable

from nanogrid.gateway.lambda_api.refusals import Refusal


class Constraints:
    """Collects what is wrong with a request's members."""

    def __init__(self) -> None:
        """Nothing is wrong yet."""
        self._broken: list[str] = []

    def at_least(self, member: str, value: int | None, least: int) -> None:
        """A number from `least` on."""
        if value is not None and value < least:
            self._add(member, value, f"have value greater than or equal to {least}")

    def at_most(self, member: str, value: int | None, most: int) -> None:
        """A number up to `most`."""
        if value is not None and value > most:
            self._add(member, value, f"have value less than or equal to {most}")

    def length(self, member: str, value: str | None, most: int, least: int = 0) -> None:
        """A text of so many characters."""
        if value is None:
            return
        if len(value) > most:
            self._add(member, value, f"have length less than or equal to {most}")
        if len(value) < least:
            self._add(member, value, f"have length greater than or equal to {least}")

    def matches(self, member: str, value: str | None, pattern: str) -> None:
        """A text of this form."""
        if value is not None and re.fullmatch(pattern, value) is None:
            self._add(member, value, f"satisfy regular expression pattern: {pattern}")

    def one_of(self, member: str, value: str | None, known: Iterable[str]) -> None:
        """One of these words."""
        if value is not None and value not in known:
            self._add(member, value, f"satisfy enum value set: [{', '.join(known)}]")

    def given(self, member: str, value: object) -> None:
        """Not left out."""
        if value is None:
            self._broken.append(f"Value null at '{member}' failed to satisfy constraint: Member must not be null")

    def check(self) -> None:
        """Raise `Refusal` where anything is wrong."""
        if not self._broken:
            return
        count = len(self._broken)
        noun = "error" if count == 1 else "errors"
        message = f"{count} validation {noun} detected: {'; '.join(self._broken)}"
        raise Refusal("ValidationException", 400, message, typed=False)

    def _add(self, member: str, value: object, must: str) -> None:
        self._broken.append(
            f"Value '{str(value)[:200]}' at '{member}' failed to satisfy constraint: Member must {must}"
        )
