"""Sub-queries of one row a person side by side, joined by the id that makes them, whichever owners their rows are at.

An owner puts the lines of all its tables together by that id (`data/together.py`), and persons of several owners meet
on shares (`meetings.py`). Who has a row in which sub-query is a bit of each, and the kind of join a condition of these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from msgspec.structs import replace as replaced
from sqlglot import exp

from glovebox.contract.terms import Contract
from glovebox.planner.beside_ids import check_joined, holder_of
from glovebox.planner.folding import folded
from glovebox.planner.gathered import PERSON_HERE, Gathered, Measures, Persons
from glovebox.planner.gathering import Gathering, makes_persons, side_of
from glovebox.planner.naming import meant_keys
from glovebox.planner.scope import Scope, Side, table_side
from glovebox.planner.stack import union_side
from glovebox.planner.statement import Statement
from glovebox.planner.typed import Typed
from glovebox.planner.typing import Typing
from glovebox.schema.columns import Column
from glovebox.schema.expressions import Call, ColumnRef, Expression, substituted
from glovebox.schema.local import Beside, LocalQuery

Kind = Literal["inner", "left", "full", "semi", "anti"]
KINDS: dict[str, Kind] = {"": "inner", "INNER": "inner", "LEFT": "left", "FULL": "full", "SEMI": "semi", "ANTI": "anti"}


@dataclass(frozen=True)
class Part:
    """One sub-query. kind: how it is joined with those before it. having: what its columns must meet."""

    name: str
    kind: Kind
    gathering: Gathering
    columns: tuple[Gathered, ...]
    having: Expression | None

    @property
    def ids(self) -> str:
        """The name of its id."""
        return next((one.column.name for one in self.columns if one.how == "id"), "")

    @property
    def owners(self) -> tuple[int, ...]:
        """Who has rows of it."""
        return self.gathering.side.owners


def side_by_side(statement: Statement, contract: Contract, given: Mapping[str, Typed]) -> Side | None:
    """The side that sub-queries and tables are together, if the statement joins some that meet person by person.

    Its columns have the names of their parts before theirs, and so have from then on the statement's own.
    """
    tree = statement.tree
    joins: list[exp.Join] = tree.args.get("joins") or []
    if not joins or not tree.args.get("from_") or not _meet(statement, contract, given):
        return None
    kinds = [_kind(statement, join) for join in joins]
    kinds.insert(0, "full" if "full" in kinds else "inner")
    folded(
        statement,
        kinds,
        lambda node: _rows_of(statement, contract, given, node),
        lambda side: Typing(Scope(statement, contract, (side,)), given),
    )
    nodes = [tree.args["from_"].this, *(join.this for join in joins)]
    parts = [
        _part(statement, contract, given, node, kind, place)
        for place, (node, kind) in enumerate(zip(nodes, kinds, strict=True))
    ]
    for place, join in enumerate(joins, 1):
        _check_ids(statement, join, parts[: place + 1])
    holder = holder_of(contract, parts)
    check_joined(statement, contract, parts, holder)
    owners = sorted({owner for part in parts for owner in part.owners}, key=lambda owner: (owner != holder, owner))
    columns, where = _columns(parts, owners)
    by_match = any(kind in ("left", "full") and _groups_by(tree, node) for kind, node in zip(kinds, nodes, strict=True))
    renamed(statement, [column.column.name for column in columns], [part.name for part in parts])
    queries = tuple(_query(contract, parts, owner) for owner in owners)
    first = parts[0].gathering.side
    branches = tuple(branch for part in parts for branch in part.gathering.side.branches)
    table = replaced(first.table, rows=max(query.lines for query in queries))
    persons = Persons(queries, tuple(columns), where, by_match=by_match, held=holder is not None)
    return side_of(replace(first, branches=branches, table=table), persons, "")


def _meet(statement: Statement, contract: Contract, given: Mapping[str, Typed]) -> bool:
    """Whether the tables and sub-queries of a statement meet person by person: where several owners have rows of one,
    or one owner of several; but for a stack's rows beside another owner's table, which need no person."""
    tree = statement.tree
    nodes = [tree.args["from_"].this, *(join.this for join in tree.args["joins"])]
    if any(join.side == "FULL" for join in tree.args["joins"]):
        return len(nodes) == 2 and all(map(makes_persons, nodes))
    if contract.protocol or statement.latest:
        return False
    held = [{owner for table in node.find_all(exp.Table) for owner in table_side(statement, contract, table).owners}
            for node in nodes]  # fmt: skip
    owners = set[int]().union(*held)
    if len(owners) == 1:
        return False  # one owner's alone, which is refused
    apart = sum(map(len, held)) == len(owners)
    if apart and max(map(len, held)) == 1:
        if len(nodes) > 2:
            return not all(map(_is_inner, tree.args["joins"]))
        left = tree.args["joins"][0].side == "LEFT" and _groups_by(tree, nodes[1])
        return left or any(_names(key) >= {node.alias_or_name.lower() for node in nodes} for key in meant_keys(tree))
    if len(nodes) > 2 or not apart or any(map(makes_persons, nodes)):
        return True
    stacks = [node for node, owners in zip(nodes, held, strict=True) if len(owners) > 1]
    counted = tree.find(exp.Distinct) is not None or contract.rules.groups_of_at_least > 1
    return counted and not contract.privacy and not _rows_of(statement, contract, given, stacks[0]).table.apart


def _is_inner(join: exp.Join) -> bool:
    """Whether a join takes the rows that match, or those with a match among ids that are there once."""
    return not join.side and (join.kind in ("", "INNER") or (join.kind == "SEMI" and makes_persons(join.this)))


def _groups_by(tree: exp.Select, node: exp.Expr) -> bool:
    """Whether groups are made by a column of a table that the question calls by its name."""
    return any(node.alias_or_name.lower() in _names(key) for key in meant_keys(tree))


def _names(key: exp.Expr) -> set[str]:
    """The tables whose columns a key names."""
    return {column.table.lower() for column in key.find_all(exp.Column)}


def _kind(statement: Statement, join: exp.Join) -> Kind:
    found = KINDS.get((join.side or join.kind or "").upper())
    return found or statement.refuse(join, "sql", "This join cannot be asked", "JOIN, LEFT, FULL, SEMI or ANTI JOIN")


def _rows_of(statement: Statement, contract: Contract, given: Mapping[str, Typed], node: exp.Expr) -> Side:
    """The side that a table, or a sub-query that puts no rows together, is."""
    if isinstance(node, exp.Subquery):
        return union_side(statement, contract, node, given)
    return table_side(statement, contract, node)


def _part(
    statement: Statement, contract: Contract, given: Mapping[str, Typed], node: exp.Subquery, kind: Kind, place: int
) -> Part:
    gathering = Gathering(statement, contract, node.this, given)
    gathering.check_by_id()
    columns, having = gathering.columns_with_having()
    if gathering.summaries.counted:
        sentence = "Another id cannot be counted once over owners where sub-queries are joined yet"
        statement.refuse(node.this, "sql", sentence, "that sub-query alone")
    if having is not None and kind in ("left", "full"):
        hint = "WHERE, or FILTER"
        statement.refuse(node.this.args["having"], "sql", f"HAVING has no place in a {kind.upper()} JOIN yet", hint)
    return Part(node.alias.lower() or str(place), kind, gathering, tuple(columns), having)


def _check_ids(statement: Statement, join: exp.Join, parts: Sequence[Part]) -> None:
    """Return if the last part is joined with one before it by the ids of both."""
    using, on = join.args.get("using"), join.args.get("on")
    new, before = parts[-1], parts[:-1]
    ends = [on.this, on.expression] if isinstance(on, exp.EQ) else [exp.column(using[0])] * 2 if using else []
    ids = {(part.name, part.ids) for part in parts if part.ids}
    named = [
        {part.name for part in parts if end.table.lower() in ("", part.name) and (part.name, end.name.lower()) in ids}
        for end in ends
        if isinstance(end, exp.Column)
    ]
    others = {part.name for part in before}
    if len({part.name for part in parts}) < len(parts) or not (using is None or len(using) == 1):
        named = []
    if len(named) != 2 or not any(new.name in one and others & other for one, other in (named, named[::-1])):
        hint = f"JOIN … USING ({new.ids or new.gathering.ids.name})"
        statement.refuse(join, "sql", "Persons are joined by the id that makes them, each table by its own name", hint)


def _query(contract: Contract, parts: Sequence[Part], owner: int) -> LocalQuery:
    """An owner's own part: a line for each id that one of its tables has."""
    own = [query for part in parts for query in part.gathering.queries() if query.party == owner]
    beside = tuple(Beside(query.table, query.ids or "", query.where) for query in own[1:])
    lines = sum(contract.table(query.table, owner).rows for query in own)
    return replaced(own[0], lines=lines, beside=beside)


