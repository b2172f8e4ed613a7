"""Cloudflare's workerd: a V8 isolate, so the handler is JavaScript."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from instrument.started import until_listens

from nanogrid.cli.load import Target
from peers.peer import Peer, free_port, npm, run, running, target

_WORKER = "export default { async fetch(request) { await request.json(); return Response.json({ok: true}); } };\n"
_CONFIG = """
using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = (
    modules = [(name = "worker", esModule = embed "worker.js")], compatibilityDate = "2024-01-01"))],
  sockets = [(name = "http", address = "127.0.0.1:%d", http = (), service = "main")],
);
"""


class Workerd(Peer):
    """See the module."""

    name = "workerd (JavaScript)"
    isolation = "isolate"

    async def install(self, folder: Path) -> str:
        """See `Peer`."""
        programs = await npm(folder, "workerd")
        (folder / "worker.js").write_text(_WORKER)
        return (await run(folder, str(programs / "workerd"), "--version")).removeprefix("workerd ")

    @asynccontextmanager
    async def started(self, folder: Path, cpus: frozenset[int] | None) -> AsyncIterator[Target]:
        """See `Peer`."""
        port = free_port()
        (folder / "config.capnp").write_text(_CONFIG % port)
        program = str(folder / "node_modules" / ".bin" / "workerd")
        async with running([program, "serve", "config.capnp"], folder, cpus) as started:
            await until_listens(started, "127.0.0.1", port)
            yield target(port, "/")
