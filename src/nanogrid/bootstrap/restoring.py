"""Restoring a grid, and telling which of its secrets its key does not open."""

from pathlib import Path

from nanogrid.backends.local import open_secrets
from nanogrid.backends.local.backup import Manifest
from nanogrid.backends.local.backup import restore as restore_files
from nanogrid.clock import Clock
from nanogrid.key_ring import KeyRing
from nanogrid.model import Record
from nanogrid.secret_store import SecretStore


class Restored(Record, frozen=True, kw_only=True):
    """A grid that was restored."""

    manifest: Manifest
    #: Secrets that no key of the backup opens, each as `tenant/name`.
    locked_secrets: list[str]
    #: Likewise keys, each as `tenant/id`: their tokens open the grid, but they cannot sign.
    locked_keys: list[str]


async def restore(backup: Path, data: Path) -> Restored:
    """See `backends.local.backup.restore`. What cannot be opened afterwards is told, and stands in nobody's way."""
    manifest = await restore_files(backup, data)
    clock = Clock()
    async with open_secrets(data) as (record_store, vault):
        return Restored(
            manifest=manifest,
            locked_secrets=await SecretStore(record_store, vault, clock).locked(),
            locked_keys=await KeyRing(record_store, clock, owner_digest="", vault=vault).locked(),
        )
