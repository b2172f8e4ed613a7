"""What the Docker Engine answers, as far as anybody here reads it."""

from typing import Any

import msgspec


class Part(msgspec.Struct, frozen=True):
    """One of the programs that an engine consists of."""

    name: str = msgspec.field(name="Name")
    version: str = msgspec.field(name="Version", default="")


class Version(msgspec.Struct, frozen=True, rename="pascal"):
    """What the engine is."""

    version: str
    api_version: str
    min_api_version: str = msgspec.field(name="MinAPIVersion")
    components: list[Part] = []


class Info(msgspec.Struct, frozen=True, rename="pascal"):
    """How it is set up."""

    cgroup_driver: str
    cgroup_version: str = "1"
    #: Names of what it can start containers with, such as `runc` and `runsc`.
    runtimes: dict[str, Any] = {}
    #: Such as `name=seccomp,profile=default` and `name=userns`.
    security_options: list[str] | None = None
    memory_limit: bool = True
    swap_limit: bool = True
    pids_limit: bool = True


class State(msgspec.Struct, frozen=True, rename="pascal"):
    """How a container is."""

    running: bool
    #: Of its first process, as the engine's machine counts; 0 when it is gone.
    pid: int
    exit_code: int
    out_of_memory: bool = msgspec.field(name="OOMKilled")
    error: str = ""


class ImageConfig(msgspec.Struct, frozen=True, rename="pascal"):
    """What an image says of itself."""

    labels: dict[str, str] | None = None
    env: list[str] | None = None
    volumes: dict[str, Any] | None = None


class Image(msgspec.Struct, frozen=True, rename="pascal"):
    """An image that the engine has."""

    id: str
    config: ImageConfig
    #: In bytes.
    size: int = 0
