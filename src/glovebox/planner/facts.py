"""Rows beside other owners' tables, each named by a key of its own, and put together by an id: facts.

They are one owner's, or like rows of several, put together by an id that the contract joins: each owner's enter alike.

What concerns one owner's columns alone is that owner's to compute. A number of every row, where its conditions hold and
else 0, is made of the facts' own values and of what the tables give to rows; sums of it are columns of a line.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import reduce
from typing import NoReturn

from msgspec import structs
from sqlglot import exp

from glovebox.contract.bounds import rows_of_id
from glovebox.contract.terms import Contract
from glovebox.planner.conjuncts import conjuncts
from glovebox.planner.fact_keys import JOINS, keys_of_facts
from glovebox.planner.mixed import Mixing
from glovebox.planner.pairs import MOST_PAIRS
from glovebox.planner.persons import check_met, names_of
from glovebox.planner.plan import Dimension
from glovebox.planner.scope import Scope, Side, table_side
from glovebox.planner.slots import THERE
from glovebox.planner.spines import MOST_OWNERS
from glovebox.planner.stack import branch_query, union_side
from glovebox.planner.statement import Statement
from glovebox.planner.typed import Typed, all_of
from glovebox.planner.typing import Typing
from glovebox.protocols.expression import Constant, Expression, Match, Operation, Payload, Shared, kind_of
from glovebox.schema.expressions import Expression as LocalExpression
from glovebox.schema.local import Facts, LocalQuery, Measure

ONE, ZERO = Constant(1), Constant(0)
MOST_ROWS = 1 << 20
"""Of facts: they are not cut into shards."""


class FactRows:
    """One such join. line: the facts' id by which rows become lines. Side 0 of the scope is the facts'."""

    def __init__(
        self,
        statement: Statement,
        contract: Contract,
        select: exp.Select,
        line: exp.Column,
        given: Mapping[str, Typed],
    ) -> None:
        self.statement, self.contract = statement, contract
        joins = select.args.get("joins") or []
        nodes = [select.args["from_"].this, *(join.this for join in joins)]
        sides = [fact_side(statement, contract, node, given) for node in nodes]
        number, self.line = Scope(statement, contract, tuple(sides)).find(line)
        sides.insert(0, sides.pop(number))
        self.scope = Scope(statement, contract, tuple(sides))
        self._check(select, joins, [node for node in nodes if node is not nodes[number]])
        self.keys, conditions = keys_of_facts(self.scope, joins)
        pairs = math.prod(self.slots(side) or 1 for side in range(len(sides)))
        if pairs > MOST_PAIRS:
            sentence = f"A row meets up to {pairs} rows of these tables"
            self.statement.refuse(joins[0], "rows_per_id", sentence, f"a contract with at most {MOST_PAIRS}")
        self.typing = Typing(self.scope, given)
        self.measures: list[list[Measure]] = [[] for _ in sides]
        self.mixing = Mixing(self.scope, self.typing, self._place, range(len(sides)))
        self.most = rows_of_id(self.facts.table, self.line)
        self.wheres: dict[int, list[LocalExpression]] = {}
        self.bits: list[Expression] = [Match(table) for table in range(len(sides) - 1)]
        self._apart = select.find(exp.Exists) is not None  # rows are asked for that the conditions leave out
        where = select.args.get("where")
        for part in [*conditions, *conjuncts(where.this if where else None)]:
            self._kept(part)
        self.columns: list[Expression] = []
        self.within, self.once = "", set[int]()
        self.add(ONE)  # column 0: how many rows a line has

    @property
    def facts(self) -> Side:
        """The side whose rows become lines."""
        return self.scope.sides[0]

    def _no(self, node: exp.Expr, sentence: str, hint: str = JOINS) -> NoReturn:
        self.statement.refuse(node, "sql", sentence, hint)

    def _check(self, select: exp.Select, joins: Sequence[exp.Join], tables: Sequence[exp.Expr]) -> None:
        sides, contract = self.scope.sides, self.contract
        if self.line.kind != "id":
            self._no(select, "Rows of several owners are put together by an id")
        if any(len(side.owners) > 1 for side in sides[1:]) or any(isinstance(one, exp.Subquery) for one in tables):
            self._no(select, "Facts are put together with tables of one owner each")
        if any(set(side.owners) & set(self.facts.owners) for side in sides[1:]):
            self._no(joins[0], "Two of these tables are one owner's", "tables of different owners")
        if any(join.side or join.kind for join in joins):
            self._no(joins[0], "Rows that are put together on shares are of inner joins")
        if contract.protocol or contract.privacy:
            clause = "protocol" if contract.protocol else "privacy"
            sentence = "Rows are put together by one key and joined by another only with a third party, without noise"
            self.statement.refuse(select, clause, sentence, "a join on one id")
        if not 1 <= len(self.facts.owners) <= MOST_OWNERS:
            sentence = f"Rows of {len(self.facts.owners)} owners cannot be put together so yet"
            self.statement.refuse(select, "table", sentence, f"at most {MOST_OWNERS} owners")
        check_met(self.statement, contract, select, self.facts, self.line)
        if self.facts.table.rows > MOST_ROWS:
            hint = f"a contract whose table has at most {MOST_ROWS} rows"
            self.statement.refuse(select, "rows", f"{self.facts.table.name} has too many rows for this", hint)

    def slots(self, side: int) -> int:
        """How many rows of a table may have one key; 0 where it is one."""
        if side == 0:
            return 0
        found = self.scope.sides[side]
        ids = self.contract.tables[found.index].column(self.keys[side][1])
        return 0 if ids is None or ids.unique else rows_of_id(found.table, ids)

    def _kept(self, part: exp.Expr) -> None:
        """Take a condition of WHERE: each owner's alone is a filter of its rows."""
        if self.mixing.is_mixed(part):
            self.bits.append(self.mixing.condition(part))
            return
        one = self.typing.condition(part)
        if self._apart and not one.side:
            self.bits.append(self.mixing.condition(part))
            return
        self.typing.allow(part, one, "filter")
        self.wheres.setdefault(one.side or 0, []).append(one.expression)

    def _place(self, side: int, measure: Measure) -> int:
        if measure not in self.measures[side]:
            self.measures[side].append(measure)
        return self.measures[side].index(measure)

    def bit(self, condition: exp.Expr | None, wanted: bool = True) -> tuple[Expression, ...]:
        """A condition as a bit of every row; none for none."""
        return () if condition is None else (self.mixing.condition(condition, wanted),)

    def add(self, number: Expression, bits: Sequence[Expression] = ()) -> int:
        """The place of a column: the sum of a number over a line's rows where bits are set."""
        conditions = tuple(dict.fromkeys([*self.bits, *bits]))
        whole = conditions[0] if len(conditions) == 1 else Operation("and", conditions)
        made = Operation("select", (whole, number, ZERO))
        if made not in self.columns:
            self.columns.append(made)
        return self.columns.index(made)

    def add_rows(self, select: exp.Select) -> int:
        """The place of a column: whether a line has rows in another join of the facts with some of the tables.

        It is over all rows of the facts, but of each table over those that the conditions on it leave, here and there.
        """
        joins = select.args.get("joins") or []
        if len(self.facts.owners) > 1:
            self._no(select, "Rows that are left out are of one owner's facts")
        nodes = [select.args["from_"].this, *(join.this for join in joins)]
        found = [table_side(self.statement, self.contract, node) for node in nodes]
        called = {side.index: side.called for side in found}
        sides = [
            replace(side, called=called.get(side.index, frozenset()), kind="inner" if side.index in called else "semi")
            for side in self.scope.sides
        ]
        indexes = {side.index for side in sides}
        if len(called) < len(found) or not called.keys() <= indexes or self.facts.index not in called:
            hint = "a join of the facts with the same tables"
            self._no(select, "Rows that are left out are of the same tables", hint)
        other = object.__new__(FactRows)
        other.__dict__ = {**self.__dict__, "scope": Scope(self.statement, self.contract, tuple(sides)), "wheres": {}}
        other.bits = [Match(n - 1) for n, side in enumerate(sides) if n and side.index in called]
        other.typing = Typing(other.scope, self.typing.parameters)
        other.mixing = Mixing(other.scope, other.typing, self._place, range(len(sides)))
        other.keys, conditions = keys_of_facts(other.scope, joins)
        where = select.args.get("where")
        for part in [*conditions, *conjuncts(where.this if where else None)]:
            other._kept(part)
        for side in (n for n, each in enumerate(sides) if n and each.index in called):
            if other.keys[side] != self.keys[side] or other.wheres.get(side, []) != self.wheres.get(side, []):
                name = self.scope.sides[side].table.name
                self._no(select, f"{name} is joined by another key or under other conditions here", "the same for both")
        return other.add(ONE)

    def add_once(self, node: exp.Expr, bits: Sequence[Expression]) -> int:
        """The place of a column: how many values of the facts' column a line's rows have, where bits are set."""
        side, column = self.scope.find(node) if isinstance(node, exp.Column) else (None, None)
        if side != 0 or column is None or column == self.line or self.within not in ("", column.name):
            sentence = "What is counted once of a line's rows is a column of theirs, and one alone"
            self._no(node, sentence, "COUNT(DISTINCT one column of the facts)")
        if len(self.facts.owners) > 1:
            self._no(node, "What is counted once of a line's rows is of one owner's facts", "COUNT(*)")
        if column.kind != "id":
            self.typing.allow(node, self.typing.typed(node), "filter")
        self.within = column.name
        absent = exp.Is(this=node.copy(), expression=exp.Null())
        place = self.add(ONE, (*bits, *self.bit(absent, False)))
        self.columns.append(self.columns[place])  # one that is summed, too, is another
        self.once.add(len(self.columns) - 1)
        return len(self.columns) - 1

    def of_line(self, place: int) -> Shared:
        """A column of the lines, of all owners together."""
        kind, most = kind_of(self._of_slots(self.columns[place])), self.most * len(self.facts.owners)
        return Shared(place, min(0, kind.low) * most, max(0, kind.high) * most)

    def queries(self) -> tuple[LocalQuery, ...]:
        """What each owner of the facts reads."""
        found, where, lines = [], all_of(self.wheres.get(0, [])), names_of(self.facts, self.line)
        for place, (branch, line) in enumerate(zip(self.facts.branches, lines, strict=True)):
            facts = Facts(tuple(keys[place] for _, (keys, _) in sorted(self.keys.items())), self.within)
            rows = self.contract.tables[branch.index].rows
            query = branch_query(self.contract, branch, tuple(self.measures[0]), rows, where, ())
            found.append(structs.replace(query, ids=line, facts=facts))
        return tuple(found)

    def dimensions(self) -> tuple[Dimension, ...]:
        """The other owners' tables, with what they give to rows."""
        found = []
        for side, (_, ids) in sorted(self.keys.items()):
            table, measures = self.scope.sides[side].table, tuple(self.measures[side])
            where = all_of(self.wheres.get(side, []))
            slots, width = self.slots(side), self.slots(side) or 1
            measures = (*measures, THERE) if slots else measures
            owner = self.scope.sides[side].owners[0]
            local = LocalQuery(owner, table.name, measures, table.rows, ids, where, slots=slots)
            given: list[Expression] = [] if slots else [Operation("select", (Match(0), ONE, ZERO))]
            for index, one in enumerate((*measures[-1:], *measures[:-1]) if slots else measures):
                at = (index - 1) % len(measures) if slots else index
                for slot in range(width):
                    payload = Payload(0, at * width + slot, one.low, one.high)
                    given.append(Operation("select", (Match(0), payload, ZERO)))
            found.append(Dimension(local, tuple(given)))
        return tuple(found)

    def levels(self) -> tuple[tuple[Expression, ...], ...]:
        """The numbers of rows, and, where a line's rows are put together by another column first, of these."""
        rows = tuple(self._of_slots(column) for column in self.columns)
        if not self.within:
            return (rows,)
        first = []
        for place in range(len(rows)):
            whole = self.of_line(place)
            some = Operation("not", (Operation("equal", (whole, ZERO)),))
            first.append(Operation("select", (some, ONE, ZERO)) if place in self.once else whole)
        return rows, tuple(first)

    def _of_slots(self, expression: Expression) -> Expression:
        """A number of every row: the sum of it over the rows of tables that have the same key."""
        slots = [range(self.slots(side) or 1) for side in range(len(self.scope.sides))]
        every = [self._at_rows(expression, chosen) for chosen in itertools.product(*slots)]
        return reduce(lambda one, other: Operation("add", (one, other)), every)

    def _at_rows(self, expression: Expression, slots: Sequence[int]) -> Expression:
        """An expression over sides' measures, over what rows have: the facts' values, and what tables give."""
        match expression:
            case Match(table):
                return Operation("equal", (Shared(self._first(table) + slots[table + 1], 0, 1), ONE))
            case Payload(table, index, low, high):
                width = self.slots(table + 1) or 1
                at = self._first(table) + (1 + index) * width + slots[table + 1]
                return Shared(at, min(low, 0), max(high, 0))
            case Operation(operator, arguments):
                return Operation(operator, tuple(self._at_rows(argument, slots) for argument in arguments))
        return expression

    def _first(self, table: int) -> int:
        """The place of what a table gives first, among all that is given: first whether there is a row."""
        before = enumerate(self.measures[1 : 1 + table], 1)
        return sum((self.slots(side) or 1) * (1 + len(measures)) for side, measures in before)


def fact_side(statement: Statement, contract: Contract, node: exp.Expr, given: Mapping[str, Typed]) -> Side:
    """A table, or a UNION ALL of several owners' like rows."""
    if isinstance(node, exp.Subquery) and isinstance(node.this, exp.Union):
        return union_side(statement, contract, node, given)
    return table_side(statement, contract, node)
