"""The Docker Engine's API over its Unix socket: the few calls that sandboxes and their images need."""

from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import httpx
import msgspec

from nanogrid.errors import ConfigError, SandboxUnavailable
from nanogrid.sandbox.engine_answers import Image, Info, State, Version

T = TypeVar("T")

DEFAULT_SOCKET = Path("/var/run/docker.sock")
#: The oldest dialect that will do: Docker 20.10.
_OLDEST = (1, 41)
_TIMEOUT_S = 60.0
_CONNECTIONS = 64


class _Id(msgspec.Struct, rename="pascal"):
    id: str


class _Inspected(msgspec.Struct, rename="pascal"):
    state: State


class _Waited(msgspec.Struct, rename="pascal"):
    status_code: int


class _Network(msgspec.Struct, rename="pascal"):
    options: dict[str, str]


class _Refused(msgspec.Struct):
    message: str = ""


class _Progress(msgspec.Struct):
    stream: str = ""
    status: str = ""
    error: str = ""


class Engine:
    """Every call may raise `SandboxUnavailable`: the engine does not answer, or refuses."""

    def __init__(self, socket: Path = DEFAULT_SOCKET) -> None:
        """Connects with the first call; `agree` comes before all others."""
        self.socket = socket
        transport = httpx.AsyncHTTPTransport(
            uds=str(socket), limits=httpx.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS)
        )
        timeout = httpx.Timeout(_TIMEOUT_S, pool=None)
        self._http = httpx.AsyncClient(transport=transport, base_url="http://engine", timeout=timeout)
        self._dialect = ""

    async def agree(self) -> Version:
        """Choose the dialect: the oldest that both sides know, so that a newer engine changes nothing for us."""
        version = await self._get("/version", Version)
        oldest, newest = _numbers(version.min_api_version), _numbers(version.api_version)
        if newest < _OLDEST:
            raise SandboxUnavailable(
                f"the Docker engine {version.version} is too old: it speaks API {version.api_version}.",
                hint="Docker 20.10 or newer is needed.",
            )
        major, minor = max(oldest, _OLDEST)
        self._dialect = f"/v{major}.{minor}"
        return version

    async def info(self) -> Info:
        """How the engine is set up."""
        return await self._get("/info", Info)

    async def close(self) -> None:
        """End the connections. Idempotent."""
        await self._http.aclose()

    # Containers

    async def create(self, name: str, container: Mapping[str, object]) -> str:
        """Make a container, which does not run yet, and return its id."""
        answer = await self._call("POST", "/containers/create", params={"name": name}, json=container)
        return _read(answer, _Id).id

    async def start(self, container: str) -> None:
        """Start its program. Raises `SandboxUnavailable` also where the program is not there."""
        await self._call("POST", f"/containers/{container}/start")

    async def state(self, container: str) -> State:
        """How it is now."""
        return (await self._get(f"/containers/{container}/json", _Inspected)).state

    async def wait(self, container: str) -> int:
        """Wait as long as it takes until it has ended; its exit code."""
        forever = httpx.Timeout(_TIMEOUT_S, read=None, pool=None)
        answer = await self._call("POST", f"/containers/{container}/wait", timeout=forever)
        return _read(answer, _Waited).status_code

    async def limit_memory(self, container: str, size: int) -> None:
        """Allow so many bytes, and no swap. Takes the engine some 15 ms."""
        await self._call("POST", f"/containers/{container}/update", json={"Memory": size, "MemorySwap": size})

    async def remove(self, container: str) -> None:
        """End it and remove it with all that it wrote; returns when it is gone. Idempotent."""
        params = {"force": "true", "v": "true"}
        answer = await self._call("DELETE", f"/containers/{container}", params=params, also=(404, 409))
        if answer.status_code == httpx.codes.CONFLICT:  # somebody else is at it already
            params = {"condition": "removed"}
            await self._call("POST", f"/containers/{container}/wait", params=params, also=(404,))

    async def containers(self, label: str) -> list[str]:
        """The ids of all containers with that label, running or not."""
        params = {"all": "true", "filters": _filters(label)}
        return [found.id for found in await self._get("/containers/json", list[_Id], params=params)]

    # Images

    async def image(self, name: str) -> Image | None:
        """The image of that name or id, if there is one."""
        answer = await self._call("GET", f"/images/{name}/json", also=(404,))
        return None if answer.status_code == httpx.codes.NOT_FOUND else _read(answer, Image)

    async def build(
        self, context: bytes, parameters: Mapping[str, str], report: Callable[[str], None] = lambda _: None
    ) -> None:
        """Build an image from a tar archive; `report` is given what the engine says meanwhile."""
        await self._follow("/build", parameters, context, report)

    async def import_image(self, files: AsyncIterator[bytes], parameters: Mapping[str, str]) -> None:
        """Make an image of one layer from a tar stream."""
        await self._follow("/images/create", {"fromSrc": "-", **parameters}, files, lambda _: None)

    # Networks

    async def network_options(self, name: str) -> dict[str, str] | None:
        """How the network of that name was made; None where there is none."""
        answer = await self._call("GET", f"/networks/{name}", also=(404,))
        return None if answer.status_code == httpx.codes.NOT_FOUND else _read(answer, _Network).options

    async def create_network(self, network: Mapping[str, object]) -> None:
        """Make a network."""
        await self._call("POST", "/networks/create", json=network)

    async def _get(self, path: str, kind: type[T], **options: Any) -> T:
        return _read(await self._call("GET", path, **options), kind)

    async def _call(self, method: str, path: str, *, also: tuple[int, ...] = (), **options: Any) -> httpx.Response:
        """Raises `SandboxUnavailable` for every status that is neither a success nor one of `also`."""
        try:
            answer = await self._http.request(method, self._dialect + path, **options)
        except httpx.TransportError as exc:
            raise self._silent(exc) from exc
        if not answer.is_success and answer.status_code not in also:
            raise _refusal(method, path, answer)
        return answer

    async def _follow(
        self,
        path: str,
        parameters: Mapping[str, str],
        content: bytes | AsyncIterator[bytes],
        report: Callable[[str], None],
    ) -> None:
        """A call whose answer is a stream of JSON documents, one to a line, the last of which may be an error."""
        headers = {"Content-Type": "application/x-tar"}
        try:
            async with self._http.stream(
                "POST", self._dialect + path, params=parameters, content=content, headers=headers, timeout=None
            ) as answer:
                if not answer.is_success:
                    await answer.aread()
                    raise _refusal("POST", path, answer)
                async for line in answer.aiter_lines():
                    _report(line, report)
        except httpx.TransportError as exc:
            raise self._silent(exc) from exc

    def _silent(self, exc: httpx.TransportError) -> SandboxUnavailable:
        return SandboxUnavailable(
            f"no Docker engine answers at {self.socket}: {type(exc).__name__}: {exc}.",
            hint="Start one, and let this user speak to it: as root, or in the group docker.",
        )


