"""The ASGI server inside an asyncio program: starts, says its port, stops when told."""

import asyncio
import contextlib
import functools
import logging
import socket
from collections.abc import Iterator
from typing import Any, NamedTuple, cast

import uvicorn

from nanogrid.errors import ConfigError
from nanogrid.gateway.app import Gateway
from nanogrid.gateway.known_heads import KnownHeads
from nanogrid.gateway.protocol import Protocol
from nanogrid.gateway.watch import Patience, Watch
from nanogrid.observe import Log

_BACKLOG = 2048


class Server:
    """Serves one gateway on one address."""

    def __init__(
        self,
        gateway: Gateway,
        log: Log,
        *,
        host: str,
        port: int,
        max_connections: int = 8192,
        patience: Patience | None = None,
    ) -> None:
        """Port 0 takes a free one. A connection beyond `max_connections` is refused."""
        self._gateway = gateway
        self._log = log
        self._host = host
        self._port = port
        self._max_connections = max_connections
        self._patience = patience or Patience()
        self._running: _Running | None = None

    async def start(self) -> int:
        """Listen, and return the port when requests are answered. Raises `ConfigError` where it cannot."""
        listener = self._bind()
        port: int = listener.getsockname()[1]
        uvicorn_ = _Uvicorn(self._config())
        _forward_log(self._log)
        serving = asyncio.create_task(uvicorn_.serve(sockets=[listener]))
        await uvicorn_.listening.wait()
        watch = Watch(uvicorn_.open_connections, self._log, self._patience)
        self._running = _Running(uvicorn_, serving, asyncio.create_task(watch.run()))
        return port

    async def stop(self, grace_s: float = 5.0) -> None:
        """Accept nothing more, end streams, let requests end within the grace, then cut what is left. Idempotent."""
        if self._running is None:
            return
        running, self._running = self._running, None
        self._gateway.stop_streams()
        running.uvicorn.config.timeout_graceful_shutdown = max(1, round(grace_s))
        running.uvicorn.should_exit = True
        await running.serving
        # What was cancelled still tells its client why.
        await asyncio.gather(*running.uvicorn.server_state.tasks, return_exceptions=True)
        running.watching.cancel()

    @property
    def connections(self) -> int:
        """How many are open; 0 while it does not run."""
        return len(self._running.uvicorn.open_connections) if self._running else 0

    def _bind(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        try:
            return socket.create_server((self._host, self._port), family=family, backlog=_BACKLOG)
        except OSError as exc:
            raise ConfigError(
                f"cannot listen on {self._host} port {self._port}: {exc.strerror or exc}.",
                hint="Choose another with --port, or --port 0 for a free one.",
            ) from exc

    def _protocol(self) -> functools.partial[Protocol]:
        return functools.partial(
            Protocol,
            max_connections=self._max_connections,
            gateway=self._gateway,
            known=KnownHeads(self._gateway.read_head),
        )

    def _config(self) -> uvicorn.Config:
        return uvicorn.Config(
            self._gateway,
            http=cast("Any", self._protocol()),
            interface="asgi3",
            ws="none",
            lifespan="off",
            log_config=None,
            log_level=logging.WARNING,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=self._patience.idle_s,  # type: ignore[arg-type] # any number will do
            backlog=_BACKLOG,
        )


class _Uvicorn(uvicorn.Server):
    """uvicorn without a hand on the program's signals, and with an event for its start."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    @property
    def open_connections(self) -> set[Protocol]:
        return cast("set[Protocol]", self.server_state.connections)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Running(NamedTuple):
    """What there is between start and stop."""

    uvicorn: _Uvicorn
    serving: asyncio.Task[None]
    watching: asyncio.Task[None]


class _Forward(logging.Handler):
    """Makes events of what libraries log."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        self._log.warning(
            "gateway.server", source=record.name, message=record.getMessage(), exc_info=record.exc_info or None
        )


def _forward_log(log: Log) -> None:
    """Nothing reaches stderr but events. What the multipart parser complains of is told to the client."""
    for name in ("uvicorn.error", "asyncio"):
        logger = logging.getLogger(name)
        logger.handlers = [_Forward(log)]
        logger.propagate = False
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)