def _columns(parts: Sequence[Part], owners: Sequence[int]) -> tuple[list[Gathered], Expression]:
    """The columns of all parts, of which those that a kind of join leaves out are nobody's to name, and what kept
    rows must meet."""
    first = parts[0].gathering.ids
    columns = [Gathered(Column(parts[0].ids, "id", first.form, unique=True, required=True), "id")]
    kept: list[Expression] = []
    for number, part in enumerate(parts):
        spread = _Spread(parts, number, owners)
        for one in part.columns:
            columns.append(spread.column(one, part.kind in ("left", "full")))
        there = Column(f"present {number}", "boolean", required=True, may=("filter",))
        columns.append(Gathered(there, "any", spread.here))
        present: Expression = ColumnRef(there.name)
        if part.having is not None:
            names = {one.column.name: ColumnRef(f"{part.name}.{one.column.name}") for one in part.columns}
            present = Call("and", (present, substituted(part.having, names)))
        if part.kind not in ("left", "full"):
            kept.append(Call("not", (present,)) if part.kind == "anti" else present)
    if not kept:
        kept = [Call("or", tuple(ColumnRef(f"present {number}") for number in range(len(parts))))]
    return columns, Call("and", tuple(kept)) if len(kept) > 1 else kept[0]


class _Spread:
    """Where a part's measures stand among those of all owners' lines."""

    def __init__(self, parts: Sequence[Part], number: int, owners: Sequence[int]) -> None:
        self.part, self.owners = parts[number], owners
        self.places = {owner: sum(owner in part.owners for part in parts[:number]) for owner in self.part.owners}
        self.here = self.measures((PERSON_HERE,) * len(self.part.owners))

    def measures(self, measures: Measures) -> Measures:
        """The part's measures, of all owners, each of the table that it is of."""
        own = dict(zip(self.part.owners, measures, strict=True)) if measures else {}
        found = []
        for owner in self.owners:
            measure = own.get(owner)
            found.append(None if measure is None else replaced(measure, of=self.places[owner]))
        return tuple(found)

    def column(self, gathered: Gathered, optional: bool) -> Gathered:
        """A column of the part; optional: it is NULL for persons whom the part has no row of."""
        column, there = replaced(gathered.column, name=f"{self.part.name}.{gathered.column.name}"), gathered.there
        if there:
            there = self.measures(there)
        elif there is None and optional:
            there = self.here
        if optional:
            column = replaced(column, required=False)
        measures = self.measures(gathered.measures) if gathered.measures else ()
        return Gathered(column, gathered.how, measures, there, gathered.negative)


def renamed(statement: Statement, known: list[str], names: list[str]) -> None:
    """Give the statement's columns the names that they have in the joined table."""
    for item in statement.tree.expressions:
        if isinstance(item, exp.Column):
            item.replace(exp.alias_(item.copy(), item.name, quoted=True))  # keeps the name that it had
    parts = ("expressions", "where", "group", "having", "order")
    for part in [each for name in parts for each in _listed(statement.tree.args.get(name))]:
        for node in part.find_all(exp.Column):
            if isinstance(node.parent, exp.Ordered):
                continue  # by the name that the answer has for it
            plain, qualifier = node.name.lower(), node.table.lower()
            found = [one for one in known if one == f"{qualifier}.{plain}"]
            if not qualifier:
                found = [one for one in known if one == plain] or [
                    one for one in known if one in [f"{name}.{plain}" for name in names]
                ]
            if len(found) > 1:
                hint = " or ".join(found)
                statement.refuse(node, "sql", f"Several tables have a column {plain[:63]}", hint)
            if found:
                node.this.set("this", found[0])
                node.set("table", None)
                node.set("db", None)


def _listed(part: object) -> list[exp.Expr]:
    return [one for one in (part if isinstance(part, list) else [part]) if isinstance(one, exp.Expr)]
