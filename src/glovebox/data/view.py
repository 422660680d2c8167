"""A contract's table as a view of a source: every column cleaned and typed, and whether a row has a fault.

SELECTs inside each other, so that nothing is computed twice: the source's fields (r0, r1, ...), ids in their form (f0),
the cleaned columns (c0, c1, ...) in the contract's order, and the columns with `faulty`. No name of a contract or a
file stands in them, but the quoted names of a database's or a Parquet file's own columns.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from sqlglot import exp

from glovebox.data.columns import Reading, composition, reading
from glovebox.data.database import Database, Parameters
from glovebox.data.fields import field_of, fields_of
from glovebox.data.sources import Source
from glovebox.data.trees import Node, aliased, any_of, call, is_null, name, nested, placed
from glovebox.schema.columns import Table

NOTES = frozenset({"null_id", "no_form", "surplus", "clipped", "other"})
"""What is told to the owner and does not stand against the table: rows left out, values that become others."""


class View(Struct, frozen=True):
    """How a table is read. cleaned: a SELECT of all r, f and c columns. parameters: what is bound in it."""

    table: Table
    readings: tuple[Reading, ...]
    cleaned: exp.Select
    parameters: Parameters

    def name_of(self, column: str) -> str:
        """The name of a contract's column in the view."""
        return self._reading(column).name

    def place_of(self, column: str, labels: Sequence[str], parameters: Parameters) -> Node:
        """The place of a column's label among these, from 1; NULL for another."""
        reading = self._reading(column)
        if reading.place and tuple(labels) == reading.column.values:
            return name(reading.place)
        bound = call("list_value", *(parameters.bind(label, "VARCHAR") for label in labels))
        return call("list_position", bound, name(reading.name))

    @property
    def hashed(self) -> list[str]:
        """The names of what a snapshot takes of each column, in the contract's order: of labels their places."""
        return [each.place or each.name for each in self.readings]

    def read(self, *more: str) -> exp.Select:
        """A SELECT of what a snapshot takes, `faulty`, and more of what `checked` has."""
        return nested(self.checked(), "checked", *map(name, dict.fromkeys([*self.hashed, "faulty", *more])))

    def _reading(self, column: str) -> Reading:
        return next(reading for reading in self.readings if reading.column.name == column)

    def checked(self) -> exp.Select:
        """A SELECT of the cleaned columns, places of labels, `faulty`, and whether each id is NULL (null_c0, ...)."""
        nulls = [
            aliased(is_null(name(f"r{each.index}")), f"null_{each.name}")
            for each in self.readings
            if each.column.kind == "id"
        ]
        faulty = aliased(any_of([each.wrong for each in self.readings]), "faulty")
        selected = [name(each.name) for each in self.readings]
        places = [name(each.place) for each in self.readings if each.place]
        return nested(self.cleaned, "cleaned", *selected, *places, *nulls, faulty)


def view_of(database: Database, table: Table, source: Source) -> View:
    """The view of a table in a source. Raises DataError for columns that are not there, or of a type that cannot be."""
    parameters = Parameters()
    relation, fields = fields_of(database, table, source, parameters)
    readings: dict[str, Reading] = {}
    for index, column in enumerate(table.columns):
        if column.parts:
            readings[column.name] = composition(column, index, [readings[part] for part in column.parts])
        else:
            field = field_of(column, fields)
            readings[column.name] = reading(column, index, name(field.reference), field.type, parameters)
    every = list(readings.values())
    read, made = ([each for each in every if bool(each.column.parts) is last] for last in (False, True))
    raw = exp.select(*(aliased(each.raw, f"r{each.index}") for each in every), copy=False)
    raw.from_(placed(relation), copy=False)
    raws = [f"r{each.index}" for each in every]
    forms = [aliased(each.folded, f"f{each.index}") for each in every if each.folded is not None]
    folded = nested(raw, "raw", *map(name, raws), *forms)
    values = [aliased(each.value, each.name) for each in read]
    steps = [f"f{each.index}" for each in every if each.folded is not None]
    cleaned = nested(folded, "folded", *map(name, [*raws, *steps]), *values)
    if made:
        values = [aliased(each.value, each.name) for each in made]
        cleaned = nested(cleaned, "parts", exp.Star(), *values)
    return View(table, tuple(every), cleaned, parameters)
