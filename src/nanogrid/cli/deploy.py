"""`nanogrid deploy`: code and its dependencies become a function, or the next version of one."""

import platform
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated

import typer
from msgspec import structs
from rich.text import Text

from nanogrid.cli.packaging import Packager, Packages, Target
from nanogrid.cli.render import clean, counted, print_json, size
from nanogrid.cli.session import Session, session_of
from nanogrid.cli.setting_options import (
    AutoMemory,
    Concurrency,
    HttpOption,
    MaxAge,
    Memory,
    NetworkOption,
    Retries,
    Secrets,
    Timeout,
    Variables,
    environment_of,
    secrets_of,
)
from nanogrid.client import Client, FunctionInfo
from nanogrid.client.bundle import Code, load
from nanogrid.client.guess import Plan, family, make_plan, plan_name
from nanogrid.errors import FunctionNotFound

_Path = Annotated[Path, typer.Argument(exists=True, help="A source file, an executable, a folder, or a zip.")]
_Name = Annotated[str | None, typer.Option(help="The function's name; else as the file or folder is called.")]
_Runtime = Annotated[str | None, typer.Option(help="python3, python3.12, nodejs, command; else guessed.")]
_Handler = Annotated[str | None, typer.Option(help="MODULE.FUNCTION, or an executable of the folder; else guessed.")]
_Requirements = Annotated[
    Path | None,
    typer.Option(exists=True, dir_okay=False, help="What pip resolves; else the folder's requirements.txt."),
]
_NoDeps = Annotated[bool, typer.Option("--no-deps", help="Take the files as they are; resolve nothing.")]
_Refresh = Annotated[bool, typer.Option("--refresh", help="Resolve dependencies anew, past the cache.")]
_Architecture = Annotated[
    str | None, typer.Option(help="The grid's architecture, x86_64 or aarch64; else this machine's.")
]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def deploy(
    context: typer.Context,
    path: _Path,
    name: _Name = None,
    runtime: _Runtime = None,
    handler: _Handler = None,
    memory: Memory = None,
    auto_memory: AutoMemory = None,
    timeout_ms: Timeout = None,
    variables: Variables = None,
    secret: Secrets = None,
    concurrency: Concurrency = None,
    retries: Retries = None,
    max_age_ms: MaxAge = None,
    network: NetworkOption = None,
    http: HttpOption = None,
    requirements: _Requirements = None,
    no_deps: _NoDeps = False,
    refresh: _Refresh = False,
    machine: _Architecture = None,
    as_json: _Json = False,
) -> None:
    """Make a function of a file or folder, or its next version where there is one of that name.

    What is not given is guessed, and said; on an update, settings that are not given stay as they are.
    """
    session = session_of(context)
    code = load(path)
    with session.client() as client:
        plan = _plan(client, code, name, runtime, handler)
        if not no_deps:
            packager = Packager(session.environ, refresh=refresh)
            plan, code = _with_dependencies(session, packager, plan, code, requirements, machine)
        if plan.runtime == "command" and path.is_file():
            code = _executable(code)
        function = client.deploy(
            code.fields()["zip"],
            name=plan.name,
            runtime=plan.runtime,
            handler=plan.handler,
            memory_mb=memory,
            auto_memory_mb=auto_memory,
            timeout_ms=timeout_ms,
            environment=environment_of(variables, session.environ),
            secrets=secrets_of(secret),
            concurrency=concurrency,
            retries=retries,
            max_age_ms=max_age_ms,
            network=network,
            http=http,
        )
    print_json(function) if as_json else _print_deployed(session, plan, code, function)


def _plan(client: Client, code: Code, name: str | None, runtime: str | None, handler: str | None) -> Plan:
    name = plan_name(code, name)
    existing: FunctionInfo | None = None
    with suppress(FunctionNotFound):
        existing = client.function(name)
    return make_plan(code, name, runtime, handler, existing)


def _with_dependencies(
    session: Session, packager: Packager, plan: Plan, code: Code, requirements: Path | None, machine: str | None
) -> tuple[Plan, Code]:
    """The code with what it depends on, for exactly one runtime."""
    folder = code.origin if code.origin is not None and code.origin.is_dir() else None
    if family(plan.runtime) == "python" and (listed := requirements or _listed(folder)):
        plan = _with_exact_python(plan)
        target = Target.of(plan.runtime, machine or platform.machine())
        with _progress(session, f"Resolving {listed} for {target}") as say:
            return _joined(plan, code, packager.python(listed, target, say))
    if family(plan.runtime) == "nodejs" and folder is not None and _needs_npm(code):
        with _progress(session, f"Resolving {folder / 'package.json'}") as say:
            return _joined(plan, code, packager.node(folder, say))
    return plan, code


def _listed(folder: Path | None) -> Path | None:
    """The requirements that a folder brings along."""
    path = folder / "requirements.txt" if folder is not None else None
    return path if path is not None and path.is_file() else None


def _joined(plan: Plan, code: Code, packages: Packages) -> tuple[Plan, Code]:
    """Both kinds of files; the function's own win."""
    unpacked = sum(len(entry.content) for entry in packages.files.values())
    note = f"{packages.summary}, {size(unpacked)} unpacked"
    files = {**packages.files, **code.files}
    return structs.replace(plan, reasons=[*plan.reasons, note]), structs.replace(code, files=files, zip=None)


def _needs_npm(code: Code) -> bool:
    return "package.json" in code.files and not any(name.startswith("node_modules/") for name in code.files)


def _with_exact_python(plan: Plan) -> Plan:
    """Packages are built for one version of Python, so that a runtime of any version will not do."""
    if plan.runtime != "python3":
        return plan
    runtime = f"python3.{sys.version_info.minor}"
    reasons = [reason for reason in plan.reasons if not reason.startswith("runtime ")]
    return structs.replace(plan, runtime=runtime, reasons=[f"runtime {runtime}: this program's own", *reasons])


def _executable(code: Code) -> Code:
    """One file that was named as a command is meant to be executed, whatever its mode says."""
    files = {name: structs.replace(entry, executable=True) for name, entry in code.files.items()}
    return code if code.zip is not None else structs.replace(code, files=files)


@contextmanager
def _progress(session: Session, title: str) -> Iterator[Callable[[str], None]]:
    """Shows what is being done, and on a terminal its latest line."""
    if not session.err.is_terminal:
        session.err.print(f"{title} …", soft_wrap=True)
        yield lambda _: None
        return
    with session.err.status(Text(title)) as status:
        yield lambda line: status.update(Text.assemble(title, (f"  {clean(line)[:80]}", "dim")))


def _print_deployed(session: Session, plan: Plan, code: Code, function: FunctionInfo) -> None:
    out = session.out
    verb = "Deployed" if function.version == 1 else "Updated"
    heading = Text.assemble(f"{verb} ", (function.name, "bold"), f", version {function.version}, {function.runtime}")
    out.print(heading, soft_wrap=True)
    for reason in plan.reasons:
        out.print(f"  {clean(reason)}", style="dim", soft_wrap=True)
    out.print(f"  {counted(len(code.files), 'file')}, {size(function.code_size)} packed", style="dim", soft_wrap=True)
    session.hint(f"Run it: nanogrid run {function.name} --input '{{}}'")
