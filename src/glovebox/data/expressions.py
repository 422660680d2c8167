"""A plan's expressions as trees for the owner's DuckDB: three-valued as in SQL, exact whatever the numbers.

Constants are bound, never written into the statement, and cast to the type they have in the plan: an integer to
BIGINT (HUGEINT beyond it), a decimal to the DECIMAL of just its digits, labels and text to VARCHAR, dates to DATE,
timestamps to TIMESTAMP in UTC. Arithmetic runs over 128 bits (HUGEINT, DECIMAL(38)), because DuckDB keeps
products of narrow decimals in 64 bits. Numbers that meet are first given the same decimals, because DuckDB rounds
where the type that holds both would need more than 38 digits. What does need more is an error, never a rounded value.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Literal, NamedTuple

from sqlglot import exp

from glovebox.data.columns import column_type
from glovebox.data.database import Parameters
from glovebox.data.trees import Node, call, cast, compare, epoch, is_null, name, not_, number, string
from glovebox.data.view import View
from glovebox.errors import GloveboxError
from glovebox.schema.columns import Column
from glovebox.schema.expressions import Call, ColumnRef, Constant, Expression

Sort = Literal["number", "boolean", "text", "date", "timestamp", "null"]

SORTS: dict[str, Sort] = {
    "id": "text", "integer": "number", "decimal": "number", "boolean": "boolean", "category": "text",
    "text": "text", "date": "date", "timestamp": "timestamp", "null": "null",
}  # fmt: skip
ARITHMETIC: dict[str, type[exp.Binary]] = {"+": exp.Add, "-": exp.Sub, "*": exp.Mul}
COMPARISON: dict[str, type[exp.Binary]] = {
    "=": exp.EQ, "<>": exp.NEQ, "<": exp.LT, "<=": exp.LTE, ">": exp.GT, ">=": exp.GTE,
}  # fmt: skip
CONNECTIVE: dict[str, type[exp.Binary]] = {"and": exp.And, "or": exp.Or}
MOST_DECIMALS = 18  # a BIGINT of 19 digits beside 18 decimals fits DECIMAL(38): no comparison can overflow


class Typed(NamedTuple):
    """A tree and its type. scale: decimals of a number, 0 of all else. integral: a number that is no DECIMAL."""

    node: Node
    sort: Sort
    scale: int = 0
    integral: bool = False


def rendered(expression: Expression, view: View, parameters: Parameters) -> Typed:
    """The tree of an expression over the view's cleaned columns. Raises GloveboxError for one that has no type."""
    match expression:
        case ColumnRef(column):
            return _column(column, view)
        case Constant():
            return _constant(expression, parameters)
        case Call(operator, arguments):
            return _call(operator, [rendered(argument, view, parameters) for argument in arguments])


def _column(wanted: str, view: View) -> Typed:
    column = view.table.column(wanted)
    if column is None:
        raise _untyped(f"names {wanted}, which the table does not have")
    return Typed(name(view.name_of(wanted)), _sort(column), column.scale, column.kind == "integer")


def _sort(column: Column) -> Sort:
    return "number" if column_type(column) == "BIGINT" else SORTS[column.kind]


def _constant(constant: Constant, parameters: Parameters) -> Typed:
    sort = SORTS[constant.type]
    try:
        match constant.type:
            case "null":
                return Typed(exp.null(), sort)
            case "integer":
                value = int(constant.text)
                type = "BIGINT" if -(1 << 63) <= value < 1 << 63 else "HUGEINT"
                return Typed(parameters.bind(str(value), type), sort, 0, True)
            case "decimal":
                digits, decimals = _digits(constant.text)
                node = parameters.bind(constant.text, f"DECIMAL({digits},{decimals})")
                return Typed(node, sort, decimals)
            case "boolean":
                return Typed(parameters.bind({"true": True, "false": False}[constant.text], "BOOLEAN"), sort)
            case "date":
                return Typed(parameters.bind(date.fromisoformat(constant.text).isoformat(), "DATE"), sort)
            case "timestamp":
                return Typed(parameters.bind(_utc(constant.text), "TIMESTAMP"), sort)
            case _:
                return Typed(parameters.bind(constant.text, "VARCHAR"), sort)
    except (ValueError, KeyError, InvalidOperation):
        pass
    raise _untyped(f"holds a constant that is no {constant.type}")


def _digits(text: str) -> tuple[int, int]:
    """Precision and scale of a decimal's text."""
    number = Decimal(text).as_tuple()
    if not isinstance(number.exponent, int) or number.exponent > 0:
        raise ValueError
    decimals = -number.exponent
    digits = max(len(number.digits), decimals, 1)
    if decimals > MOST_DECIMALS or digits - decimals > 19:
        raise ValueError
    return digits, decimals


def _utc(text: str) -> str:
    stamp = datetime.fromisoformat(text)
    return (stamp.astimezone(UTC).replace(tzinfo=None) if stamp.tzinfo else stamp).isoformat()


