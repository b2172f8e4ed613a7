"""An emulated AWS on this machine, for rehearsals and tests: MiniStack as a process of its own."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from nanogrid.cloud.loopback import free_port
from nanogrid.errors import PlatformError
from nanogrid.model import Record

#: The account that MiniStack plays.
ACCOUNT = "000000000000"
_LOOPBACK = "127.0.0.1"
_STEP_S = 0.05
#: Starting takes a third of a second; a loaded machine may need longer.
_PATIENCE_S = 60.0


class EmulatedAws(Record, frozen=True, kw_only=True):
    """Where the emulated AWS answers, and everything that a client of it needs."""

    endpoint: str
    region: str
    #: What it has been asked, see `emulator.recorder`.
    calls: Path

    @property
    def environment(self) -> dict[str, str]:
        """The variables that make any AWS client speak to it."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_EC2_METADATA_DISABLED": "true",
        }


@asynccontextmanager
async def open_emulator(
    folder: Path,
    *,
    region: str = "ap-northeast-2",
    redis: tuple[str, int] = (_LOOPBACK, 6379),
    extra: Mapping[str, str] | None = None,
) -> AsyncIterator[EmulatedAws]:
    """An emulated AWS until the context ends; its log lies in the folder as `emulator.log`.

    `redis` is the host and port that its ElastiCache gives out, `extra` goes into its environment.
    Raises `PlatformError` where it does not start.
    """
    port = free_port()
    calls = folder / "calls.jsonl"
    aws = EmulatedAws(endpoint=f"http://{_LOOPBACK}:{port}", region=region, calls=calls)
    log = folder / "emulator.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            __name__,
            str(calls),
            env=_environment(aws, port, redis, folder) | dict(extra or {}),
            cwd=folder,
            stdout=output,
            stderr=output,
        )
    try:
        await _answers(process, port, log)
        yield aws
    finally:
        await _ended(process)


def _environment(aws: EmulatedAws, port: int, redis: tuple[str, int], folder: Path) -> dict[str, str]:
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "GATEWAY_PORT": str(port),
        "BIND_HOST": _LOOPBACK,
        "MINISTACK_REGION": aws.region,
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "REDIS_HOST": redis[0],
        "REDIS_PORT": str(redis[1]),
        # It would start containers of its own where it finds an engine.
        "DOCKER_HOST": f"unix://{folder}/no-docker.sock",
        "LOG_LEVEL": "WARNING",
        **aws.environment,
    }


async def _answers(process: asyncio.subprocess.Process, port: int, log: Path) -> None:
    """Return when somebody listens."""
    try:
        async with asyncio.timeout(_PATIENCE_S):
            while not await _listens(port):
                if process.returncode is not None:
                    raise PlatformError(f"the emulated AWS did not start; {log} says: {_last_line(log)}")
                await asyncio.sleep(_STEP_S)
    except TimeoutError as exc:
        raise PlatformError(f"the emulated AWS did not answer in {_PATIENCE_S:.0f} s.", hint=f"Look at {log}.") from exc


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(_LOOPBACK, port)
    except OSError:
        return False
    writer.close()
    return True


async def _ended(process: asyncio.subprocess.Process) -> None:
    """Nothing in it is worth a farewell."""
    if process.returncode is None:
        process.kill()
    await process.wait()


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "nothing"
