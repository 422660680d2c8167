"""Hidden totals: what each owner adds up alone, and how the two are multiplied.

With repeated ids a join pairs every row of an id here with every row of it there. So sums of products factor by id
(psi.md 9): SUM(a * b) over the pairs is, for each id, the sum of a times the sum of b; a side that the aggregate does
not name counts its rows. Where an id is unique that count is 1 and is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from sqlglot import exp

from glovebox.contract.bounds import COUNT_LIMIT, TOTAL_LIMIT, rows_of_id
from glovebox.planner.conditions import NONE, Conditions, where
from glovebox.planner.conjuncts import conjuncts
from glovebox.planner.keys import reads_first_match
from glovebox.planner.mixed import Mixing
from glovebox.planner.nulls import of_nulls
from glovebox.planner.pairs import Pairs
from glovebox.planner.plan import Total
from glovebox.planner.scope import Scope
from glovebox.planner.slots import THERE
from glovebox.planner.typed import Typed
from glovebox.planner.typing import Typing
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

    @property
    def zero_shown(self) -> bool:
        """Whether a group without people shows as zero. Of rows that have no match it may have some all the same."""
        rules = self.scope.contract.rules
        return rules.groups_of_at_least == 1 or (rules.zero_shown and not self.outer)

    def where(self, side: int) -> Expression | None:
        """The part of WHERE that a side's owner applies alone."""
        return self._where.own[side].expression if side in self._where.own else None

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

    def total(
        self, factors: Sequence[Measure | None], node: exp.Expr, filters: Conditions = NONE, matched: bool = False
    ) -> int:
        """The index of the total that is the product of one measure of each side, where bits are set; None is 1.

        matched: of rows with a match alone.
        """
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
        rows_there = not matched and len(factors) > 1 and (factors[1] is None or factors[1].kind == "rows")
        outer = "anti" if filters.lacking else self.outer if self.outer == "anti" or rows_there else ""
        return self.added_up(node, places, (low, high), counts, filters.mixed, outer=outer)

    def added_up(
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

    def refuse_value_of_nothing(self, node: exp.Expr, one: Typed) -> None:
        """Refuse a value that a row without a match would have: its owner cannot add it for rows it does not know."""
        if self.may_lack(one) and of_nulls(one.expression) is not None:
            hint = "a value that is NULL where there is no match"
            self.scope.statement.refuse(node, "sql", "Rows without a match have a value here", hint)

    def may_lack(self, one: Typed) -> bool:
        """Whether a row may have no value for want of a match."""
        return self.outer == "left" and one.side == 1

    def present(self, one: Typed, filters: Conditions) -> list[Measure | None]:
        """The number of rows where an expression is not NULL, times the rows of the other side."""
        self.refuse_value_of_nothing(self.scope.statement.tree, one)
        measures = self.rows_of(filters)
        if one.side is not None and (one.nullable or one.side in filters.own or self.may_lack(one)):
            expression = where(filters.own.get(one.side), one.expression)
            measures[one.side] = Measure("values", expression, 0, 0, self.bound(one.side))
        return measures
