"""By which ids tables meet person by person, and whether the contract lets them meet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import TYPE_CHECKING

from glovebox.contract.terms import Contract, JoinColumn
from glovebox.planner.statement import Statement

if TYPE_CHECKING:
    from glovebox.planner.beside import Part


def holder_of(contract: Contract, parts: Sequence[Part]) -> int | None:
    """An owner who has a row of all whom the question counts, so that the others meet with it alone; or None."""
    owners = [part.owners[0] for part in parts if part.kind in ("inner", "semi") and len(part.owners) == 1]
    joined = (owner for owner in owners if not any(_not_joined(contract, _places(parts), owner)))
    return next(joined, next(iter(owners), None))


def _places(parts: Sequence[Part]) -> list[JoinColumn]:
    """The ids that tables meet by."""
    found = {
        JoinColumn(branch.index, name)
        for part in parts
        for branch, name in zip(part.gathering.side.branches, part.gathering.names(), strict=True)
    }
    return sorted(found, key=lambda place: (place.table, place.column))


def _not_joined(
    contract: Contract, places: Sequence[JoinColumn], holder: int | None
) -> Iterator[tuple[JoinColumn, JoinColumn]]:
    """Ids that meet, all or with the holder's alone, and that the contract does not join."""
    for pair in combinations(places, 2):
        met = holder is None or any(holder in contract.tables[place.table].owners for place in pair)
        if met and not _are_joined(contract, *pair):
            yield pair


def check_joined(statement: Statement, contract: Contract, parts: Sequence[Part], holder: int | None) -> None:
    """Return if the contract lets all these tables meet by these ids; those of one owner are its own to join."""
    places = _places(parts)
    if len(places) == 1:
        return parts[0].gathering.check_joined()
    columns = [contract.column(place) for place in places]
    alike = len({(column.form, column.max_bytes) for column in columns}) == 1
    persons = all(part.gathering.is_person() for part in parts)
    ids, tables = parts[0].gathering.ids.name, sorted({contract.tables[place.table].name for place in places})
    if not (alike and persons):
        hint = f"join = [[…]] of {ids} at all these owners"
        sentence = f"The contract does not join {', '.join(tables)} by {ids}"
        statement.refuse(statement.tree, "rules.join", sentence, hint)
    for pair in _not_joined(contract, places, holder):
        one, other = (f"{contract.tables[place.table].name}.{place.column}" for place in pair)
        sentence = f"The tables meet by {ids} here, and the contract does not join {one} with {other}"
        statement.refuse(statement.tree, "rules.join", sentence, "tables that the contract joins with each other")
    return None


def _are_joined(contract: Contract, one: JoinColumn, other: JoinColumn) -> bool:
    """Whether the contract joins two ids, or both are at one owner alone, who may join them itself."""
    owners = {*contract.tables[one.table].owners, *contract.tables[other.table].owners}
    return len(owners) == 1 or any(set(pair) == {one, other} for pair in contract.rules.join)
