"""Reads a ZIP archive that may have been made to deceive.

There is one reading of the bytes, or the archive is refused: local entries, central directory and end record must lie
end to end from the first byte to the last, and say the same of every file. So nothing can hide before, after or between
them, no two files can share data, and every other program sees the same files as this one. ZIP64 is refused: archives
of the size allowed here never need it.
"""

import stat
import struct
import zlib
from collections.abc import Iterator

from nanogrid.archive.limits import Limits, check_inflated, check_upload
from nanogrid.archive.names import NameBook, refused
from nanogrid.errors import ArchiveRefused, TooLarge
from nanogrid.model import Record

_END = struct.Struct("<4s4H2LH")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_DESCRIPTOR = struct.Struct("<3L")
_END_MARK, _CENTRAL_MARK, _LOCAL_MARK, _DESCRIPTOR_MARK = b"PK\x05\x06", b"PK\x01\x02", b"PK\x03\x04", b"PK\x07\x08"
_ZIP64_LOCATOR_MARK, _ZIP64_LOCATOR_SIZE = b"PK\x06\x07", 20
_MAX_COMMENT = 0xFFFF
_ZIP64 = 0xFFFFFFFF

_ENCRYPTED = 0x0001 | 0x0040 | 0x2000
_HAS_DESCRIPTOR = 0x0008
_STORED, _DEFLATED = 0, 8
_CHUNK = 64 * 1024


class Entry(Record, frozen=True, kw_only=True):
    """One file of an archive, where its data lies and what its headers say of it."""

    name: str
    executable: bool
    method: int
    crc: int
    size: int
    #: The compressed data is `content[start:end]`.
    start: int
    end: int


class _Header(Record, frozen=True, kw_only=True):
    """One record of the central directory."""

    name: str
    raw_name: bytes
    flags: int
    method: int
    crc: int
    compressed: int
    size: int
    mode: int
    offset: int


def read_entries(content: bytes, limits: Limits) -> list[Entry]:
    """The files of an archive in order of name; folders have been checked and left out.

    Reads headers only: sizes and checksums are proved by `verify`. Raises `ArchiveRefused`, `TooLarge`.
    """
    check_upload(len(content), limits)
    headers, directory_start = _read_directory(content, limits)
    check_inflated(sum(header.size for header in headers), len(content), limits)
    book = NameBook(limits)
    entries, position = [], 0
    for header in sorted(headers, key=lambda header: header.offset):
        if header.offset != position:
            raise refused(header.name, "overlaps another entry, or has foreign data before it")
        _check_header(header, book)
        entry, position = _read_local(content, header, directory_start)
        if not header.name.endswith("/"):
            entries.append(entry)
    if position != directory_start:
        raise _damaged("has foreign data before its directory")
    if not entries:
        raise ArchiveRefused("the archive holds no files.", path="$.zip")
    return sorted(entries, key=lambda entry: entry.name)


def verify(content: bytes, entries: list[Entry]) -> None:
    """Inflate every file and compare it with its header, holding one chunk at a time. Raises `ArchiveRefused`."""
    for entry in entries:
        for _ in inflated(content, entry):
            pass


def inflated(content: bytes, entry: Entry) -> Iterator[bytes]:
    """The file's bytes in chunks; never more than the header promised. Raises `ArchiveRefused` where it lied."""
    total, crc = 0, 0
    for chunk in _chunks(content, entry):
        total += len(chunk)
        if total > entry.size:
            raise refused(entry.name, f"inflates to more than the {entry.size} bytes that its header says")
        crc = zlib.crc32(chunk, crc)
        yield chunk
    if total != entry.size:
        raise refused(entry.name, f"inflates to {total} bytes where its header says {entry.size}")
    if crc != entry.crc:
        raise refused(entry.name, "does not match its checksum", hint="Make the archive again.")


def _chunks(content: bytes, entry: Entry) -> Iterator[bytes]:
    data = memoryview(content)[entry.start : entry.end]
    pieces = (data[at : at + _CHUNK] for at in range(0, len(data), _CHUNK))
    if entry.method == _STORED:
        return (bytes(piece) for piece in pieces)
    return _inflate(entry, pieces)


def _inflate(entry: Entry, pieces: Iterator[memoryview]) -> Iterator[bytes]:
    """Inflate piece by piece, in bounded chunks however well a piece was compressed."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    for piece in pieces:
        if inflater.eof:
            raise refused(entry.name, "has foreign data behind its compressed data")
        chunk = _decompress(inflater, piece, entry)
        while chunk:
            yield chunk
            chunk = _decompress(inflater, inflater.unconsumed_tail, entry)
    if not inflater.eof or inflater.unused_data:
        raise refused(entry.name, "has compressed data that ends too early or too late")


def _decompress(inflater: "zlib._Decompress", data: bytes | memoryview, entry: Entry) -> bytes:
    try:
        return inflater.decompress(data, _CHUNK)
    except zlib.error as exc:
        raise refused(entry.name, "cannot be inflated", hint="Make the archive again.") from exc


def _read_directory(content: bytes, limits: Limits) -> tuple[list[_Header], int]:
    """The central directory's records and the offset where it begins."""
    end = content.rfind(_END_MARK, max(0, len(content) - _END.size - _MAX_COMMENT))
    if end < 0 or len(content) - end < _END.size:
        raise ArchiveRefused("the upload is no ZIP archive, or its end is missing.", path="$.zip")
    _, disk, first_disk, here, count, size, start, comment = _END.unpack_from(content, end)
    if end + _END.size + comment != len(content):
        raise _damaged("has foreign data after its end")
    if content[max(0, end - _ZIP64_LOCATOR_SIZE) : end].startswith(_ZIP64_LOCATOR_MARK) or _ZIP64 in (size, start):
        raise _damaged("uses ZIP64, which only archives over 4 GB need")
    if (disk, first_disk) != (0, 0) or here != count:
        raise _damaged("is one part of several")
    if start + size != end:
        raise _damaged("has a directory that does not end where the archive's end begins")
    if count > limits.entries:
        raise TooLarge(f"the archive has {count} entries; {limits.entries} are allowed.")
    return _read_headers(content, start, end, count), start


