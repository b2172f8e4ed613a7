"""The database's shape: made whole for a new file, migrated step by step for an old one."""

import re
import sqlite3
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from nanogrid.errors import ConfigError

_MIGRATION = re.compile(r"(\d{4})_\w+\.sql\Z")


class Schema(NamedTuple):
    """The newest shape, and the steps that lead older files to it."""

    #: Makes a new file.
    script: str
    #: Version reached -> what leads there from the version before; the first release is version 1.
    migrations: dict[int, str]

    @property
    def version(self) -> int:
        """What `PRAGMA user_version` says of an up-to-date file."""
        return max(self.migrations, default=1)


def shipped_schema() -> Schema:
    """The schema that comes with this program."""
    here = files(__package__)
    folder = here / "migrations"
    steps = {int(match[1]): entry for entry in folder.iterdir() if (match := _MIGRATION.match(entry.name))}
    return Schema(
        script=(here / "schema.sql").read_text(encoding="utf-8"),
        migrations={number: step.read_text(encoding="utf-8") for number, step in steps.items()},
    )


def migrate(connection: sqlite3.Connection, path: Path, schema: Schema) -> None:
    """Bring the open file to the schema's version; what was there before is kept beside it.

    Raises `ConfigError` where the file is newer than this program.
    """
    (found,) = connection.execute("PRAGMA user_version").fetchone()
    if found > schema.version:
        raise ConfigError(
            f"the database {path} has version {found}; this program knows versions up to {schema.version}.",
            hint="Use the newer program that wrote it, or another data folder.",
        )
    if found == 0:
        _apply(connection, schema.script, schema.version)
        return
    steps = sorted(number for number in schema.migrations if number > found)
    if steps:
        _back_up(connection, path.with_name(f"{path.name}.version-{found}"))
    for number in steps:
        _apply(connection, schema.migrations[number], number)


def _apply(connection: sqlite3.Connection, script: str, version: int) -> None:
    # One transaction, the version in it: a crash leaves the old shape or the new one, nothing between.
    try:
        connection.executescript(f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version = {version};\nCOMMIT;")
    except sqlite3.Error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _back_up(connection: sqlite3.Connection, target: Path) -> None:
    copy = sqlite3.connect(target)
    try:
        connection.backup(copy)
    finally:
        copy.close()
