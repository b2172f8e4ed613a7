"""AWS Lambda's own emulator with its own Python runtime; the emulator's binary comes with the SAM wheel."""

import platform
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from instrument.started import until_listens

from nanogrid.cli.load import Target
from peers.peer import HANDLER, CannotBeHad, Peer, free_port, python_version, run, running, target, venv

_INVOKE = "/2015-03-31/functions/function/invocations"
_MACHINES = {"x86_64": "x86_64", "aarch64": "arm64"}


class LambdaRie(Peer):
    """See the module."""

    name = "Lambda RIE + awslambdaric"
    isolation = "process"
    # It has one slot: a second request while one runs is answered with an error.
    concurrent = False

    async def install(self, folder: Path) -> str:
        """See `Peer`."""
        programs = await venv(folder, "awslambdaric")
        # Of this wheel only one file is needed, none of what it depends on.
        await run(folder, str(programs / "python"), "-m", "pip", "install", "-q", "--no-deps", "aws-sam-cli")
        _emulator(folder).chmod(0o755)
        (folder / "main.py").write_text(HANDLER)
        return await python_version(folder, "awslambdaric")

    @asynccontextmanager
    async def started(self, folder: Path, cpus: frozenset[int] | None) -> AsyncIterator[Target]:
        """See `Peer`."""
        port = free_port()
        addresses = ["--runtime-interface-emulator-address", f"127.0.0.1:{port}"]
        addresses += ["--runtime-api-address", f"127.0.0.1:{free_port()}"]
        runtime = [str(folder / "venv" / "bin" / "python"), "-m", "awslambdaric", "main.handler"]
        async with running([str(_emulator(folder)), *addresses, *runtime], folder, cpus) as started:
            await until_listens(started, "127.0.0.1", port)
            yield target(port, _INVOKE)


def _emulator(folder: Path) -> Path:
    name = f"aws-lambda-rie-{_MACHINES.get(platform.machine())}"
    found = next((folder / "venv").glob(f"lib/*/site-packages/samcli/local/rapid/{name}"), None)
    if found is None:
        raise CannotBeHad(f"the SAM wheel has no {name}")
    return found