def _read_headers(content: bytes, start: int, end: int, count: int) -> list[_Header]:
    headers, position = [], start
    for _ in range(count):
        header, position = _read_header(content, position, end)
        headers.append(header)
    if position != end:
        raise _damaged("has more in its directory than it says")
    return headers


def _read_header(content: bytes, position: int, end: int) -> tuple[_Header, int]:
    if position + _CENTRAL.size > end:
        raise _damaged("has a directory that is cut off")
    fields = _CENTRAL.unpack_from(content, position)
    mark, _, _, flags, method, _, _, crc, compressed, size, name, extra, comment, disk, _, attributes, offset = fields
    begin = position + _CENTRAL.size
    following = begin + name + extra + comment
    if mark != _CENTRAL_MARK or following > end or disk:
        raise _damaged("has a directory that cannot be read")
    raw_name = content[begin : begin + name]
    header = _Header(
        name=_decoded(raw_name),
        raw_name=raw_name,
        flags=flags,
        method=method,
        crc=crc,
        compressed=compressed,
        size=size,
        mode=attributes >> 16,
        offset=offset,
    )
    return header, following


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise refused(raw.decode(errors="replace"), "has a name that is not UTF-8") from None


def _check_header(header: _Header, book: NameBook) -> None:
    """Everything a header alone can be refused for."""
    is_folder = header.name.endswith("/")
    kind = stat.S_IFMT(header.mode)
    if kind not in (0, stat.S_IFDIR if is_folder else stat.S_IFREG):
        raise refused(header.name, "is a link or a special file", hint="Only files and folders are taken.")
    if not is_folder and header.mode & (stat.S_ISUID | stat.S_ISGID | stat.S_ISVTX):
        raise refused(header.name, "has a setuid, setgid or sticky bit")
    if is_folder and (header.size or header.compressed > 2):  # noqa: PLR2004 - an empty deflate stream has two bytes
        raise refused(header.name, "is a folder with content")
    if header.flags & _ENCRYPTED:
        raise refused(header.name, "is encrypted")
    if header.method not in (_STORED, _DEFLATED):
        raise refused(header.name, f"uses compression method {header.method}", hint="Use deflate.")
    if _ZIP64 in (header.size, header.compressed, header.offset):
        raise refused(header.name, "uses ZIP64, which only files over 4 GB need")
    (book.add_folder if is_folder else book.add_file)(header.name)


def _read_local(content: bytes, header: _Header, directory_start: int) -> tuple[Entry, int]:
    """The entry at the header's offset, and where it ends. Raises where it differs from the directory."""
    begin = header.offset + _LOCAL.size
    if begin > directory_start:
        raise refused(header.name, "begins where no entry can be")
    mark, _, flags, method, _, _, *said, name, extra = _LOCAL.unpack_from(content, header.offset)
    start = begin + name + extra
    end = start + header.compressed
    if mark != _LOCAL_MARK or end > directory_start:
        raise refused(header.name, "reaches over the end of the archive's entries")
    if content[begin : begin + name] != header.raw_name:
        raise refused(header.name, "has another name in its own header")
    truth = (header.crc, header.compressed, header.size)
    # Who writes to a stream doesn't know the sizes yet: zeros stand here, and the truth follows the data.
    described = bool(flags & _HAS_DESCRIPTOR)
    agrees = all(here == there or (described and here == 0) for here, there in zip(said, truth, strict=True))
    if not agrees or method != header.method or flags & _ENCRYPTED:
        raise refused(header.name, "has a header of its own that differs from the directory")
    entry = Entry(
        name=header.name,
        executable=bool(header.mode & 0o111),
        method=method,
        crc=header.crc,
        size=header.size,
        start=start,
        end=end,
    )
    return entry, end + (_descriptor_size(content, end, truth) if described else 0)


def _descriptor_size(content: bytes, at: int, truth: tuple[int, int, int]) -> int:
    """How long the record behind streamed data is; 0 where it differs from the directory, which leaves a gap then."""
    plain = _DESCRIPTOR.pack(*truth)
    for form in (_DESCRIPTOR_MARK + plain, plain):
        if content.startswith(form, at):
            return len(form)
    return 0


def _damaged(reason: str) -> ArchiveRefused:
    return ArchiveRefused(f"the archive {reason}.", path="$.zip", hint="Make it again with an ordinary ZIP program.")