def engine_socket(docker_host: str) -> Path:
    """Where the engine listens that `DOCKER_HOST` names; empty is the usual place.

    Raises `ConfigError` for one on another machine, which could not see the code that it is to run.
    """
    if not docker_host:
        return DEFAULT_SOCKET
    scheme, _, path = docker_host.partition("://")
    if scheme != "unix":
        raise ConfigError(f"DOCKER_HOST is {docker_host!r}.", hint="Only engines on this machine will do: unix://PATH.")
    return Path(path)


def _numbers(version: str) -> tuple[int, int]:
    major, _, minor = version.partition(".")
    return int(major), int(minor)


def _filters(label: str) -> str:
    return msgspec.json.encode({"label": [label]}).decode()


def _read(answer: httpx.Response, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(answer.content, type=kind)
    except msgspec.DecodeError as exc:
        raise SandboxUnavailable(f"the Docker engine's answer to {answer.url.path} can't be read: {exc}.") from exc


def _refusal(method: str, path: str, answer: httpx.Response) -> SandboxUnavailable:
    try:
        message = msgspec.json.decode(answer.content, type=_Refused).message
    except msgspec.DecodeError:
        message = answer.text
    return SandboxUnavailable(f"the Docker engine refused {method} {path}: {message.strip()} ({answer.status_code}).")


def _report(line: str, report: Callable[[str], None]) -> None:
    if not line:
        return
    progress = msgspec.json.decode(line, type=_Progress)
    if progress.error:
        raise SandboxUnavailable(f"the Docker engine could not make the image: {progress.error.strip()}.")
    if said := progress.stream or progress.status:
        report(said)
