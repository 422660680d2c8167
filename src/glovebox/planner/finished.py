"""Expressions over finished aggregates: ratios and other formulas of SELECT, and the conditions of HAVING.

A formula's aggregates open, and receivers compute it. They are counts, and sums of columns that the contract lets be
summed, so each could have been asked for itself. HAVING is judged on shares: of a group that it leaves out nothing
opens, and nobody can tell whether it has too few people or does not meet the condition.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import lcm
from typing import NoReturn

from msgspec.structs import replace
from sqlglot import exp

from glovebox.planner.aggregates import aggregated, with_filter
from glovebox.planner.comparisons import COMPARISON
from glovebox.planner.conjuncts import conjuncts
from glovebox.planner.moments import STATISTICS, statistic
from glovebox.planner.plan import INEXACT, FormulaOperator, Output
from glovebox.planner.rounding import digits_of
from glovebox.planner.totals import Totals
from glovebox.planner.typed import MOST, number
from glovebox.protocols.having import Bound

OPERATORS: dict[type[exp.Expr], FormulaOperator] = {
    exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/", exp.Neg: "negate", exp.Sqrt: "sqrt", exp.Abs: "abs",
    exp.Nullif: "nullif", exp.Coalesce: "coalesce",
}  # fmt: skip
INEXACT_KINDS = ("average", "quotient", "quantile", "between")
FLOATS = (exp.DType.DOUBLE, exp.DType.FLOAT)
HAVING_LIMIT = 1 << 59
"""Under which a condition of HAVING keeps what it compares: numbers of 61 bits are compared (`threshold.py`), and noise
comes to them."""


def finished(totals: Totals, name: str, node: exp.Expr) -> Output:
    """The output of a selected expression. Refused for what is neither an aggregate nor a formula of aggregates."""
    inner, digits = node, None
    if isinstance(node, exp.Round):
        inner, digits = node.this, digits_of(totals.scope, node)
    inner = inner.unnest()
    if not isinstance(_without_filter(inner), (*OPERATORS, *STATISTICS, exp.Cast, exp.Round)):
        return replace(aggregated(totals, name, inner), digits=digits)
    if not inner.find(exp.AggFunc):
        return aggregated(totals, name, node)  # which refuses it
    return replace(_formula(totals, inner), name=name, digits=digits)


def _without_filter(node: exp.Expr) -> exp.Expr:
    return node.this if isinstance(node, exp.Filter) else node


def _formula(totals: Totals, node: exp.Expr) -> Output:
    """A part of a formula."""
    refuse = totals.scope.statement.refuse
    aggregate = _without_filter(node)
    if type(aggregate) in STATISTICS:
        return statistic(totals, *with_filter(totals, node))
    match node:
        case exp.Paren():
            return _formula(totals, node.this)
        case exp.Literal() if not node.is_string:
            found = number(str(node.this))
            if found is None or found.high >= MOST:
                refuse(node, "sql", "This number is too long for a formula", "at most 18 digits in all")
            return Output("", "constant", low=found.low, scale=found.scale)
        case exp.Cast() if node.to.this in FLOATS:
            return _formula(totals, node.this)
        case exp.Round():
            inner = _formula(totals, node.this)
            digits = digits_of(totals.scope, node)
            return Output("", "formula", operator="round", arguments=(inner,), scale=digits, digits=digits)
        case exp.Coalesce() if len(node.expressions) != 1:
            refuse(node, "sql", "COALESCE takes two values here", "COALESCE(an aggregate, 0)")
    if type(node) in OPERATORS:
        parts = [node.this, *([node.expression] if node.args.get("expression") else node.expressions)]
        return _exact(OPERATORS[type(node)], tuple(_formula(totals, part) for part in parts))
    output = aggregated(totals, "", node)
    if output.unit:
        refuse(node, "sql", "Days and times are no part of a formula", "MIN(…) or MAX(…) as a column of its own")
    return output


def _exact(operator: FormulaOperator, arguments: tuple[Output, ...]) -> Output:
    """A formula with the scale of its value, if that is an exact decimal."""
    scales = [argument.scale if argument.kind not in INEXACT_KINDS else INEXACT for argument in arguments]
    scale = INEXACT
    if INEXACT not in scales and operator not in ("/", "sqrt"):
        scale = sum(scales) if operator == "*" else max(scales)
    return Output("", "formula", scale=scale, operator=operator, arguments=arguments)


@dataclass(frozen=True)
class Linear:
    """A sum of multiples of totals, and a constant. there: totals without which it is NULL."""

    terms: dict[int, Fraction] = field(default_factory=dict)
    constant: Fraction = Fraction(0)
    there: frozenset[int] = frozenset()

    def plus(self, other: Linear, times: Fraction = Fraction(1)) -> Linear:
        """This and a multiple of another."""
        terms = dict(self.terms)
        for total, factor in other.terms.items():
            terms[total] = terms.get(total, Fraction(0)) + times * factor
        return Linear(terms, self.constant + times * other.constant, self.there | other.there)


ONE = Linear(constant=Fraction(1))


class Having:
    """Turns the conditions of HAVING into bounds on totals: integers that are to be at least zero."""

    def __init__(self, totals: Totals, tree: exp.Select) -> None:
        self.totals, self.refuse = totals, totals.scope.statement.refuse
        self.names = {item.alias.lower(): item.this for item in tree.expressions if isinstance(item, exp.Alias)}
        self.node: exp.Expr = tree

    def bounds(self, part: exp.Expr) -> list[Bound]:
        """The bounds of one condition, all to hold."""
        self.node = part
        if isinstance(part, exp.Between):
            low, high = part.args["low"], part.args["high"]
            return [*self._compared(exp.GTE, part.this, low), *self._compared(exp.LTE, part.this, high)]
        if type(part) not in COMPARISON or isinstance(part, exp.NEQ):
            self._no()
        return self._compared(type(part), part.this, part.expression)

    def _no(self) -> NoReturn:
        hint = "HAVING COUNT(*) >= 10 AND SUM(…) / COUNT(*) > 0.5"
        self.refuse(self.node, "sql", "HAVING compares sums, counts and their ratios, and all must hold", hint)

    def _compared(self, kind: type[exp.Expr], left: exp.Expr, right: exp.Expr) -> list[Bound]:
        (one, below), (other, under) = (self._fraction(self._output(side)) for side in (left, right))
        difference = self._product(one, under).plus(self._product(other, below), Fraction(-1))
        positive = [Linear({total: Fraction(1)}) for total in sorted(difference.there)]
        positive += [side for side in (below, under) if side.terms]
        bounds = [self._bound(side, 1) for side in positive]
        if kind in (exp.GT, exp.GTE, exp.EQ):
            bounds.append(self._bound(difference, 1 if kind is exp.GT else 0))
        if kind in (exp.LT, exp.LTE, exp.EQ):
            bounds.append(self._bound(Linear().plus(difference, Fraction(-1)), 1 if kind is exp.LT else 0))
        return [bound for bound in bounds if bound.terms]  # one without any is met by all

    def _output(self, node: exp.Expr) -> Output:
        if isinstance(node, exp.Column) and not node.table and node.name.lower() in self.names:
            node = self.names[node.name.lower()]
        return _formula(self.totals, node)

    def _fraction(self, made: Output) -> tuple[Linear, Linear]:
        """A number as a sum of totals over another that is not negative, and makes it NULL where it is zero."""
        unit = Fraction(1, 10**made.scale) if made.scale > 0 else Fraction(1)
        there = frozenset() if made.over is None else frozenset({made.over})
        match made.kind, made.operator:
            case "constant", _:
                return Linear(constant=made.low * unit), ONE
            case "count", _:
                return Linear({made.total: unit}), ONE
            case "sum", _:
                return Linear({made.total: unit}, there=there), ONE
            case "average", _:
                return Linear({made.total: unit}), Linear({made.over or 0: Fraction(1)})
            case "formula", "negate":
                ((top, below),) = map(self._fraction, made.arguments)
                return Linear().plus(top, Fraction(-1)), below
            case "formula", "+" | "-":
                (one, below), (other, under) = map(self._fraction, made.arguments)
                times = Fraction(1 if made.operator == "+" else -1)
                top = self._product(one, under).plus(self._product(other, below), times)
                return top, self._product(below, under)
            case "formula", "*":
                (one, below), (other, under) = map(self._fraction, made.arguments)
                return self._product(one, other), self._product(below, under)
            case "formula", "/" | "mean":
                (one, below), (other, under) = map(self._fraction, made.arguments)
                self._check_positive(other)
                return self._product(one, under), self._product(below, other)
        return self._no()

    def _check_positive(self, divisor: Linear) -> None:
        lows = [self.totals.totals[total].low * factor >= 0 <= factor for total, factor in divisor.terms.items()]
        if not all(lows) or divisor.constant < 0 or (not divisor.terms and not divisor.constant):
            self._no()

    def _product(self, one: Linear, other: Linear) -> Linear:
        if one.terms and other.terms:
            self._no()
        many, single = (one, other) if one.terms else (other, one)
        found = Linear().plus(many, single.constant)
        return Linear(found.terms, found.constant, one.there | other.there)

    def _bound(self, number: Linear, least: int) -> Bound:
        """That a number is at least zero, or (1) more than that, in units in which all of it is whole."""
        units = lcm(number.constant.denominator, *(factor.denominator for factor in number.terms.values()))
        terms = tuple((total, int(factor * units)) for total, factor in sorted(number.terms.items()) if factor)
        bound = Bound(terms, int(number.constant * units) - least)
        most = [max(-total.low, total.high) for total in self.totals.totals]
        if bound.most(most) >= HAVING_LIMIT or (not terms and bound.constant < 0):
            self._no()
        return bound


def having_of(totals: Totals, tree: exp.Select) -> tuple[Bound, ...]:
    """The conditions of HAVING, all to hold. Refused for what no sums of totals decide."""
    having, asked = tree.args.get("having"), Having(totals, tree)
    parts = conjuncts(having.this if having else None)
    return tuple(dict.fromkeys(bound for part in parts for bound in asked.bounds(part)))


def used_of(outputs: Sequence[Output], having: Sequence[Bound]) -> tuple[Output, ...]:
    """The aggregates that an answer is made of: those of its columns and formulas, and totals that HAVING judges."""
    leaves = [leaf for output in outputs for leaf in output.leaves()]
    judged = [Output("", "count", total=total) for bound in having for total, _ in bound.terms]
    return (*leaves, *judged)
