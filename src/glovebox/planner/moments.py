"""Variances, correlations and regressions: formulas over a count, sums, and sums of squares and products.

A statistic of x, or of y and x, is over the rows in which both are there. What it is made of are totals like those of
SUM and COUNT: SUM of x^i y^j over just these rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec.structs import replace
from sqlglot import exp

from glovebox.planner.conditions import Conditions, where
from glovebox.planner.dates import since
from glovebox.planner.numbers import counted
from glovebox.planner.pairs import ends_of
from glovebox.planner.plan import INEXACT, FormulaOperator, Output
from glovebox.planner.totals import ONE, Totals
from glovebox.planner.typed import NULL, Typed, with_article
from glovebox.schema.expressions import Call, Constant, Expression
from glovebox.schema.local import Measure

Moment = Callable[..., Output]
"""The sum of y^j x^i, called with the exponents in the order of the statistic's arguments; all zero: the count."""


def formula(operator: FormulaOperator, *arguments: Output) -> Output:
    """A formula over outputs, its value no exact decimal."""
    return Output("", "formula", scale=INEXACT, operator=operator, arguments=arguments)


def constant(number: int) -> Output:
    """An integer of a formula."""
    return Output("", "constant", low=number)


def _less(a: Output, b: Output) -> Output:
    return formula("-", a, b)


def _times(a: Output, b: Output) -> Output:
    return formula("*", a, b)


def _over(a: Output, b: Output) -> Output:
    return formula("/", a, b)


def _spread(m: Moment, one: Sequence[int], other: Sequence[int], zero: Sequence[int]) -> Output:
    """n^2 times the covariance of two arguments, of which each is told by its exponents; of one with itself."""
    both = [a + b for a, b in zip(one, other, strict=True)]
    return _less(_times(m(*zero), m(*both)), _times(m(*one), m(*other)))


def _population(m: Moment, one: Sequence[int], other: Sequence[int], zero: Sequence[int]) -> Output:
    return _over(_spread(m, one, other, zero), _times(m(*zero), m(*zero)))


def _sample(m: Moment, one: Sequence[int], other: Sequence[int], zero: Sequence[int]) -> Output:
    n = m(*zero)
    return _over(_spread(m, one, other, zero), _times(n, _less(n, constant(1))))


Y, X, NONE = (1, 0), (0, 1), (0, 0)


def _correlation(m: Moment) -> Output:
    return _over(_spread(m, Y, X, NONE), formula("sqrt", _times(_spread(m, Y, Y, NONE), _spread(m, X, X, NONE))))


def _slope(m: Moment) -> Output:
    return _over(_spread(m, Y, X, NONE), _spread(m, X, X, NONE))


def _intercept(m: Moment) -> Output:
    return _over(_less(m(*Y), _times(_slope(m), m(*X))), m(*NONE))


STATISTICS: dict[type[exp.Expr], Callable[[Moment], Output]] = {
    exp.VariancePop: lambda m: _population(m, (1,), (1,), (0,)),
    exp.Variance: lambda m: _sample(m, (1,), (1,), (0,)),
    exp.StddevPop: lambda m: formula("sqrt", _population(m, (1,), (1,), (0,))),
    exp.StddevSamp: lambda m: formula("sqrt", _sample(m, (1,), (1,), (0,))),
    exp.Stddev: lambda m: formula("sqrt", _sample(m, (1,), (1,), (0,))),
    exp.CovarPop: lambda m: _population(m, Y, X, NONE),
    exp.CovarSamp: lambda m: _sample(m, Y, X, NONE),
    exp.Corr: _correlation,
    exp.RegrSlope: _slope,
    exp.RegrIntercept: _intercept,
    exp.RegrCount: lambda m: m(*NONE),
}


def statistic(totals: Totals, node: exp.Expr, filters: Conditions) -> Output:
    """The formula of a statistic. Refused where the contract lets no argument be summed, or a total would not fit."""
    arguments = [totals.typing.typed(part) for part in (node.this, node.args.get("expression")) if part is not None]
    for part, one in zip((node.this, node.args.get("expression")), arguments, strict=False):
        if one.sort != "number":
            totals.scope.statement.refuse(part, "sql", f"{with_article(one.sort)} has no such statistic", "a number")
        totals.typing.allow(part, one, "sum")
        totals.refuse_value_of_nothing(part, one)

    return STATISTICS[type(node)](_moment(totals, node, arguments, filters))


