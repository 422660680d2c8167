"""Group keys that are made of columns: their public domain, and the number of a row's label as its owner computes it.

A key is a condition, a whole number of a range that the contract gives (also one that is stretched by constants, like
`floor(age / 10) * 10`), or CASE with a label in every branch. So the domain follows from contract and question alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from glovebox.contract.columns import check_label
from glovebox.contract.lines import Fault
from glovebox.planner import calendar
from glovebox.planner.scope import Scope
from glovebox.planner.typed import Typed
from glovebox.planner.typing import Typing
from glovebox.schema.expressions import Call, ColumnRef, Constant, Expression
from glovebox.schema.local import LabelSort

MOST_LABELS = 10_000
MISSING = ""
"""The label of what is NULL: no label of a contract or a question is empty."""


@dataclass(frozen=True)
class Domain:
    """A key's labels, of one sort, and the place of a row's label among them. side: whose columns it is made of."""

    side: int
    labels: tuple[str, ...]
    sort: LabelSort
    index: Expression


def domain_of(scope: Scope, typing: Typing, node: exp.Expr) -> Domain:
    """The domain of a key. Refused for what has none, or too large a one, and for what may not be grouped by."""
    if isinstance(node, exp.Case) and node.this is None and _label(node.args["ifs"][0].args["true"]) is not None:
        return _of_labels(scope, typing, node)
    typed = typing.typed(node)
    if typed.sort == "boolean":
        typing.allow(node, typed, "group")
        truth = (Call("=", (typed.expression, _boolean("true"))), _integer(1), _integer(0))
        return _with_missing(typed, ("false", "true"), "boolean", Call("case", truth))
    if typed.sort == "id" and typed.column is not None and "group" in typed.column.may:
        return _with_missing(typed, tuple(map(str, range(typed.low, typed.high + 1))), "number", _range(typed)[1])
    if typed.sort in ("date", "timestamp") and (found := calendar.domain(typed)) and len(found[0]) <= MOST_LABELS:
        typing.allow(node, typed, "group")
        return _with_missing(typed, found[0], "label", found[1])
    if typed.sort != "number" or typed.scale or typed.side is None:
        _no(scope, node)
    typing.allow(node, typed, "group")
    values, index = _numbers(scope, typed.side or 0, typed.expression) or _range(typed)
    if not values:
        _no(scope, node)
    return _with_missing(typed, tuple(map(str, values)), "number", index)


def _no(scope: Scope, node: exp.Expr) -> None:
    hint = (
        "CASE WHEN … THEN 'label' ELSE 'label' END, floor(x / 10) * 10 or DATE_TRUNC('month', x) of a column with a "
        "range, or a category"
    )
    scope.statement.refuse(node, "sql", "This makes no groups of a public domain", hint)


def _with_missing(typed: Typed, labels: tuple[str, ...], sort: LabelSort, index: Expression) -> Domain:
    side = typed.side or 0
    if not typed.nullable:
        return Domain(side, labels, sort, index)
    absent = Call("is_null", (typed.expression,))
    return Domain(side, (*labels, MISSING), sort, Call("case", (absent, _integer(len(labels)), index)))


def _range(typed: Typed) -> tuple[tuple[int, ...], Expression]:
    if typed.high - typed.low >= MOST_LABELS:
        return (), typed.expression
    return tuple(range(typed.low, typed.high + 1)), _less(typed.expression, typed.low)


def _numbers(scope: Scope, side: int, expression: Expression) -> tuple[tuple[int, ...], Expression] | None:
    """The values of a whole number in rising order and the place of one among them, where constants stretch it."""
    match expression:
        case Call("integer", (inner,)):
            return _numbers(scope, side, inner)
        case Call("*" | "+" | "-" as operator, (inner, Constant("integer", text))) | Call(
            "*" | "+" as operator, (Constant("integer", text), inner)
        ):
            found, constant = _numbers(scope, side, inner), int(text)
            if found is None or (operator == "*" and constant < 1):
                return None
            values = found[0]
            if operator == "*":
                return tuple(value * constant for value in values), found[1]
            return tuple(value + (constant if operator == "+" else -constant) for value in values), found[1]
        case Call("floor", (ColumnRef(name), Constant("integer", text))):
            column = scope.sides[side].table.column(name)
            if column is None or column.low is None or column.high is None or column.scale:
                return None
            low, high = column.low // int(text), column.high // int(text)
            return tuple(range(low, high + 1)), _less(expression, low)
        case Call("floor", (Call("year", (ColumnRef(name),)) as inner, Constant("integer", text))):
            years = _numbers(scope, side, inner)
            if years is None:
                return None
            low, high = years[0][0] // int(text), years[0][-1] // int(text)
            return tuple(range(low, high + 1)), _less(expression, low)
        case Call("year", (ColumnRef(name),)):
            column = scope.sides[side].table.column(name)
            if column is None or column.low is None or column.high is None:
                return None
            low, high = (calendar.moment_of(column.kind, end).year for end in (column.low, column.high))
            return tuple(range(low, high + 1)), _less(expression, low)
    return None


def _less(expression: Expression, low: int) -> Expression:
    return Call("-", (expression, _integer(low))) if low else expression


def _integer(value: int) -> Constant:
    return Constant("integer", str(value))


def _boolean(text: str) -> Constant:
    return Constant("boolean", text)


def _label(node: exp.Expr | None) -> str | None:
    return node.this if isinstance(node, exp.Literal) and node.is_string else None


def _of_labels(scope: Scope, typing: Typing, node: exp.Case) -> Domain:
    """CASE takes the first condition that is true, else its last label; without ELSE what is missing."""
    labels: list[str] = []
    arguments: list[Expression] = []
    sides: set[int] = set()
    for branch in node.args["ifs"]:
        condition = typing.condition(branch.this)
        typing.allow(node, condition, "filter")
        sides |= {condition.side} - {None}  # type: ignore[arg-type]
        arguments += [condition.expression, _place(scope, node, branch.args["true"], labels)]
    default = node.args.get("default")
    if default is None and MISSING not in labels:
        labels.append(MISSING)
    last = _place(scope, node, default, labels) if default is not None else _integer(labels.index(MISSING))
    if len(sides) != 1:
        sentence = "A group's label is made of one owner's columns"
        scope.statement.refuse(node, "sql", sentence, "conditions of one table, or two keys")
    return Domain(sides.pop(), tuple(labels), "label", Call("case", (*arguments, last)))


def _place(scope: Scope, node: exp.Case, then: exp.Expr, labels: list[str]) -> Constant:
    """The place of a branch's label, a new one behind those that are there."""
    label = _label(then)
    if label is None:
        scope.statement.refuse(node, "sql", "CASE makes groups by a label in every branch", "ELSE 'label'")
    try:
        check_label(label, ())
    except Fault as fault:
        scope.statement.refuse(then, "sql", f"This cannot be a label: {fault.sentence}", fault.hint)
    if label not in labels:
        labels.append(label)
    return _integer(labels.index(label))
