"""How a runtime in a container gets its ends of what connects it with us, though a container inherits nothing.

We listen behind a Unix socket in a folder that only this container sees. Whoever comes first is given both descriptors,
and the door is gone: that is the image's own launcher, for no code of a function is inside yet.
"""

import asyncio
import os
import socket
from pathlib import Path

_NAME = "socket"


class Door:
    """Opens once."""

    def __init__(self, folder: Path) -> None:
        """Makes the folder, and the socket in it, for any user: nobody else can pass the folder above. Blocks."""
        self._path = folder / _NAME
        folder.mkdir()
        folder.chmod(0o755)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.setblocking(False)  # noqa: FBT003 - the socket's own way
        _bind(self._listener, folder)
        self._path.chmod(0o666)
        self._listener.listen(1)

    async def hand_over(self, *descriptors: int) -> None:
        """Wait for whoever comes, give him the descriptors, and close the door. Safe to cancel."""
        visitor, _ = await asyncio.get_running_loop().sock_accept(self._listener)
        with visitor:
            self.close()
            socket.send_fds(visitor, [b"\0"], list(descriptors))

    def close(self) -> None:
        """Nobody comes in any more. Idempotent."""
        self._listener.close()
        self._path.unlink(missing_ok=True)


def _bind(listener: socket.socket, folder: Path) -> None:
    # An address holds 107 bytes, and a path may be longer.
    handle = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        listener.bind(f"/proc/self/fd/{handle}/{_NAME}")
    finally:
        os.close(handle)
