"""The one file that knows which adapter stands behind which port; both flows can be read off it."""

import asyncio
import os
import secrets
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from nanogrid import __version__
from nanogrid.api.auth import Auth
from nanogrid.api.services import Services
from nanogrid.backends.local import LocalBackend, open_local
from nanogrid.clock import Clock
from nanogrid.config import Config
from nanogrid.dispatcher import Dispatcher
from nanogrid.errors import ConfigError, SandboxUnavailable
from nanogrid.gateway.app import Gateway
from nanogrid.gateway.server import Server
from nanogrid.model import Record
from nanogrid.observe import Log, Metrics, make_log
from nanogrid.resource_manager import ResourceManager
from nanogrid.worker import Worker

#: How long a request may wait for its run on one machine, in seconds.
_MAX_WAIT_S = 900.0
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Started(Record, frozen=True, kw_only=True):
    """What `nanogrid up` tells the person who started it."""

    url: str
    token: str
    token_file: Path
    console_url: str
    sandbox: str
    runtimes: list[str]
    notes: list[str]
    data: Path
