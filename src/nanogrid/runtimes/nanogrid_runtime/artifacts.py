"""The files that a run leaves in its output folder: handed to the platform, and taken away before the next run.

This is the function's own process: what it may be tricked into reading, the function could have read and returned. Still
it follows no link, opens nothing but plain files, waits for none of them, and looks at a bounded number of names.
"""

import os
from _stat import S_ISDIR, S_ISREG

from nanogrid_runtime.channel import ARTIFACT, GO
from nanogrid_runtime.values import encode

CHUNK_BYTES = 1024 * 1024
#: Names that are looked at in all, and folders in each other: with more, the sandbox is not used again.
MAX_NAMES = 10_000
MAX_DEPTH = 16
MAX_PATH_BYTES = 1024
#: Lines in the run's logs about files that are not kept.
MAX_NOTES = 20
#: Characters that show a name as another one, beside the control characters.
MISLEADING = frozenset("\u061c\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
#: NONBLOCK: a pipe without a writer, or a file with a lease on it, would hold us up.
PLAIN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC

open_file, close, read, write, fstat, stat = os.open, os.close, os.read, os.write, os.fstat, os.stat
listdir, scandir, mkdir, rmdir, unlink, fsencode = os.listdir, os.scandir, os.mkdir, os.rmdir, os.unlink, os.fsencode


class TooMuch(Exception):
    """Raised when what lies in the folder is not worth looking through."""


class Artifacts:
    """The output folder of one sandbox."""

    def __init__(self, channel, folder, limits):
        self._channel = channel
        self._folder = folder
        self._limits = limits
        #: What the folder's size is while nothing is in it, where its size tells.
        self._empty_size = None
        if limits is not None:
            self._make()

    def hand_over(self, nonce):
        """Send the files that the run left, and remove all. Whether the folder is as empty as it was."""
        if self._limits is None or self._untouched():
            return True
        try:
            Collection(self._channel, nonce, self._limits).take_all(self._folder)
        except (OSError, TooMuch) as exc:
            note(f"the rest is not kept: {exc}")
            return False
        return True

    def _make(self):
        mkdir(self._folder, 0o700)
        empty = stat(self._folder).st_size
        probe = os.path.join(self._folder, "probe")
        close(open_file(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        if stat(self._folder).st_size != empty:
            self._empty_size = empty
        unlink(probe)

    def _untouched(self):
        """Whether nothing is in the folder. Half as long as to list it, where it is in memory."""
        try:
            if self._empty_size is not None:
                return stat(self._folder, follow_symlinks=False).st_size == self._empty_size
            return not listdir(self._folder)
        except OSError:
            return False  # it is gone, or no folder any more


class Collection:
    """What is taken from the folder after one run."""

    def __init__(self, channel, nonce, limits):
        self._channel = channel
        self._nonce = encode(nonce)
        self._largest = limits["fileBytes"]
        self._count, self._bytes = limits["count"], limits["totalBytes"]
        self._names = self._notes = 0

    def take_all(self, folder):
        """Leave the folder empty. Raises OSError, TooMuch."""
        try:
            descriptor = open_file(folder, FOLDER)
        except FileNotFoundError:
            mkdir(folder, 0o700)
            return
        try:
            self._take(descriptor, "", 0)
        finally:
            close(descriptor)

    def _take(self, folder, above, depth):
        if depth > MAX_DEPTH:
            raise TooMuch(f"there are more than {MAX_DEPTH} folders in each other")
        for name in self._listed(folder):
            path = above + shown(name)
            if S_ISDIR(stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
                inner = open_file(name, FOLDER, dir_fd=folder)
                try:
                    self._take(inner, f"{path}/", depth + 1)
                finally:
                    close(inner)
                rmdir(name, dir_fd=folder)
            else:
                self._offer(folder, name, path)
                unlink(name, dir_fd=folder)

    def _listed(self, folder):
        names = []
        with scandir(folder) as entries:
            for entry in entries:
                self._names += 1
                if self._names > MAX_NAMES:
                    raise TooMuch(f"there are more than {MAX_NAMES} names")
                names.append(entry.name)
        return sorted(names)

    def _offer(self, folder, name, path):
        """Send the file, or say why not."""
        try:
            reason = why_no_name(path) or self._why_not(stat(name, dir_fd=folder, follow_symlinks=False))
            descriptor = None if reason else open_file(name, PLAIN_FILE, dir_fd=folder)
        except OSError as exc:
            reason = exc.strerror
        if reason:
            self._note(f"{path!a} is not kept: {reason}")
            return
        try:
            self._send(descriptor, path)
        finally:
            close(descriptor)

    def _why_not(self, found):
        if not S_ISREG(found.st_mode):
            return "it is no plain file"
        if not self._count:
            return "the run has as many files as it may"
        if found.st_size > self._largest:
            return f"it has {found.st_size} bytes; {self._largest} are allowed"
        return "the run's files together have as many bytes as they may" if found.st_size > self._bytes else ""

    def _send(self, descriptor, path):
        """Send what the file has now: it may grow and shrink meanwhile."""
        found = fstat(descriptor)
        reason = self._why_not(found)
        if reason:  # it was another file a moment ago
            self._note(f"{path!a} is not kept: {reason}")
            return
        left, last = found.st_size, False
        self._count -= 1
        while not last:
            piece = read(descriptor, min(left, CHUNK_BYTES))
            left -= len(piece)
            self._bytes -= len(piece)
            last = not left or not piece
            head = b'{"nonce":%s,"path":%s,"last":%s}\n' % (self._nonce, encode(path), b"true" if last else b"false")
            self._channel.send(ARTIFACT, head + piece)
            if self._channel.expect(GO) is None:
                raise BrokenPipeError  # the platform has gone: nobody is left to be told

    def _note(self, text):
        self._notes += 1
        if self._notes <= MAX_NOTES:
            note(text)
        elif self._notes == MAX_NOTES + 1:
            note("more files are not kept")


def shown(name):
    """The name as text; what is no UTF-8 becomes half a surrogate pair, which no path may have."""
    return fsencode(name).decode("utf-8", "surrogateescape")


def why_no_name(path):
    """Why a file of that path is not kept; "" where it is."""
    try:
        size = len(path.encode())
    except UnicodeEncodeError:
        return "its name is not UTF-8"
    if size > MAX_PATH_BYTES:
        return f"its path has {size} bytes; {MAX_PATH_BYTES} are allowed"
    if any(c < " " or "\x7f" <= c <= "\x9f" or c in MISLEADING for c in path):
        return "its name has control characters"
    return ""


def note(text):
    """Say it in the run's logs."""
    write(2, f"artifacts: {text}\n".encode("utf-8", "backslashreplace"))
