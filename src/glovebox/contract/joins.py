"""Which ids of a contract's tables may be joined, also ids that are composed of several columns."""

from __future__ import annotations

import difflib

from msgspec.structs import replace

from glovebox.contract.lines import Fault, Path
from glovebox.contract.terms import JoinColumn
from glovebox.schema.columns import Column, Table

PATH: Path = ("rules", "join")
PARTS = ("id", "category", "date", "integer")
"""Kinds of which an id may be composed: each has one text for a value, whoever writes it."""

Joins = tuple[tuple[JoinColumn, JoinColumn], ...]


def read_joins(
    tables: tuple[Table, ...], names: list[str], pairs: list[list[str | list[str]]]
) -> tuple[tuple[Table, ...], Joins]:
    """The tables, with the ids that the joins compose, and the two ids of each join. Raises Fault.

    An id of several columns is a column of its own behind the table's others, named by theirs: `name+born`.
    """
    joins = []
    for pair in pairs:
        sides = [[side] if isinstance(side, str) else side for side in pair]
        if len(sides[0]) != len(sides[1]) or not sides[0]:
            raise Fault(
                "contract_join", PATH, "the two sides differ in their number of columns", "as many on each side"
            )
        places = [[_place(tables, names, text) for text in side] for side in sides]
        for side in places:
            if len({place.table for place in side}) > 1:
                raise Fault(
                    "contract_join", PATH, "the columns of a side are of several tables", "columns of one table"
                )
        _check(tables, names, places)
        ends = []
        for side in places:
            tables, end = _joined(tables, side)
            ends.append(end)
        joins.append((ends[0], ends[1]))
    alone = {place for pair in joins for place in pair}
    return tuple(_with_persons(table, number, alone) for number, table in enumerate(tables)), tuple(joins)


def _with_persons(table: Table, number: int, alone: set[JoinColumn]) -> Table:
    """The table, its ids that are only ever parts marked as such."""
    parts = {part for column in table.columns for part in column.parts}
    columns = [
        replace(column, alone=JoinColumn(number, column.name) in alone)
        if column.kind == "id" and column.name in parts
        else column
        for column in table.columns
    ]
    return replace(table, columns=tuple(columns))


def _check(tables: tuple[Table, ...], names: list[str], places: list[list[JoinColumn]]) -> None:
    """Return if the two sides may be joined. Raises Fault."""
    one, other = (tables[side[0].table] for side in places)
    for side in places:
        _check_side(tables, side)
    if one.owners == other.owners and len(one.owners) == 1:
        sentence = f"both tables are {names[one.owners[0]]}'s"
        raise Fault("contract_join", PATH, sentence, "an owner joins its own tables before they are bound")
    for left, right in zip(*places, strict=True):
        first, second = _column(tables, left), _column(tables, right)
        if (first.kind, first.form, first.max_bytes) != (second.kind, second.form, second.max_bytes):
            what = "ids differ in form or max_bytes" if first.kind == second.kind == "id" else "columns differ in type"
            raise Fault("contract_join", PATH, f"the two {what}", "give both the same")


def _check_side(tables: tuple[Table, ...], side: list[JoinColumn]) -> None:
    table, columns = tables[side[0].table], [_column(tables, place) for place in side]
    if len(table.owners) > 1 and len(side) > 1:
        sentence = f"{table.name} has several owners, and joining it on several columns is not served by this version"
        raise Fault("contract_not_served", PATH, sentence, "join it on one id")
    ids = [column for column in columns if column.kind == "id"]
    if not ids:
        sentence = f"{table.name}.{side[0].column} is no id"
        raise Fault("contract_join", PATH, sentence, 'join columns with type = "id", alone or with others')
    if table.person == "row":
        sentence = f"in {table.name} rows are people, not {ids[0].name}"
        raise Fault("contract_join", PATH, sentence, 'leave person = "row" out')
    if len(set(side)) != len(side):
        raise Fault("contract_join", PATH, f"a column of {table.name} stands twice", "name each once")
    for column in columns:
        if column.kind not in PARTS or "other" in column.values:
            what = "takes what is not listed as other" if column.values else f"is {column.kind}"
            sentence = f"{table.name}.{column.name} {what}, and no part of an id"
            raise Fault("contract_join", PATH, sentence, f"columns of type {', '.join(PARTS)}")


def _joined(tables: tuple[Table, ...], side: list[JoinColumn]) -> tuple[tuple[Table, ...], JoinColumn]:
    """The tables and the one id of a side, composed if it has several columns."""
    if len(side) == 1:
        return tables, side[0]
    number, parts = side[0].table, tuple(place.column for place in side)
    table, place = tables[number], JoinColumn(number, "+".join(parts))
    if table.column(place.column) is None:
        unique = any(_column(tables, part).unique for part in side)
        column = Column(place.column, "id", form="composed", unique=unique, parts=parts)
        table = replace(table, columns=(*table.columns, column))
    return (*tables[:number], table, *tables[number + 1 :]), place


def _place(tables: tuple[Table, ...], names: list[str], text: str) -> JoinColumn:
    parts = text.split(".")
    owner, name, column = {2: ["", *parts], 3: parts}.get(len(parts), ["", "", ""])
    wanted = names.index(owner) if owner in names else None
    found = [
        index
        for index, table in enumerate(tables)
        if table.name == name and table.column(column) and (wanted is None or wanted in table.owners)
    ]
    if (owner and wanted is None) or len(found) != 1:
        what = "is in more than one table" if len(found) > 1 else "is no column of the contract"
        known = [f"{table.name}.{column.name}" for table in tables for column in table.columns if column.kind == "id"]
        near = difflib.get_close_matches(text[:130], known, n=1) if not found else []
        hint = f"did you mean {near[0]}?" if near else 'write "table.column" or "owner.table.column"'
        raise Fault("contract_join", PATH, f"{text[:130]} {what}", hint)
    return JoinColumn(table=found[0], column=column)


def _column(tables: tuple[Table, ...], place: JoinColumn) -> Column:
    return next(column for column in tables[place.table].columns if column.name == place.column)
