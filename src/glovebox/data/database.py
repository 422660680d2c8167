"""The one way into DuckDB: a connection that reads the bound sources and nothing else, and errors in own words.

DuckDB runs with the node's rights, and by default its SQL reads any file, writes files, attaches databases and sees
Python's variables as tables. `open_database` shuts all of that before the first byte of data is read, but for one
thing that no setting forbids: a COPY could overwrite a bound file. What runs here are SELECT trees built from the
contract and the plan, never text; values go in as bound parameters. What DuckDB's exceptions say is never passed on,
for a failed cast prints the cell.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from sqlglot import exp

from glovebox.data.sources import Source
from glovebox.data.trees import Node, cast, string
from glovebox.data.trees import name as column_name
from glovebox.errors import DataError, OutOfMemory

Database = duckdb.DuckDBPyConnection
BATCH_ROWS = 1 << 16  # a batch of 24-byte ids and a few numbers stays in the second-level cache
TABLE = exp.to_identifier("kept", quoted=True)
ARRIVING = "arriving"
_TEMPORARY = exp.Properties(expressions=[exp.TemporaryProperty()])
OUT_OF_MEMORY = "OutOfMemoryException"
_FAILURES = (duckdb.Error, pa.ArrowException, OSError, RuntimeError, ValueError)


def open_database(
    sources: Sequence[Source], temporary: Path, memory_mib: int, threads: int, database: Database | None = None
) -> Database:
    """An in-memory database that can read these sources, spill to a new folder under `temporary`, and do no more.

    database: an `unused` one, where time matters.

    The order matters: after external access is off, no path can be set (threats.md M27); files of DuckDB's own are
    attached after it, read-only. What is spilled is not encrypted, for DuckDB cannot do so without an extension; only
    this user can read the folder. Raises DataError for a database file that cannot be opened.
    """
    folder = temporary / f"rows-{secrets.token_hex(8)}"  # one a database, for DuckDB's file names repeat
    folder.mkdir(mode=0o700)
    database = database or unused()
    _set(
        database,
        temp_directory=str(folder),
        memory_limit=f"{memory_mib}MiB",
        threads=threads,
        allowed_paths=[path for source in sources for path in _files(source)],
        enable_external_access=False,
        lock_configuration=True,
    )
    for source in sources:
        if source.format == "duckdb":
            _attach(database, source)
    return database


def unused() -> Database:
    """A database to be opened later, with all that is set of every one: DuckDB takes 10 ms to make one."""
    database = duckdb.connect(":memory:")
    _set(
        database,
        disabled_optimizers="in_clause",  # it makes a join of an IN, and two threads then give rows in any order
        TimeZone="UTC",
        enable_external_file_cache=False,  # a file is read once, and the system keeps what is read again
        allow_community_extensions=False,
        autoinstall_known_extensions=False,
        autoload_known_extensions=False,
        allow_persistent_secrets=False,
        python_enable_replacements=False,
    )
    return database


def _set(database: Database, **settings: object) -> None:
    for name, value in settings.items():
        database.execute(f"SET {name} = ?", [value])


def _files(source: Source) -> tuple[str, ...]:
    """The files that DuckDB itself reads of a source."""
    match source.format:
        case "csv" | "parquet":
            return (source.path,)
        case "duckdb":
            return (source.path, f"{source.path}.wal")  # what its writer has not yet moved into the file
        case "sqlite" | "postgres":
            return ()


def _attach(database: Database, source: Source) -> None:
    file = exp.alias_(string(source.path), attached_name(source), quoted=True)
    statement = exp.Attach(this=file, expressions=[exp.AttachOption(this=exp.var("READ_ONLY"))])
    try:
        database.execute(statement.sql("duckdb"))
        return
    except _FAILURES as problem:
        kind = _kind(problem)
    sentence = f"{source.title} cannot be opened as a DuckDB file"
    hint = "end the program that writes to it, or copy it with this DuckDB: COPY FROM DATABASE"
    raise DataError(sentence, detail=(f"the local database said {kind}",), hint=hint)


def attached_name(source: Source) -> str:
    """The name under which a DuckDB file is attached: no name of a contract or a file."""
    return f"file {hashlib.sha256(source.path.encode()).hexdigest()[:16]}"


def held(database: Database, source: Source, names: Sequence[str], read: Callable[[], pa.RecordBatchReader]) -> str:
    """The temporary table that holds a source's rows, read when it is first asked for: columns h0, h1, ... as named.

    One connection so sees one state of the source, however often it looks. A server gives rows in any order: they are
    sorted by all columns, so that equal rows give equal snapshots (session.md).
    """
    table = f"rows {hashlib.sha256(repr((source.path, source.relation, names)).encode()).hexdigest()[:16]}"
    place = exp.table_(table, quoted=True)
    select = exp.select("*").from_(exp.table_(ARRIVING, quoted=True))
    if source.format == "postgres":
        select = select.order_by(*(column_name(f"h{index}") for index in range(len(names))))
    create = exp.Create(this=place, kind="TABLE", expression=select, properties=_TEMPORARY)
    try:
        if database.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = ?", [table]).fetchall():
            return table
        database.register(ARRIVING, read())
        try:
            database.execute(create.sql("duckdb"))
        finally:
            database.unregister(ARRIVING)
        return table
    except _FAILURES as problem:
        kind = _kind(problem)
    raise failure(kind)


class Parameters(dict[str, object]):
    """The values of one statement, by the names under which they are bound."""

    def bind(self, value: object, type: str | None = None) -> Node:
        """A place for a value in the tree, cast to a DuckDB type if one is given."""
        name = f"p{len(self)}"
        self[name] = value
        place: Node = exp.Parameter(this=exp.var(name))
        return cast(place, type) if type else place

    def __repr__(self) -> str:
        return f"<Parameters: {len(self)}>"


def rows(database: Database, select: exp.Select, parameters: Parameters) -> list[tuple[Any, ...]]:
    """All rows of a small result. Raises DataError, in own words, for whatever DuckDB raises."""
    try:
        return _relation(database, select, parameters).fetchall()
    except _FAILURES as problem:
        kind = _kind(problem)
    raise failure(kind)  # outside `except`, so that the new error does not carry the old one


def columns(database: Database, select: exp.Select, parameters: Parameters) -> list[tuple[str, str]]:
    """Name and DuckDB type of each column of a result. Raises DataError as `rows` does."""
    try:
        relation = _relation(database, select, parameters)
        return [(name, str(type)) for name, type in zip(relation.columns, relation.types, strict=True)]
    except _FAILURES as problem:
        kind = _kind(problem)
    raise failure(kind)


def batches(database: Database, select: exp.Select, parameters: Parameters) -> Generator[pa.RecordBatch]:
    """The rows of a result as they come, in order. Raises DataError as `rows` does.

    Until the last batch is taken, or the iterator closed, the connection does nothing else.
    """
    try:
        with _relation(database, select, parameters).to_arrow_reader(BATCH_ROWS) as reader:
            yield from reader
        return
    except _FAILURES as problem:
        kind = _kind(problem)
    raise failure(kind)


def keep(database: Database, select: exp.Select, parameters: Parameters) -> exp.Select:
    """Hold the rows of a result in a temporary table, in order; return a SELECT from it that takes no parameters.

    For what is read more than once: the file is then read once, and what is hashed is what is counted.
    """
    create = f"CREATE OR REPLACE TEMP TABLE {TABLE.sql('duckdb')} AS {_text(select)}"
    try:
        database.execute(create, _used(select, parameters))
        return exp.select("*").from_(exp.Table(this=TABLE.copy()))
    except _FAILURES as problem:
        kind = _kind(problem)
    raise failure(kind)


def _relation(database: Database, select: exp.Select, parameters: Parameters) -> duckdb.DuckDBPyRelation:
    return database.sql(_text(select), params=_used(select, parameters) or None)


def _used(select: exp.Select, parameters: Parameters) -> dict[str, object]:
    """The values that a statement names: DuckDB refuses to be given others."""
    return {place.name: parameters[place.name] for place in select.find_all(exp.Parameter)}


def _text(select: exp.Select) -> str:
    if not isinstance(select, exp.Select):
        raise DataError("only a SELECT runs over an owner's rows")
    return select.sql("duckdb")


def _kind(problem: Exception) -> str:
    """The class of a library's failure; through Arrow, a lack of memory comes as one of another class."""
    return OUT_OF_MEMORY if str(problem).startswith("Out of Memory Error") else type(problem).__name__


def failure(kind: str) -> DataError:
    """What a library's failure becomes: its class, and nothing that it says."""
    match kind:
        case "OutOfMemoryException" | "ArrowMemoryError":
            sentence = "the rows need more memory than this node may use"
            return DataError(sentence, code=OutOfMemory.code, hint="a larger memory_mib in node.toml")
        case "OutOfRangeException" | "ConversionException":  # cells are only ever read by TRY_CAST
            return DataError("an expression over the rows needs more than 38 digits")
        case "PermissionException":
            return DataError("the local database was asked for a file that is not bound", detail=(kind,))
        case "BinderException" | "ParserException" | "CatalogException":
            return DataError("the local database did not take a statement of this program", detail=(kind,))
        case _:
            sentence = "the file cannot be read as what it is bound as"
            hint = "a well-formed file: CSV in UTF-8 with one header line and equally many cells a line, or Parquet"
            return DataError(sentence, detail=(f"the local database said {kind}",), hint=hint)
