"""Runs in SQLite: how they are written, read and pruned."""

import sqlite3
from collections.abc import Collection
from typing import NamedTuple

import msgspec
from msgspec import Raw, structs

from nanogrid.backends.local.mirror import Changes, delete_keys, put_rows
from nanogrid.model import Run, RunStatus

#: How many old runs go in one step, so that no group waits long.
_PRUNE_STEP = 200
#: Sorts behind every run id.
NEWEST = "run_~"

_KEY_KEPT_MS = 24 * 3_600_000
_LIVE = (RunStatus.QUEUED.value, RunStatus.RUNNING.value)
_PRUNED = (RunStatus.SUCCEEDED.value, RunStatus.FAILED.value, RunStatus.CANCELLED.value)

#: A run that is there already keeps its tenant and its function: two of its four indexes need not be touched.
_ANEW = "ON CONFLICT (run_id) DO UPDATE SET status = excluded.status, record = excluded.record"

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Run)


class IdempotencyKey(NamedTuple):
    """The caller's name for a run that he may ask for twice."""

    key: str
    #: Of the body that came with it.
    digest: str
    #: Milliseconds since 1970.
    made_at: int
    #: The run that it stands for.
    run_id: str


class Listing(NamedTuple):
    """Which runs are asked for."""

    tenant: str
    function_id: str | None
    status: RunStatus | None
    #: Only ids that sort before this one.
    before: str

    def has(self, run: Run) -> bool:
        """Whether the run belongs into the listing."""
        return (
            run.run_id < self.before
            and self.tenant == run.tenant
            and self.function_id in (None, run.function_id)
            and self.status in (None, run.status)
        )

    def query(self) -> tuple[str, list[str]]:
        """The query that walks it newest first, and its values."""
        conditions = {
            "run_id < ?": self.before,
            # The plus: where a function is given, its own index is the one to walk.
            "tenant = ?" if self.function_id is None else "+tenant = ?": self.tenant,
            "function_id = ?": self.function_id,
            "status = ?": self.status,
        }
        given = {condition: str(value) for condition, value in conditions.items() if value is not None}
        where = " AND ".join(given)
        query = f"SELECT run_id, record FROM runs WHERE {where} ORDER BY run_id DESC"  # noqa: S608 - fixed words only
        return query, list(given.values())


class Saved(NamedTuple):
    """What is written of a run: the record without its input, and what goes with it the first time."""

    run: Run
    input: Raw | None = None
    key: IdempotencyKey | None = None


def save(connection: sqlite3.Connection, changes: Changes[Saved]) -> None:
    """Write runs as they are now; None takes a run out, and its input and idempotency key with it."""
    saved = [change for change in changes.values() if change]
    runs = ((run.run_id, run.tenant, run.function_id, run.status.value, _encoder.encode(run)) for run, _, _ in saved)
    inputs = ((run.run_id, bytes(input_)) for run, input_, _ in saved if input_ is not None)
    keys = [key for _, _, key in saved if key is not None]
    put_rows(connection, "INSERT INTO runs (run_id, tenant, function_id, status, record)", runs, conflict=_ANEW)
    put_rows(connection, "INSERT OR REPLACE INTO run_inputs (run_id, input)", inputs)
    put_rows(connection, "INSERT OR REPLACE INTO idempotency_keys (key, digest, made_at, run_id)", keys)
    if keys:
        _forget_old_keys(connection, newest=max(key.made_at for key in keys), limit=2 * len(keys))
    _delete(connection, [run_id for run_id, change in changes.items() if change is None])


def select_run(connection: sqlite3.Connection, *, run_id: str) -> Run | None:
    """The run in full."""
    select = "SELECT record, input FROM runs JOIN run_inputs USING (run_id) WHERE run_id = ?"
    row = connection.execute(select, (run_id,)).fetchone()
    return None if row is None else structs.replace(_decoder.decode(row[0]), input=Raw(row[1]))


def select_live(connection: sqlite3.Connection) -> list[Run]:
    """All runs that have not ended, in full, oldest first."""
    rows = connection.execute(
        "SELECT record, input FROM runs JOIN run_inputs USING (run_id) WHERE status IN (?, ?) ORDER BY run_id", _LIVE
    )
    return [structs.replace(_decoder.decode(record), input=Raw(input_)) for record, input_ in rows]


def select_page(connection: sqlite3.Connection, *, listing: Listing, limit: int, hidden: Collection[str]) -> list[Run]:
    """Up to `limit` runs of the listing, without inputs, passing over the hidden ids."""
    found: list[Run] = []
    # SQLite walks the index as far as it is asked to, and no further.
    for run_id, record in connection.execute(*listing.query()):
        if len(found) >= limit:
            break
        if run_id not in hidden:
            found.append(_decoder.decode(record))
    return found


def count_prunable(connection: sqlite3.Connection) -> int:
    """How many ended runs are kept, dead ones aside."""
    (count,) = connection.execute("SELECT count(*) FROM runs WHERE status IN (?, ?, ?)", _PRUNED).fetchone()
    return int(count)


def prune(connection: sqlite3.Connection, *, limit: int) -> list[str]:
    """Take out the oldest ended runs, a step of them or up to `limit`; dead ones stay. Their ids."""
    # The plus keeps SQLite from collecting all ended runs by their index, and sorting them.
    select = "SELECT run_id FROM runs WHERE +status IN (?, ?, ?) ORDER BY run_id LIMIT ?"
    gone = [run_id for (run_id,) in connection.execute(select, (*_PRUNED, min(limit, _PRUNE_STEP)))]
    _delete(connection, gone)
    return gone


def select_unknown(connection: sqlite3.Connection, *, run_ids: list[str]) -> list[str]:
    """Those of the ids that no run has."""
    select = "SELECT 1 FROM runs WHERE run_id = ?"
    return [run_id for run_id in run_ids if connection.execute(select, (run_id,)).fetchone() is None]


def select_key(connection: sqlite3.Connection, *, key: str, now: int) -> IdempotencyKey | None:
    """What is known of a key, unless it is older than it is kept; `now` is milliseconds since 1970."""
    select = "SELECT key, digest, made_at, run_id FROM idempotency_keys WHERE key = ? AND made_at > ?"
    row = connection.execute(select, (key, now - _KEY_KEPT_MS)).fetchone()
    return None if row is None else IdempotencyKey(*row)


def _forget_old_keys(connection: sqlite3.Connection, *, newest: int, limit: int) -> None:
    # Some with every new one: the table never grows beyond what is kept, and no group does much of it.
    connection.execute(
        "DELETE FROM idempotency_keys WHERE key IN "
        "(SELECT key FROM idempotency_keys WHERE made_at <= ? ORDER BY made_at LIMIT ?)",
        (newest - _KEY_KEPT_MS, limit),
    )


def _delete(connection: sqlite3.Connection, run_ids: list[str]) -> None:
    delete_keys(connection, "DELETE FROM runs WHERE run_id IN", run_ids)
    delete_keys(connection, "DELETE FROM run_inputs WHERE run_id IN", run_ids)
    delete_keys(connection, "DELETE FROM idempotency_keys WHERE run_id IN", run_ids)
