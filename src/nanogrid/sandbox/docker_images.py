"""The runtime images: what they are made of, how they are built, and which of them this engine has."""

import io
import tarfile
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import msgspec

from nanogrid.errors import SandboxUnavailable
from nanogrid.model import Record
from nanogrid.sandbox.engine import Engine
from nanogrid.sandbox.engine_answers import Image

KINDS = ("python", "nodejs", "command")
#: Says which runtime an image is, such as `python3.11`.
_RUNTIME = "nanogrid.runtime"
#: Says what it was built from, as the digest of its build context.
_CONTENT = "nanogrid.content"
_OLDEST_MINOR = 8
_IMAGES = Path(__file__).parent / "images"
_RUNTIMES = Path(__file__).parent.parent / "runtimes"
_WHICH_MINOR = "import sys; sys.exit(sys.version_info.minor if sys.version_info.major == 3 else 0)"


class RuntimeImage(Record, frozen=True, kw_only=True):
    """An image from which a runtime's containers are made."""

    runtime: str
    #: The engine's id; unlike a name it never means another image.
    id: str
    #: Names of the variables that the image would set.
    environment: list[str] = []


def image_name(kind: str) -> str:
    """What the image of a kind is called."""
    return f"nanogrid/{kind}"


async def find_images(engine: Engine) -> tuple[list[RuntimeImage], list[str]]:
    """The images that can be used, and for each of the others why not."""
    found: list[RuntimeImage] = []
    reasons: list[str] = []
    for kind in KINDS:
        image = await engine.image(image_name(kind))
        reason = "is not there" if image is None else _why_not(image, kind)
        if image is None or reason:
            reasons.append(f"{image_name(kind)} {reason}")
        else:
            found.append(_runtime_image(image))
    return found, reasons


async def build_image(
    engine: Engine, kind: str, base: str, *, network: str, report: Callable[[str], None] = lambda _: None
) -> RuntimeImage:
    """Build the image of a kind upon a base; what is built already is not built again.

    `network` is what the steps may use that install what the base lacks. Raises `SandboxUnavailable`.
    """
    content = context(kind)
    labels = {_CONTENT: sha256(content).hexdigest()}
    parameters = {
        "t": image_name(kind),
        "buildargs": _json({"BASE": base}),
        "networkmode": network,
        "rm": "true",
        "forcerm": "true",
    }
    await engine.build(content, parameters | {"labels": _json(labels)}, report)
    # Which runtime it is shows only now. The steps are all there, so that this adds a label and nothing else.
    labels[_RUNTIME] = await _runtime(engine, kind)
    await engine.build(content, parameters | {"labels": _json(labels)})
    image = await engine.image(image_name(kind))
    if image is None:
        raise SandboxUnavailable(f"{image_name(kind)} was built, and the engine does not have it.")
    return _runtime_image(image)


def context(kind: str) -> bytes:
    """What the engine builds from, as a tar archive; the same files make the same bytes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, file in sorted(_files(kind)):
            content = file.read_bytes()
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o644
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _files(kind: str) -> Iterator[tuple[str, Path]]:
    yield "Dockerfile", _IMAGES / kind / "Dockerfile"
    yield "prepare.sh", _IMAGES / "prepare.sh"
    for file in _RUNTIMES.rglob("*"):
        if file.suffix in (".py", ".js"):
            yield str(file.relative_to(_RUNTIMES)), file


def _why_not(image: Image, kind: str) -> str:
    labels = image.config.labels or {}
    if labels.get(_CONTENT) != sha256(context(kind)).hexdigest():
        return "was built by another version of NanoGrid"
    if _RUNTIME not in labels:
        return "was not built to its end"
    if image.config.volumes:
        return f"has volumes, which functions could fill: {', '.join(image.config.volumes)}"
    return ""


def _runtime_image(image: Image) -> RuntimeImage:
    names = [setting.partition("=")[0] for setting in image.config.env or []]
    return RuntimeImage(runtime=(image.config.labels or {})[_RUNTIME], id=image.id, environment=names)


async def _runtime(engine: Engine, kind: str) -> str:
    if kind != "python":
        return kind
    minor = await _exit_code(engine, image_name(kind), ["python3", "-I", "-S", "-c", _WHICH_MINOR])
    if minor < _OLDEST_MINOR:
        raise SandboxUnavailable(
            "the base has no Python that can be used.", hint=f"Python 3.{_OLDEST_MINOR} or newer is needed, as python3."
        )
    return f"python3.{minor}"


async def _exit_code(engine: Engine, image: str, command: list[str]) -> int:
    probe = {"Image": image, "Entrypoint": command, "HostConfig": {"NetworkMode": "none"}}
    container = await engine.create("", probe)
    try:
        await engine.start(container)
        return await engine.wait(container)
    finally:
        await engine.remove(container)


def _json(value: dict[str, str]) -> str:
    return msgspec.json.encode(value).decode()
