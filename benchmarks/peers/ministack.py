"""MiniStack: an emulation of AWS whose Lambda keeps a warm process."""

import base64
import io
import os
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
from instrument.started import until_listens

from nanogrid.cli.load import Target
from peers.peer import HANDLER, CannotBeHad, Peer, free_port, python_version, running, target, venv

_FUNCTIONS = "/2015-03-31/functions"
#: It only looks at which service and region are asked for.
_AUTHORIZATION = {
    "Authorization": "AWS4-HMAC-SHA256 Credential=test/20240101/us-east-1/lambda/aws4_request, "
    "SignedHeaders=host, Signature=0"
}


class MiniStack(Peer):
    """See the module."""

    name = "MiniStack"
    isolation = "process"

    async def install(self, folder: Path) -> str:
        """See `Peer`."""
        await venv(folder, "ministack")
        return await python_version(folder, "ministack")

    @asynccontextmanager
    async def started(self, folder: Path, cpus: frozenset[int] | None) -> AsyncIterator[Target]:
        """See `Peer`."""
        port = free_port()
        environ = {**os.environ, "GATEWAY_PORT": str(port), "PERSIST_STATE": "0"}
        async with running([str(folder / "venv" / "bin" / "ministack")], folder, cpus, environ) as started:
            await until_listens(started, "127.0.0.1", port)
            await _create(port)
            yield target(port, f"{_FUNCTIONS}/noop/invocations", extra=_AUTHORIZATION)


async def _create(port: int) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("main.py", HANDLER)
    order = {
        "FunctionName": "noop",
        "Runtime": "python3.11",
        "Role": "arn:aws:iam::000000000000:role/any",
        "Handler": "main.handler",
        "Code": {"ZipFile": base64.b64encode(archive.getvalue()).decode()},
    }
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=_AUTHORIZATION, timeout=60) as http:
        answer = await http.post(_FUNCTIONS, json=order)
    if answer.status_code >= 300:
        raise CannotBeHad(f"it makes no function: {answer.status_code} {answer.text[:200]}")
