"""Binding a contract's table to a source: checked whole, hashed under a private salt, and noted.

A file is noted with its fingerprint, so that a change is told before a session begins. Of a database's rows, and of a
server's, it is told when they are read: their snapshot is another.
"""

from __future__ import annotations

import difflib
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from glovebox.contract.model import Contract
from glovebox.data.database import Database, open_database
from glovebox.data.hints import Hint, match_hints
from glovebox.data.passes import table_snapshot
from glovebox.data.quality import Report, check_table, refuse_faults
from glovebox.data.sources import Source
from glovebox.errors import DataError, UsageError
from glovebox.node.contracts import own_number
from glovebox.node.home import Home, Settings
from glovebox.node.state import Binding, State
from glovebox.schema.columns import Table

SALT_BYTES = 32
THREADS = 2


def own_table(home: Home, contract: Contract, named: str) -> Table:
    """This party's table of that name in a contract."""
    number = own_number(home, contract)
    own = [table for table in contract.tables if number in table.owners]
    for table in own:
        if table.name == named:
            return table
    names = ", ".join(table.name for table in own) or "none"
    near = difflib.get_close_matches(named, [table.name for table in own], n=1)
    hint = f"did you mean {near[0]}?" if near else "one of these tables, or glovebox contract show FILE, for all"
    raise UsageError(
        f"this party owns no table {named} in {contract.name}", detail=(f"its tables: {names}",), hint=hint
    )


@contextmanager
def database_over(home: Home, source: Source) -> Iterator[Database]:
    """A locked-down database that reads one source, and a folder for what does not fit in memory, gone afterwards."""
    home.temporary.mkdir(mode=0o700, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.temporary) as folder:
        database = open_database([source], Path(folder), home.settings().memory_mib, THREADS)
        try:
            yield database
        finally:
            database.close()


def check(home: Home, contract: Contract, table: Table, source: Source | None = None) -> tuple[Report, list[Hint]]:
    """Count what a source does not hold as the contract says, and why its ids might not match; without one, the source
    that is bound."""
    if source is None:
        state = State(home.state_file)
        bound = state.binding(contract.hash, table.name)
        state.close()
        if bound is None:
            raise DataError(f"nothing is bound to {table.name}", hint=f"glovebox data add CONTRACT {table.name} SOURCE")
        source = bound_source(bound, home.settings(), table.name, changed=True)
    with database_over(home, source) as database:
        return check_table(database, table, source), match_hints(database, table, source)


def bind(home: Home, contract: Contract, table: Table, source: Source) -> Report:
    """Check a source and bind it; raises DataError with the counts if it is not as the contract says."""
    state = State(home.state_file)
    before = state.binding(contract.hash, table.name)
    state.close()
    salt = before.salt if before else secrets.token_bytes(SALT_BYTES)  # the same rows are the same snapshot again
    fingerprint = _fingerprint(source.path) if source.server is None else (0, 0, 0)
    with database_over(home, source) as database:
        report = check_table(database, table, source)
        refuse_faults(report)
        snapshot = table_snapshot(database, table, source, salt)
    state = State(home.state_file)
    binding = Binding(source.path, source.format, source.relation, *fingerprint, salt, snapshot)
    state.bind(contract.hash, table.name, binding)
    state.close()
    return report


def bound_source(binding: Binding, settings: Settings, table: str, changed: bool = False) -> Source:
    """The source of a binding. Raises DataError if it is gone, or a file that changed since, unless that is allowed."""
    again = f"glovebox data add CONTRACT {table} SOURCE"
    if binding.format == "postgres":
        server = settings.postgres.get(binding.path)
        if server is None:
            hint = f"[postgres.{binding.path}] in it"
            raise DataError(f"node.toml no longer names the server of {table}", party=settings.name, hint=hint)
        return Source(binding.path, binding.format, binding.relation, server)
    try:
        fingerprint = _fingerprint(binding.path)
    except OSError as problem:
        sentence = f"the file of {table} at {settings.name} is gone"
        raise DataError(sentence, party=settings.name, hint=again) from problem
    if not changed and fingerprint != (binding.inode, binding.size, binding.mtime_ns):
        raise DataError(f"the file of {table} at {settings.name} has changed", party=settings.name, hint=again)
    return Source(binding.path, binding.format, binding.relation)


def _fingerprint(path: str) -> tuple[int, int, int]:
    status = Path(path).stat()
    return status.st_ino, status.st_size, status.st_mtime_ns
