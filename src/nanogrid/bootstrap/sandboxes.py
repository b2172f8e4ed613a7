"""Sandboxes of the kind that the settings name: driver, code cache and pool."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from nanogrid.clock import Clock
from nanogrid.config import Config
from nanogrid.errors import ConfigError
from nanogrid.model import ArtifactLimits, Record
from nanogrid.observe import Log, Metrics
from nanogrid.ports import CodeStore, Sandbox, SandboxDriver, SandboxPool
from nanogrid.sandbox.bubblewrap import BubblewrapDriver
from nanogrid.sandbox.bubblewrap_probe import find_bwraps
from nanogrid.sandbox.cell import Cell
from nanogrid.sandbox.code_cache import CodeCache
from nanogrid.sandbox.docker import DockerDriver
from nanogrid.sandbox.docker_network import OutboundNetwork
from nanogrid.sandbox.docker_policy import NOBODY, Options
from nanogrid.sandbox.engine import Engine, engine_socket
from nanogrid.sandbox.guard import Guard
from nanogrid.sandbox.interpreters import Offer, find_interpreters
from nanogrid.sandbox.machine import Machine, open_machine
from nanogrid.sandbox.pool import Pool
from nanogrid.sandbox.process import ProcessDriver
from nanogrid.sandbox.seccomp import program
from nanogrid.sandbox.secret_driver import SecretDriver
from nanogrid.sandbox.workspace import open_workspace
from nanogrid.secret_store import SecretStore

#: What unpacked archives may occupy together, in bytes.
_CODE_CACHE_BYTES = 4 * 1024**3

MakeGuard = Callable[[Cell], Sandbox]


def _expect_nothing(_: str) -> None:
    """Code is unpacked when it is called for."""


class Sandboxes(Record, frozen=True, kw_only=True):
    """What functions run in."""

    driver: SandboxDriver
    pool: SandboxPool
    kind: str
    notes: list[str]
    #: Hears which code, by its sha-256, has just been stored.
    expect_code: Callable[[str], None] = _expect_nothing


class _Ground(NamedTuple):
    """What sandboxes of one kind stand on."""

    #: Where unpacked code lies.
    code: Path
    make_driver: Callable[[MakeGuard], SandboxDriver]
    notes: list[str]


@asynccontextmanager
async def open_sandboxes(
    config: Config,
    code_store: CodeStore,
    clock: Clock,
    log: Log,
    metrics: Metrics,
    secret_store: SecretStore,
) -> AsyncIterator[Sandboxes]:
    """Driver, code cache and pool of the kind that the settings name."""
    kind = "bubblewrap" if config.sandbox == "auto" else config.sandbox
    ground = await asyncio.to_thread(_ground(kind), config, clock)
    cache = CodeCache(code_store, ground.code, clock, limit_bytes=_CODE_CACHE_BYTES)
    artifacts = _artifacts(config)
    inner = ground.make_driver(lambda cell: Guard(cell, clock, cache.path, artifacts=artifacts))
    driver = SecretDriver(inner, secret_store)
    try:
        await driver.start()
        await cache.start()
        pool = Pool(
            driver,
            clock,
            log,
            metrics,
            budget_mb=memory_budget_mb(config),
            # As many again as may run: else one busy function pushes everybody else's warm sandboxes out.
            max_sandboxes=2 * config.max_running,
            spares=config.spares,
            runtimes=driver.runtimes()[:1],
        )
        await pool.start()
        try:
            notes = [*ground.notes, *_notes(inner)]
            yield Sandboxes(driver=driver, pool=pool, kind=kind, notes=notes, expect_code=cache.expect)
        finally:
            await pool.close()
            await cache.close()
    finally:
        await driver.close()


def _artifacts(config: Config) -> ArtifactLimits:
    return ArtifactLimits(
        count=config.artifact_count,
        file_bytes=config.artifact_file_bytes,
        total_bytes=config.artifact_total_bytes,
    )


def _ground(kind: str) -> Callable[[Config, Clock], _Ground]:
    grounds = {"bubblewrap": _behind_bubblewrap, "docker": _in_docker, "process": _without_walls}
    if kind not in grounds:
        raise ConfigError(f"there is no sandbox {kind!r}.", hint=f"Choose auto, {', '.join(grounds)}.")
    return grounds[kind]


def _behind_bubblewrap(config: Config, clock: Clock) -> _Ground:
    machine, offer = _machine(config, clock)
    bwraps = find_bwraps(os.environ.get("PATH", os.defpath))
    make_driver = partial(
        BubblewrapDriver, machine, offer, bwraps=bwraps, seccomp=program(), preimport=config.preimport
    )
    return _Ground(machine.workspace.code, make_driver, _unused(offer))


def _without_walls(config: Config, clock: Clock) -> _Ground:
    machine, offer = _machine(config, clock)
    return _Ground(machine.workspace.code, partial(ProcessDriver, machine, offer), _unused(offer))


def _in_docker(config: Config, _: Clock) -> _Ground:
    workspace = open_workspace(config.data, NOBODY)
    engine = Engine(engine_socket(os.environ.get("DOCKER_HOST", "")))
    options = Options(docker_runtime=config.docker_runtime, cpus=config.docker_cpus)
    make_driver = partial(DockerDriver, engine, workspace, OutboundNetwork(), options=options)
    return _Ground(workspace.code, make_driver, [])


def _machine(config: Config, clock: Clock) -> tuple[Machine, Offer]:
    machine = open_machine(config.data, clock)
    return machine, find_interpreters(machine.identities.reader, search_path=os.environ.get("PATH", os.defpath))


def memory_budget_mb(config: Config) -> int:
    """What all sandboxes together may occupy: as the settings say, else half of the machine's memory."""
    if config.memory_budget_mb:
        return config.memory_budget_mb
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2 // 1024**2


def _notes(driver: SandboxDriver) -> list[str]:
    return driver.notes() if isinstance(driver, BubblewrapDriver) else []


def _unused(offer: Offer) -> list[str]:
    return [f"{one.path} is not used for functions: {one.reason}." for one in offer.rejected]
