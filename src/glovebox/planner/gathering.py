"""Sub-queries that make one row a person of several owners' rows: GROUP BY or DISTINCT an id over a UNION ALL.

Each owner puts its own rows of a person together; what the owners have of one person meets on shares (`spines.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

from msgspec.structs import replace
from sqlglot import exp

from glovebox.contract.terms import Contract
from glovebox.planner.conjuncts import conjuncts
from glovebox.planner.distinct import check_counted
from glovebox.planner.gathered import Gathered, Persons
from glovebox.planner.persons import check_met, is_person, names_of
from glovebox.planner.scope import Scope, Side, table_side
from glovebox.planner.stack import branch_query, union_side
from glovebox.planner.statement import Statement
from glovebox.planner.summaries import AGGREGATES, PERSON, Summaries
from glovebox.planner.typed import Typed, all_of
from glovebox.planner.typing import Typing
from glovebox.schema.columns import Column, Table
from glovebox.schema.expressions import Expression
from glovebox.schema.local import LocalQuery


def selects_of_persons(scope: Scope) -> list[exp.Select]:
    """The sub-queries that make persons: one, or several that are joined, or none."""
    if scope.sides[0].persons is None:
        return []
    tree = scope.statement.tree
    return [node.this for node in (tree.args["from_"].this, *(join.this for join in tree.args.get("joins") or []))]


def makes_persons(node: exp.Expr) -> bool:
    """Whether a sub-query makes one row of many."""
    inner = node.this if isinstance(node, exp.Subquery) else None
    if not isinstance(inner, exp.Select):
        return False
    distinct = inner.args.get("distinct")
    return bool(inner.args.get("group") or (distinct and not distinct.args.get("on")))


def person_side(statement: Statement, contract: Contract, node: exp.Subquery, given: Mapping[str, Typed]) -> Side:
    """The side that such a sub-query is. given: typed parameters of the question."""
    gathering = Gathering(statement, contract, node.this, given)
    gathering.check_by_id()
    gathering.check_joined()
    return gathering.side_of_persons(node.alias)


def side_of(side: Side, persons: Persons, alias: str) -> Side:
    """The side that a table of persons is. side: that of their rows."""
    columns = tuple(gathered.column for gathered in persons.columns)
    owners = tuple(query.party for query in persons.queries)
    table = Table("persons", owners, side.table.rows, columns, None, "id", apart=True)
    called = frozenset({alias.lower()} if alias else ())
    return Side(side.index, table, owners, called, branches=side.branches, persons=persons)


class Gathering:
    """Reads one sub-query: whose rows, by which id, and what becomes of them."""

    def __init__(
        self,
        statement: Statement,
        contract: Contract,
        select: exp.Select,
        given: Mapping[str, Typed],
        alone: bool = False,
    ) -> None:
        """alone: one owner computes it, and nothing of it meets another's on shares."""
        self.statement, self.contract, self.select = statement, contract, select
        for part in ("joins", "order", "limit"):
            if select.args.get(part):
                called = "JOIN" if part == "joins" else part.upper()
                self._no(select, f"{called} has no place where rows become persons", PERSON)
        source = select.args["from_"].this
        self.side = (
            union_side(statement, contract, source, given)
            if isinstance(source, exp.Subquery)
            else table_side(statement, contract, source)
        )
        self.scope = Scope(statement, contract, (self.side,))
        self.typing = Typing(self.scope, given)
        self.ids, self.keys = self._keys()
        self.summaries = Summaries(self.scope, self.typing, self.ids, self.keys, alone)
        where = select.args.get("where")
        self.where = self.summaries.condition(where.this if where else None)

    def _no(self, node: exp.Expr, sentence: str, hint: str = PERSON) -> NoReturn:
        self.statement.refuse(node, "sql", sentence, hint)

    def _keys(self) -> tuple[Column, tuple[Column, ...]]:
        """The id that rows are put together by, and what else they are."""
        group = self.select.args.get("group")
        columns, places = [], {str(place) for place in range(1, 1 + len(self.select.expressions))}
        for node in group.expressions if group else self.select.expressions:
            key = node.unalias()
            if str(key) in places:
                key = self.select.expressions[int(key.this) - 1].unalias()
            if not isinstance(key, exp.Column):
                self._no(node, "Rows become persons by an id")
            columns.append(self.scope.find(key)[1])
        ids = [column for column in columns if column.kind == "id"]
        if len(ids) != 1 or len(set(columns)) < len(columns):
            self._no(group or self.select, "Rows become persons by one id")
        for column in columns:
            if column.kind != "id" and not {"group", "filter"} & set(column.may):
                sentence, hint = f"Rows may not be told apart by {column.name}", 'a column with may = ["group"]'
                self.statement.refuse(group or self.select, f"columns.{column.name}.may", sentence, hint)
        return ids[0], tuple(column for column in columns if column.kind != "id")

    def check_by_id(self) -> None:
        """Return if rows are put together by the id alone."""
        if self.keys:
            self._no(self.select, "Rows of several owners become persons by one id")

    def names(self) -> list[str]:
        """Each owner's own name of the id."""
        return names_of(self.side, self.ids)

    def check_joined(self) -> None:
        """Return if the contract lets the owners' rows meet by this id."""
        check_met(self.statement, self.contract, self.select, self.side, self.ids)

    def is_person(self) -> bool:
        """Whether each table of several owners enters by the id that its people are told apart by."""
        return is_person(self.contract, self.side, self.ids)

    def queries(self, more: Expression | None = None) -> tuple[LocalQuery, ...]:
        """Each owner's own part: its rows, or those that meet one more condition, by its own name of the id."""
        wheres = [one for one in (self.where.expression if self.where else None, more) if one is not None]
        lines, where = self.side.table.rows, all_of(wheres)
        return tuple(
            replace(branch_query(self.contract, branch, (), lines, where, ()), ids=name)
            for branch, name in zip(self.side.branches, self.names(), strict=True)
        )

    def pairs(self) -> tuple[LocalQuery, ...]:
        """Each owner's own pairs of the id and another that is counted once, if one is."""
        if self.summaries.counted is None:
            return ()
        column, where = self.summaries.counted
        check_counted(self.statement, self.contract, self.select, self.side)
        check_met(self.statement, self.contract, self.select, self.side, column)
        names = zip(self.queries(where), names_of(self.side, column), strict=True)
        return tuple(replace(query, other=name) for query, name in names)

    def side_of_persons(self, alias: str) -> Side:
        """The table of persons."""
        columns, having = self.columns_with_having()
        return side_of(self.side, Persons(self.queries(), tuple(columns), having, pairs=self.pairs()), alias)

    def columns_with_having(self) -> tuple[list[Gathered], Expression | None]:
        """What a person has, and HAVING; its aggregates are columns that nothing else can name."""
        columns, having = self.columns(), self.select.args.get("having")
        if having is None:
            return columns, None
        condition = exp.Paren(this=having.this.copy())
        found = list(condition.find_all(*AGGREGATES))
        for number, aggregate in enumerate(one.parent if isinstance(one.parent, exp.Filter) else one for one in found):
            columns.append(self.summaries.column(aggregate, name := f"having {number}"))
            aggregate.replace(exp.column(name, quoted=True))
        side = side_of(self.side, Persons(self.queries(), tuple(columns)), "")
        typing = Typing(Scope(self.statement, self.contract, (side,)), self.typing.parameters)
        parts = []
        for part in conjuncts(condition):
            one = typing.condition(part)
            typing.allow(part, one, "filter")
            parts.append(one.expression)
        return columns, all_of(parts)

    def columns(self) -> list[Gathered]:
        """What a person has, by name."""
        found = []
        for item in self.select.expressions:
            node = item.unalias()
            name = (item.alias or (node.name if isinstance(node, exp.Column) else "")).lower()
            if not name:
                self._no(item, "What a person has needs a name", "… AS name")
            found.append(self.summaries.column(node, name))
        return found
