"""Where an owner's rows come from: one local file, checked before it is opened."""

from __future__ import annotations

import codecs
import csv
import io
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from msgspec import Struct

from glovebox.errors import DataError, UsageError

Format = Literal["csv", "parquet"]

SUFFIXES: dict[str, Format] = {
    ".csv": "csv", ".tsv": "csv", ".txt": "csv", ".parquet": "parquet", ".pq": "parquet",
}  # fmt: skip
DELIMITERS = (",", ";", "\t", "|")
HEADER_BYTES = 1 << 16  # a header line longer than this is no header


class Source(Struct, frozen=True, forbid_unknown_fields=True):
    """A file that a table is bound to: local configuration, never part of a contract.

    path: absolute, with symbolic links resolved, so that what is shown is what is read.
    """

    path: str
    format: Format


def source_at(given: Path, format: Format | None = None) -> Source:
    """The file at a path, its format read from its name unless it is given.

    Raises UsageError for what is no regular file, DataError for one that cannot be read.
    """
    if "://" in str(given):
        raise UsageError("a source is a local file, not an address", hint="copy the file here first")
    try:
        path = given.expanduser().resolve(strict=True)
        mode = path.stat().st_mode
    except (OSError, RuntimeError, ValueError) as problem:
        raise UsageError(f"there is no file {given}") from problem
    if not stat.S_ISREG(mode):
        raise UsageError(f"{path} is not a regular file", hint="a CSV or Parquet file")
    if any(character in "*?[" for character in str(path)):
        raise UsageError(f"{path} holds one of * ? [, which DuckDB takes for a pattern", hint="rename the file")
    try:
        path.open("rb").close()
    except OSError as problem:
        raise DataError(f"{path} cannot be read by this user") from problem
    return Source(str(path), format or _format(path))


def _format(path: Path) -> Format:
    name = path.name.lower()
    for suffix, found in SUFFIXES.items():
        if name.endswith(suffix):
            return found
    raise UsageError(f"the name {path.name} does not say what format it has", hint="--format csv or --format parquet")


def csv_header(source: Source, wanted: Iterable[str]) -> tuple[str, list[str]]:
    """The delimiter and the column names of a CSV file, from its first line.

    The delimiter is not guessed from the rows: it is the one under which most of the wanted names stand in the header.
    """
    with Path(source.path).open("rb") as file:
        start = file.read(HEADER_BYTES)
    try:
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(start)
    except UnicodeDecodeError:
        text = ""
    names = {name.casefold() for name in wanted}
    headers = {delimiter: _first_line(text, delimiter) for delimiter in DELIMITERS}
    best = max(DELIMITERS, key=lambda delimiter: sum(cell.casefold() in names for cell in headers[delimiter]))
    if not any(headers[best]):
        raise DataError("the file does not begin with a header line in UTF-8", hint="the columns' names on line 1")
    return best, headers[best]


def _first_line(text: str, delimiter: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])]
    except csv.Error:
        return []
