"""Google's functions-framework: the handler in a web server, without walls between it and anything."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from instrument.started import until_listens

from nanogrid.cli.load import Target
from peers.peer import HANDLER, Peer, free_port, python_version, running, target, venv

_HTTP = HANDLER + "def http(request):\n    return handler(request.get_json(), None)\n"


class FunctionsFramework(Peer):
    """See the module."""

    name = "functions-framework"
    isolation = "none"

    async def install(self, folder: Path) -> str:
        """See `Peer`."""
        await venv(folder, "functions-framework")
        (folder / "main.py").write_text(_HTTP)
        return await python_version(folder, "functions-framework")

    @asynccontextmanager
    async def started(self, folder: Path, cpus: frozenset[int] | None) -> AsyncIterator[Target]:
        """See `Peer`."""
        port = free_port()
        program = str(folder / "venv" / "bin" / "functions-framework")
        arguments = [program, "--target", "http", "--host", "127.0.0.1", "--port", str(port)]
        async with running(arguments, folder, cpus) as started:
            await until_listens(started, "127.0.0.1", port)
            yield target(port, "/")
