"""A program that is started, fed and read."""

import os
import select

# `signal` itself would cost 2 ms, for its enums.
from _signal import SIGCHLD, SIGKILL, SIGPIPE, SIGXFSZ, set_wakeup_fd, signal

from nanogrid_runtime.process import reset_high_water

READ_AT_ONCE = 64 * 1024
#: So much of what a program wrote last to stderr is kept for the error's message.
TAIL_BYTES = 2000
#: A pipe holds 1 MiB at most: reading it so often empties it, whoever may still be writing.
READS_TO_EMPTY = 16


class Child:
    """One started command: a process group of its own, and the platform's ends of its three pipes."""

    def __init__(self, path, environment):
        stdin, self.stdin = os.pipe()
        self.stdout, stdout = os.pipe()
        self.stderr, stderr = os.pipe()
        # The child inherits our peak as its own: make that what we hold now.
        reset_high_water()
        try:
            self.pid = os.posix_spawn(
                path,
                [path],
                environment,
                file_actions=[(os.POSIX_SPAWN_DUP2, end, fd) for fd, end in enumerate((stdin, stdout, stderr))],
                setpgroup=0,
                setsigdef=[SIGPIPE, SIGXFSZ],  # Python ignores them; `yes | head` must not
            )
        except OSError:
            for fd in (self.stdin, self.stdout, self.stderr):
                os.close(fd)
            raise
        finally:
            for fd in (stdin, stdout, stderr):
                os.close(fd)
        for fd in (self.stdin, self.stdout, self.stderr):
            os.set_blocking(fd, False)
        #: Exit code, or the negative number of the signal; None while it runs.
        self.code = None
        self.peak_kb = 0

    def check(self):
        """Whether it has ended."""
        if self.code is None:
            pid, status, usage = os.wait4(self.pid, os.WNOHANG)
            if pid:
                self.code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status)
                self.peak_kb = usage.ru_maxrss
        return self.code is not None

    def end_group(self):
        """Kill all that is left of the process group, and return when it is gone."""
        if not self.check():
            os.kill(self.pid, SIGKILL)  # it may have left its group
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
            self.check()
        try:
            os.killpg(self.pid, SIGKILL)
            while True:
                os.waitpid(-self.pid, 0)
        except (ProcessLookupError, ChildProcessError):
            return


class Exchange:
    """Moves the event into a child and its output out of it, until the child has ended or has written too much."""

    def __init__(self, child, event, max_output, ended):
        self._child = child
        self._event = event
        self._max_output = max_output
        self._ended = ended
        self._poll = select.poll()
        self._open = {child.stdin: self._feed, child.stdout: self._collect, child.stderr: self._pass_on}
        for fd in self._open:
            self._poll.register(fd, select.POLLOUT if fd == child.stdin else select.POLLIN)
        self._poll.register(ended, select.POLLIN)
        self.output = bytearray()
        self.tail = b""

    @property
    def too_much(self):
        """Whether the child wrote more than may be returned."""
        return len(self.output) > self._max_output

    def run(self):
        """Return when the child has ended; what then is in the pipes is still read, what others add later is not."""
        while not self._child.check() and not self.too_much:
            for fd, _ in self._poll.poll():
                self._serve(fd)
        self._child.end_group()
        for _ in range(READS_TO_EMPTY):
            self._serve(self._child.stdout)
            self._serve(self._child.stderr)
        for fd in list(self._open):
            self._close(fd)

    def _serve(self, fd):
        if fd == self._ended:
            drain(fd)
        elif fd in self._open:
            self._open[fd](fd)

    def _feed(self, fd):
        """The event's next piece. A command that does not read its stdin is none the worse for it."""
        try:
            self._event = self._event[os.write(fd, self._event[:READ_AT_ONCE]) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._event = self._event[:0]
        if not self._event:
            self._close(fd)

    def _collect(self, fd):
        self.output += self._read(fd)

    def _pass_on(self, fd):
        piece = self._read(fd)
        write_all(2, piece)
        self.tail = (self.tail + piece)[-TAIL_BYTES:]

    def _read(self, fd):
        """What there is; closes the pipe at its end. b"" also where there is nothing yet."""
        try:
            piece = os.read(fd, READ_AT_ONCE)
        except BlockingIOError:
            return b""
        if not piece:
            self._close(fd)
        return piece

    def _close(self, fd):
        self._poll.unregister(fd)
        del self._open[fd]
        os.close(fd)


def watch_children():
    """A descriptor that becomes readable whenever a child ends."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    set_wakeup_fd(writer, warn_on_full_buffer=False)
    signal(SIGCHLD, lambda number, frame: None)
    return reader


def drain(fd):
    try:
        os.read(fd, READ_AT_ONCE)
    except BlockingIOError:
        pass


def write_all(fd, data):
    while data:
        data = data[os.write(fd, data) :]
