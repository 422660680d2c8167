"""NULL in expressions: where it stands, and what one is where every column is it, as in a row without a match."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from glovebox.planner.typed import NULL
from glovebox.schema.expressions import Call, ColumnRef, Constant, Expression


def of_nulls(expression: Expression) -> object:
    """SQL's value of an expression where every column is NULL: None, a truth, or anything else for what is a value."""
    match expression:
        case ColumnRef():
            return None
        case Constant(kind, text):
            return {"null": None, "boolean": text == "true"}.get(kind, text)
        case Call("case", arguments):
            for place in range(0, len(arguments) - 1, 2):
                if of_nulls(arguments[place]) not in (None, False):
                    return of_nulls(arguments[place + 1])
            return of_nulls(arguments[-1])
        case Call(operator, arguments):
            values = [of_nulls(argument) for argument in arguments]
    match operator:
        case "is_null":
            return values[0] is None
        case "and" | "or":
            ends = operator == "or"
            return ends if ends in values else None if None in values else not ends
        case "not" if values[0] is not None:
            return not values[0]
        case "*" if None not in values and any(map(is_zero, values)):
            return "0"
    return None if None in values else "a value"


def is_zero(value: object) -> bool:
    """Whether what `of_nulls` found is the number zero."""
    try:
        return isinstance(value, str) and not Decimal(value)
    except InvalidOperation:
        return False


def holds_null(expression: Expression) -> bool:
    """Whether NULL itself stands in an expression."""
    if isinstance(expression, Call):
        return any(holds_null(argument) for argument in expression.arguments)
    return expression == NULL
