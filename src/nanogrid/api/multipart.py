"""Reads a multipart/form-data body that is already there in full."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from nanogrid.errors import MalformedRequest, TooLarge

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks


def parse_multipart(body: bytes, headers: Mapping[str, str], *, max_parts: int) -> dict[str, bytes]:
    """The parts by name. Raises `MalformedRequest`, `TooLarge` for too many parts."""
    _, options = parse_options_header(headers.get("content-type", ""))
    boundary = options.get(b"boundary", b"")
    if not boundary:
        raise MalformedRequest("the multipart body has no boundary.", hint="Name it in Content-Type.")
    parts = _Parts(max_parts)
    try:
        parser = MultipartParser(boundary, parts.callbacks())
        parser.write(body)
        parser.finalize()
    except FormParserError as exc:
        raise MalformedRequest(f"the multipart body cannot be read: {exc}") from exc
    if not parts.complete:
        raise MalformedRequest("the multipart body ends too early.")
    return parts.by_name


class _Parts:
    """Collects what the parser calls out."""

    def __init__(self, max_parts: int) -> None:
        self.by_name: dict[str, bytes] = {}
        self.complete = False
        self._max_parts = max_parts
        self._pieces: list[bytes] = []
        self._field = b""
        self._value = b""
        self._name: str | None = None

    def callbacks(self) -> "MultipartCallbacks":
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._header_field,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_part_data": self._data,
            "on_part_end": self._end,
            "on_end": self._finish,
        }

    def _begin(self) -> None:
        if len(self.by_name) >= self._max_parts:
            raise TooLarge(f"the multipart body has more than {self._max_parts} parts.")
        self._pieces, self._name = [], None

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        if self._field.lower() == b"content-disposition":
            _, options = parse_options_header(self._value)
            self._name = options.get(b"name", b"").decode(errors="replace")
        self._field = self._value = b""

    def _data(self, data: bytes, start: int, end: int) -> None:
        self._pieces.append(data[start:end])

    def _end(self) -> None:
        if not self._name:
            raise MalformedRequest("a part of the multipart body has no name.")
        if self._name in self.by_name:
            raise MalformedRequest(f"the multipart body has the part {self._name[:80]!r} twice.")
        self.by_name[self._name] = b"".join(self._pieces)

    def _finish(self) -> None:
        self.complete = True
