"""Binding a contract's table to a file: checked whole, hashed under a private salt, and noted with its fingerprint."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from glovebox.contract.model import Contract
from glovebox.data.database import Database, open_database
from glovebox.data.loading import table_snapshot
from glovebox.data.quality import Report, check_table, refuse_faults
from glovebox.data.sources import Source, source_at
from glovebox.errors import DataError, Refused, UsageError
from glovebox.identity import public_bytes
from glovebox.node.home import Home
from glovebox.node.state import Binding, State
from glovebox.schema.columns import Table

SALT_BYTES = 32
THREADS = 2


def own_table(home: Home, contract: Contract, named: str) -> Table:
    """This party's table of that name in a contract."""
    public = public_bytes(home.key())
    number = next((number for number, party in enumerate(contract.parties) if party.key == public), None)
    if number is None:
        raise Refused(f"this node is no party of {contract.name}", code="no_party", step="contract")
    own = [table for table in contract.tables if number in table.owners]
    for table in own:
        if table.name == named:
            return table
    names = ", ".join(table.name for table in own) or "none"
    raise UsageError(f"this party owns no table {named} in {contract.name}", detail=(f"its tables: {names}",))


@contextmanager
def database_over(home: Home, source: Source) -> Iterator[Database]:
    """A locked-down database that reads one file, and a folder for what does not fit in memory, gone afterwards."""
    home.temporary.mkdir(mode=0o700, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.temporary) as folder:
        database = open_database([source], Path(folder), home.settings().memory_mib, THREADS)
        try:
            yield database
        finally:
            database.close()


def check(home: Home, contract: Contract, table: Table, source: Source | None = None) -> Report:
    """Count what a file does not hold as the contract says; without one, the file that is bound."""
    if source is None:
        state = State(home.state_file)
        bound = state.binding(contract.hash, table.name)
        state.close()
        if bound is None:
            raise DataError(f"no file is bound to {table.name}", hint=f"glovebox data add CONTRACT {table.name} FILE")
        source = Source(bound.path, bound.format)
    with database_over(home, source) as database:
        return check_table(database, table, source)


def bind(home: Home, contract: Contract, table: Table, path: Path) -> Report:
    """Check a file and bind it; raises DataError with the counts if it is not as the contract says."""
    source = source_at(path)
    salt = secrets.token_bytes(SALT_BYTES)
    status = Path(source.path).stat()
    with database_over(home, source) as database:
        report = check_table(database, table, source)
        refuse_faults(report)
        snapshot = table_snapshot(database, table, source, salt)
    state = State(home.state_file)
    binding = Binding(source.path, source.format, status.st_ino, status.st_size, status.st_mtime_ns, salt, snapshot)
    state.bind(contract.hash, table.name, binding)
    state.close()
    return report
