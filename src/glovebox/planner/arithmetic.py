"""Arithmetic of one owner's numbers: sums and products, whole quotients, and one of several numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from glovebox.planner import dates
from glovebox.planner.comparisons import compared
from glovebox.planner.typed import MOST, NULL, Typed, at_scale, negated
from glovebox.planner.wording import GREATEST
from glovebox.schema.expressions import Call, Constant, Operator

if TYPE_CHECKING:
    from glovebox.planner.typing import Typing

ARITHMETIC: dict[type[exp.Expr], Operator] = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*"}


def made_by(typing: Typing) -> dict[type[exp.Expr], Callable[[Any], Typed]]:
    """How a typing reads these parts of a statement."""
    return {
        **dict.fromkeys(ARITHMETIC, partial(_arithmetic, typing)),
        exp.Neg: partial(_negative, typing),
        exp.Case: partial(_case, typing),
        exp.Coalesce: partial(_coalesce, typing),
        exp.Floor: partial(_floor, typing),
        exp.IntDiv: partial(_whole_quotient, typing),
        exp.Mod: partial(_whole_quotient, typing),
    }


def _arithmetic(typing: Typing, node: exp.Expr) -> Typed:
    if later := dates.shifted(typing, node):
        return later
    left, right = typing.typed(node.this), typing.typed(node.expression)
    if isinstance(node, exp.Sub) and left.sort == right.sort == "date":
        left, right = _days(left), _days(right)
    return typing.calculated(node, ARITHMETIC[type(node)], left, right)


def _days(one: Typed) -> Typed:
    """A day as a number of days since 1970."""
    if isinstance(one.expression, Constant):
        days = (date.fromisoformat(one.expression.text) - date(1970, 1, 1)).days
        return replace(one, expression=Constant("integer", str(days)), sort="number", low=days, high=days)
    return replace(one, expression=Call("days", (one.expression,)), sort="number", column=None)


def _negative(typing: Typing, node: exp.Neg) -> Typed:
    return negated(typing.number(node.this))


def _case(typing: Typing, node: exp.Case) -> Typed:
    arguments, branches = [], []
    for branch in node.args["ifs"]:
        when = branch.this
        if node.this is None:
            condition = typing.condition(when)
        else:
            condition = compared(typing, node, "=", typing.typed(node.this), typing.typed(when))
        arguments += [condition, typing.typed(branch.args["true"])]
        branches.append(arguments[-1])
    default = node.args.get("default")
    branches.append(typing.typed(default) if default else Typed(NULL, "null", nullable=True))
    sorts = {branch.sort for branch in branches} - {"null"}
    if sorts not in ({"number"}, {"date"}):
        hint = "CASE WHEN … THEN 1 ELSE 0 END, or DATE '2026-12-31' beside a date"
        typing.refuse(node, "sql", "CASE gives numbers here, or days", hint)
    nullable = any(branch.nullable for branch in branches)
    found = _one_of(typing, node, (*arguments, branches[-1]), branches, nullable)
    if GREATEST not in node.meta:
        return found
    sure = [at_scale(_bounded(branch), found.scale) for branch in branches if not branch.nullable]
    found = replace(found, nullable=found.nullable and not sure)
    if node.meta[GREATEST]:  # which is no less than what is always there
        return replace(found, low=max([found.low, *(low for low, _ in sure)]))
    return replace(found, high=min([found.high, *(high for _, high in sure)]))


def _coalesce(typing: Typing, node: exp.Coalesce) -> Typed:
    """A number, or another where it is missing."""
    if len(node.expressions) != 1:
        typing.refuse(node, "sql", "COALESCE takes two values here", "COALESCE(x, 0)")
    value, other = typing.number(node.this), typing.number(node.expressions[0])
    missing = Typed(Call("is_null", (value.expression,)), "boolean", value.side)  # as it adds, so it may be missing
    return _one_of(typing, node, (missing, other, value), (other, value), other.nullable)


def _one_of(
    typing: Typing, node: exp.Expr, arguments: tuple[Typed, ...], branches: Sequence[Typed], nullable: bool
) -> Typed:
    """The number, or the day, that one of some branches is. arguments: of CASE."""
    scale = max(branch.scale for branch in branches)
    there = [branch for branch in branches if branch.sort != "null"]
    ends = [at_scale(_bounded(branch), scale) for branch in there]
    whole = typing.combined(node, "case", arguments)
    low, high = min(end[0] for end in ends), max(end[1] for end in ends)
    return replace(whole, sort=there[0].sort, scale=scale, low=low, high=high, nullable=nullable)


def _bounded(one: Typed) -> Typed:
    """A value with its range, also where it is a constant day."""
    return _days(one) if one.sort == "date" else one


def _floor(typing: Typing, node: exp.Floor) -> Typed:
    """A number, or its quotient by a positive constant, rounded down."""
    inner = node.this.unnest()
    parts = (inner.this, inner.expression) if isinstance(inner, exp.Div) else (inner, exp.Literal.number(1))
    value, divisor = typing.number(parts[0]), typing.number(parts[1])
    if not isinstance(divisor.expression, Constant) or divisor.low <= 0:
        typing.refuse(node, "sql", "FLOOR takes a number, or one divided by a positive constant", "floor(x / 10)")
    if value.low <= -MOST or value.high >= MOST:
        typing.refuse(node, "columns", "Nothing bounds this number", "a column with a range")
    low, high = (end * 10**divisor.scale // (divisor.low * 10**value.scale) for end in (value.low, value.high))
    call = Call("floor", (value.expression, divisor.expression))
    return replace(value, expression=call, scale=0, low=low, high=high, column=None)


def _whole_quotient(typing: Typing, node: exp.IntDiv | exp.Mod) -> Typed:
    """x // c, or x % c, of whole numbers that are not negative: of others SQL cuts off toward zero."""
    value, divisor = typing.number(node.this), typing.number(node.expression)
    if not isinstance(divisor.expression, Constant) or divisor.low <= 0 or value.scale or divisor.scale:
        typing.refuse(node, "sql", "// and % take a whole number and a positive constant", "x // 10, or floor(x / 10)")
    if value.low < 0:
        typing.refuse(node, "sql", "// and % take numbers that cannot be negative", "floor(x / 10)")
    quotient = _floor(typing, exp.Floor(this=exp.Div(this=node.this, expression=node.expression)))
    if isinstance(node, exp.IntDiv):
        return quotient
    whole = typing.calculated(node, "*", quotient, divisor)
    found = typing.calculated(node, "-", value, whole)
    return replace(found, low=0, high=min(value.high, divisor.low - 1))
