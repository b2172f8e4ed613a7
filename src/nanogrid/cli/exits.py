"""Exit codes: what a script may rely on."""

import enum

from nanogrid.client import ConnectionFailed, RunDead, RunUnsuccessful, WaitTimedOut
from nanogrid.errors import ConfigError, NanoGridError, NotFound, PlatformError


class ExitCode(enum.IntEnum):
    """How a command ended."""

    OK = 0
    #: The function failed or its run was cancelled; `doctor` or a rehearsal found something that does not work.
    FAILED = 1
    #: The command line or a setting is wrong; nothing was sent.
    USAGE = 2
    #: No such function or run.
    NOT_FOUND = 3
    #: The grid refused: wrong token, conflict, impossible value, too large, too many requests.
    REFUSED = 4
    #: No grid answers.
    UNREACHABLE = 5
    #: The waiting is over, the run goes on.
    TIMED_OUT = 6
    #: The grid or this program is at fault.
    OURS = 70


_BY_ERROR: dict[type[NanoGridError], ExitCode] = {
    ConfigError: ExitCode.USAGE,
    NotFound: ExitCode.NOT_FOUND,
    ConnectionFailed: ExitCode.UNREACHABLE,
    WaitTimedOut: ExitCode.TIMED_OUT,
    RunUnsuccessful: ExitCode.FAILED,
    RunDead: ExitCode.OURS,
    PlatformError: ExitCode.OURS,
}


def exit_code(error: NanoGridError) -> ExitCode:
    """The code for an error: that of its nearest class in the table, else a refusal, else ours."""
    for kind in type(error).__mro__:
        if kind in _BY_ERROR:
            return _BY_ERROR[kind]
    return ExitCode.OURS if type(error) is NanoGridError else ExitCode.REFUSED
