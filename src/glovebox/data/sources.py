"""Where an owner's rows come from: a local file, or a table of a Postgres server; checked before it is opened."""

from __future__ import annotations

import codecs
import csv
import io
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

from msgspec import Struct

from glovebox.errors import DataError, UsageError

Format = Literal["csv", "parquet", "duckdb", "sqlite", "postgres"]

SUFFIXES: dict[str, Format] = {
    ".csv": "csv", ".tsv": "csv", ".txt": "csv", ".parquet": "parquet", ".pq": "parquet",
    ".duckdb": "duckdb", ".sqlite": "sqlite", ".sqlite3": "sqlite",
}  # fmt: skip
SQLITE_MAGIC = b"SQLite format 3\0"
DUCKDB_MAGIC = b"DUCK"  # behind an eight-byte checksum
SERVER = "postgres:"
DELIMITERS = (",", ";", "\t", "|")
HEADER_BYTES = 1 << 16  # a header line longer than this is no header


class Server(Struct, frozen=True, forbid_unknown_fields=True):
    """A Postgres server as `node.toml` describes it.

    password_file: a file that only this user can read; without one, what libpq finds by itself (its password file, a
    client certificate, peer authentication). tls: the server's certificate is checked against its name and
    root_certificate, or against the system's; false only where nothing lies between, as with a socket's folder as host.
    """

    host: str
    database: str
    user: str
    port: int = 5432
    password_file: str = ""
    tls: bool = True
    root_certificate: str = ""

    def __repr__(self) -> str:
        return f"<Server {self.host}:{self.port}>"


class Source(Struct, frozen=True, forbid_unknown_fields=True):
    """What a table is bound to: local configuration, never part of a contract.

    path: absolute, with symbolic links resolved, so that what is shown is what is read; of a server, its name in
    `node.toml`. relation: the table or view within a database, behind its schema and a dot if it is in another than
    the first; "" for a file that is itself the table.
    """

    path: str
    format: Format
    relation: str = ""
    server: Server | None = None

    @property
    def place(self) -> tuple[str, str]:
        """Schema and name of the relation."""
        schema, dot, name = self.relation.partition(".")
        first = {"duckdb": "main", "sqlite": "main", "postgres": "public"}.get(self.format, "")
        return (schema, name) if dot else (first, self.relation)

    @property
    def title(self) -> str:
        """As a person knows it."""
        name = Path(self.path).name if self.server is None else SERVER + self.path
        return f"{self.relation} in {name}" if self.relation else name


def source_at(
    given: Path, format: Format | None = None, relation: str = "", servers: Mapping[str, Server] | None = None
) -> Source:
    """The source that a person names: a file, its format read from its name unless it is given, or `postgres:NAME`.

    relation: the table within a database; servers: by the names in `node.toml`. Raises UsageError for what is no
    regular file, DataError for one that cannot be read.
    """
    if str(given).startswith(SERVER):
        return _server_source(str(given).removeprefix(SERVER), relation, servers or {})
    if "://" in str(given):
        raise UsageError("a source is a local file, not an address", hint="copy the file here first")
    try:
        path = given.expanduser().resolve(strict=True)
        mode = path.stat().st_mode
    except (OSError, RuntimeError, ValueError) as problem:
        hint = "the path of a CSV, Parquet, DuckDB or SQLite file"
        raise UsageError(f"there is no file {given}", hint=hint) from problem
    if not stat.S_ISREG(mode):
        raise UsageError(f"{path} is not a regular file", hint="a CSV, Parquet, DuckDB or SQLite file")
    if any(character in "*?[" for character in str(path)):
        raise UsageError(f"{path} holds one of * ? [, which DuckDB takes for a pattern", hint="rename the file")
    try:
        with path.open("rb") as file:
            start = file.read(16)
    except OSError as problem:
        raise DataError(f"{path} cannot be read by this user") from problem
    found = format or _format(path, start)
    if found in ("csv", "parquet"):
        return Source(str(path), found)
    if not relation:
        raise UsageError(f"{path.name} holds several tables", hint="--relation NAME, the table or view to read")
    return Source(str(path), found, relation)


def _server_source(name: str, relation: str, servers: Mapping[str, Server]) -> Source:
    if name not in servers:
        known = ", ".join(sorted(servers)) or "none"
        hint = f"[postgres.{name or 'NAME'}] with host, database and user"
        raise UsageError(f"node.toml names no Postgres server {name}", detail=(f"its servers: {known}",), hint=hint)
    if not relation:
        raise UsageError(f"{name} holds several tables", hint="--relation NAME, the table or view to read")
    return Source(name, "postgres", relation, servers[name])


def _format(path: Path, start: bytes) -> Format:
    name = path.name.lower()
    for suffix, found in SUFFIXES.items():
        if name.endswith(suffix):
            return found
    if start == SQLITE_MAGIC:
        return "sqlite"
    if start[8:12] == DUCKDB_MAGIC:
        return "duckdb"
    raise UsageError(
        f"the name {path.name} does not say what format it has", hint="a name that ends in .csv or .parquet"
    )


def csv_header(source: Source, wanted: Iterable[str]) -> tuple[str, list[str]]:
    """The delimiter and the column names of a CSV file, from its first line.

    The delimiter is not guessed from the rows: it is the one under which most of the wanted names stand in the header,
    and among these the one under which there are most.
    """
    with Path(source.path).open("rb") as file:
        start = file.read(HEADER_BYTES)
    try:
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(start)
    except UnicodeDecodeError:
        text = ""
    names = {name.casefold() for name in wanted}
    headers = {delimiter: _first_line(text, delimiter) for delimiter in DELIMITERS}
    best = max(
        DELIMITERS, key=lambda mark: (sum(cell.casefold() in names for cell in headers[mark]), len(headers[mark]))
    )
    if not any(headers[best]):
        raise DataError("the file does not begin with a header line in UTF-8", hint="the columns' names on line 1")
    return best, headers[best]


def _first_line(text: str, delimiter: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])]
    except csv.Error:
        return []
