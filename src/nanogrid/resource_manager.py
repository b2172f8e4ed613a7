"""Deploys, reads, updates and deletes functions.

All or nothing: no archive without a function, no version without code.
"""

import asyncio
from collections.abc import Awaitable, Callable
from weakref import WeakValueDictionary

from msgspec import UNSET, structs

from nanogrid.archive import DEFAULT_LIMITS, Archive, Limits, canonical, check_upload, sha256_of
from nanogrid.change import Change, check_fits, default_handler, of_source
from nanogrid.clock import Clock
from nanogrid.errors import InvalidField, NanoGridError, RuntimeUnavailable
from nanogrid.identifiers import is_function_name, new_function_id
from nanogrid.model import (
    DEFAULT_MEMORY_MB,
    DEFAULT_TENANT,
    DEFAULT_TIMEOUT_MS,
    Function,
    Network,
    UploadPlace,
)
from nanogrid.ports import CodeStore, Page, Registry, Uploads


async def _always_room(_: Function) -> None:
    """No tenant has a quota."""


async def _always_warm(_: Function) -> None:
    """There is nothing to be loaded before."""


class ResourceManager:
    """The box between the API and registry plus code store."""

    def __init__(
        self,
        registry: Registry,
        code_store: CodeStore,
        uploads: Uploads,
        clock: Clock,
        *,
        runtimes: Callable[[], list[str]],
        why_not: Callable[[Network], str] = lambda _: "",
        limits: Limits = DEFAULT_LIMITS,
        check_room: Callable[[Function], Awaitable[None]] = _always_room,
        warm: Callable[[Function], Awaitable[float]] | None = None,
        on_stored: Callable[[str], None] = lambda _: None,
        is_called: Callable[[str], bool] = lambda _: False,
        warm_successor: Callable[[Function], Awaitable[None]] = _always_warm,
        retire: Callable[[str], Awaitable[None]] | None = None,
    ) -> None:
        """`runtimes` says what this grid can start now, best first; `why_not` why a network can't be had, if so.

        `check_room` raises `QuotaReached` where a function with new code is more than its tenant may have. `warm`
        makes a version ready to run, or raises `VersionBroken`; without it versions start when they are called for.
        `on_stored` hears the sha-256 of code that a version has now: its first run is near. `is_called` says whether
        a function, by its id, has traffic, which a next version takes over: `warm_successor` loads it before, or raises
        `VersionBroken`. `retire` does away with code that no function uses any more; without it the code is deleted at
        once, as is right where no other process deploys.
        """
        self._retire = retire or code_store.delete
        self._check_room = check_room
        self._warm = warm
        self._on_stored = on_stored
        self._is_called = is_called
        self._warm_successor = warm_successor
        self._registry = registry
        self._code_store = code_store
        self._uploads = uploads
        self._clock = clock
        self._runtimes = runtimes
        self._why_not = why_not
        self._limits = limits
        # Storing code and naming it are two stores: nobody may count the users of a digest between the two.
        self._code_lock = asyncio.Lock()
        #: By function: the next version is made of the latest, so updates take turns.
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def deploy(
        self, name: str, change: Change, *, tenant: str = DEFAULT_TENANT, check_handler: bool = True
    ) -> Function:
        """Make a function with its first version.

        Without `check_handler` it is taken although its archive may lack what the handler names; its runs say so.
        Raises `InvalidField`, `ArchiveRefused`, `UploadNotFound`, `TooLarge`, `NameTaken`.
        """
        if not is_function_name(name):
            raise InvalidField(
                f"{name[:80]!r} is no function name.",
                path="$.name",
                hint="Use 1 to 64 letters, digits, '-' and '_', beginning with a letter.",
            )
        if change.runtime is UNSET:
            raise InvalidField("a function needs a runtime.", path="$.runtime", hint=self._offered())
        runtime = self._resolve(change.runtime)
        archive = await self._archive(runtime, change, tenant)
        if archive is None:
            raise InvalidField("a function needs code.", path="$.source", hint="Send `source`, `zip` or `upload`.")
        now = self._clock.now()
        blank = Function(
            function_id=new_function_id(),
            name=name,
            tenant=tenant,
            version=1,
            runtime=runtime,
            handler=default_handler(runtime),
            memory_mb=DEFAULT_MEMORY_MB,
            timeout_ms=DEFAULT_TIMEOUT_MS,
            code_sha256=archive.sha256,
            code_size=len(archive.content),
            created_at=now,
            updated_at=now,
        )
        function = change.applied_to(blank, runtime)
        if check_handler:
            check_fits(function, archive)
        return await self._store(function, archive, self._registry.create)

    async def update(
        self, reference: str, change: Change, *, tenant: str = DEFAULT_TENANT, check_handler: bool = True
    ) -> Function:
        """Make the next version; where the function has traffic, that goes to it when it is loaded, and not before.

        Without `check_handler` handler and code may come one after the other, in two versions, so that nothing is
        loaded before. Raises `FunctionNotFound`, `RevisionConflict`, `VersionBroken`, and what `deploy` raises.
        """
        function_id = (await self._registry.get(reference, tenant=tenant)).function_id
        async with self._turns.setdefault(function_id, asyncio.Lock()):
            return await self._update(function_id, change, tenant, check_handler=check_handler)

    async def _update(self, function_id: str, change: Change, tenant: str, *, check_handler: bool) -> Function:
        current = await self._registry.get(function_id, tenant=tenant)
        takes_over = check_handler and self._is_called(function_id)
        runtime = current.runtime if change.runtime is UNSET else self._resolve(change.runtime)
        archive = await self._archive(runtime, change, tenant)
        function = structs.replace(
            change.applied_to(current, runtime), version=current.version + 1, updated_at=self._clock.now()
        )
        if archive is None:
            if check_handler and (change.handler, change.runtime) != (UNSET, UNSET):
                stored = await self._code_store.get(current.code_sha256)
                check_fits(function, await asyncio.to_thread(canonical, stored))
            if takes_over:
                await self._warm_successor(function)
            await self._registry.update(function)
            return function
        function = structs.replace(function, code_sha256=archive.sha256, code_size=len(archive.content))
        if check_handler:
            check_fits(function, archive)
        if takes_over:
            await self._try(function, archive)
        return await self._store(function, archive, self._registry.update)

    async def get(self, reference: str, version: int | None = None, *, tenant: str = DEFAULT_TENANT) -> Function:
        """The function by id or name, at that version or the latest. Raises `FunctionNotFound`."""
        return await self._registry.get(reference, version, tenant=tenant)

    async def list_functions(self, *, tenant: str = DEFAULT_TENANT, limit: int, cursor: str | None) -> Page[Function]:
        """The latest versions by name. Raises `MalformedRequest` for a foreign cursor."""
        return await self._registry.list_functions(tenant=tenant, limit=limit, cursor=cursor)

    async def versions(self, reference: str, *, tenant: str = DEFAULT_TENANT) -> list[Function]:
        """All versions of a function, latest first. Raises `FunctionNotFound`."""
        return await self._registry.versions((await self._registry.get(reference, tenant=tenant)).function_id)

    async def roll_back(self, reference: str, version: int | None, *, tenant: str = DEFAULT_TENANT) -> Function:
        """Make a new version that is as that one, or as the one before the latest; warm before it is the latest.

        Raises `FunctionNotFound`, `InvalidField`, `RevisionConflict`, `VersionBroken`.
        """
        function_id = (await self._registry.get(reference, tenant=tenant)).function_id
        async with self._turns.setdefault(function_id, asyncio.Lock()):
            return await self._roll_back(function_id, version, tenant)

    async def _roll_back(self, function_id: str, version: int | None, tenant: str) -> Function:
        latest = await self._registry.get(function_id, tenant=tenant)
        if version is None and latest.version == 1:
            raise InvalidField(f"the function {latest.name!r} has no version before its first.", path="$.version")
        target = latest.version - 1 if version is None else version
        earlier = await self._registry.get(latest.function_id, target, tenant=tenant)
        function = structs.replace(earlier, version=latest.version + 1, updated_at=self._clock.now(), note="")
        if self._warm is not None:
            await self._warm(function)
        await self._registry.update(function)
        return function

    async def code(
        self, reference: str, version: int | None, *, tenant: str = DEFAULT_TENANT
    ) -> tuple[Function, bytes]:
        """A version with its canonical archive. Raises `FunctionNotFound`, `CodeNotFound`, `CodeCorrupt`."""
        function = await self._registry.get(reference, version, tenant=tenant)
        return function, await self._code_store.get(function.code_sha256)

    async def delete(self, reference: str, *, tenant: str = DEFAULT_TENANT) -> Function:
        """Remove the function, its versions, and archives that nobody else uses; what was removed.

        Raises `FunctionNotFound`.
        """
        function = await self._registry.get(reference, tenant=tenant)
        async with self._code_lock:
            for digest in await self._registry.delete(function.function_id):
                await self._retire(digest)
        return function

    async def place_upload(self, digest: str, size: int, *, tenant: str = DEFAULT_TENANT) -> UploadPlace | None:
        """Where a large archive can be sent ahead; None for `keep_upload`. Raises `TooLarge`."""
        check_upload(size, self._limits)
        return await self._uploads.place(digest, size, tenant=tenant)

    async def keep_upload(self, digest: str, content: bytes, *, tenant: str = DEFAULT_TENANT) -> None:
        """Keep an archive for a deployment that will name it. Raises `TooLarge`, `InvalidField` for other bytes."""
        check_upload(len(content), self._limits)
        actual = await asyncio.to_thread(sha256_of, content)
        if actual != digest:
            raise InvalidField(f"the sha-256 of what came is {actual}, not {digest[:80]!r}.", path="sha256")
        await self._uploads.keep(content, tenant=tenant)

    async def _archive(self, runtime: str, change: Change, tenant: str) -> Archive | None:
        """The canonical archive of the code that came with a change; None where none came."""
        if change.network is not UNSET and (reason := self._why_not(change.network)):
            raise InvalidField(f"network {change.network.value!r} can't be had here: {reason}", path="$.network")
        if (change.source, change.zip, change.upload).count(UNSET) < 2:  # noqa: PLR2004 - at most one of the three
            raise InvalidField("code came twice.", path="$.zip", hint="Send one of `source`, `zip` and `upload`.")
        if change.source is not UNSET:
            return await asyncio.to_thread(of_source, runtime, change.source)
        if change.zip is not UNSET:
            return await asyncio.to_thread(canonical, change.zip, limits=self._limits)
        if change.upload is not UNSET:
            uploaded = await self._uploads.get(change.upload, tenant=tenant)
            return await asyncio.to_thread(canonical, uploaded, limits=self._limits)
        return None

    async def _try(self, function: Function, archive: Archive) -> None:
        """Load the version before it is one. Not under the code lock: that would hold up everybody's deployments."""
        await self._check_room(function)
        await self._code_store.put(archive.content)
        try:
            await self._warm_successor(function)
        except (NanoGridError, asyncio.CancelledError):
            async with self._code_lock:
                await self._drop_unused(archive.sha256)
            raise

    async def _drop_unused(self, code_sha256: str) -> None:
        if not await self._registry.uses(code_sha256):
            await self._retire(code_sha256)

    async def _store(self, function: Function, archive: Archive, record: Callable) -> Function:  # type: ignore[type-arg]
        """Keep the code, then name it; where naming fails, the code goes unless somebody else uses it."""
        async with self._code_lock:
            await self._check_room(function)
            await self._code_store.put(archive.content)
            try:
                await record(function)
            except NanoGridError:
                await self._drop_unused(archive.sha256)
                raise
        self._on_stored(archive.sha256)
        return function

    def _resolve(self, runtime: str) -> str:
        """The runtime as it will be started: `python3` becomes the best one here. Raises `RuntimeUnavailable`."""
        offered = self._runtimes()
        if runtime == "python3":
            runtime = next((name for name in offered if name.startswith("python3.")), runtime)
        if runtime not in offered:
            raise RuntimeUnavailable(
                f"this grid has no runtime {runtime[:40]!r}.", path="$.runtime", hint=self._offered()
            )
        return runtime

    def _offered(self) -> str:
        return f"It offers: {', '.join(self._runtimes())}."
