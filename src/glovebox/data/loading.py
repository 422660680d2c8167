"""An owner's local part of a joined question: one line an id, from its file to the arrays that enter the protocols.

Where the id is unique that is one pass over the file, batch by batch: DuckDB cleans, filters and computes, Python
hashes and encodes. Where ids repeat the cleaned rows are kept in a temporary table, hashed from there and grouped
there: one pass over the file again, and what is hashed is what is counted. No floating point anywhere.
"""

from __future__ import annotations

import secrets
from typing import Any

import numpy as np
import pyarrow as pa
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray
from sqlglot import exp

from glovebox.data.arrays import booleans, integers, validity
from glovebox.data.database import Database, Parameters, batches, rows
from glovebox.data.derived import derived_view
from glovebox.data.encoding import encode_ids, encoded_bytes, repeated_ids
from glovebox.data.identifiers import DIGEST_BYTES, composed, key, key_bytes
from glovebox.data.measures import (
    Outside,
    condition,
    group_number,
    in_group,
    line_units,
    of_id,
    of_row,
)
from glovebox.data.passes import PASSES, Told, hashed, kept_rows, untold, without_surplus
from glovebox.data.quality import ids_above, most_rows
from glovebox.data.room import MEMORY, Room
from glovebox.data.snapshot import SnapshotHash
from glovebox.data.sources import Source
from glovebox.data.trees import Node, aliased, both, call, compare, is_null, name, not_, number
from glovebox.data.view import View, view_of
from glovebox.errors import DataError, GloveboxError
from glovebox.schema.columns import Column, Table
from glovebox.schema.local import LocalQuery

AT_ONCE = 1 << 19
"""Of more rows, ids are not compared with all others at once: that misses every cache, and shards compare theirs."""


class LoadedRows(Struct, frozen=True):
    """One line an id. ids: (n, 16 blocks) uint8, encoded, all different; of several keys side by side, those of each
    all different. snapshot: 32 bytes.

    values: (measures, n) int64, (measures groups, n) of a pivoted query. groups: (n,) int64, the group of each line,
    None without groupings or pivoted. room: where they lie. null_ids, ids_without_form: rows that pass the filter and
    are left out; for the owner's eyes only.
    """

    ids: NDArray[np.uint8]
    values: NDArray[np.int64]
    snapshot: bytes
    null_ids: int
    ids_without_form: int
    groups: NDArray[np.int64] | None = None
    room: Room = MEMORY

    def __repr__(self) -> str:
        return f"<LoadedRows: {len(self.values)} measures, ids of {self.ids.shape[1]} bytes>"


def load_rows(
    database: Database,
    query: LocalQuery,
    table: Table,
    source: Source,
    salt: bytes,
    told: Told = untold,
    room: Room = MEMORY,
) -> LoadedRows:
    """One line for each id with a row that passes the filter. Raises DataError for a table that is not as it should.

    room: where the lines shall lie. Of many lines, or what is not in memory, ids that repeat though unique are left to
    be found shard by shard.
    """
    column = id_column(table, query.ids or "")
    view = view_of(database, table, source)
    plain = column.unique and not (query.by_group or query.derived or query.slots_by)
    load = _unique_rows if plain or query.keys else _repeated_rows
    loaded = load(database, view, query, column, source, salt, told, room)
    if len(loaded.ids) > query.lines:
        raise DataError(f"{table.name} has more ids than the plan has lines", step="loaded")
    return loaded


def id_column(table: Table, named: str) -> Column:
    """The id of that name; GloveboxError (`plan`) if the table has none."""
    column = table.column(named)
    if column is None or column.kind != "id":
        raise GloveboxError("the plan joins on what is no id of the table", code="plan", step="loaded")
    return column


