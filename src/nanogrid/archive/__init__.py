"""Code archives: an upload is untrusted bytes until it has been checked whole and written anew.

What is kept, hashed and unpacked later is always our own archive, never the upload. All calls are synchronous and may
take a second for a large archive: on an event loop they belong into a thread.
"""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from nanogrid.archive.limits import DEFAULT_LIMITS, Limits, check_inflated, check_upload
from nanogrid.archive.names import NameBook
from nanogrid.archive.reader import inflated, read_entries, verify
from nanogrid.archive.unpacker import unpack
from nanogrid.archive.writer import CanonicalWriter
from nanogrid.errors import ArchiveRefused

__all__ = ["DEFAULT_LIMITS", "Archive", "Limits", "canonical", "check_upload", "from_files", "sha256_of", "unpack"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """A checked archive in canonical form: equal files give equal bytes, and so an equal digest."""

    content: bytes = field(repr=False)
    #: Digest of the content: 64 hexadecimal digits.
    sha256: str
    #: Size in bytes by path, in order of path.
    files: Mapping[str, int]
    executable: frozenset[str]


def canonical(upload: bytes, *, limits: Limits = DEFAULT_LIMITS) -> Archive:
    """Check an uploaded ZIP archive whole, then write it anew. Nothing is repaired: what is doubtful is refused.

    Folders without files are dropped. Holds the new archive and one chunk in memory besides the upload. Raises
    `ArchiveRefused` with the reason and the entry's name, `TooLarge` where a limit is exceeded.
    """
    entries = read_entries(upload, limits)
    verify(upload, entries)
    writer = CanonicalWriter()
    for entry in entries:
        writer.add(entry.name, entry.size, inflated(upload, entry), executable=entry.executable)
    executable = frozenset(entry.name for entry in entries if entry.executable)
    return _archive(writer.finish(), {entry.name: entry.size for entry in entries}, executable, limits)


def sha256_of(content: bytes) -> str:
    """The digest of an archive, as 64 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def from_files(files: Mapping[str, bytes], *, executable: Collection[str] = ()) -> Archive:
    """The canonical archive of files by path; those named in `executable` get mode 0755.

    Raises `ArchiveRefused`, `TooLarge`.
    """
    if not files:
        raise ArchiveRefused("the archive holds no files.", path="$.zip")
    names = sorted(files)
    book, writer = NameBook(DEFAULT_LIMITS), CanonicalWriter()
    for name in names:
        book.add_file(name)
        writer.add(name, len(files[name]), [files[name]], executable=name in executable)
    sizes = {name: len(files[name]) for name in names}
    return _archive(writer.finish(), sizes, frozenset(files.keys() & set(executable)), DEFAULT_LIMITS)


def _archive(content: bytes, files: Mapping[str, int], executable: frozenset[str], limits: Limits) -> Archive:
    """What we wrote must pass our own door again: our compression may differ from the upload's."""
    check_upload(len(content), limits)
    check_inflated(sum(files.values()), len(content), limits)
    return Archive(content=content, sha256=sha256_of(content), files=files, executable=executable)
