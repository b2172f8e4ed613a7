"""Names for versions: `report:live` runs whichever version the alias names, or a share of several.

An alias moves when the version that it moves to is warm, and not before. It is read again after a few seconds, so that
one that another process moved is followed soon.
"""

import random
from collections.abc import Awaitable, Callable
from datetime import datetime

import msgspec
from msgspec import Raw

from nanogrid.clock import Clock
from nanogrid.errors import AliasNotFound, FunctionNotFound, InvalidField
from nanogrid.identifiers import is_function_name
from nanogrid.model import Function, Record, StoredRecord
from nanogrid.ports import RecordStore, Registry
from nanogrid.ports.listing import all_records

#: Makes a version ready to run, and says how many milliseconds that took. Raises `VersionBroken`.
Warm = Callable[[Function], Awaitable[float]]

_KIND = "alias"
#: How old what is known of an alias may be, in seconds.
_FRESH_S = 2.0
_MOST_KNOWN = 10_000
#: Always means the latest version; no alias can be called so.
_LATEST = "latest"


class Alias(Record, frozen=True, kw_only=True):
    """A name for a version of one function."""

    alias: str
    #: What runs, save for the shares of others.
    version: int
    #: Which share of runs goes to which other version, each above 0 and below 1.
    weights: dict[int, float] = {}
    updated_at: datetime


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Alias)


class Aliases:
    """Keeps aliases, and finds what a qualified name means."""

    def __init__(
        self,
        record_store: RecordStore,
        registry: Registry,
        clock: Clock,
        *,
        warm: Warm | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Without `warm` versions are not started before traffic reaches them; `chance` is even between 0 and 1."""
        self._record_store = record_store
        self._registry = registry
        self._clock = clock
        self._warm = warm
        self._chance = chance
        #: What was read, and when, by the record's name.
        self._known: dict[str, tuple[Alias | None, float]] = {}

    async def resolve(self, reference: str, tenant: str) -> Function:
        """The version that `function`, `function:alias` or `function:version` means now. Raises `FunctionNotFound`."""
        name, _, qualifier = reference.partition(":")
        latest = await self._registry.get(name, tenant=tenant)
        if qualifier in ("", _LATEST):
            return latest
        version = int(qualifier) if qualifier.isdecimal() else await self._version(latest, qualifier)
        return await self._registry.get(latest.function_id, version, tenant=tenant)

    async def put(
        self, reference: str, alias: str, version: int, weights: dict[int, float], *, tenant: str
    ) -> tuple[Alias, float | None]:
        """Let the alias mean this from now on, once every version of it is warm.

        Returns it with how many milliseconds that took, None where this process starts no sandboxes. Raises
        `InvalidField`, `FunctionNotFound`, `VersionBroken`, and `RevisionConflict` where somebody else moves it, too.
        """
        _check(alias, version, weights)
        function = await self._registry.get(reference, tenant=tenant)
        targets = [
            await self._registry.get(function.function_id, number, tenant=tenant) for number in (version, *weights)
        ]
        place = _place(function.function_id, alias)
        known = await self._record_store.get(_KIND, place)
        spent = None if self._warm is None else sum([await self._warm(target) for target in targets])
        moved = Alias(alias=alias, version=version, weights=weights, updated_at=self._clock.now())
        revision = known.revision if known else None
        await self._record_store.put(_KIND, place, Raw(_encoder.encode(moved)), revision=revision)
        self._remember(place, moved)
        return moved, spent

    async def get(self, reference: str, alias: str, *, tenant: str) -> Alias:
        """One alias. Raises `FunctionNotFound`, `AliasNotFound`."""
        function = await self._registry.get(reference, tenant=tenant)
        return _read(await self._stored(function, alias))

    async def of(self, reference: str, *, tenant: str) -> list[Alias]:
        """All aliases of a function, by name. Raises `FunctionNotFound`."""
        function = await self._registry.get(reference, tenant=tenant)
        found = all_records(self._record_store, _KIND, prefix=_place(function.function_id, ""))
        return [_read(record) async for record in found]

    async def delete(self, reference: str, alias: str, *, tenant: str) -> None:
        """Let the alias mean nothing any more. Raises `FunctionNotFound`, `AliasNotFound`."""
        function = await self._registry.get(reference, tenant=tenant)
        record = await self._stored(function, alias)
        await self._forget(record)

    async def forget_all(self, function_id: str) -> None:
        """Forget the aliases of a function that is gone."""
        async for record in all_records(self._record_store, _KIND, prefix=_place(function_id, "")):
            await self._forget(record)

    async def _version(self, function: Function, alias: str) -> int:
        meant = await self._meant(_place(function.function_id, alias)) if is_function_name(alias) else None
        if meant is None:
            raise FunctionNotFound(
                f"the function {function.name!r} has no alias {alias[:80]!r}.",
                hint="GET /functions/{id}/aliases lists them.",
            )
        left = self._chance() if meant.weights else 1.0
        for version, share in meant.weights.items():
            left -= share
            if left < 0:
                return version
        return meant.version

    async def _meant(self, place: str) -> Alias | None:
        alias, read_at = self._known.get(place, (None, float("-inf")))
        if self._clock.monotonic() - read_at < _FRESH_S:
            return alias
        record = await self._record_store.get(_KIND, place)
        alias = None if record is None else _read(record)
        self._remember(place, alias)
        return alias

    async def _stored(self, function: Function, alias: str) -> StoredRecord:
        record = (
            await self._record_store.get(_KIND, _place(function.function_id, alias))
            if is_function_name(alias)
            else None
        )
        if record is None:
            raise AliasNotFound(
                f"the function {function.name!r} has no alias {alias[:80]!r}.",
                hint="GET /functions/{id}/aliases lists them.",
            )
        return record

    async def _forget(self, record: StoredRecord) -> None:
        await self._record_store.delete(_KIND, record.name)
        self._remember(record.name, None)

    def _remember(self, place: str, alias: Alias | None) -> None:
        self._known[place] = alias, self._clock.monotonic()
        if len(self._known) > _MOST_KNOWN:
            del self._known[next(iter(self._known))]


def _check(alias: str, version: int, weights: dict[int, float]) -> None:
    if not is_function_name(alias) or alias == _LATEST:
        raise InvalidField(
            f"{alias[:80]!r} is no name for an alias.",
            path="$.alias",
            hint=f"Use 1 to 64 letters, digits, '-' and '_', beginning with a letter; `{_LATEST}` is taken.",
        )
    if version in weights:
        raise InvalidField(f"version {version} has the rest of the runs; it needs no weight.", path="$.weights")
    if sum(weights.values()) > 1:
        raise InvalidField(
            "the weights are more than all runs.", path="$.weights", hint="Let them sum up to 1 at most."
        )


def _place(function_id: str, alias: str) -> str:
    return f"{function_id}/{alias}"


def _read(record: StoredRecord) -> Alias:
    return _decoder.decode(record.value)
