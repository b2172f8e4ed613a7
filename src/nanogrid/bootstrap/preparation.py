"""What a process that runs functions needs of the machine before it starts."""

import asyncio
import resource
import signal
from pathlib import Path

from nanogrid.errors import ConfigError


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


def stop_on_signal() -> asyncio.Event:
    """An event of the running loop that SIGTERM or SIGINT sets."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop
