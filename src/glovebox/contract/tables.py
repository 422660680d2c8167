"""The tables of a contract, and who owns them."""

from __future__ import annotations

import difflib
from typing import Literal

from msgspec.structs import replace

from glovebox.contract.columns import read_column
from glovebox.contract.document import TablePart
from glovebox.contract.lines import Fault, Path
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


def read_tables(parts: list[TablePart], names: list[str], surplus_dropped: bool = False) -> tuple[Table, ...]:
    """All tables. surplus_dropped: rows of an id beyond rows_per_id are left out. Raises Fault for what must not be."""
    tables: list[Table] = []
    for index, part in enumerate(parts):
        path: Path = ("table", index)
        table = _table(part, names, path)
        table = replace(table, surplus_dropped=surplus_dropped and table.rows_per_id is not None)
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
        apart=part.same_person_at_several == "no",
    )


def _person(part: TablePart, ids: list[Column], path: Path) -> Literal["id", "row"]:
    """What a person is in this table. Raises Fault where the contract leaves it open."""
    stacked = not isinstance(part.owner, str) and len(part.owner) > 1
    several = (*path, "same_person_at_several")
    if part.same_person_at_several is not None and (not stacked or part.person == "row"):
        why = "rows are people" if stacked else "the table has one owner"
        raise Fault("contract_person", several, f"{why}: no one can be at several", "leave same_person_at_several out")
    if part.person == "row":
        return "row"
    if not ids:
        raise Fault("contract_person", path, "a table without an id says nothing of people", 'write person = "row"')
    if stacked and part.same_person_at_several is None:
        sentence = f"nothing says whether one {ids[0].name} may be at several owners"
        hint = 'same_person_at_several = "yes"; or "no", if the owners can vouch for it; or person = "row"'
        raise Fault("contract_person", path, sentence, hint)
    return "id"