def difference(totals: Totals, name: str, node: exp.Sum | exp.Avg, filters: Conditions) -> Output | None:
    """SUM or AVG of what two owners' columns differ by, as the difference of two sums; None where it is a row's own.

    So no rows meet one by one, where ids repeat, one owner's condition chooses, or nobody helps to compare.
    """
    slots, sides = totals.pairs.slots, totals.scope.sides
    repeats = any(side.ids and not side.ids.unique and place not in slots for place, side in enumerate(sides))
    ends = (
        ends_of(totals.scope, node.this)
        if totals.joined and (repeats or filters.own or totals.scope.contract.protocol)
        else None
    )
    if ends is None:
        return None
    arguments = _from_one_day(totals, node.this.unnest(), ends)
    for end, one in zip(ends, arguments, strict=True):
        totals.typing.allow(end, one, "sum")
        totals.refuse_value_of_nothing(end, one)
    moment = _moment(totals, node, arguments, filters)
    count, scale = moment(*NONE), max(one.scale for one in arguments)
    if isinstance(node, exp.Avg):
        return replace(formula("mean", _less(moment(*Y), moment(*X)), count), name=name)
    sums = (replace(moment(*each), over=None if totals.noisy else count.total) for each in (Y, X))
    return replace(_less(*sums), name=name, scale=scale)


def _from_one_day(totals: Totals, node: exp.Expr, ends: tuple[exp.Expr, exp.Expr]) -> list[Typed]:
    """The ends of a difference as numbers; days, months, .. from the first that the contract knows, not from 1970."""
    typing = totals.typing
    found = [since(typing, node, end) if isinstance(node, exp.DateDiff) else typing.typed(end) for end in ends]
    if all(one.sort == "date" for one in found):
        found = [counted(one, "days", 1) for one in found]
    elif not isinstance(node, exp.DateDiff):
        for one in found:
            if one.sort != "number":
                sentence = "Of days and times, how far they are apart is added up"
                typing.refuse(node, "sql", sentence, "a day less another, or DATE_DIFF('hour', a, b)")
        return found
    first = Typed(Constant("integer", str(low := min(one.low for one in found))), "number", low=low, high=low)
    return [typing.calculated(node, "-", one, first) for one in found]


def _moment(totals: Totals, node: exp.Expr, arguments: Sequence[Typed], filters: Conditions) -> Moment:
    def moment(*exponents: int) -> Output:
        scale = sum(one.scale * power for one, power in zip(arguments, exponents, strict=True))
        measures = _measures(totals, arguments, exponents, filters)
        return Output("", "sum", total=totals.total(measures, node, filters), scale=scale)

    return moment


def _measures(
    totals: Totals, arguments: Sequence[Typed], exponents: Sequence[int], filters: Conditions
) -> list[Measure | None]:
    """For each side: the sum of its arguments to their exponents, over rows where all its arguments are there."""
    measures = totals.rows_of(filters)
    for side in {one.side or 0 for one in arguments}:
        own = [(one, power) for one, power in zip(arguments, exponents, strict=True) if (one.side or 0) == side]
        value, scale, low, high = _product(own)
        missing = any(one.nullable or totals.may_lack(one) for one, _ in own)
        if value is ONE and not missing and side not in filters.own:
            continue  # counts as its rows do
        most = totals.bound(side)
        there = where(filters.own.get(side), _where_there(own, value))
        if value is ONE:
            measures[side] = Measure("values", there, 0, 0, most)
        else:
            measures[side] = Measure("sum", there, scale, min(0, low) * most, max(0, high) * most)
    return measures


def _product(own: Sequence[tuple[Typed, int]]) -> tuple[Expression, int, int, int]:
    """The product of numbers to their exponents, its scale and its range; ONE where all exponents are zero."""
    value: Expression = ONE
    scale, low, high = 0, 1, 1
    for one, power in own:
        for _ in range(power):
            corners = [a * b for a in (low, high) for b in (one.low, one.high)]
            value = one.expression if value is ONE else Call("*", (value, one.expression))
            scale, low, high = scale + one.scale, min(corners), max(corners)
        if power == 2 and len(own) == 1:
            low = max(low, 0)  # a square
    return value, scale, low, high


def _where_there(own: Sequence[tuple[Typed, int]], value: Expression) -> Expression:
    """The value in rows where every argument is there, also those that are not in it."""
    absent = [Call("is_null", (one.expression,)) for one, power in own if one.nullable and not power]
    for one in absent:
        value = Call("case", (one, NULL, value))
    return value
