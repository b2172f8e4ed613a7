"""The encoding in which AWS sends events one after the other: lengths, headers, payload, checksums."""

import zlib

EVENT_STREAM = "application/vnd.amazon.eventstream"
_STRING = 7
#: Lengths and their checksum, and the whole message's.
_AROUND = 16


def event(kind: str, content_type: str, payload: bytes) -> bytes:
    """One event as it goes over the wire."""
    told = {":event-type": kind, ":content-type": content_type, ":message-type": "event"}
    headers = b"".join(_header(name, value) for name, value in told.items())
    lengths = (len(headers) + len(payload) + _AROUND).to_bytes(4, "big") + len(headers).to_bytes(4, "big")
    message = lengths + _checksum(lengths) + headers + payload
    return message + _checksum(message)


def _header(name: str, value: str) -> bytes:
    return bytes((len(name),)) + name.encode() + bytes((_STRING,)) + len(value).to_bytes(2, "big") + value.encode()


def _checksum(data: bytes) -> bytes:
    return zlib.crc32(data).to_bytes(4, "big")
