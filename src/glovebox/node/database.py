"""How a node opens its SQLite files: durable, its owner's alone, and of the format that this version writes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from glovebox.errors import IntegrityError


def open_sqlite(path: Path, schema: str, version: int) -> sqlite3.Connection:
    """A connection; what is committed is on disk (synchronous = FULL) when the call returns, but as `transaction` says.

    Raises IntegrityError for a file of another version, or one that SQLite finds broken.
    """
    database = sqlite3.connect(path, isolation_level=None, timeout=10)
    try:
        path.chmod(0o600)
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        found = database.execute("PRAGMA user_version").fetchone()[0]
        if found not in (0, version):
            sentence = f"{path.name} was written by another version of Glovebox"
            raise IntegrityError(f"{sentence} (format {found}, here {version})")
        database.executescript(schema)
        database.execute(f"PRAGMA user_version = {version:d}")
    except BaseException as problem:
        database.close()
        broken = isinstance(problem, sqlite3.DatabaseError | UnicodeDecodeError)
        if broken and not isinstance(problem, sqlite3.OperationalError):
            raise broken_file(path) from problem
        raise  # where the disk is full, or not ours to write, nothing is wrong with the file
    return database


@contextmanager
def transaction(database: sqlite3.Connection, *, on_disk: bool = True) -> Iterator[None]:
    """All writes of a block, on disk when it ends, or none; whatever fails, the next one can begin.

    on_disk: if not, the system may write them out later, but before those of the next transaction: the disk need not be
    waited for.
    """
    database.execute(f"PRAGMA synchronous = {'FULL' if on_disk else 'NORMAL'}")
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:  # SQLite ends one itself where the disk is full
            database.execute("ROLLBACK")
        raise


def check_sqlite(path: Path) -> None:
    """Return if SQLite finds every page, row and index of a file in order; IntegrityError if not."""
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            found = database.execute("PRAGMA integrity_check").fetchall()
    except (sqlite3.DatabaseError, UnicodeDecodeError) as problem:
        raise broken_file(path) from problem
    if found != [("ok",)]:
        raise broken_file(path)


def broken_file(path: Path) -> IntegrityError:
    """A file that SQLite cannot read, in words of our own: a value may stand in its."""
    hint = f"the newest backup of {path.name}"
    return IntegrityError(f"{path.name} does not hold: it was changed or torn", code="file_broken", hint=hint)
