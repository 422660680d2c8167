"""An owner's rows as the facts of a star join: each with the keys by which it names other owners' rows, line by line.

Keys are numbered by DuckDB, in the order in which they are then read and encoded, each once.
"""

from __future__ import annotations

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from sqlglot import exp

from glovebox.data.arrays import integers
from glovebox.data.database import Database, Parameters, batches
from glovebox.data.encoding import encode_ids, encoded_bytes
from glovebox.data.identifiers import key, key_bytes
from glovebox.data.loading import check_rows_of_ids, id_column
from glovebox.data.measures import Outside, condition, line_units, of_row
from glovebox.data.passes import Told, kept_rows, untold, without_surplus
from glovebox.data.sources import Source
from glovebox.data.trees import Node, call, compare, is_null, name, not_, number, when
from glovebox.data.view import View, view_of
from glovebox.errors import GloveboxError
from glovebox.schema.columns import Column, Table
from glovebox.schema.local import Facts, LocalQuery


class LoadedFacts(Struct, frozen=True):
    """Rows in the order of their lines, and within one of what tells its rows apart; rows without an id are the last.

    keys: of each dimension its distinct keys, encoded. places: (r,) the key of each row, the number of keys where it
    has none. values: (measures, r). ends: for each level the last row of each of the next one's. persons: (lines,) 1
    where the line has an id. snapshot: 32 bytes.
    """

    keys: list[NDArray[np.uint8]]
    places: list[NDArray[np.int64]]
    values: NDArray[np.int64]
    ends: list[NDArray[np.int64]]
    persons: NDArray[np.int64]
    snapshot: bytes

    def __repr__(self) -> str:
        return f"<LoadedFacts: {len(self.keys)} keys, {len(self.values)} measures>"


def load_facts(
    database: Database, query: LocalQuery, table: Table, source: Source, salt: bytes, told: Told = untold
) -> LoadedFacts:
    """The rows that pass the filter. Raises DataError for a table that is not as it should be."""
    facts, view = query.facts, view_of(database, table, source)
    line = id_column(table, query.ids or "")
    if facts is None:
        raise GloveboxError("the plan has no facts of this table", code="plan", step="loaded")
    every, snapshot = kept_rows(database, view, source, salt, told)
    every = without_surplus(view, every, line)
    check_rows_of_ids(database, view, line, every)
    parameters = Parameters()
    passing = exp.select(exp.Star()).from_(every.subquery("every")).where(condition(query, view, parameters))
    ids = [id_column(table, column) for column in facts.keys]
    keys = [_distinct(database, passing, view, column, parameters) for column in ids]
    (line_of, within, persons, *numbers), values = _read(database, passing, query, facts, view, parameters)
    places = [np.where(number_ < 0, len(own), number_) for number_, own in zip(numbers, keys, strict=True)]
    ends = [_last(line_of)] if not facts.within else [_last(within), _last(line_of[_last(within)])]
    return LoadedFacts(keys, places, values, ends, persons[_last(line_of)], snapshot)


def _distinct(
    database: Database, passing: exp.Select, view: View, column: Column, parameters: Parameters
) -> NDArray[np.uint8]:
    """The keys of a column, encoded, in their order."""
    id_ = name(view.name_of(column.name))
    values = exp.select(id_.as_("id")).distinct().from_(passing.subquery("passing")).where(not_(is_null(id_)))
    select = exp.select(key(column, name("id")).as_("key")).from_(values.subquery("keys")).order_by(name("id"))
    w = key_bytes(column)
    parts = [encode_ids(batch.column("key"), w) for batch in batches(database, select, parameters)]
    return np.concatenate([np.zeros((0, encoded_bytes(w)), np.uint8), *parts])


def _read(
    database: Database, passing: exp.Select, query: LocalQuery, facts: Facts, view: View, parameters: Parameters
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of every row, in order, the number of its line, of what tells it apart there, whether it has an id, and the
    numbers of its keys; and its measures."""
    id_, *keys = (name(view.name_of(column)) for column in (query.ids or "", *facts.keys))
    within = [name(view.name_of(facts.within))] if facts.within else []
    numbers = [_rank(id_), _rank(id_, *within), when(is_null(id_), number(0), number(1))]
    numbers += [when(is_null(one), number(-1), _rank(one)) for one in keys]
    read = [of_row(measure, view, parameters) or number(1) for measure in query.measures]
    select = exp.select(
        *(one.as_(f"n{index}") for index, one in enumerate(numbers)),
        *(one.as_(f"m{index}") for index, one in enumerate(read)),
    )
    select = select.from_(passing.subquery("passing")).order_by(number(1), number(2))
    outside, parts, values = Outside(query), [np.zeros((len(numbers), 0), np.int64)], []
    values.append(np.zeros((len(read), 0), np.int64))
    for batch in batches(database, select, parameters):
        parts.append(np.array([integers(batch.column(f"n{index}"))[0] for index in range(len(numbers))]))
        columns = [batch.column(f"m{index}") for index in range(len(read))]
        units = [line_units(measure, one) for measure, one in zip(query.measures, columns, strict=True)]
        values.append(np.array(units, np.int64).reshape(len(read), batch.num_rows))
        outside.count(values[-1])
    outside.refuse()
    return np.concatenate(parts, axis=1), np.concatenate(values, axis=1)


def _rank(*columns: Node) -> Node:
    """The number of a row's values among all that there are, from 0 on; what is missing is the last."""
    order = exp.Order(expressions=[exp.Ordered(this=column.copy(), nulls_first=False) for column in columns])
    rank = exp.Window(this=call("dense_rank"), order=order)
    return compare(exp.Sub, rank, number(1))


def _last(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """The last place of each number, of ascending ones."""
    return np.flatnonzero(np.append(np.diff(numbers) != 0, True)) if len(numbers) else np.zeros(0, np.int64)
