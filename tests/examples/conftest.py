"""One grid for all examples, which each deploy under names of their own."""

import asyncio
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import pytest

from grid import started_grid
from nanogrid import Client

EXAMPLES = Path(__file__).parents[2] / "examples"


class ExampleGrid:
    """A started grid, used as a person uses it: the command line deploys, the SDK runs."""

    def __init__(self, url: str, token: str) -> None:
        self.client = Client(url, token)
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("NANOGRID_")},
            "NANOGRID_URL": url,
            "NANOGRID_TOKEN": token,
        }

    def deploy(self, path: str | Path, *options: str) -> str:
        """`nanogrid deploy`; the function's name."""
        return json.loads(self._python("-m", "nanogrid", "deploy", str(EXAMPLES / path), *options, "--json"))["name"]

    def web(self, name: str) -> httpx.Client:
        """What is called below the function's address, with the token."""
        headers = {"Authorization": f"Bearer {self._environment['NANOGRID_TOKEN']}"}
        return httpx.Client(base_url=f"{self._environment['NANOGRID_URL']}/fn/{name}", headers=headers)

    def program(self, path: str) -> str:
        """What the program writes to stdout."""
        return self._python(str(EXAMPLES / path))

    def _python(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments], env=self._environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="session")
def grid():
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    context = started_grid()
    started = asyncio.run_coroutine_threadsafe(context.__aenter__(), loop).result()
    examples = ExampleGrid(started.url, started.token)
    yield examples
    examples.client.close()
    asyncio.run_coroutine_threadsafe(context.__aexit__(None, None, None), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