def _unique_rows(
    database: Database,
    view: View,
    query: LocalQuery,
    column: Column,
    source: Source,
    salt: bytes,
    told: Told,
    room: Room,
) -> LoadedRows:
    """Every passing row is a line; duplicates are an error. A line of several keys is left out if it has none."""
    table = view.table
    ids_of = (column, *(one for wanted in query.keys for one in table.columns if one.name == wanted))
    id_names, w = [view.name_of(one.name) for one in ids_of], DIGEST_BYTES if query.keys else key_bytes(column)
    extra: dict[str, Node] = {}
    several = enumerate(id_names if query.keys else ())
    keys_of = [_key_of_several(place, name(one)) for place, one in several] or [key(column, name(id_names[0]))]
    key_names = [_computed(extra, one) for one in keys_of]
    passing = _computed(extra, condition(query, view, view.parameters)) if query.where else None
    read = [of_row(measure, view, view.parameters) for measure in query.measures]
    inputs = [None if node is None else _computed(extra, node) for node in read]
    group = _computed(extra, group_number(query, view, view.parameters)) if query.groupings else None
    named = [*(f"null_{one}" for one in id_names), *key_names, passing, *inputs, group]
    computed = (aliased(node, alias) for alias, node in extra.items())
    select = view.read(*(one for one in named if one and one not in extra)).select(*computed, copy=False)
    snapshot = SnapshotHash(salt, table)
    ids = room.array((table.rows, len(id_names) * encoded_bytes(w)), np.uint8)  # pages without rows are never touched
    values = room.array((len(query.measures), table.rows), np.int64)
    groups = room.array(table.rows, np.int64) if group else None
    outside = Outside(query)
    n = null_ids = formless = read_rows = 0
    for batch in hashed(database, view, source, select, view.parameters, snapshot):
        told(read_rows := read_rows + batch.num_rows, table.rows)
        keys = [batch.column(one) for one in key_names]
        passes = booleans(batch.column(passing)) if passing else np.ones(batch.num_rows, bool)
        valid = _any_valid(keys)
        if valid is not None:
            null = np.logical_and.reduce([booleans(batch.column(f"null_{one}")) for one in id_names])
            nulls = int(np.count_nonzero(passes & null))
            null_ids, formless = null_ids + nulls, formless + int(np.count_nonzero(passes & ~valid)) - nulls
            passes = passes if query.unmatched else passes & valid
        taken: NDArray[np.bool_] | slice = slice(None)
        if not passes.all():
            keys, taken = [one.filter(pa.array(passes)) for one in keys], passes
        span = slice(n, n + len(keys[0]))
        nobody = np.logical_and.reduce(
            [_encoded(one, w, part) for one, part in zip(keys, np.split(ids[span], len(keys), axis=1), strict=True)]
        )
        for index, (measure, alias) in enumerate(zip(query.measures, inputs, strict=True)):
            values[index, span] = line_units(measure, batch.column(alias))[taken] if alias else 1
            if measure.kind == "people":
                values[index, span][nobody] = 0
        if group and groups is not None:
            groups[span] = integers(batch.column(group))[0][taken]
        outside.count(values[:, span])
        n += len(keys[0])
        room.settle()
    for one, part in zip(ids_of, np.split(ids[:n], len(ids_of), axis=1), strict=True):
        if n <= AT_ONCE and room.in_memory and (repeated := repeated_ids(np.ascontiguousarray(part))):
            raise DataError(f"{table.name}.{one.name}: {repeated} ids in more than one row, though the id is unique")
    outside.refuse()
    groups = None if groups is None else groups[:n]
    return LoadedRows(ids[:n], values[:, :n], snapshot.digest(), null_ids, formless, groups, room)