def _call(operator: str, given: list[Typed]) -> Typed:
    match operator, given:
        case "+" | "-" | "*", [left, right]:
            return _arithmetic(operator, left, right)
        case "negate", [value] if value.sort in {"number", "null"}:
            return value._replace(node=exp.paren(exp.Neg(this=exp.paren(_wide(value))), copy=False))
        case "and" | "or", [_, _, *_]:
            for value in given:
                _need(value, "boolean")
            node = given[0].node
            for value in given[1:]:
                node = compare(CONNECTIVE[operator], exp.paren(node), exp.paren(value.node))
            return Typed(node, "boolean")
        case "not", [value]:
            return Typed(exp.paren(not_(_need(value, "boolean").node), copy=False), "boolean")
        case "is_null", [value]:
            return Typed(is_null(value.node), "boolean")
        case "integer", [value] if value.sort in {"boolean", "null"} or value.integral:
            node = value.node if value.integral else cast(value.node, "BIGINT")
            return Typed(node, "number", 0, True)
        case "floor", [value, divisor]:
            return _floored(value, divisor)
        case "case", [_, _, *_] if len(given) % 2:
            return _case(given)
        case _, [left, right] if operator in COMPARISON:
            _same([left, right])
            left, right = _aligned([left, right])
            return Typed(compare(COMPARISON[operator], left.node, right.node), "boolean")
        case _, [value]:
            return _counted(operator, value)
    raise _untyped(f"uses {operator} over what it does not apply to")


def _arithmetic(operator: str, left: Typed, right: Typed) -> Typed:
    if left.sort == "date" and operator != "*" and right.integral:
        return left._replace(node=exp.paren(compare(ARITHMETIC[operator], left.node, cast(right.node, "INTEGER"))))
    for value in (left, right):
        _need(value, "number")
    integral = all(value.integral or value.sort == "null" for value in (left, right))
    scale = left.scale + right.scale
    if operator != "*":
        left, right = _aligned([left, right])
        scale = left.scale
    return Typed(compare(ARITHMETIC[operator], _wide(left), _wide(right)), "number", scale, integral)


def _counted(operator: str, value: Typed) -> Typed:
    """A number that a day or a time has."""
    match operator:
        case "days" if value.sort in {"date", "null"}:
            return Typed(compare(exp.Sub, cast(value.node, "DATE"), epoch()), "number", 0, True)
        case "microseconds" if value.sort in {"timestamp", "null"}:
            return Typed(call("epoch_us", cast(value.node, "TIMESTAMP")), "number", 0, True)
        case "year" | "month" if value.sort in {"date", "timestamp", "null"}:
            return Typed(cast(call(operator, value.node), "BIGINT"), "number", 0, True)
        case "date" if value.sort in {"timestamp", "null"}:
            return Typed(cast(value.node, "DATE"), "date")
        case _ if operator.startswith("trunc_") and value.sort in {"date", "timestamp", "null"}:
            first = call("date_trunc", string(operator.removeprefix("trunc_")), value.node)
            return value._replace(node=cast(first, "DATE" if value.sort == "date" else "TIMESTAMP"))
    raise _untyped(f"uses {operator} over what it does not apply to")


def _floored(value: Typed, divisor: Typed) -> Typed:
    """The quotient rounded down, over integers: DuckDB rounds a quotient of integers towards zero."""
    for one in (value, divisor):
        _need(one, "number")
    scale = max(value.scale, divisor.scale)
    units = number(10**scale)
    x, by = (cast(compare(exp.Mul, _wide(one), units), "HUGEINT") for one in _aligned([value, divisor]))
    rest = compare(exp.Mod, compare(exp.Add, compare(exp.Mod, x, by), by), by)
    return Typed(compare(exp.IntDiv, compare(exp.Sub, x, rest), by), "number", 0, True)


def _case(given: list[Typed]) -> Typed:
    *pairs, otherwise = given
    conditions, values = pairs[::2], [*pairs[1::2], otherwise]
    sort = _same(values)
    integral = sort == "number" and all(value.integral or value.sort == "null" for value in values)
    *values, otherwise = _aligned(values)
    ifs = [
        exp.If(this=_need(condition, "boolean").node.copy(), true=value.node.copy())
        for condition, value in zip(conditions, values, strict=True)
    ]
    case = exp.Case(ifs=ifs, default=otherwise.node.copy())
    return Typed(exp.paren(case, copy=False), sort, otherwise.scale, integral)


def _aligned(values: list[Typed]) -> list[Typed]:
    """The values, numbers among them with the decimals of the one that has most."""
    scale = max(value.scale for value in values)
    return [
        value if value.scale == scale else Typed(cast(value.node, f"DECIMAL(38,{scale})"), value.sort, scale)
        for value in values
    ]


def _wide(value: Typed) -> Node:
    """The value in 128 bits."""
    return cast(value.node, "HUGEINT" if value.integral or value.sort == "null" else f"DECIMAL(38,{value.scale})")


def _need(value: Typed, sort: Sort) -> Typed:
    if value.sort not in {sort, "null"}:
        raise _untyped(f"has {value.sort} where {sort} belongs")
    return value


def _same(values: list[Typed]) -> Sort:
    sorts = {value.sort for value in values} - {"null"}
    if sorts == {"date", "timestamp"}:
        return "timestamp"
    if len(sorts) > 1:
        raise _untyped(f"mixes {' and '.join(sorted(sorts))}")
    return sorts.pop() if sorts else "null"


def _untyped(what: str) -> GloveboxError:
    return GloveboxError(f"an expression of the plan {what}", code="plan", step="loaded")


def measured(expression: Expression, scale: int, view: View, parameters: Parameters) -> Node:
    """A number's tree as DuckDB is to sum it: of exactly `scale` decimals."""
    typed = rendered(expression, view, parameters)
    if typed.sort not in {"number", "null"} or typed.scale > scale:
        raise _untyped(f"cannot be summed with {scale} decimals")
    if typed.sort == "null" or typed.scale != scale:
        return cast(typed.node, f"DECIMAL(38,{scale})")
    return typed.node


def present(expression: Expression, view: View, parameters: Parameters) -> Node:
    """Whether an expression is not NULL, as a tree."""
    return exp.paren(not_(is_null(rendered(expression, view, parameters).node)), copy=False)
