"""An owner's local part of a stacked question: its totals by group, from its file, and the file's snapshot.

The cleaned rows are kept in a temporary table, hashed from there and grouped there: what is hashed is what is counted.
"""

from __future__ import annotations

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from sqlglot import exp

from glovebox.data.counts import value_counts
from glovebox.data.database import Database, Parameters, rows
from glovebox.data.measures import condition, group_number, of_group, total_units
from glovebox.data.passes import Told, kept_rows, untold, without_surplus
from glovebox.data.quality import ids_above, most_rows
from glovebox.data.sources import Source
from glovebox.data.view import view_of
from glovebox.errors import DataError, GloveboxError
from glovebox.schema.columns import Table
from glovebox.schema.local import LocalQuery


class LoadedGroups(Struct, frozen=True):
    """One line a group. values: (measures, groups) int64, groups in row-major order of the groupings' domains, zero
    where a group has no rows; snapshot: 32 bytes. counts: of each measure of kind counts, in their order, how often
    each value is there, (groups, values) int64; their lines of `values` are zero.
    """

    values: NDArray[np.int64]
    snapshot: bytes
    counts: tuple[NDArray[np.int64], ...] = ()

    def __repr__(self) -> str:
        return f"<LoadedGroups: {self.values.shape[0]} measures of {self.values.shape[1]} groups>"


def load_groups(
    database: Database, query: LocalQuery, table: Table, source: Source, salt: bytes, told: Told = untold
) -> LoadedGroups:
    """The totals of one owner. Raises DataError for a table that is not as the contract says."""
    view = view_of(database, table, source)
    every, snapshot = kept_rows(database, view, source, salt, told)
    if table.person == "id":
        every = without_surplus(view, every, next(column for column in table.columns if column.kind == "id"))
    for column in table.columns:
        most = None if table.surplus_dropped and not column.unique else most_rows(table, column)
        if most and (above := ids_above(database, every, Parameters(), view.name_of(column.name), most)):
            raise DataError(f"{table.name}.{column.name}: {above} ids in more than {most} rows", step="loaded")
    parameters = Parameters()
    group = group_number(query, view, parameters)
    places = [place for place, measure in enumerate(query.measures) if measure.kind != "counts"]
    totals = [of_group(query.measures[place], view, parameters) for place in places]
    select = exp.select(group.as_("number"), *totals).from_(every.subquery("every"))
    select = select.where(condition(query, view, parameters))
    if query.groupings:
        select = select.group_by(exp.Literal.number(1))
    values = np.zeros((len(query.measures), query.groups), np.int64)
    for group_of, *line in rows(database, select, parameters):
        if group_of is None or not 0 <= group_of < query.groups:
            raise GloveboxError("a group's label is not in its domain", code="plan", step="loaded")
        for index, total in zip(places, line, strict=True):
            values[index, group_of] = total_units(query.measures[index], total)
    counted = (measure for measure in query.measures if measure.kind == "counts")
    return LoadedGroups(
        values, snapshot, tuple(value_counts(database, view, query, measure, every) for measure in counted)
    )