def _repeated_rows(
    database: Database,
    view: View,
    query: LocalQuery,
    column: Column,
    source: Source,
    salt: bytes,
    told: Told,
    room: Room,
) -> LoadedRows:
    """A line is all passing rows of an id together; by group, those of an id in one group."""
    table, id_name = view.table, view.name_of(column.name)
    w = DIGEST_BYTES if query.by_group else key_bytes(column)
    every, snapshot = kept_rows(database, view, source, salt, told)
    every = without_surplus(view, every, column)
    most, parameters = most_rows(table, column), Parameters()
    own = query if query.derived is None else replace(query, where=query.derived.where)
    null_ids, formless = _left_out(database, view, own, every, id_name)
    if query.by_group or query.derived is not None:
        check_rows_of_ids(database, view, column, every)
    if query.derived is not None:
        view, every = derived_view(query.derived, view, every, column, query.unmatched, parameters)
        id_name = view.name_of(column.name)
    grouped = query.by_group or (query.derived is not None and bool(query.groupings) and not query.pivoted)
    if query.slots or query.slots_by:
        every = _in_slots(view, every, id_name, query, condition(query, view, parameters))
        _check_told_apart(database, view, query, every, id_name, parameters)
    if query.slots:
        kept: list[Node | None] = [compare(exp.EQ, name("slot"), number(slot + 1)) for slot in range(query.slots)]
    else:
        groups = range(query.groups) if query.pivoted else [None]
        kept = [None if group is None else in_group(query, group, view, parameters) for group in groups]
    measures = [
        (measure, compare(exp.EQ, name("slot"), number(measure.slot)) if measure.slot else rows)
        for measure in query.measures
        for rows in kept
    ]
    sums = [of_id(measure, view, parameters, rows).as_(f"m{index}") for index, (measure, rows) in enumerate(measures)]
    group = group_number(query, view, parameters) if grouped else number(0)
    there = exp.true() if query.unmatched else not_(is_null(name(id_name)))
    lines = exp.select(name(id_name).as_("id"), group.as_("g"), call("count_star").as_("n"), *sums)
    lines = lines.from_(every.subquery("every")).where(condition(query, view, parameters), there)
    lines = lines.group_by(number(1), number(2))
    keyed = exp.select(exp.Star(), _key_of_line(query, column).as_("key")).from_(lines.subquery("lines"))
    ids = room.array((table.rows, encoded_bytes(w)), np.uint8)
    values = room.array((len(measures), table.rows), np.int64)
    groups_of = room.array(table.rows, np.int64) if grouped else None
    outside = Outside(query)
    n = above = 0
    for batch in batches(database, keyed, parameters):
        span = slice(n, n + batch.num_rows)
        nobody = _encoded(batch.column("key"), w, ids[span])
        if groups_of is not None:
            groups_of[span] = integers(batch.column("g"))[0]
        for index, (measure, _) in enumerate(measures):
            values[index, span] = line_units(measure, batch.column(f"m{index}"))
            if measure.kind == "people":
                values[index, span][nobody] = 0
        above += int(np.count_nonzero((integers(batch.column("n"))[0] > (most or table.rows)) & ~nobody))
        outside.count(values[:, span][:, ~nobody])  # all rows without an id are one line, which may reach far
        n += batch.num_rows
        told(2 * table.rows + n, PASSES * table.rows)
        room.settle()
    if above:
        raise DataError(f"{table.name}.{column.name}: {above} ids in more rows than rows_per_id", step="loaded")
    outside.refuse()
    return LoadedRows(
        ids[:n], values[:, :n], snapshot, null_ids, formless, None if groups_of is None else groups_of[:n], room
    )


def _key_of_several(place: int, form: Node) -> Node:
    """What is encoded of one of several keys: a hash of its form and its place, so that those of two never match."""
    return call("unhex", call("sha256", composed([number(place), form])))


def _any_valid(keys: list[pa.Array[Any]]) -> NDArray[np.bool_] | None:
    """Where a row has one key at least, (n,) bool; None if all have."""
    found = [valid for one in keys if (valid := validity(one)) is not None]
    return np.logical_or.reduce(found) if len(found) == len(keys) else None


