"""What a deployment changes of a function, and whether the code that comes with it fits."""

from msgspec import UNSET, UnsetType, structs

from nanogrid.archive import Archive, from_files
from nanogrid.errors import InvalidField
from nanogrid.model import DEFAULT_TENANT, Function, Http, Network, Record

#: Where inline source goes, and the handler that goes with it, by family of runtimes.
_SOURCE_FILES = {"python": "main.py", "nodejs": "index.js", "command": "main", "provided": "bootstrap"}
_DEFAULT_HANDLERS = {"python": "main.handler", "nodejs": "index.handler", "command": "main", "provided": "bootstrap"}
_MODULE_SUFFIXES = {
    "python": (".py", "/__init__.py", ".so"),
    "nodejs": (".js", ".mjs", ".cjs"),
    "command": ("",),
    "provided": ("",),
}
#: Files that a family needs whatever the handler is called.
_NAMED = {"provided": "bootstrap"}
#: What of a change does not become a setting as it is: the runtime is resolved, and the code is kept elsewhere.
_NOT_AS_IT_IS = {"runtime", "source", "zip", "upload"}


class Change(Record, frozen=True, kw_only=True):
    """What a new version changes; whatever is UNSET stays. `source`, `zip` and `upload` exclude each other."""

    runtime: str | UnsetType = UNSET
    handler: str | UnsetType = UNSET
    source: str | UnsetType = UNSET
    zip: bytes | UnsetType = UNSET
    upload: str | UnsetType = UNSET
    memory_mb: int | UnsetType = UNSET
    auto_memory_mb: int | UnsetType = UNSET
    timeout_ms: int | UnsetType = UNSET
    environment: dict[str, str] | UnsetType = UNSET
    secrets: dict[str, str] | UnsetType = UNSET
    network: Network | UnsetType = UNSET
    concurrency: int | UnsetType = UNSET
    retries: int | UnsetType = UNSET
    max_age_ms: int | UnsetType = UNSET
    idle_ttl_ms: int | UnsetType = UNSET
    http: Http | UnsetType = UNSET

    def applied_to(self, function: Function, runtime: str) -> Function:
        """The function as it will be, with the runtime as it will be started. Raises `InvalidField`."""
        settings = {
            name: value
            for name in self.__struct_fields__
            if name not in _NOT_AS_IT_IS and (value := getattr(self, name)) is not UNSET
        }
        changed = structs.replace(function, runtime=runtime, note="", **settings)
        if 0 < changed.auto_memory_mb < changed.memory_mb:
            raise InvalidField(
                f"memory cannot be raised to {changed.auto_memory_mb} MB where it is {changed.memory_mb} MB already.",
                path="$.autoMemoryMb",
                hint="Set `autoMemoryMb` to as much as `memoryMb` at least, or to 0 for a fixed memory.",
            )
        if changed.http is Http.PUBLIC and changed.tenant != DEFAULT_TENANT:
            raise InvalidField(
                f"a function of the tenant {changed.tenant!r} cannot be public: its address says nothing of tenants.",
                path="$.http",
                hint="Use `token`.",
            )
        return changed


def family(runtime: str) -> str:
    """`python`, `nodejs`, `command` or `provided`: what decides about file names and handlers."""
    return "python" if runtime.startswith("python") else runtime


def default_handler(runtime: str) -> str:
    """The handler of inline source that names none."""
    return _DEFAULT_HANDLERS[family(runtime)]


def of_source(runtime: str, source: str) -> Archive:
    """The archive of inline source. Raises `InvalidField`."""
    name = _SOURCE_FILES[family(runtime)]
    return from_files({name: _encoded(source)}, executable={"main", "bootstrap"})


def check_fits(function: Function, archive: Archive) -> None:
    """The file that the handler names must be in the archive; everything else shows when the code is imported."""
    kind = family(function.runtime)
    module = _NAMED.get(kind) or (function.handler if kind == "command" else function.handler.rpartition(".")[0])
    stem = module.removeprefix("./")
    if kind == "python":
        stem = stem.replace(".", "/")
    if any(stem + suffix in archive.files for suffix in _MODULE_SUFFIXES[kind]):
        return
    have = ", ".join(sorted(name for name in archive.files if "/" not in name)[:8]) or "no files at the top"
    wanted = " or ".join(stem + suffix for suffix in _MODULE_SUFFIXES[kind][:2]) if stem else "a module"
    raise InvalidField(
        f"the handler {function.handler[:200]!r} needs {wanted} in the archive, which has {have}.",
        path="$.handler",
        hint="Name it as `module.function`." if kind != "command" else "Name an executable of the archive.",
    )


def _encoded(source: str) -> bytes:
    try:
        return source.encode()
    except UnicodeEncodeError as exc:
        raise InvalidField(f"the source is not valid Unicode at character {exc.start}.", path="$.source") from exc
