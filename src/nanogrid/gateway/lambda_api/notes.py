"""What Lambda's clients say of a function and this grid only keeps: one note on what changes, one on each version."""

import uuid
from datetime import datetime

import msgspec
from msgspec import Raw

from nanogrid.gateway.lambda_api.call import Call
from nanogrid.model import Function, Record, StoredRecord

_LATEST = "latest"
VERSIONS = "version/"
#: Makes revision ids; any constant would do.
_NAMESPACE = uuid.UUID("6f1c3a5e-4d0b-4c86-9d54-0f8a3d1b7e42")


class Upload(Record, frozen=True, kw_only=True):
    """A code archive as it came, which the grid does not keep: it keeps the canonical one."""

    #: The digest of what it became.
    canonical: str
    #: Base64 of its own sha-256.
    sha256: str
    size: int


class Note(Record, frozen=True, kw_only=True):
    """What belongs to one version."""

    role: str = ""
    description: str = ""
    #: As it was asked for, such as `nodejs20.x`.
    runtime: str = ""
    upload: Upload | None = None


class EventSettings(Record, frozen=True, kw_only=True):
    """What was said about events, and is in force as the function's settings."""

    retries: int | None = None
    max_age_s: int | None = None
    modified_at: datetime


class FunctionUrl(Record, frozen=True, kw_only=True):
    """That a function has an address, and for whom."""

    auth_type: str
    created_at: datetime
    modified_at: datetime


class LatestNote(Record, frozen=True, kw_only=True):
    """What belongs to a function as it is now."""

    note: Note = Note()
    tags: dict[str, str] = {}
    #: The most runs at once; 0: none at all, None: not said.
    reserved: int | None = None
    modified_at: datetime | None = None
    events: EventSettings | None = None
    url: FunctionUrl | None = None


class Kept(Record, frozen=True, kw_only=True):
    """A function's note, and which state of it this is."""

    value: LatestNote = LatestNote()
    revision: str | None = None

    def revision_id(self, function: Function, stage: str = "") -> str:
        """Names this very state of the function; another one after each change, whoever made it."""
        return _revision_id(function.function_id, str(function.version), self.revision or "", stage)


class Published(Record, frozen=True, kw_only=True):
    """A version that was published."""

    version: int
    #: As it was said of the function, and of this version of it.
    note: Note
    description: str
    revision: str = ""

    def revision_id(self, function_id: str) -> str:
        """Names this state of the version."""
        return _revision_id(function_id, str(self.version), self.revision, "published")


_encoder = msgspec.json.Encoder()


async def recent_note_of(call: Call, function_id: str) -> LatestNote:
    """The function's note where nothing is to be changed: as it was a few seconds ago at most."""
    record = await call.services.annotations.recent(function_id, _LATEST)
    return LatestNote() if record is None else msgspec.json.decode(record.value, type=LatestNote)


async def note_of(call: Call, function_id: str) -> Kept:
    """The function's note; an empty one where it was not made by a client of Lambda."""
    record = await call.services.annotations.get(function_id, _LATEST)
    if record is None:
        return Kept()
    return Kept(value=msgspec.json.decode(record.value, type=LatestNote), revision=record.revision)


async def keep(call: Call, function_id: str, value: LatestNote, seen: Kept) -> Kept:
    """Keep a note in place of the one that was seen. Raises `RevisionConflict`."""
    raw = Raw(_encoder.encode(value))
    record = await call.services.annotations.put(function_id, _LATEST, raw, revision=seen.revision)
    return Kept(value=value, revision=record.revision)


async def keep_published(call: Call, function_id: str, version: Published) -> Published:
    """Keep a version's note. Raises `RevisionConflict` where it has one."""
    raw = Raw(_encoder.encode(version))
    record = await call.services.annotations.put(function_id, _version(version.version), raw, revision=None)
    return published(record)


async def published_version(call: Call, function_id: str, version: int) -> Published | None:
    """The version's note; None where it was not published."""
    record = await call.services.annotations.get(function_id, _version(version))
    return None if record is None else published(record)


async def is_published(call: Call, function: Function, version: int) -> bool:
    """Whether a version has been published under this number."""
    return await published_version(call, function.function_id, version) is not None


async def last_published(call: Call, function_id: str) -> Published | None:
    """The latest of the published versions."""
    found = [published(record) async for record in call.services.annotations.all(function_id, VERSIONS)]
    return found[-1] if found else None


async def withdraw(call: Call, function_id: str, version: int) -> None:
    """Let the number mean nothing any more."""
    await call.services.annotations.delete(function_id, _version(version))


def published(record: StoredRecord) -> Published:
    """A version's note as it was kept."""
    return msgspec.structs.replace(msgspec.json.decode(record.value, type=Published), revision=record.revision)


def _version(number: int) -> str:
    """So that the order of names is that of numbers."""
    return f"{VERSIONS}{number:010d}"


def _revision_id(*parts: str) -> str:
    return str(uuid.uuid5(_NAMESPACE, "/".join(parts)))
