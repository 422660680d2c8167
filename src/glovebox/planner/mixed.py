"""Expressions that mix two owners' columns: what each owner computes alone, and what is left for the shares.

A sum or a difference of both owners' numbers is one number of each, so a comparison costs one subtraction on shares,
whatever stands on its two sides. Dates are days since 1970, times and intervals microseconds. What is unknown in SQL is
neither true nor false here: a condition is asked for as the bit that it is true, or as the bit that it is false.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import replace
from datetime import date, datetime
from functools import reduce
from typing import NoReturn

from sqlglot import exp

from glovebox.planner import sharing
from glovebox.planner.arithmetic import ARITHMETIC
from glovebox.planner.comparisons import COMPARISON
from glovebox.planner.conjuncts import chain
from glovebox.planner.dates import since
from glovebox.planner.nulls import of_nulls
from glovebox.planner.numbers import DAY, INTERVALS, MICROSECOND, SECOND, SUMS, Number, Unit, counted, from_zero, scaled
from glovebox.planner.scope import Scope
from glovebox.planner.typed import NULL, Typed, negated, number, with_article
from glovebox.planner.typing import Typing
from glovebox.protocols import expression as shared
from glovebox.schema.columns import Use
from glovebox.schema.expressions import Call, Operator
from glovebox.schema.expressions import Constant as LocalConstant
from glovebox.schema.expressions import Expression as LocalExpression
from glovebox.schema.local import Measure

Place = Callable[[int, Measure], int]
"""Gives the index of a measure of a side."""

ONE, ZERO = LocalConstant("integer", "1"), LocalConstant("integer", "0")


class Mixing:
    """Turns mixed parts of a statement into expressions on shares, side 0 being QUERY's; see `shape.placed`."""

    def __init__(self, scope: Scope, typing: Typing, place: Place, apart: Container[int] = ()) -> None:
        """apart: sides whose rows of an id stand apart, so that its repeating does no harm."""
        self.scope, self.typing, self._place, self._apart = scope, typing, place, apart
        self._refuse = scope.statement.refuse
        self._use: Use = "compare"  # what the contract must allow for the values that are being read

    def is_mixed(self, node: exp.Expr) -> bool:
        """Whether a part of a statement reads columns of two owners. Refused where an id may have several rows."""
        if len({self.scope.find(column)[0] for column in node.find_all(exp.Column)}) < 2:
            return False
        if self.scope.contract.protocol:
            sentence = "Two parties alone match ids and multiply, and compare no columns of both"
            hint = "conditions of one owner's columns each, or a contract with a neutral third party"
            self._refuse(node, "protocol", sentence, hint)
        for place, side in enumerate(self.scope.sides):
            if side.ids and not side.ids.unique and place not in self._apart:
                sentence = f"Both owners' columns meet here row by row, and {side.table.name}.{side.ids.name} repeats"
                hint = "conditions of one owner each, or a product in a SUM or an AVG; or unique = true for that id"
                self._no(node, sentence, hint)
        return True

    def condition(self, node: exp.Expr, wanted: bool = True) -> shared.Expression:
        """The bit that a condition is true, or that it is false."""
        if not self.is_mixed(node):
            return self._known(node, wanted)
        match node:
            case exp.Paren():
                return self.condition(node.this, wanted)
            case exp.Not():
                return self.condition(node.this, not wanted)
            case exp.And() | exp.Or():
                bits = tuple(self.condition(part, wanted) for part in chain(node, type(node)))
                return shared.Operation("and" if isinstance(node, exp.And) == wanted else "or", bits)
            case exp.Between():
                return self._between(node, wanted)
        if type(node) in COMPARISON:
            difference = self._difference(node, *self._sides(node, node.this, node.expression))
            return self._compared(node, COMPARISON[type(node)], difference, wanted)
        return self._no(node, "Columns of two owners are compared, or joined by AND, OR and NOT")

    def number(self, node: exp.Expr) -> tuple[shared.Expression, int, tuple[shared.Expression, ...]]:
        """A number of every row that may be summed, its scale, and the bits that no part of it is NULL, all to hold
        where it is used."""
        found, whole, present = self.value(node, "sum")
        if found.unit != "plain":
            self._no(node, "Days and times cannot be added up", "a difference of days")
        return whole, found.scale, present

    def value(self, node: exp.Expr, use: Use) -> tuple[Number, shared.Expression, tuple[shared.Expression, ...]]:
        """The same of a number, a day or a time. use: what the contract must allow for its columns."""
        self._use = use
        found = self._number(node)
        self._use = "compare"
        return found, self._whole(found), self._present(found)

    def _known(self, node: exp.Expr, wanted: bool) -> shared.Expression:
        """A condition of one owner, who says as 0 or 1 whether it is true, or false."""
        one = self.typing.condition(node)
        self.typing.allow(node, one, "filter")
        condition = one.expression if wanted else Call("not", (one.expression,))
        return self._bit(one, Call("case", (condition, ONE, ZERO)))

    def _bit(self, one: Typed, indicator: Call) -> shared.Expression:
        column = self._column(one.side or 0, Measure("sum", indicator, 0, 0, 1))
        return shared.Operation("equal", (column, shared.Constant(1)))

    def _column(self, side: int, measure: Measure) -> shared.Expression:
        index = self._place(side, measure)
        if side == 0:
            return shared.Value(index, measure.low, measure.high)
        return shared.Payload(side - 1, index, measure.low, measure.high)

    def _between(self, node: exp.Between, wanted: bool) -> shared.Expression:
        value, low, high = (self._number(node.args[part]) for part in ("this", "low", "high"))
        below, above = self._difference(node, value, low), self._difference(node, value, high)
        if below.parts != above.parts or below.scale != above.scale or below.whole or above.whole:
            ends = (self._compared(node, ">=", below, wanted), self._compared(node, "<=", above, wanted))
            return shared.Operation("and" if wanted else "or", ends)
        d = self._whole(replace(below, constant=0))  # below = d + its constant >= 0, above = d + its constant <= 0
        kind = shared.kind_of(d)
        first, last = max(-below.constant, kind.low), min(-above.constant, kind.high)
        if first > last:
            self._no(node, "No row can meet this, by the contract's ranges", "a window that some rows are in")
        inside = shared.Operation("within", (d, shared.Constant(first), shared.Constant(last)))
        return self._said(inside, self._present(below), wanted)

    def _compared(self, node: exp.Expr, operator: Operator, difference: Number, wanted: bool) -> shared.Expression:
        """Whether a difference is <, <=, .. than zero."""
        d, zero = self._whole(difference), shared.Constant(0)
        match operator:
            case "<" | ">=":
                bit = shared.Operation("less", (d, zero))
            case ">" | "<=":
                bit = shared.Operation("less", (zero, d))
            case _:
                bit = shared.Operation("equal", (d, zero))
        return self._said(bit, self._present(difference), wanted != (operator in ("<=", ">=", "<>")))

    @staticmethod
    def _said(bit: shared.Expression, present: tuple[shared.Expression, ...], wanted: bool) -> shared.Expression:
        said = bit if wanted else shared.Operation("not", (bit,))
        return shared.Operation("and", (said, *present)) if present else said

    def _sides(self, node: exp.Expr, left: exp.Expr, right: exp.Expr) -> tuple[Number, Number]:
        """Both sides of a comparison as numbers: labels of two categories by one numbering of all of them."""
        if isinstance(left, exp.Column) and isinstance(right, exp.Column):
            (_, one), (_, other) = self.scope.find(left), self.scope.find(right)
            if one.kind == other.kind == "category":
                if not isinstance(node, exp.EQ | exp.NEQ):
                    self._no(node, "A category has no order here")
                labels = tuple(dict.fromkeys(one.values + other.values))
                return self._label(left, labels), self._label(right, labels)
        return self._number(left), self._number(right)

    def _label(self, node: exp.Column, labels: tuple[str, ...]) -> Number:
        one = self.typing.typed(node)
        self.typing.allow(node, one, "compare")
        arguments: list[LocalExpression] = []
        for place, label in enumerate(labels):
            equal = Call("=", (one.expression, LocalConstant("category", label)))
            arguments += [equal, LocalConstant("integer", str(place))]
        numbered = Typed(Call("case", (*arguments, NULL)), "number", one.side, 0, 0, len(labels) - 1, one.nullable)
        return Number(parts={one.side or 0: numbered})

    def _number(self, node: exp.Expr) -> Number:
        """A number, or a day or time, split by owner."""
        if isinstance(node, exp.Paren):
            return self._number(node.this)
        if isinstance(node, exp.Interval):
            return self._interval(node)
        if type(node) in ARITHMETIC and (self.is_mixed(node) or self._is_moment(node)):
            left, right = self._number(node.this), self._number(node.expression)
            if isinstance(node, exp.Mul):
                return self._multiplied(node, left, right)
            return self._added(node, left, right, 1 if isinstance(node, exp.Add) else -1)
        if isinstance(node, exp.DateDiff) and self.is_mixed(node):
            last, first = (self._own(node, since(self.typing, node, end)) for end in (node.this, node.expression))
            return self._added(node, last, first, -1)
        if isinstance(node, exp.Neg) and self.is_mixed(node):
            return self._added(node, Number(), self._number(node.this), -1)
        if isinstance(node, exp.Case) and node.this is None and self.is_mixed(node):
            return self._of_cases(node)
        return self._own(node, self.typing.typed(node))

    def _is_moment(self, node: exp.Expr) -> bool:
        kinds = {self.scope.find(column)[1].kind for column in node.find_all(exp.Column)}
        return bool(kinds & {"date", "timestamp"})

    def _own(self, node: exp.Expr, one: Typed) -> Number:
        """A value of one owner, or a constant."""
        self.typing.allow(node, one, self._use)
        lacks = one.side is not None and self.scope.sides[one.side].kind == "left"
        if lacks and of_nulls(one.expression) is not None:
            hint = "a value that is NULL where there is no match"
            self._no(node, "Rows without a match have a value here", hint)
        unit: Unit = "plain"
        match one.sort, one.expression:
            case "date", LocalConstant(_, text):
                return Number(constant=(date.fromisoformat(text) - date(1970, 1, 1)).days, unit="day")
            case "timestamp", LocalConstant(_, text):
                return Number(
                    constant=(datetime.fromisoformat(text) - datetime(1970, 1, 1)) // MICROSECOND, unit="time"
                )
            case "number", LocalConstant():
                return Number(one.scale, constant=one.low)
            case "number", _:
                pass
            case "date", _:
                one, unit = counted(one, "days", 1), "day"
            case "timestamp", _:
                one, unit = counted(one, "microseconds", SECOND), "time"
            case "boolean", _:
                one = counted(replace(one, low=0, high=1), "integer", 1)
            case _:
                self._no(node, f"{with_article(one.sort)} cannot be compared with another owner's column")
        if max(-one.low, one.high) >= shared.MOST:
            self._no(node, "Nothing bounds this value", "a range for the column in the contract")
        return Number(one.scale, {one.side or 0: one}, unit=unit)

    def _interval(self, node: exp.Interval) -> Number:
        found = number(str(node.this.this)) if isinstance(node.this, exp.Literal) else None
        unit = INTERVALS.get(str(node.args.get("unit", "")).upper().rstrip("S"))
        if found is None or found.scale or unit is None:
            hint = "INTERVAL 7 DAY"
            self._no(node, "An interval is a whole number of days, hours, minutes or seconds", hint)
        return Number(constant=found.low * unit, unit="interval")

    def _added(self, node: exp.Expr, left: Number, right: Number, sign: int) -> Number:
        if left.unit == "day" and right.unit == "interval" and right.constant % DAY == 0 and not right.parts:
            right = Number(constant=right.constant // DAY)  # whole days
        unit = SUMS.get((left.unit, right.unit, sign))
        if unit is None:
            hint = "a day with a day or a number of days, a time with a time or an interval"
            self._no(node, "These cannot be added or compared", hint)
        scale = max(left.scale, right.scale)
        up, down = 10 ** (scale - left.scale), 10 ** (scale - right.scale)
        if left.whole or right.whole:
            both = (scaled(self._whole(left), up), scaled(self._whole(right), down))
            whole = shared.Operation("add" if sign > 0 else "subtract", both)
            return Number(
                scale, whole=whole, within=left.nullable + right.nullable, unit=unit, there=left.there + right.there
            )
        parts = dict(left.parts)
        for side, one in right.parts.items():
            if side in parts:
                parts[side] = self.typing.calculated(node, "+" if sign > 0 else "-", parts[side], one)
            else:
                parts[side] = one if sign > 0 else negated(one)
        return Number(scale, parts, left.constant * up + sign * right.constant * down, unit=unit)

    def _multiplied(self, node: exp.Expr, left: Number, right: Number) -> Number:
        if left.unit != "plain" or right.unit != "plain":
            self._no(node, "Days and times cannot be multiplied")
        factors = self._whole(left), self._whole(right)
        whole = shared.Operation("multiply", factors)
        return Number(
            left.scale + right.scale, whole=whole, within=left.nullable + right.nullable, there=left.there + right.there
        )

    def _of_cases(self, node: exp.Case) -> Number:
        """The number, or the day, of the first condition that is true."""
        if any(side.kind == "left" for side in self.scope.sides):
            self._no(node, "Rows without a match have a value here", "JOIN, for rows that match")
        use, self._use = self._use, "compare"
        bits = [self.condition(branch.this) for branch in node.args["ifs"]]
        self._use, last = use, node.args.get("default") or exp.null()
        branches = [
            None if isinstance(value, exp.Null) else self._number(value)
            for value in (*(branch.args["true"] for branch in node.args["ifs"]), last)
        ]
        found = [one for one in branches if one is not None]
        if len({one.unit for one in found}) != 1:
            self._no(node, "CASE gives numbers here, or days")
        scale = max(one.scale for one in found)
        value: sharing.Number = 0
        there: sharing.Bit = False
        for bit, one in reversed([*zip((*bits, True), branches, strict=True)]):
            whole = 0 if one is None else scaled(self._whole(one), 10 ** (scale - one.scale))
            present = False if one is None else sharing.both(*self._present(one))
            value = sharing.chosen(bit, whole, value)
            there = sharing.either(sharing.both(bit, present), sharing.both(sharing.negated(bit), there))
        known = () if isinstance(there, bool) else (there,)
        return Number(scale, whole=sharing.public(value), there=known, unit=found[0].unit)

    def _difference(self, node: exp.Expr, left: Number, right: Number) -> Number:
        if left.unit != right.unit:
            self._no(node, "These cannot be compared", "a day with a day, a time with a time")
        return self._added(node, left, right, -1)

    def _whole(self, one: Number) -> shared.Expression:
        """A number on shares: QUERY's part plus TABLE's plus the constant."""
        if one.whole is not None:
            return one.whole
        columns = [(side, *from_zero(part, one.scale)) for side, part in sorted(one.parts.items())]
        terms = [self._column(side, measure) for side, measure, _ in columns]
        constant = one.constant + sum(first for _, _, first in columns)
        if constant or not terms:
            terms.append(shared.Constant(constant))
        return reduce(lambda a, b: shared.Operation("add", (a, b)), terms)

    def _present(self, one: Number) -> tuple[shared.Expression, ...]:
        bits = []
        for part in one.nullable:
            absent = Call("is_null", (part.expression,))
            bits.append(self._bit(part, Call("case", (absent, ZERO, ONE))))
        return (*bits, *one.there)

    def _no(
        self, node: exp.Expr, sentence: str, hint: str = "conditions of one owner each, or a comparison"
    ) -> NoReturn:
        self._refuse(node, "sql", sentence, hint)
