"""An owner's rows in a table of a Postgres server: one read-only statement, as Arrow batches.

The password is read from its file by whoever connects, and stands in no message, setting or error; what the server or
its driver says is never passed on, for it may quote a row.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
from sqlglot import exp

from glovebox.data.sources import Server, Source
from glovebox.data.trees import cast, name
from glovebox.errors import DataError, UsageError

CONNECT_S = 10
PASSWORD_BYTES = 1 << 10
OPTIONS = "-c default_transaction_read_only=on -c search_path= -c DateStyle=ISO -c TimeZone=UTC"
PLAIN = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_binary)
"""Types that come as they are; all others as the server's text, which the contract's type then reads: a numeric may be
NaN, a date infinite, and neither has a place in Arrow's; a char(n) is padded until it is text."""


def column_names(source: Source) -> list[str]:
    """The names of the relation's columns. Raises DataError for a server or a relation that is not there."""
    return [field.name for field in _schema(source)]


def read_rows(source: Source, names: Sequence[str]) -> pa.RecordBatchReader:
    """The rows of these columns, called h0, h1, ...; all from one state of the table. Raises DataError."""
    types = {field.name: field.type for field in _schema(source)}
    columns = [
        (name(own) if any(plain(types[own]) for plain in PLAIN) else cast(name(own), "TEXT")).as_(
            f"h{index}", quoted=True
        )
        for index, own in enumerate(names)
    ]
    connection = _connected(source)
    try:
        cursor = _run(connection, exp.select(*columns).from_(_relation(source)), source)
        reader = cursor.fetch_record_batch()
    except BaseException:
        connection.close()
        raise
    return pa.RecordBatchReader.from_batches(reader.schema, _batches(connection, cursor, reader))


def _schema(source: Source) -> pa.Schema:
    nothing = exp.select("*").from_(_relation(source)).limit(0)
    with closing(_connected(source)) as connection, closing(_run(connection, nothing, source)) as cursor:
        found: pa.Schema = cursor.fetch_record_batch().schema
        return found


def _relation(source: Source) -> exp.Table:
    schema, relation = source.place
    return exp.table_(relation, db=schema, quoted=True)


def _connected(source: Source) -> Any:
    """A connection of the driver's DB-API. Raises DataError, in own words, for whatever it says."""
    dbapi = _driver()
    if source.server is None:
        raise UsageError(f"node.toml names no Postgres server {source.path}")
    told = conninfo(source.server)
    try:
        return dbapi.connect(told, autocommit=True)
    except dbapi.Error as problem:
        said = str(problem)
    if "authentication" in said or "password" in said:
        raise DataError(f"{source.path} refuses {source.server.user}", hint="its user and password_file in node.toml")
    if "SSL" in said or "certificate" in said:
        hint = "TLS at the server, and root_certificate in node.toml if its certificate is its own"
        raise DataError(f"{source.path} shows no certificate that verifies", hint=hint)
    raise DataError(f"{source.path} cannot be reached", hint="its host, port and database in node.toml")


def _driver() -> Any:
    """The driver's DB-API. Raises UsageError where it is not installed."""
    try:
        from adbc_driver_postgresql import dbapi  # noqa: PLC0415  only who has such a server installs it
    except ImportError as problem:
        raise UsageError("Postgres is not installed here", hint="pip install 'glovebox[postgres]'") from problem
    return dbapi


def conninfo(server: Server) -> str:
    """What libpq is told, with the password if there is a file of it. Never to be shown."""
    told = {
        "host": server.host,
        "port": str(server.port),
        "dbname": server.database,
        "user": server.user,
        "connect_timeout": str(CONNECT_S),
        "application_name": "glovebox",
        "options": OPTIONS,
        "sslmode": "verify-full" if server.tls else "disable",
        "require_auth": "!password",  # a password is never sent as it is
    }
    if server.tls:
        told["sslrootcert"] = server.root_certificate or "system"
    if server.password_file:
        told["password"] = _password(Path(server.password_file))
    return " ".join(f"{key}='{_escaped(value)}'" for key, value in told.items())


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "\\'")


def _password(path: Path) -> str:
    """The one line of a password file that only this user can read. Raises UsageError."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read(PASSWORD_BYTES + 1).decode()
    except (OSError, ValueError) as problem:
        raise UsageError(f"the password file {path} cannot be read") from problem
    if not stat.S_ISREG(mode) or mode & 0o077:
        raise UsageError(f"others can read the password file {path}", hint=f"chmod 600 {path}")
    if len(text) > PASSWORD_BYTES:
        raise UsageError(f"the password file {path} holds more than a password")
    return text.removesuffix("\n")


def _run(connection: Any, select: exp.Select, source: Source) -> Any:
    """The cursor of a statement that runs; with it ends what is read of it."""
    cursor = connection.cursor()
    try:
        cursor.execute(select.sql("postgres"))
        return cursor
    except _driver().Error as problem:
        state = getattr(problem, "sqlstate", None)
    if state == "42501":
        raise DataError(f"{source.title} may not be read", hint="GRANT SELECT to the user of node.toml")
    raise DataError(f"{source.title} cannot be read", hint="--relation SCHEMA.NAME of a table or view there")


def _batches(connection: Any, cursor: Any, reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    with closing(connection), closing(cursor):
        yield from reader
