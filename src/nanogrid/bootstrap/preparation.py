"""What a process that runs functions needs of the machine before it starts."""

import asyncio
import gc
import resource
import signal
from pathlib import Path

from nanogrid.errors import ConfigError

#: Objects that came and stayed, until the youngest are looked at; looks at these, until the next older are.
_COLLECT_EVERY = (20_000, 20, 100)


def allow_descriptors() -> None:
    """Each sandbox needs a handful, each connection one; the usual soft limit is for interactive programs."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def make_data_folder(data: Path) -> None:
    """The folder that holds all state, readable by nobody else. Raises `ConfigError`."""
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as exc:
        raise ConfigError(
            f"the data folder {data} cannot be made: {exc.strerror}.", hint="Choose another with --data DIR."
        ) from exc


def rarely_collect() -> None:
    """Let the garbage collector leave alone what has come to stay, and look at the rest less often.

    What a run makes is gone with its last reference; cycles are rare, and a look at all of them holds up every run.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECT_EVERY)


def stop_on_signal() -> asyncio.Event:
    """An event of the running loop that SIGTERM or SIGINT sets."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop
