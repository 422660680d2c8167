"""From SELECT's aggregates to hidden totals: what each owner adds up alone, and how the two are multiplied.

With repeated ids a join pairs every row of an id here with every row of it there. So sums of products factor by id
(psi.md 9): SUM(a * b) over the pairs is, for each id, the sum of a times the sum of b; a side that the aggregate does
not name counts its rows. Where an id is unique that count is 1 and is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, NoReturn

from sqlglot import exp

from glovebox.contract.bounds import COUNT_LIMIT, TOTAL_LIMIT, rows_of_id
from glovebox.contract.terms import Contract
from glovebox.planner.conditions import NONE, Conditions, where
from glovebox.planner.conjuncts import conjuncts
from glovebox.planner.extremes import extreme
from glovebox.planner.keys import reads_first_match
from glovebox.planner.mixed import Mixing
from glovebox.planner.nulls import is_zero, of_nulls
from glovebox.planner.pairs import Pairs
from glovebox.planner.persons import ids_called
from glovebox.planner.plan import Output, Total
from glovebox.planner.quantiles import QUANTILES, end, quantile
from glovebox.planner.scope import Scope
from glovebox.planner.slots import THERE
from glovebox.planner.typed import NULL, Typed, with_article
from glovebox.planner.typing import Typing, chain
from glovebox.protocols import expression as shared
from glovebox.schema.expressions import Call, Constant, Expression
from glovebox.schema.local import Measure

ONE = Constant("integer", "1")


class Totals:
    """The measures of each side, and the totals made of them, each once. Total 0 is the number of people.

    pivoted: sides of a join whose ids may have rows in several groups, so that no measure of a line is always 1. pairs:
    which sides' rows of an id stand apart; no measure of theirs is always 1 either.
    choices, columns: as in the plan's `Joined`, with side 0 as its query.
    """

    def __init__(
        self, scope: Scope, typing: Typing, pivoted: frozenset[int] = frozenset(), pairs: Pairs | None = None
    ) -> None:
        self.scope, self.typing, self.pairs = scope, typing, pairs or Pairs()
        self.pivoted = pivoted | self.pairs.slots.keys()
        self.measures: list[list[Measure]] = [[] for _ in scope.sides]
        self.totals: list[Total] = []
        self.persons: list[int] = []  # for each total, the most that one person adds or takes in one group
        self.choices: list[shared.Expression] = []
        self.columns: list[shared.Expression] = []
        self.mixing = Mixing(scope, typing, self.place, self.pairs.slots)
        for side in self.pairs.slots if self.pairs.first else ():
            self.place(side, THERE)
        kind = scope.sides[-1].kind
        self.outer: Literal["", "left", "anti"] = kind if kind in ("left", "anti") else ""
        where = scope.statement.tree.args.get("where")
        self._where = self.conditions(where.this if where else None, whole=True)
        if where and self.outer and (self._where.mixed or self._where.lacking or 1 in self._where.own):
            hint = "ANTI JOIN" if self._where.lacking else "JOIN without LEFT, or a condition in FILTER"
            scope.statement.refuse(where, "sql", "WHERE drops the rows that have no match", hint)
        if self.outer and self.noisy:
            hint = "JOIN, under a contract with [privacy]"
            scope.statement.refuse(scope.statement.tree, "privacy", "Rows without a match get no noise yet", hint)
        self.total(self.people(Conditions()), scope.statement.tree)

    @property
    def noisy(self) -> bool:
        """Whether totals get noise: then none opens as it is, and nothing else of them does."""
        return self.scope.contract.privacy is not None

    @property
    def joined(self) -> bool:
        """Whether owners' tables are joined; else the owners' measures are added."""
        return len(self.scope.sides) > 1

    @property
    def several(self) -> bool:
        """Whether one person may be at several owners of a stacked table."""
        side = self.scope.sides[0]
        return len(side.owners) > 1 and side.table.person == "id" and not side.table.apart

    def where(self, side: int) -> Expression | None:
        """The part of WHERE that a side's owner applies alone."""
        return self._where.own[side].expression if side in self._where.own else None

    def column(self, name: str, node: exp.Expr) -> Output:
        """The output column that an aggregate becomes. Refused for what is none."""
        filters, inner = Conditions(), node
        if isinstance(node, exp.Filter):
            filters, inner = self.conditions(node.expression.this), node.this
        if filters.lacking and not isinstance(inner, exp.Count | exp.Sum | exp.Avg):
            hint = "COUNT, SUM or AVG; or ANTI JOIN"
            self.scope.statement.refuse(node, "sql", "Rows without a match are counted and added up", hint)
        match inner:
            case exp.Count():
                return self._count(name, inner, filters)
            case exp.Sum():
                return self._sum(name, inner, filters)
            case exp.Avg():
                return self._average(name, inner, filters)
            case exp.Min() | exp.Max():
                return (extreme if self.joined else end)(self, name, inner, filters)
        if isinstance(inner, QUANTILES):
            return quantile(self, name, inner, filters)
        hint = "COUNT, SUM, AVG, MIN, MAX or MEDIAN, or a column of GROUP BY"
        return self.scope.statement.refuse(node, "sql", "Only aggregates and group columns can be selected", hint)

    def conditions(self, node: exp.Expr | None, whole: bool = False) -> Conditions:
        """A condition, whose parts must all hold, by whose columns they are of. whole: of the question's rows."""
        found: dict[int, list[Typed]] = {}
        mixed: list[shared.Expression] = []
        lacking = False
        for part in conjuncts(node):
            if self._is_of_none(part):
                lacking = True
                continue
            if self.joined and (self.mixing.is_mixed(part) or (whole and reads_first_match(self.scope, part))):
                if self.outer:
                    hint = "JOIN without LEFT"
                    self.scope.statement.refuse(part, "sql", "Both owners' columns meet in inner joins only", hint)
                mixed.append(self.mixing.condition(part))
                continue
            one = self.typing.condition(part)
            self.typing.allow(part, one, "filter")
            if self.may_lack(one) and of_nulls(one.expression) not in (None, False):
                ids = self.scope.sides[1].ids
                name = f"{self.scope.sides[1].table.name}.{ids.name}" if ids else "the id"
                hint = f"{name} IS NULL, which is these rows; or a condition that none of them meets"
                self.scope.statement.refuse(part, "sql", "Rows without a match meet this condition", hint)
            found.setdefault(one.side or 0, []).append(one)
        own = {
            side: replace(parts[0], expression=Call("and", tuple(part.expression for part in parts)))
            if len(parts) > 1
            else parts[0]
            for side, parts in sorted(found.items())
        }
        return Conditions(own, tuple(mixed), lacking)

    def _is_of_none(self, part: exp.Expr) -> bool:
        """Whether a condition is that the other table's id is NULL, as only rows without a match meet it."""
        if self.outer != "left" or not isinstance(part, exp.Is) or not isinstance(part.expression, exp.Null):
            return False
        node, ids = part.this.unnest(), self.scope.sides[1].ids
        if not isinstance(node, exp.Column) or ids is None or self.scope.sides[1].keys:
            return False
        side, column = self.scope.find(node)
        return side == 1 and column.name in (ids.parts or (ids.name,))

    def total(self, factors: Sequence[Measure | None], node: exp.Expr, filters: Conditions = NONE) -> int:
        """The index of the total that is the product of one measure of each side, where bits are set; None is 1."""
        if filters.lacking and factors[1] is not None:
            hint = "columns of the left table"
            self.scope.statement.refuse(node, "sql", "A row without a match has nothing of the other table", hint)
        places: list[int | None] = []
        low = high = 1
        for side, measure in enumerate(factors):
            places.append(None if measure is None else self.place(side, measure))
            if measure is not None:
                corners = [low * measure.low, low * measure.high, high * measure.low, high * measure.high]
                low, high = min(corners), max(corners)
        counts = all(measure is None or measure.kind != "sum" for measure in factors)
        rows_there = len(factors) > 1 and (factors[1] is None or factors[1].kind == "rows")
        outer = "anti" if filters.lacking else self.outer if self.outer == "anti" or rows_there else ""
        return self._added_up(node, places, (low, high), counts, filters.mixed, outer=outer)

    def _added_up(
        self,
        node: exp.Expr,
        places: Sequence[int | None],
        ends: tuple[int, int],
        counts: bool,
        mixed: tuple[shared.Expression, ...],
        column: int | None = None,
        outer: Literal["", "left", "anti"] = "",
    ) -> int:
        """The index of a total of rows that are between two ends each."""
        tables = [side.table for side in self.scope.sides]
        most = min(table.rows for table in tables) if self.joined else 1
        most = (tables[0].rows if outer else most) * self.pairs.count * len(self.scope.sides[0].owners)
        low, high = min(0, ends[0]) * most, max(0, ends[1]) * most
        if max(-low, high) >= TOTAL_LIMIT:
            sentence = f"This total could reach {max(-low, high):.1e}, and what is under 2^62 = 4.6e+18 fits"
            factor = max(-low, high) // TOTAL_LIMIT + 1
            hint = f"a contract whose ranges, rows or rows_per_id are smaller by a factor of {factor}"
            self.scope.statement.refuse(node, "columns", sentence, hint)
        alone_with_noise = self.noisy and self.scope.contract.protocol is not None  # noise leaves the ring of counts
        bits: Literal[32, 64] = 32 if counts and high < COUNT_LIMIT and not alone_with_noise else 64
        query, table, second = (*places, None, None, None)[:3]
        total = Total(query, table, bits, low, high, self.choice(mixed), column, second, outer)
        return self.keep(total, self._person(places, ends))

    def keep(self, total: Total, person: int) -> int:
        """The index of a total, which is noted once. person: the most that one person adds or takes in one group."""
        if total not in self.totals:
            self.totals.append(total)
            self.persons.append(person)
        return self.totals.index(total)

    def choice(self, mixed: tuple[shared.Expression, ...]) -> int:
        """The index of the choice of rows that match and where WHERE's mixed parts and these bits hold."""
        bits = (*self._where.mixed, *mixed)
        choice: shared.Expression = shared.Operation("and", (shared.Match(0), *bits)) if bits else shared.Match(0)
        if choice not in self.choices:
            self.choices.append(choice)
        return self.choices.index(choice)

    def column_of(self, column: shared.Expression) -> int:
        """The index of a column of several owners'."""
        if column not in self.columns:
            self.columns.append(column)
        return self.columns.index(column)

    def person_rows(self, side: int) -> int:
        """The most rows of a side that are one person's."""
        found = self.scope.sides[side]
        if found.table.person == "row":
            return 1
        if found.lines and found.lines.free:
            return found.table.rows  # a line stands in many groups
        owners = len(found.owners) if self.several else 1
        ids = found.ids or next((column for column in found.table.columns if column.kind == "id"), None)
        return owners * (rows_of_id(found.table, ids) if ids else found.table.rows)

    def counts_people(self, number: int) -> bool:
        """Whether a total counts people, each once in a group, and not their rows or what these hold."""
        total = self.totals[number]
        places = (total.query, total.table, total.second)[: len(self.measures)]
        measures = [None if place is None else self.measures[side][place] for side, place in enumerate(places)]
        return total.column is None and all(one is None or one.kind == "people" for one in measures)

    def _person(self, places: Sequence[int | None], ends: tuple[int, int]) -> int:
        """The most that one person adds to a total or takes from it, in one group: of a join one line is a person's."""
        if self.joined:
            measures = [self.measures[side][at] for side, at in enumerate(places) if at is not None]
            once = bool(places) and all(measure.kind == "people" for measure in measures)
            return max(-ends[0], ends[1]) * (1 if once else self.pairs.count)
        measure = None if places[0] is None else self.measures[0][places[0]]
        if measure is None or measure.kind == "people":
            return 1
        row = max(-measure.low, measure.high) // self.bound(0) if measure.kind == "sum" else 1
        return row * self.person_rows(0)

    def place(self, side: int, measure: Measure) -> int:
        if measure not in self.measures[side]:
            self.measures[side].append(measure)
        return self.measures[side].index(measure)

    def bound(self, side: int) -> int:
        """The most rows of one line: an id's rows, or all rows of a group."""
        found = self.scope.sides[side]
        if found.kind in ("semi", "anti") or side in self.pairs.slots:
            return 1  # a match counts once; of rows that stand apart each is a line's
        return rows_of_id(found.table, found.ids) if found.ids else found.table.rows

    def rows_of(self, filters: Conditions) -> list[Measure | None]:
        """The number of rows, of each side, that pass its filter."""
        measures: list[Measure | None] = []
        for side in range(len(self.scope.sides)):
            if side and filters.lacking and side not in filters.own:
                measures.append(None)
            elif side in filters.own:
                measures.append(Measure("values", where(filters.own[side], ONE), 0, 0, self.bound(side)))
            elif self.joined and self.bound(side) == 1 and side not in self.pivoted:
                measures.append(None)
            else:
                measures.append(Measure("rows", None, 0, 0, self.bound(side)))
        return measures

    def people(self, filters: Conditions) -> list[Measure | None]:
        """Distinct ids; in a stacked question people, who are ids or rows."""
        measures: list[Measure | None] = []
        for side in range(len(self.scope.sides)):
            most = 1 if self.joined else self.scope.sides[side].table.rows
            if side in filters.own:
                measures.append(Measure("people", where(filters.own[side], ONE), 0, 0, most))
            else:
                always = (side and filters.lacking) or (
                    self.joined and side not in self.pivoted and not (self.outer and side == 0)
                )
                measures.append(None if always else Measure("people", None, 0, 0, most))
        return measures

    def _count(self, name: str, node: exp.Count, filters: Conditions) -> Output:
        inside = node.this
        if isinstance(inside, exp.Star):
            return Output(name, "count", total=self.total(self.rows_of(filters), node, filters))
        if isinstance(inside, exp.Distinct):
            if len(inside.expressions) != 1 or not self._is_person(inside.expressions[0]):
                self._refuse_distinct(node)
            people = self.people(filters)
            if self.outer == "left" and self.scope.find(inside.expressions[0])[0] == 1:  # of the matches alone
                people[1] = people[1] or Measure("people", None, 0, 0, 1)
            return Output(name, "count", total=self.total(people, node, filters))
        one = self.typing.typed(inside)
        self.typing.allow_conditions(inside, one)
        return Output(name, "count", total=self.total(self.present(one, filters), node, filters))

    def _refuse_distinct(self, node: exp.Count) -> NoReturn:
        """Refuse to count what is no person's id; of another id, say by which people are counted here."""
        found, asked = self.scope.sides[0], node.this.expressions
        name = found.ids.name if found.ids else next(iter(ids_called(self.scope)), "id")
        sentence, hint = "Only people can be counted as distinct, by their id", f"COUNT(DISTINCT {name}), or COUNT(*)"
        other = self.scope.find(asked[0])[1] if len(asked) == 1 and isinstance(asked[0], exp.Column) else None
        if other and other.kind == "id":
            by = "tables are joined by" if self.joined else "people are told apart by"
            sentence = f"{other.name} is not the id that {by} here, which is {name}"
            if self.joined:
                hint = f"an inner JOIN and no IN, NOT IN or EXISTS, to count {other.name}; or COUNT(DISTINCT {name})"
        self.scope.statement.refuse(node, "sql", sentence, hint)

    def refuse_value_of_nothing(self, node: exp.Expr, one: Typed) -> None:
        """Refuse a value that a row without a match would have: its owner cannot add it for rows it does not know."""
        if self.may_lack(one) and of_nulls(one.expression) is not None:
            hint = "a value that is NULL where there is no match"
            self.scope.statement.refuse(node, "sql", "Rows without a match have a value here", hint)

    def may_lack(self, one: Typed) -> bool:
        """Whether a row may have no value for want of a match."""
        return self.outer == "left" and one.side == 1

    def _is_person(self, node: exp.Expr) -> bool:
        if not isinstance(node, exp.Column):
            return False
        side, column = self.scope.find(node)
        found = self.scope.sides[side]
        if found.keys:
            sentence = "A row joined by one of several ids may be without the others"
            self.scope.statement.refuse(node, "sql", sentence, "COUNT(*), as each row is a person's")
        return column == found.ids if self.joined else column.name in ids_called(self.scope)

    def present(self, one: Typed, filters: Conditions) -> list[Measure | None]:
        """The number of rows where an expression is not NULL, times the rows of the other side."""
        self.refuse_value_of_nothing(self.scope.statement.tree, one)
        measures = self.rows_of(filters)
        if one.side is not None and (one.nullable or one.side in filters.own or self.may_lack(one)):
            expression = where(filters.own.get(one.side), one.expression)
            measures[one.side] = Measure("values", expression, 0, 0, self.bound(one.side))
        return measures

    def _added(self, node: exp.Expr, filters: Conditions, use: str) -> tuple[int, int, list[Typed]]:
        """The total of a sum, the total of its rows that are not NULL, and its factors."""
        if self.joined and any(self.mixing.is_mixed(factor) for factor in chain(node, exp.Mul)):
            return self._added_column(node, filters)
        factors = self._factors(node)
        measures, present = self.rows_of(filters), self.rows_of(filters)
        for one in factors:
            if one.sort != "number":
                sentence = f"{with_article(one.sort)} cannot be added up"
                self.scope.statement.refuse(node, "sql", sentence, "a number, or CAST(a condition AS INTEGER)")
            self.typing.allow(node, one, use)  # type: ignore[arg-type]
            of_nothing = self.may_lack(one) and not one.nullable and is_zero(of_nulls(one.expression))
            if not of_nothing:  # zero adds nothing, and is there all the same
                self.refuse_value_of_nothing(node, one)
            side = one.side or 0
            most = self.bound(side)
            expression = where(filters.own.get(side), one.expression)
            low, high = min(0, one.low) * most, max(0, one.high) * most
            measures[side] = Measure("sum", expression, one.scale, low, high)
            if one.nullable or side in filters.own or (self.may_lack(one) and not of_nothing):
                present[side] = Measure("values", expression, 0, 0, most)
        return self.total(measures, node, filters), self.total(present, node, filters), factors

    def _added_column(self, node: exp.Expr, filters: Conditions) -> tuple[int, int, list[Typed]]:
        """The same of a number that both owners' columns make, row by row."""
        column, scale, present = self.mixing.number(node)
        if filters.own:
            hint = "conditions of both owners' columns, or a WHERE"
            self.scope.statement.refuse(node, "sql", "A FILTER of one owner cannot stand with this sum yet", hint)
        kind = shared.kind_of(column)
        mixed = (*filters.mixed, *present)
        ends, place, slots = (kind.low, kind.high), self.column_of(column), self.pairs.slots
        there = [self.place(side, THERE) if side in slots else None for side in range(len(self.scope.sides))]
        total = self._added_up(node, there if slots else (), ends, False, mixed, place)
        one = Typed(NULL, "number", None, scale, kind.low, kind.high, nullable=True)
        return total, self.total(self.rows_of(NONE), node, Conditions(mixed=mixed)), [one]

    def _factors(self, node: exp.Expr) -> list[Typed]:
        """What is added up: an expression of one owner, or one of each, multiplied."""
        if isinstance(node, exp.Distinct):
            self.scope.statement.refuse(node, "sql", "Values cannot be told apart", "the aggregate without DISTINCT")
        if not self.joined:
            return [self.typing.typed(node)]
        found: dict[int, Typed] = {}
        factors = [self.typing.typed(factor) for factor in chain(node, exp.Mul)]
        for one in sorted(factors, key=lambda one: one.side is None):  # constants join a side that is there
            side = one.side if one.side is not None else next(iter(found), 0)
            found[side] = self.typing.product(node, found[side], one) if side in found else one
        return list(found.values())

    def _sum(self, name: str, node: exp.Sum, filters: Conditions) -> Output:
        total, present, factors = self._added(node.this, filters, "sum")
        scale = sum(one.scale for one in factors)
        over: int | None = present
        if self.noisy:
            over = None  # whether there is a value at all is not told; the noisy sum of none is about zero
        elif not filters and not any(one.nullable or self.may_lack(one) for one in factors):
            # Each of a group's people has a value. So NULL is for no people, which shows only where zero does; of a
            # stacked table rows without an id would be no people and have values.
            over = None if not self._empty_shown() else 0 if self.joined and not self.outer else present
        return Output(name, "sum", total=total, over=over, scale=scale)

    def _average(self, name: str, node: exp.Avg, filters: Conditions) -> Output:
        total, present, factors = self._added(node.this, filters, "avg")
        scale = sum(one.scale for one in factors)
        open_parts = self.noisy or all(
            "sum" in column.may
            for one in factors
            for value in one.values
            if one.side is not None and (column := self.scope.sides[one.side].table.column(value))
        )
        if open_parts:
            return Output(name, "average", total=total, over=present, scale=scale)
        if len(factors) > 1:
            sentence = "The average of a product cannot hide its sum yet"
            self.scope.statement.refuse(node, "columns.may", sentence, "AVG of columns that may be summed too")
        one = factors[0]
        return Output(name, "quotient", total=total, over=present, scale=scale, low=one.low, high=one.high)

    def _empty_shown(self) -> bool:
        return shows_zero(self.scope.contract, self.outer)


def shows_zero(contract: Contract, outer: str) -> bool:
    """Whether a group without people shows as zero. With rows that have no match it may have rows all the same."""
    rules = contract.rules
    return rules.groups_of_at_least == 1 or (rules.zero_shown and not outer)
