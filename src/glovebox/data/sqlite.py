"""An owner's rows in a SQLite file: opened read-only, one statement of this program's at a time, never its own.

A cell of SQLite has its own type, whatever its column declares. A column whose cells are of one kind keeps it; whole
numbers beside numbers are numbers, whole numbers beside text are text; any other mixture is refused.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any
from urllib.parse import quote

import pyarrow as pa
from sqlglot import exp

from glovebox.data.sources import Source
from glovebox.data.trees import call, cast, name, string, when
from glovebox.errors import DataError

BATCH_ROWS = 1 << 15
ALLOWED = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
KINDS = ("integer", "real", "text", "blob")
TYPES: dict[frozenset[str], pa.DataType] = {
    frozenset(): pa.string(),
    frozenset({"integer"}): pa.int64(),
    frozenset({"real"}): pa.float64(),
    frozenset({"integer", "real"}): pa.float64(),  # pyarrow refuses a whole number that a float would change
    frozenset({"text"}): pa.string(),
    frozenset({"integer", "text"}): pa.string(),
    frozenset({"blob"}): pa.binary(),
}


def column_names(source: Source) -> list[str]:
    """The names of the relation's columns. Raises DataError for a file or a relation that is not there."""
    with closing(_opened(source)) as connection:
        cursor = _run(connection, exp.select("*").from_(_relation(source)).limit(0), source)
        return [column[0] for column in cursor.description]


def read_rows(source: Source, names: Sequence[str]) -> pa.RecordBatchReader:
    """The rows of these columns, called h0, h1, ...; all from one state of the file. Raises DataError."""
    connection = _opened(source)
    try:
        connection.execute("BEGIN")
        types = _types(connection, source, names)
        columns = [
            (cast(name(own), "TEXT") if pa.types.is_string(type) else name(own)).as_(f"h{index}", quoted=True)
            for index, (own, type) in enumerate(zip(names, types, strict=True))
        ]
        cursor = _run(connection, exp.select(*columns).from_(_relation(source)), source)
    except BaseException:
        connection.close()
        raise
    schema = pa.schema([(f"h{index}", type) for index, type in enumerate(types)])
    return pa.RecordBatchReader.from_batches(schema, _batches(connection, cursor, schema))


def _opened(source: Source) -> sqlite3.Connection:
    """A connection that can only read, and does not trust what the file says of itself (sqlite.org/security.html)."""
    address = f"file:{quote(source.path)}?mode=ro"
    try:  # its rows are drawn by one thread of DuckDB's after another
        connection = sqlite3.connect(address, uri=True, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cell_size_check = ON")
        connection.execute("PRAGMA mmap_size = 0")
        connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1")
    except sqlite3.Error:
        connection = None
    if connection is None:
        hint = "a SQLite file that this user can read, and its folder if another program writes to it"
        raise DataError(f"{source.title} cannot be opened as a SQLite file", hint=hint)
    connection.set_authorizer(_authorized)
    return connection


def _authorized(action: int, *_: Any) -> int:
    return sqlite3.SQLITE_OK if action in ALLOWED or action == sqlite3.SQLITE_TRANSACTION else sqlite3.SQLITE_DENY


def _relation(source: Source) -> exp.Table:
    schema, relation = source.place
    return exp.table_(relation, db=schema, quoted=True)


def _types(connection: sqlite3.Connection, source: Source, names: Sequence[str]) -> list[pa.DataType]:
    """The Arrow type of each column, by the types of all its cells."""
    found = [
        exp.Max(this=when(exp.EQ(this=call("typeof", name(own)), expression=string(kind)), exp.Literal.number(1)))
        for own in names
        for kind in KINDS
    ]
    cells = _run(connection, exp.select(*found).from_(_relation(source)), source).fetchone()
    types = []
    for index, own in enumerate(names):
        there = cells[index * len(KINDS) : (index + 1) * len(KINDS)]
        kinds = frozenset(kind for kind, one in zip(KINDS, there, strict=True) if one)
        if kinds not in TYPES:
            sentence = f"{own} of {source.title} mixes {' and '.join(sorted(kinds))}"
            raise DataError(sentence, hint="a view that casts it to one type")
        types.append(TYPES[kinds])
    return types


def _run(connection: sqlite3.Connection, select: exp.Select, source: Source) -> sqlite3.Cursor:
    try:
        return connection.execute(select.sql("sqlite"))
    except sqlite3.Error:
        pass
    raise DataError(f"{source.title} cannot be read", hint="--relation NAME of a table or view in that file")


def _batches(connection: sqlite3.Connection, cursor: sqlite3.Cursor, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    with closing(connection):
        while rows := cursor.fetchmany(BATCH_ROWS):
            columns = zip(*rows, strict=True)
            arrays = [pa.array(column, type) for column, type in zip(columns, schema.types, strict=True)]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)
