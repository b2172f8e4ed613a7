"""Code that no function uses any more: marked now, removed a month later, if it is still so.

Several processes deploy and delete, and storing code and naming it are two stores: whoever finds that nobody uses a
digest may be overtaken by somebody who has stored the same code and is about to name it. So nothing is removed at once.
Much later one version of the object is, if it was put long ago (whoever put it has named it by now, or never will) and
nobody uses the code. Whoever stores the code in that moment makes a version of his own, which stays.
"""

from datetime import datetime, timedelta

import msgspec
from msgspec import Raw

from nanogrid.backends.aws.bucket import Bucket
from nanogrid.backends.aws.code_store import code_key
from nanogrid.clock import Clock
from nanogrid.errors import RevisionConflict
from nanogrid.model import Record, StoredRecord
from nanogrid.ports import RecordStore, Registry

#: As long as the tables can be set back, nearly: what is restored finds its code.
KEPT = timedelta(days=30)
#: Far longer than storing code and naming it takes: a Lambda ends after half a minute.
_NAMED_BY_THEN = timedelta(hours=1)
_KIND = "retired-code"
#: Marks that are looked at on one occasion.
_PAGE = 100


class _Mark(Record, frozen=True, kw_only=True):
    retired_at: datetime


class RetiredCode:
    """Marks `retired-code`, by digest."""

    def __init__(self, bucket: Bucket, registry: Registry, record_store: RecordStore, clock: Clock) -> None:
        """The bucket keeps versions."""
        self._bucket = bucket
        self._registry = registry
        self._record_store = record_store
        self._clock = clock

    async def retire(self, digest: str) -> None:
        """Nobody seems to use the code any more: mark it; then remove some that were marked a month ago."""
        mark = Raw(msgspec.json.encode(_Mark(retired_at=self._clock.now())))
        known = await self._record_store.get(_KIND, digest)
        try:
            await self._record_store.put(_KIND, digest, mark, revision=known.revision if known else None)
        except RevisionConflict:
            # Another process marks it at this moment, which is as good.
            return
        # Digests are spread evenly, so that every mark gets its turn.
        await self.sweep(prefix=digest[0])

    async def sweep(self, *, prefix: str = "") -> None:
        """Remove what was marked a month ago and is still unused, as far as it goes at once."""
        page = await self._record_store.list_records(_KIND, prefix=prefix, limit=_PAGE)
        for record in page.items:
            if self._age(msgspec.json.decode(record.value, type=_Mark).retired_at) > KEPT:
                await self._end(record)

    async def _end(self, record: StoredRecord) -> None:
        if not await self._removed(record.name):
            return
        try:
            await self._record_store.delete(_KIND, record.name, revision=record.revision)
        except RevisionConflict:
            # It was used and retired once more meanwhile: that mark stays.
            return

    async def _removed(self, digest: str) -> bool:
        """Remove every version that nobody can be about to name; whether nothing is left to be done."""
        while (version := await self._bucket.version(code_key(digest))) is not None:
            if self._age(version.put_at) < _NAMED_BY_THEN:
                return False
            # In this order: whoever put this version and named it is seen here.
            if await self._registry.uses(digest):
                return True
            await self._bucket.delete_version(code_key(digest), version)
        return True

    def _age(self, moment: datetime) -> timedelta:
        return self._clock.now() - moment
