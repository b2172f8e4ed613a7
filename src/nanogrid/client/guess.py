"""Guesses what a deployment leaves out: the name, the runtime, the handler. Reads code, and never runs it."""

import ast
import re
from collections.abc import Iterator, Mapping

from msgspec import Struct

from nanogrid.client.bundle import Code, Entry
from nanogrid.errors import InvalidField
from nanogrid.identifiers import is_function_name
from nanogrid.model import Function

_RUNTIMES = {".py": "python3", ".js": "nodejs", ".mjs": "nodejs", ".cjs": "nodejs"}
_HANDLERS = ("handler", "lambda_handler")
#: Modules and executables that are looked at first, in this order.
_MAINS = ("main", "app", "lambda_function", "handler", "index", "bootstrap", "run")
#: The executable with which a function brings its own runtime.
_BOOTSTRAP = "bootstrap"
_SOURCE_HANDLERS = {"python": "main.handler", "nodejs": "index.handler", "command": "main"}
_NODE_EXPORT = re.compile(
    r"exports\.(?P<a>\w+)\s*="
    r"|export\s+(?:const|let|var|async\s+function|function)\s+(?P<b>\w+)"
    r"|(?:module\.exports\s*=|export)\s*\{(?P<c>[^}]*)\}"
)


class Plan(Struct, frozen=True):
    """What will be deployed, and why so: a sentence for each thing that was guessed."""

    name: str
    runtime: str
    handler: str
    reasons: list[str]


def plan_name(code: Code, name: str | None) -> str:
    """The name as given, or as the file or folder is called. Raises `InvalidField` where there is none."""
    if name is not None:
        return name
    if code.origin is None:
        raise InvalidField("a function needs a name.", path="$.name", hint="Pass `name`.")
    path = code.origin.resolve()
    slug = re.sub(r"[^A-Za-z0-9_]+", "-", path.name if path.is_dir() else path.stem).strip("-")[:64]
    if not is_function_name(slug):
        raise InvalidField(
            f"{path.name!r} does not make a function name.",
            path="$.name",
            hint="Pass one: `--name`, in the SDK `name`.",
        )
    return slug


def make_plan(code: Code, name: str, runtime: str | None, handler: str | None, existing: Function | None) -> Plan:
    """What was given, and guesses for the rest; what the function of that name has is kept where it still fits.

    Raises `InvalidField` where the code does not tell.
    """
    reasons = []
    if runtime is None:
        runtime, why = _runtime(code, existing)
        reasons.append(f"runtime {runtime}: {why}")
    if handler is None:
        handler, why = _handler(code, family(runtime), existing)
        reasons.append(f"handler {handler}: {why}")
    return Plan(name, runtime, handler, reasons)


def family(runtime: str) -> str:
    """`python`, `nodejs`, `command` or `provided`."""
    return "python" if runtime.startswith("python") else runtime


def _runtime(code: Code, existing: Function | None) -> tuple[str, str]:
    runtime, why = ("python3", "source text is Python") if code.source is not None else _runtime_of(code.files)
    if existing is not None and (code.source is not None or family(existing.runtime) == family(runtime)):
        return existing.runtime, "as before"
    if existing is not None and existing.runtime == "provided" and _BOOTSTRAP in code.files:
        return existing.runtime, "as before"
    return runtime, why


def _runtime_of(files: Mapping[str, Entry]) -> tuple[str, str]:
    top = [name for name in files if "/" not in name]
    if "package.json" in top:
        return "nodejs", "there is a package.json"
    if "requirements.txt" in top:
        return "python3", "there is a requirements.txt"
    # Python first: a web page's scripts travel with many a Python function.
    for suffix, runtime in _RUNTIMES.items():
        if found := next((name for name in top if name.endswith(suffix)), None):
            return runtime, f"there is {found}"
    if found := next((name for name in top if files[name].executable), None):
        return "command", f"{found} is executable"
    raise InvalidField(
        f"nothing tells which runtime this needs: {_some(top)}.",
        path="$.runtime",
        hint="Name one: python3, nodejs, or command for an executable file (`--runtime`, in the SDK `runtime`).",
    )


def _handler(code: Code, kind: str, existing: Function | None) -> tuple[str, str]:
    if code.source is not None:
        return _SOURCE_HANDLERS.get(kind, "main"), "where source text goes"
    if kind == "provided":
        return _BOOTSTRAP, "what the archive starts with"
    found, problems = _candidates(code.files, kind)
    if existing is not None and (existing.handler in found or _is_deep(existing.handler, kind, code.files)):
        return existing.handler, "as before"
    usual = [handler for handler in found if _is_usual(handler, kind)]
    preferred = [handler for handler in usual if _stem(handler, kind) in _MAINS]
    if preferred:
        return min(preferred, key=lambda handler: _MAINS.index(_stem(handler, kind))), "the usual place"
    if len(usual) == 1:
        return usual[0], "the only one"
    what = "several handlers: " + ", ".join(sorted(usual)[:5]) if usual else f"no handler{problems}"
    raise InvalidField(
        f"the code has {what}.",
        path="$.handler",
        hint="Name it as FILE.FUNCTION, or an executable file (`--handler`, in the SDK `handler`).",
    )


def _candidates(files: Mapping[str, Entry], kind: str) -> tuple[list[str], str]:
    """Everything at the top that could be a handler, and what could not be read."""
    if kind == "command":
        return [name for name, entry in files.items() if "/" not in name and entry.executable], " (no executable file)"
    found, problems = [], ""
    for name, entry in sorted(files.items()):
        stem, dot, suffix = name.rpartition(".")
        if "/" in name or family(_RUNTIMES.get(dot + suffix, "")) != kind:
            continue
        try:
            found += [f"{stem}.{exported}" for exported in _EXPORTS[kind](entry.content)]
        except (SyntaxError, ValueError, RecursionError) as exc:
            problems = f" ({name} cannot be read: {exc})"
    return found, problems


def _is_deep(handler: str, kind: str, files: Mapping[str, Entry]) -> bool:
    """Whether the handler's file is there, in a folder, where nobody looks for candidates."""
    stem = handler if kind == "command" else _stem(handler, kind)
    path = stem.replace(".", "/") if kind == "python" else stem.removeprefix("./")
    return "/" in path and any(path + suffix in files for suffix in ("", "/__init__.py", *_RUNTIMES))


def _is_usual(handler: str, kind: str) -> bool:
    return kind == "command" or handler.rpartition(".")[2] in _HANDLERS


def _stem(handler: str, kind: str) -> str:
    return handler.partition(".")[0] if kind == "command" else handler.rpartition(".")[0]


def _python_names(content: bytes) -> Iterator[str]:
    """What a module binds at its top: functions, assignments, imports. Raises `SyntaxError`, `ValueError`."""
    for node in ast.parse(content).body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from (alias.asname or alias.name for alias in node.names)
        elif isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))


def _node_names(content: bytes) -> Iterator[str]:
    """What a script seems to export."""
    for match in _NODE_EXPORT.finditer(content.decode(errors="replace")):
        yield from re.findall(r"\w+", match["a"] or match["b"] or match["c"])


_EXPORTS = {"python": _python_names, "nodejs": _node_names}


def _some(names: list[str]) -> str:
    return ", ".join(sorted(names)[:5]) if names else "there are no files at the top"
