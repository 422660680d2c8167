"""The tables of a contract, who owns them, and which of their id columns may be joined."""

from __future__ import annotations

import difflib
from typing import Literal

from glovebox.contract.columns import read_column
from glovebox.contract.document import TablePart
from glovebox.contract.lines import Fault, Path
from glovebox.contract.terms import JoinColumn
from glovebox.schema.columns import Column, Table


def numbers_of(wanted: list[str], names: list[str], path: Path) -> tuple[int, ...]:
    """The numbers of parties, in the contract's order. Raises Fault for a name that is unknown or stands twice."""
    for name in wanted:
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            hint = f"did you mean {near[0]}?" if near else f"the parties are {', '.join(names)}"
            raise Fault("contract_unknown_party", path, f"there is no party {name}", hint)
    if len(set(wanted)) != len(wanted):
        raise Fault("contract_party_twice", path, "a party stands twice", "name each once")
    return tuple(sorted(names.index(name) for name in wanted))


def read_tables(parts: list[TablePart], names: list[str]) -> tuple[Table, ...]:
    """All tables. Raises Fault for what a table must not be."""
    tables: list[Table] = []
    for index, part in enumerate(parts):
        path: Path = ("table", index)
        table = _table(part, names, path)
        for other in tables:
            if other.name == table.name and set(other.owners) & set(table.owners):
                sentence = f"an owner has two tables named {table.name}"
                raise Fault("contract_table_twice", (*path, "name"), sentence, "give each its own name")
        tables.append(table)
    return tuple(tables)


def _table(part: TablePart, names: list[str], path: Path) -> Table:
    owners = numbers_of([part.owner] if isinstance(part.owner, str) else part.owner, names, (*path, "owner"))
    columns = tuple(read_column(name, column, (*path, "columns", name)) for name, column in part.columns.items())
    ids = [column for column in columns if column.kind == "id"]
    repeating = [column.name for column in ids if not column.unique]
    if part.rows_per_id is None and repeating and part.person != "row":
        sentence = f"nothing says how many rows one {repeating[0]} may have"
        raise Fault("contract_rows_per_id", path, sentence, "write rows_per_id, or unique = true at the id")
    if part.rows_per_id is not None and not repeating:
        sentence = "no id of the table may stand in more than one row"
        raise Fault("contract_rows_per_id", (*path, "rows_per_id"), sentence, "leave rows_per_id out")
    if part.rows_per_id is not None and part.rows_per_id > part.rows:
        hint = f"rows_per_id of at most {part.rows}"
        raise Fault("contract_rows_per_id", (*path, "rows_per_id"), "one id may have more rows than the table", hint)
    return Table(
        name=part.name,
        owners=owners,
        rows=part.rows,
        columns=columns,
        rows_per_id=part.rows_per_id,
        person=_person(part, ids, path),
        apart=len(owners) > 1 and part.person != "row",
    )


def _person(part: TablePart, ids: list[Column], path: Path) -> Literal["id", "row"]:
    """What a person is in this table. Raises Fault where the contract leaves it open."""
    stacked = not isinstance(part.owner, str) and len(part.owner) > 1
    several = (*path, "same_person_at_several")
    if part.same_person_at_several is not None and (not stacked or part.person == "row"):
        why = "rows are people" if stacked else "the table has one owner"
        raise Fault("contract_person", several, f"{why}: no one can be at several", "leave same_person_at_several out")
    if part.same_person_at_several == "yes":
        sentence = "counting a person once over several owners is not served by this version"
        hint = 'same_person_at_several = "no", if the owners can vouch for it'
        raise Fault("contract_not_served", several, sentence, hint)
    if part.person == "row":
        return "row"
    if not ids:
        raise Fault("contract_person", path, "a table without an id says nothing of people", 'write person = "row"')
    if stacked and part.same_person_at_several is None:
        sentence = f"nothing says whether one {ids[0].name} may be at several owners"
        hint = 'same_person_at_several = "no", if the owners can vouch for it, or person = "row"'
        raise Fault("contract_person", path, sentence, hint)
    return "id"


def read_join(
    tables: tuple[Table, ...], names: list[str], pair: list[str | list[str]], path: Path
) -> tuple[JoinColumn, JoinColumn]:
    """The two id columns of a join rule. Raises Fault where they cannot be joined."""
    sides = []
    for side in pair:
        if not isinstance(side, str):
            sentence = "joins on several columns are not served by this version"
            raise Fault("contract_not_served", path, sentence, "bind one id column made of them")
        sides.append(_join_column(tables, names, side, path))
    left, right = sides
    (first, one), (second, other) = ((tables[side.table], _column(tables, side)) for side in sides)
    for table, column in ((first, one), (second, other)):
        if column.kind != "id":
            sentence = f"{table.name}.{column.name} is no id"
            raise Fault("contract_join", path, sentence, 'join columns with type = "id"')
        if len(table.owners) > 1:
            sentence = f"{table.name} has several owners, and joining such a table is not served by this version"
            raise Fault("contract_not_served", path, sentence, "join tables of one owner each")
        if table.person == "row":
            sentence = f"in {table.name} rows are people, not {column.name}"
            raise Fault("contract_join", path, sentence, 'leave person = "row" out')
    if first.owners == second.owners:
        sentence = f"both tables are {names[first.owners[0]]}'s"
        raise Fault("contract_join", path, sentence, "an owner joins its own tables before they are bound")
    if (one.form, one.max_bytes) != (other.form, other.max_bytes):
        raise Fault("contract_join", path, "the two ids differ in form or max_bytes", "give both the same")
    return left, right


def _join_column(tables: tuple[Table, ...], names: list[str], text: str, path: Path) -> JoinColumn:
    *owner, name, column = ["", *text.split(".")] if text.count(".") == 1 else text.split(".")
    wanted = names.index(owner[0]) if owner and owner[0] in names else None
    found = [
        index
        for index, table in enumerate(tables)
        if table.name == name and table.column(column) and (wanted is None or wanted in table.owners)
    ]
    if len(owner) != 1 or (owner[0] and wanted is None) or len(found) != 1:
        what = "is in more than one table" if len(found) > 1 else "is no column of the contract"
        raise Fault("contract_join", path, f"{text[:130]} {what}", 'write "table.column" or "owner.table.column"')
    return JoinColumn(table=found[0], column=column)


def _column(tables: tuple[Table, ...], place: JoinColumn) -> Column:
    return next(column for column in tables[place.table].columns if column.name == place.column)
