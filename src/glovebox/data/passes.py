"""Passes over a table's rows as they are cleaned: each takes them into the snapshot, and ends at the first fault."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

import pyarrow as pa
from sqlglot import exp

from glovebox.data.arrays import booleans
from glovebox.data.database import Database, Parameters, batches, keep
from glovebox.data.quality import check_table, refuse_faults
from glovebox.data.snapshot import SnapshotHash
from glovebox.data.sources import Source
from glovebox.data.trees import compare, either, is_null, name, number
from glovebox.data.view import View, view_of
from glovebox.errors import DataError
from glovebox.schema.columns import Column, Table

PASSES = 3
"""Over a table that is kept: to keep it, to hash it, to group it."""

Told = Callable[[int, int], None]
"""Called with how many rows were read, of how many at most, over all passes."""


def untold(done: int, of: int) -> None:
    """Progress that nobody follows."""


def table_snapshot(database: Database, table: Table, source: Source, salt: bytes) -> bytes:
    """The snapshot of a table's file, 32 bytes. Raises DataError for a table that is not as the contract says."""
    view = view_of(database, table, source)
    snapshot = SnapshotHash(salt, table)
    for _ in hashed(database, view, source, view.read(), view.parameters, snapshot):
        pass
    return snapshot.digest()


def hashed(
    database: Database,
    view: View,
    source: Source,
    select: exp.Select,
    parameters: Parameters,
    snapshot: SnapshotHash,
) -> Iterator[pa.RecordBatch]:
    """The batches of a SELECT that has all of `view.read()`'s columns, each taken into the snapshot.

    Raises DataError at the first row with a fault, and at the first above the contract's bound, with all counts.
    """
    total = 0
    with closing(batches(database, select, parameters)) as stream:
        for batch in stream:
            snapshot.update([batch.column(each) for each in view.hashed])
            total += batch.num_rows
            if total > view.table.rows or booleans(batch.column("faulty")).any():
                break
            yield batch
        else:
            return
    refuse_faults(check_table(database, view.table, source))
    raise DataError(f"the file of {view.table.name} changed while it was read", step="loaded")


def kept_rows(database: Database, view: View, source: Source, salt: bytes, told: Told) -> tuple[exp.Select, bytes]:
    """A SELECT from a temporary table of the cleaned rows, and their snapshot. Raises DataError as `hashed` does."""
    every = keep(database, view.checked(), view.parameters)
    snapshot, most = SnapshotHash(salt, view.table), view.table.rows
    read_rows = most  # the first pass, which DuckDB makes at once
    for batch in hashed(database, view, source, every, Parameters(), snapshot):
        told(read_rows := read_rows + batch.num_rows, PASSES * most)
    return every, snapshot.digest()


def without_surplus(view: View, every: exp.Select, column: Column) -> exp.Select:
    """The rows, but of an id at most rows_per_id where the contract has the rest dropped; ids that are NULL stay.

    The first count, in the order of their values, column by column: whoever reads the same rows keeps the same.
    """
    if not view.table.surplus_dropped or column.unique:
        return every
    id_ = name(view.name_of(column.name))
    order = exp.Order(expressions=[exp.Ordered(this=name(reading.name)) for reading in view.readings])
    place = exp.Window(this=exp.RowNumber(), partition_by=[id_.copy()], order=order).as_("place", quoted=True)
    numbered = exp.select(exp.Star(), place).from_(every.subquery("every"))
    within = compare(exp.LTE, name("place"), number(view.table.rows_per_id or view.table.rows))
    return exp.select(exp.Star()).from_(numbered.subquery("numbered")).where(either(is_null(id_), within))
