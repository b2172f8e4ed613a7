"""The played instances' insides: real `nanogrid worker` processes."""

import asyncio
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec


class WorkerProcess:
    """One worker, as the group sees it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        """It runs."""
        self._process = process

    async def wait(self) -> int:
        """Return when it has ended."""
        return await self._process.wait()

    def kill(self) -> None:
        """End it as a power cut would."""
        with suppress(ProcessLookupError):
            self._process.kill()


class WorkerProcesses:
    """Starts workers, each in a data folder of its own, and reads what they said."""

    def __init__(self, environment: Mapping[str, str], folder: Path, front_url: str) -> None:
        """`environment` says where the grid is; `front_url` is where metadata and Auto Scaling are played."""
        self._environment = environment
        self._folder = folder
        self._front_url = front_url

    async def launch(self, instance_id: str) -> WorkerProcess:
        """Start the worker of this instance."""
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self._folder),
            **self._environment,
            "NANOGRID_DATA": str(self._folder / instance_id),
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": f"{self._front_url}/{instance_id}",
            "AWS_EC2_METADATA_DISABLED": "false",
            "AWS_ENDPOINT_URL_AUTO_SCALING": self._front_url,
        }
        with self._log(instance_id).open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "nanogrid", "worker", "--log-format", "json"),
                env=environment,
                cwd=self._folder,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=log,
            )
        return WorkerProcess(process)

    def events(self, instance_id: str, name: str) -> Iterator[dict[str, Any]]:
        """The events of this name that the worker has logged so far."""
        for line in self._log(instance_id).read_bytes().splitlines():
            with suppress(msgspec.DecodeError):
                event = msgspec.json.decode(line)
                if isinstance(event, dict) and event.get("event") == name:
                    yield event

    def last_words(self, instance_id: str) -> str:
        """The end of what it wrote, for a person."""
        return self._log(instance_id).read_text(errors="replace")[-2000:]

    def _log(self, instance_id: str) -> Path:
        return self._folder / f"{instance_id}.log"
