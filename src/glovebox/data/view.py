"""A contract's table as a view of a file: every column cleaned and typed, and whether a row has a fault.

SELECTs inside each other, so that nothing is computed twice: the file's fields (r0, r1, ...), ids in their form (f0),
the cleaned columns (c0, c1, ...) in the contract's order, and the columns with `faulty`. No name of a contract or a
file stands in them, but the quoted names of a Parquet file's own columns.
"""

from __future__ import annotations

from msgspec import Struct
from sqlglot import exp

from glovebox.data.columns import Reading, reading
from glovebox.data.database import Database, Parameters, columns, rows
from glovebox.data.sources import Source, csv_header
from glovebox.data.trees import Node, any_of, is_null, name, string
from glovebox.errors import DataError
from glovebox.schema.columns import Column, Table

NOTES = frozenset({"null_id", "no_form"})
"""Faults that leave a row's id out of a join and are told to the owner; all others are errors."""


class View(Struct, frozen=True):
    """How a table is read from a file. cleaned: a SELECT of all r and c columns. parameters: what is bound in it."""

    table: Table
    readings: tuple[Reading, ...]
    cleaned: exp.Select
    parameters: Parameters

    def name_of(self, column: str) -> str:
        """The name of a contract's column in the view."""
        return next(reading.name for reading in self.readings if reading.column.name == column)

    def checked(self) -> exp.Select:
        """A SELECT of the cleaned columns, `faulty`, and for each id column whether it is NULL (null_c0, ...)."""
        nulls = [
            is_null(name(f"r{each.index}")).as_(f"null_{each.name}", quoted=True)
            for each in self.readings
            if each.column.kind == "id"
        ]
        faulty = any_of([each.wrong for each in self.readings]).as_("faulty", quoted=True)
        selected = [name(each.name) for each in self.readings]
        return exp.select(*selected, *nulls, faulty).from_(self.cleaned.copy().subquery("cleaned"))


class Field(Struct, frozen=True):
    """A column of a file: its own name, the name by which DuckDB's reader gives it, and its type there."""

    name: str
    reference: str
    type: str


def view_of(database: Database, table: Table, source: Source) -> View:
    """The view of a table in a file. Raises DataError for columns that are not there, or of a type that cannot be."""
    parameters = Parameters()
    reader, fields = _open(database, table, source, parameters)
    readings = []
    for index, column in enumerate(table.columns):
        field = field_of(column, fields)
        readings.append(reading(column, index, name(field.reference), field.type, parameters))
    raw = exp.select(*(each.raw.as_(f"r{each.index}", quoted=True) for each in readings)).from_(reader)
    raws = [name(f"r{each.index}") for each in readings]
    forms = [each.folded.as_(f"f{each.index}", quoted=True) for each in readings if each.folded is not None]
    values = [each.value.as_(each.name, quoted=True) for each in readings]
    folded = exp.select(*raws, *forms).from_(raw.subquery("raw"))
    cleaned = exp.select(*(each.copy() for each in raws), *values).from_(folded.subquery("folded"))
    return View(table, tuple(readings), cleaned, parameters)


def field_of(column: Column, fields: list[Field]) -> Field:
    """The field of a column: the one of that very name, or else the only one of that name in any case."""
    exact = [field for field in fields if field.name == column.name]
    near = exact or [field for field in fields if field.name.casefold() == column.name.casefold()]
    if len(near) == 1:
        return near[0]
    if near:
        raise DataError(f"the file has {len(near)} columns named {column.name}", hint="give each column its own name")
    raise DataError(f"the file has no column {column.name}", hint="a file with all columns of the contract's table")


def _open(database: Database, table: Table, source: Source, parameters: Parameters) -> tuple[Node, list[Field]]:
    path = parameters.bind(source.path)
    if source.format == "csv":
        delimiter, header = csv_header(source, [column.name for column in table.columns])
        fields = [Field(found, f"h{index}", "VARCHAR") for index, found in enumerate(header)]
        types = [exp.PropertyEQ(this=string(field.reference), expression=string("VARCHAR")) for field in fields]
        options: dict[str, Node] = {
            "auto_detect": exp.false(), "header": exp.true(), "delim": string(delimiter), "quote": string('"'),
            "escape": string('"'), "comment": string(""), "skip": exp.Literal.number(0),
            "columns": exp.Struct(expressions=types),
        }  # fmt: skip
        return _reader("read_csv", path, options), fields
    reader = _reader("read_parquet", path, {"hive_partitioning": exp.false()})
    given = columns(database, exp.select("*").from_(reader.copy()), parameters)
    names = _parquet_names(database, source)
    if len(names) != len(given):
        raise DataError("the Parquet file's schema cannot be read", hint="a file with plain columns")
    return reader, [Field(own, found, type) for own, (found, type) in zip(names, given, strict=True)]


def _reader(function: str, path: Node, options: dict[str, Node]) -> Node:
    named = [exp.PropertyEQ(this=exp.to_identifier(key), expression=value) for key, value in options.items()]
    return exp.Table(this=exp.Anonymous(this=function, expressions=[path, *named]))


def _parquet_names(database: Database, source: Source) -> list[str]:
    """The names of a Parquet file's columns as they stand in it: DuckDB's reader renames those that differ in case."""
    parameters = Parameters()
    schema = exp.Table(this=exp.Anonymous(this="parquet_schema", expressions=[parameters.bind(source.path)]))
    names, inner = [], 0
    for own, children in rows(database, exp.select(name("name"), name("num_children")).from_(schema), parameters)[1:]:
        if inner == 0:
            names.append(own)
        inner += (children or 0) - (1 if inner else 0)
    return names
