"""Tells systemd how a service is doing: a datagram to the socket that it names, or nothing where it names none."""

import socket
from collections.abc import Mapping

from nanogrid.observe import Log


class Notifier:
    """systemd's side of a service with `Type=notify`."""

    def __init__(self, environ: Mapping[str, str], log: Log) -> None:
        """Where NOTIFY_SOCKET is not set, nobody listens and nothing is sent."""
        address = environ.get("NOTIFY_SOCKET", "")
        # An address that begins with @ is in the abstract namespace.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._log = log

    def ready(self, status: str) -> None:
        """Say that the service has started."""
        self._send(f"READY=1\nSTATUS={status}")

    def stopping(self, status: str) -> None:
        """Say that it has begun to stop."""
        self._send(f"STOPPING=1\nSTATUS={status}")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.connect(self._address)
                sender.send(message.encode())
        except OSError as exc:
            self._log.warning("worker.notify_failed", error=str(exc))