def check_rows_of_ids(database: Database, view: View, column: Column, every: exp.Select) -> None:
    """Return if no id has more rows than the contract says; raise DataError with the number that have."""
    most = most_rows(view.table, column)
    if most and (above := ids_above(database, every, Parameters(), view.name_of(column.name), most)):
        raise DataError(f"{view.table.name}.{column.name}: {above} ids in more than {most} rows", step="loaded")


def _key_of_line(query: LocalQuery, column: Column) -> Node:
    """What is encoded of a line: its id's key, or a hash of its id and its group's number together."""
    if not query.by_group:
        return key(column, name("id"))
    return call("unhex", call("sha256", composed([name("id"), name("g")])))


def _check_told_apart(
    database: Database, view: View, query: LocalQuery, every: exp.Select, id_name: str, parameters: Parameters
) -> None:
    """Return if an id's rows differ in the columns by which the question tells them apart; DataError with how many."""
    if query.told_apart is None:
        return
    keys = [name(id_name), *(name(view.name_of(column)) for column in query.told_apart)]
    alike = exp.select(*keys).from_(every.subquery("every")).group_by(*(key.copy() for key in keys))
    alike = alike.having(compare(exp.GT, call("count_star"), number(1)))
    found = rows(database, exp.select(call("count_star")).from_(alike.subquery("alike")), parameters)[0][0]
    if found:
        columns = ", ".join(query.told_apart) or "nothing"
        raise DataError(
            f"{query.table}: rows of an id are told apart by {columns}, and {found} are alike", step="loaded"
        )


def _in_slots(view: View, every: exp.Select, id_name: str, query: LocalQuery, passing: Node) -> exp.Select:
    """The rows that pass, each with the number of its slot: of an id's rows, in the plan's order, then by value."""
    keys = [exp.Ordered(this=name(reading.name)) for reading in view.readings]
    if query.slots_by:
        keys.insert(0, exp.Ordered(this=name(view.name_of(query.slots_by)), desc=query.falling, nulls_first=False))
    order = exp.Order(expressions=keys)
    slot = exp.Window(this=exp.RowNumber(), partition_by=[name(id_name)], order=order).as_("slot", quoted=True)
    rows_there = exp.select(exp.Star()).from_(every.subquery("every")).where(passing)
    return exp.select(exp.Star(), slot).from_(rows_there.subquery("passing"))


def _encoded(keys: pa.Array[Any], w: int, out: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Encode keys; what has none gets random bytes, which match nothing. Returns where that is, (n,) bool."""
    if not out.flags.c_contiguous:
        alone = np.empty(out.shape, np.uint8)
        nobody, out[:] = _encoded(keys, w, alone), alone
        return nobody
    valid = validity(keys)
    if valid is None or valid.all():
        encode_ids(keys, w, out)
        return np.zeros(len(keys), bool)
    blank = pa.scalar(0, keys.type) if pa.types.is_int64(keys.type) else pa.scalar(b"").cast(keys.type)
    encode_ids(keys.fill_null(blank), w, out)
    nobody = ~valid
    out[nobody] = np.frombuffer(secrets.token_bytes(int(nobody.sum()) * out.shape[1]), np.uint8).reshape(
        -1, out.shape[1]
    )
    return nobody


def _left_out(database: Database, view: View, query: LocalQuery, every: exp.Select, id_name: str) -> tuple[int, int]:
    """How many passing rows have an id that is NULL, and one without canonical form."""
    parameters = Parameters()
    null = name(f"null_{id_name}")
    formless = both(not_(null), is_null(name(id_name)))
    select = exp.select(call("count_if", null), call("count_if", formless)).from_(every.subquery("every"))
    nulls, without = rows(database, select.where(condition(query, view, parameters)), parameters)[0]
    return int(nulls or 0), int(without or 0)  # over no rows, count_if is NULL


def _computed(extra: dict[str, Node], node: Node) -> str:
    """The name under which a node is selected: a plain column of the view has one already."""
    if isinstance(node, exp.Column):
        return node.name
    extra[alias := f"x{len(extra)}"] = node
    return alias
