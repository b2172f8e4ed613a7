"""Builds ZIP archives byte by byte, so that a test can lie in any field."""

import struct
import zlib
from dataclasses import dataclass, field

S_IFREG, S_IFDIR, S_IFLNK, S_IFIFO, S_IFCHR, S_IFBLK, S_IFSOCK = (
    0o100000,
    0o040000,
    0o120000,
    0o010000,
    0o020000,
    0o060000,
    0o140000,
)


def deflated(data: bytes) -> bytes:
    squeezer = zlib.compressobj(6, zlib.DEFLATED, -15)
    return squeezer.compress(data) + squeezer.flush()


@dataclass
class Member:
    """One entry, honest by default; whatever is set here is what the headers say, true or not."""

    name: str | bytes
    data: bytes = b""
    mode: int = S_IFREG | 0o644
    flags: int = 0
    method: int = 8
    crc: int | None = None
    size: int | None = None
    compressed: bytes | None = None
    local_name: bytes | None = None
    local_method: int | None = None
    local_size: int | None = None
    offset: int | None = None
    #: Bytes behind the data, where a streamed entry has its descriptor.
    trailer: bytes = b""

    @property
    def raw_name(self) -> bytes:
        return self.name.encode() if isinstance(self.name, str) else self.name

    @property
    def body(self) -> bytes:
        if self.compressed is not None:
            return self.compressed
        return deflated(self.data) if self.method == 8 else self.data

    @property
    def truth(self) -> tuple[int, int, int]:
        crc = zlib.crc32(self.data) if self.crc is None else self.crc
        return crc, len(self.body), len(self.data) if self.size is None else self.size

    def local(self) -> bytes:
        name = self.raw_name if self.local_name is None else self.local_name
        method = self.method if self.local_method is None else self.local_method
        crc, compressed, size = (0, 0, 0) if self.flags & 8 else self.truth
        size = size if self.local_size is None else self.local_size
        head = struct.pack("<4s5H3L2H", b"PK\3\4", 20, self.flags, method, 0, 33, crc, compressed, size, len(name), 0)
        return head + name + self.body + self.trailer

    def central(self, offset: int) -> bytes:
        name = self.raw_name
        at = offset if self.offset is None else self.offset
        numbers = (0x0314, 20, self.flags, self.method, 0, 33, *self.truth, len(name), 0, 0, 0, 0, self.mode << 16, at)
        return struct.pack("<4s6H3L5H2L", b"PK\1\2", *numbers) + name


@dataclass
class Forgery:
    """A whole archive; `bytes()` of it is what is uploaded."""

    members: list[Member] = field(default_factory=list)
    before: bytes = b""
    between: bytes = b""
    before_end: bytes = b""
    comment: bytes = b""
    after: bytes = b""
    count: int | None = None
    disk: int = 0

    def __bytes__(self) -> bytes:
        content, directory = bytearray(self.before), b""
        for member in self.members:
            directory += member.central(len(content))
            content += member.local()
        content += self.between
        start, count = len(content), len(self.members) if self.count is None else self.count
        end = struct.pack(
            "<4s4H2LH", b"PK\5\6", self.disk, self.disk, count, count, len(directory), start, len(self.comment)
        )
        return bytes(content) + directory + self.before_end + end + self.comment + self.after


def archive_of(*members: Member) -> bytes:
    return bytes(Forgery(list(members)))


def descriptor(member: Member, *, marked: bool = True) -> bytes:
    return (b"PK\7\10" if marked else b"") + struct.pack("<3L", *member.truth)


def quoted_overlap(files: int, size: int) -> bytes:
    """Many entries that all inflate the same data (the trick of CVE-2024-0450)."""
    shared = Member("shared", b"\0" * size)
    members = [shared, *(Member(f"copy{i}", shared.data, offset=0) for i in range(files))]
    content, start = shared.local(), len(shared.local())
    directory = b"".join(member.central(0) for member in members)
    return (
        content + directory + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, files + 1, files + 1, len(directory), start, 0)
    )


def with_zip64_end(members: list[Member]) -> bytes:
    """A second, ZIP64 directory end that names another directory (the trick of CVE-2025-8291)."""
    record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, 46, 0)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, 0, 1)
    return bytes(Forgery(members, before_end=record + locator))
