"""The value of a formula of opened aggregates: exact fractions, so that all receivers get the same digits.

Roots are taken to 100 digits. What has no value in mathematics is NULL, where SQL's floats would say NaN or infinity.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Context, Decimal
from fractions import Fraction

from glovebox.planner.plan import INEXACT, Output
from glovebox.protocols.finishing import Part
from glovebox.protocols.quotient import MICRO

EXACT = Context(prec=100)  # 19 digits before the point, and after it more than tell any quotient of totals from a half
LEAST_DECIMALS = 10
LEAST_DIGITS = 16
"""An inexact value has at least so many decimals and so many digits: more than a float tells."""


def value_of(output: Output, opened: Mapping[Part, int]) -> Fraction | None:
    """The value of an output other than a group key, None where it is NULL."""
    unit = Fraction(1, 10**output.scale) if output.scale > 0 else Fraction(1)
    match output.kind:
        case "constant":
            return output.low * unit
        case "count":
            return Fraction(opened[Part("total", total=output.total)])
        case "sum":
            null = output.over is not None and opened[Part("null", over=output.over)]
            return None if null else opened[Part("total", total=output.total)] * unit
        case "average":
            total, count = (opened[Part("total", total=one)] for one in (output.total, output.over or 0))
            return None if count <= 0 else total * unit / count
        case "extreme":
            found = opened[Part("total", total=output.total)]
            return None if found == output.high else (-found if output.negative else found) * unit
        case "quantile" | "between":
            return _quantile(output, opened)
        case "quotient":
            over = output.over or 0
            found = opened[Part("quotient", output.total, over, output.low, output.high)]
            return None if opened[Part("null", over=over)] else found * unit / MICRO
    values = [value_of(argument, opened) for argument in output.arguments]
    return _applied(output, values)


def _quantile(output: Output, opened: Mapping[Part, int]) -> Fraction | None:
    over, found = output.over or 0, Fraction(opened[Part("total", total=output.total)])
    if output.kind == "quantile":
        units = None if opened[Part("null", over=over)] else found / output.high
    else:
        count, upper = opened[Part("total", total=over)], opened[Part("total", total=output.upper)]
        units = found + (upper - found) * (Fraction((count - 1) * output.low, output.high) % 1) if count else None
    if units is None or not output.scale:
        return units
    return Fraction(int(units), 10**output.scale)  # cut off toward zero


def _applied(output: Output, values: list[Fraction | None]) -> Fraction | None:
    if output.operator == "coalesce":
        return next((value for value in values if value is not None), None)
    if output.operator == "nullif":
        return None if values[0] == values[1] else values[0]
    there = [value for value in values if value is not None]
    if len(there) < len(values):
        return None
    match output.operator, there:
        case "+", [one, other]:
            return one + other
        case "-", [one, other]:
            return one - other
        case "*", [one, other]:
            return one * other
        case "/", [one, other]:
            return one / other if other else None
        case "mean", [one, count]:
            return one / count if count > 0 else None
        case "negate", [one]:
            return -one
        case "abs", [one]:
            return abs(one)
        case "sqrt", [one]:
            return Fraction(_context(one).sqrt(_decimal(one))) if one >= 0 else None
        case "round", [one]:
            return Fraction(_quantized(one, output.digits or 0, ROUND_HALF_UP))
    raise ValueError(f"a formula has no operator {output.operator} of {len(values)} values")


def _context(value: Fraction) -> Context:
    """As many digits as the value has before the point, and EXACT's after it."""
    return Context(prec=EXACT.prec + abs(value.numerator // value.denominator).bit_length() // 3)


def _decimal(value: Fraction) -> Decimal:
    return _context(value).divide(Decimal(value.numerator), Decimal(value.denominator))


def _quantized(value: Fraction, digits: int, rounding: str) -> Decimal:
    return _decimal(value).quantize(Decimal(1).scaleb(-digits), rounding, _context(value))


def written(value: Fraction | None, output: Output) -> int | Decimal | None:
    """The value as a cell: an integer or an exact decimal where the formula is one, else rounded."""
    if value is None:
        return None
    if output.digits is not None and output.scale != 0:
        return _quantized(value, output.digits, ROUND_HALF_UP)
    if output.scale == 0:
        return int(value)
    if output.scale != INEXACT:
        return _quantized(value, output.scale, ROUND_HALF_EVEN)
    found = _decimal(value)
    decimals = max(LEAST_DECIMALS, LEAST_DIGITS - 1 - found.adjusted() if found else 0)
    return _quantized(value, decimals, ROUND_HALF_EVEN)
