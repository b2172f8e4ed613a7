"""A grid's settings: read once at the edge, frozen, and a misspelt one is an error."""

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import msgspec

from nanogrid.errors import ConfigError

_PREFIX = "NANOGRID_"
#: Read by the command line and the SDK, not by a grid.
_CLIENT_ONLY = frozenset({"NANOGRID_URL", "NANOGRID_TOKEN"})

#: Written with commas in the environment.
_LISTS = ("allowed_hosts", "preimport")


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that can be set. Each field can come from `NANOGRID_<FIELD>`."""

    #: Where the grid listens; anything but loopback needs `allow_remote`.
    host: str = "127.0.0.1"
    #: 0 takes a free port.
    port: int = 8080
    #: Bind an address that other machines reach.
    allow_remote: bool = False
    #: Host names, besides the address itself, under which the grid answers.
    allowed_hosts: tuple[str, ...] = ()
    #: Where all state lives.
    data: Path
    #: auto, bubblewrap, docker or process.
    sandbox: str = "auto"
    #: What Docker starts containers with, such as runsc; empty is its default.
    docker_runtime: str = ""
    #: Processors' worth of time for each container; 0 is all that there are.
    docker_cpus: float = 0.0
    #: Most runs at once on this machine.
    max_running: int = 1000
    #: Most tasks that may wait; more are refused with 429.
    max_backlog: int = 100_000
    #: What all sandboxes together may occupy, in MB; 0 means half the machine.
    memory_budget_mb: int = 0
    #: Sandboxes kept ready for each runtime.
    spares: int = 2
    #: Modules of Python itself that sandboxes have imported before any code is there, such as `json,asyncio`.
    preimport: tuple[str, ...] = ()
    #: How long a lease is held without a heartbeat, in seconds.
    lease_s: float = 30.0
    #: How long running functions may finish after SIGTERM, in seconds.
    grace_s: float = 20.0
    #: Largest code archive as uploaded, in bytes.
    max_archive_bytes: int = 50 * 1024 * 1024
    #: Most files that one run may leave in its output folder; what is more is not kept.
    artifact_count: int = 100
    #: Largest of them, in bytes.
    artifact_file_bytes: int = 16 * 1024 * 1024
    #: All of one run together, in bytes.
    artifact_total_bytes: int = 64 * 1024 * 1024
    #: Where traces are sent, such as `http://127.0.0.1:4318/v1/traces` (OTLP over HTTP); empty makes none.
    traces: str = ""
    #: human or json.
    log_format: str = "human"


def default_data_folder() -> Path:
    """Where a grid keeps its state when nobody says: below /var/lib for root, in the user's data folder else."""
    if os.geteuid() == 0:
        return Path("/var/lib/nanogrid")
    base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(base) / "nanogrid"


def load(
    environ: Mapping[str, str],
    overrides: Mapping[str, object],
    *,
    defaults: Mapping[str, object] = MappingProxyType({}),
    elsewhere: frozenset[str] = frozenset(),
) -> Config:
    """Settings from the environment, then from the command line. Raises `ConfigError` naming the setting.

    `defaults` stand in place of the fields' own; `elsewhere` are variables that somebody else reads.
    """
    known = {_PREFIX + field.upper(): field for field in Config.__struct_fields__}
    own = known.keys() | elsewhere
    unknown = sorted(k for k in environ if k.startswith(_PREFIX) and k not in own and k not in _CLIENT_ONLY)
    if unknown:
        raise ConfigError(f"unknown setting {unknown[0]}.", hint=f"Known: {', '.join(sorted(own))}.")
    values: dict[str, object] = {known[k]: v for k, v in environ.items() if k in known}
    for field in _LISTS:
        if isinstance(names := values.get(field), str):
            values[field] = [name.strip() for name in names.split(",") if name.strip()]
    values = {**defaults, **values, **{k: v for k, v in overrides.items() if v is not None}}
    values.setdefault("data", default_data_folder())
    values["data"] = Path(str(values["data"])).absolute()
    try:
        return msgspec.convert(values, Config, strict=False, dec_hook=_path)
    except msgspec.ValidationError as exc:
        raise ConfigError(f"a setting is wrong: {exc}.") from exc


def _path(kind: type, value: object) -> object:
    return Path(str(value)) if kind is Path else value
