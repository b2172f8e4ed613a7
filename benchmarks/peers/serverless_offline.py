"""serverless-offline with a Python handler, asked through its emulation of Lambda's Invoke."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from instrument.started import until_listens

from nanogrid.cli.load import Target
from peers.peer import HANDLER, Peer, free_port, npm, running, target

_SERVICE = """
service: bench
frameworkVersion: "3"
provider: {name: aws, runtime: python3.11, stage: dev, region: us-east-1}
plugins: [serverless-offline]
functions:
  noop: {handler: main.handler}
"""


class ServerlessOffline(Peer):
    """See the module."""

    name = "serverless-offline"
    isolation = "process"

    async def install(self, folder: Path) -> str:
        """See `Peer`."""
        # Later ones want an account.
        await npm(folder, "serverless@3", "serverless-offline@13")
        (folder / "serverless.yml").write_text(_SERVICE)
        (folder / "main.py").write_text(HANDLER)
        described = (folder / "node_modules" / "serverless-offline" / "package.json").read_text()
        return str(json.loads(described)["version"])

    @asynccontextmanager
    async def started(self, folder: Path, cpus: frozenset[int] | None) -> AsyncIterator[Target]:
        """See `Peer`."""
        http, port = free_port(), free_port()
        program = str(folder / "node_modules" / ".bin" / "serverless")
        arguments = [program, "offline", "--host", "127.0.0.1", "--httpPort", str(http), "--lambdaPort", str(port)]
        async with running(arguments, folder, cpus) as started:
            await until_listens(started, "127.0.0.1", port)
            yield target(port, "/2015-03-31/functions/bench-dev-noop/invocations")
