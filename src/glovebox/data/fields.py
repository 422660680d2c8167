"""The columns of a source, and what they are read from: a file, an attached table, or rows that were fetched."""

from __future__ import annotations

import re

from msgspec import Struct
from sqlglot import exp

from glovebox.data import postgres, sqlite
from glovebox.data.database import Database, Parameters, attached_name, columns, held, rows
from glovebox.data.sources import Source, csv_header
from glovebox.data.trees import Node, all_of, name, string
from glovebox.errors import DataError
from glovebox.schema.columns import Column, Table

RENAMED = re.compile(r"(^C|_)[0-9]+$")
"""A name that DuckDB's Parquet reader may have given: to a column without one, or that differs in case alone."""


class Field(Struct, frozen=True):
    """A column of a source: its own name, the name by which DuckDB gives it, and its DuckDB type there."""

    name: str
    reference: str
    type: str


def fields_of(database: Database, table: Table, source: Source, parameters: Parameters) -> tuple[Node, list[Field]]:
    """What stands behind FROM, and its columns. Raises DataError for a source that cannot be read."""
    match source.format:
        case "csv":
            return _csv(source, table, parameters)
        case "parquet":
            return _parquet(database, source, parameters)
        case "duckdb":
            return _attached(database, source)
        case "sqlite" | "postgres":
            return _fetched(database, table, source)


def field_of(column: Column, fields: list[Field]) -> Field:
    """The field of a column: the one of that very name, or else the only one of that name in any case."""
    exact = [field for field in fields if field.name == column.name]
    near = exact or [field for field in fields if field.name.casefold() == column.name.casefold()]
    if len(near) == 1:
        return near[0]
    if near:
        raise DataError(f"the source has {len(near)} columns named {column.name}", hint="give each column its own name")
    raise DataError(f"the source has no column {column.name}", hint="a source with all columns of the contract's table")


def column_names(database: Database, source: Source) -> list[str]:
    """The names of a source's columns, as they stand in it. Raises DataError for a source that cannot be read."""
    match source.format:
        case "csv":
            return csv_header(source, ())[1]
        case "parquet":
            return _parquet_names(database, source)
        case "duckdb":
            return [field.name for field in _attached(database, source)[1]]
        case "sqlite":
            return sqlite.column_names(source)
        case "postgres":
            return postgres.column_names(source)


def _csv(source: Source, table: Table, parameters: Parameters) -> tuple[Node, list[Field]]:
    delimiter, header = csv_header(source, [column.name for column in table.columns])
    fields = [Field(found, f"h{index}", "VARCHAR") for index, found in enumerate(header)]
    types = [exp.PropertyEQ(this=string(field.reference), expression=string("VARCHAR")) for field in fields]
    options: dict[str, Node] = {
        "auto_detect": exp.false(), "header": exp.true(), "delim": string(delimiter), "quote": string('"'),
        "escape": string('"'), "comment": string(""), "skip": exp.Literal.number(0),
        "columns": exp.Struct(expressions=types),
    }  # fmt: skip
    return _reader("read_csv", parameters.bind(source.path), options), fields


def _parquet(database: Database, source: Source, parameters: Parameters) -> tuple[Node, list[Field]]:
    reader = _reader("read_parquet", parameters.bind(source.path), {"hive_partitioning": exp.false()})
    given = columns(database, all_of(reader), parameters)
    found = [name for name, _ in given]
    names = _parquet_names(database, source) if any(map(RENAMED.search, found)) else found
    if len(names) != len(given):
        raise DataError("the Parquet file's schema cannot be read", hint="a file with plain columns")
    return reader, [Field(own, found, type) for own, (found, type) in zip(names, given, strict=True)]


def _attached(database: Database, source: Source) -> tuple[Node, list[Field]]:
    schema, relation = source.place
    table = exp.table_(relation, db=schema, catalog=attached_name(source), quoted=True)
    found = columns(database, all_of(table), Parameters())
    return table, [Field(own, own, type) for own, type in found]


def _fetched(database: Database, table: Table, source: Source) -> tuple[Node, list[Field]]:
    """The columns of the contract's table alone, copied once a connection."""
    kind = sqlite if source.format == "sqlite" else postgres
    there = [Field(own, own, "") for own in kind.column_names(source)]
    names = list(dict.fromkeys(field_of(column, there).name for column in table.columns if not column.parts))
    relation = exp.table_(held(database, source, names, lambda: kind.read_rows(source, names)), quoted=True)
    found = columns(database, all_of(relation), Parameters())
    return relation, [Field(own, reference, type) for own, (reference, type) in zip(names, found, strict=True)]


def _reader(function: str, path: Node, options: dict[str, Node]) -> Node:
    named = [exp.PropertyEQ(this=exp.to_identifier(key), expression=value) for key, value in options.items()]
    return exp.Table(this=exp.Anonymous(this=function, expressions=[path, *named]))


def _parquet_names(database: Database, source: Source) -> list[str]:
    """The names of a Parquet file's columns as they stand in it."""
    parameters = Parameters()
    schema = exp.Table(this=exp.Anonymous(this="parquet_schema", expressions=[parameters.bind(source.path)]))
    names, inner = [], 0
    for own, children in rows(database, exp.select(name("name"), name("num_children")).from_(schema), parameters)[1:]:
        if inner == 0:
            names.append(own)
        inner += (children or 0) - (1 if inner else 0)
    return names
