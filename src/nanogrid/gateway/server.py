"""The ASGI server inside an asyncio program: starts, says its port, stops when told."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Iterator

import uvicorn

from nanogrid.errors import ConfigError
from nanogrid.gateway.app import Gateway
from nanogrid.gateway.protocol import Protocol
from nanogrid.observe import Log

#: How long a connection may idle between two requests, in seconds.
_KEEP_ALIVE_S = 75
_BACKLOG = 2048


class Server:
    """Serves one gateway on one address."""

    def __init__(self, gateway: Gateway, log: Log, *, host: str, port: int, max_connections: int = 8192) -> None:
        """Port 0 takes a free one. `max_connections` bounds connections, and requests at work."""
        self._gateway = gateway
        self._log = log
        self._host = host
        self._port = port
        self._max_connections = max_connections
        self._uvicorn: _Uvicorn | None = None
        self._serving: asyncio.Task[None] | None = None

    async def start(self) -> int:
        """Listen, and return the port when requests are answered. Raises `ConfigError` where it cannot."""
        listener = self._bind()
        self._uvicorn = _Uvicorn(self._config())
        _forward_log(self._log)
        self._serving = asyncio.create_task(self._uvicorn.serve(sockets=[listener]))
        port: int = listener.getsockname()[1]
        await self._uvicorn.listening.wait()
        return port

    async def stop(self, grace_s: float = 5.0) -> None:
        """Accept nothing more, end streams, let requests end within the grace, then cut what is left. Idempotent."""
        if self._uvicorn is None or self._serving is None:
            return
        self._gateway.stop_streams()
        self._uvicorn.config.timeout_graceful_shutdown = max(1, round(grace_s))
        self._uvicorn.should_exit = True
        await self._serving
        # What was cancelled still tells its client why.
        await asyncio.gather(*self._uvicorn.server_state.tasks, return_exceptions=True)
        self._uvicorn = self._serving = None

    def _bind(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        try:
            return socket.create_server((self._host, self._port), family=family, backlog=_BACKLOG)
        except OSError as exc:
            raise ConfigError(
                f"cannot listen on {self._host} port {self._port}: {exc.strerror or exc}.",
                hint="Choose another with --port, or --port 0 for a free one.",
            ) from exc

    def _config(self) -> uvicorn.Config:
        return uvicorn.Config(
            self._gateway,
            http=Protocol,
            interface="asgi3",
            ws="none",
            lifespan="off",
            log_config=None,
            log_level=logging.WARNING,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE_S,
            limit_concurrency=self._max_connections,
            backlog=_BACKLOG,
        )


class _Uvicorn(uvicorn.Server):
    """uvicorn without a hand on the program's signals, and with an event for its start."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Forward(logging.Handler):
    """Makes events of uvicorn's own messages."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        self._log.warning("gateway.server", message=record.getMessage(), exc_info=record.exc_info)


def _forward_log(log: Log) -> None:
    logger = logging.getLogger("uvicorn.error")
    logger.handlers = [_Forward(log)]
    logger.propagate = False
