"""Numbers of a row as one part of each owner and a constant, with their units: plain, days, times and intervals."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from typing import Literal

from glovebox.planner.typed import Typed, at_scale
from glovebox.protocols import expression as shared
from glovebox.schema.expressions import Call, Operator
from glovebox.schema.expressions import Constant as LocalConstant
from glovebox.schema.local import Measure

SECOND = 1_000_000
MICROSECOND = timedelta(microseconds=1)
DAY = 86_400 * SECOND
INTERVALS = {"DAY": DAY, "HOUR": 3600 * SECOND, "MINUTE": 60 * SECOND, "SECOND": SECOND}
Unit = Literal["plain", "day", "time", "interval"]
SUMS: dict[tuple[Unit, Unit, int], Unit] = {
    ("plain", "plain", 1): "plain", ("plain", "plain", -1): "plain", ("day", "plain", 1): "day",
    ("plain", "day", 1): "day", ("day", "plain", -1): "day", ("day", "day", -1): "plain",
    ("time", "interval", 1): "time", ("interval", "time", 1): "time", ("time", "interval", -1): "time",
    ("time", "time", -1): "interval", ("interval", "interval", 1): "interval", ("interval", "interval", -1): "interval",
}  # fmt: skip
"""The unit of a sum (1) or a difference (-1), as SQL has it."""


@dataclass(frozen=True)
class Number:
    """A number as one part of each owner and a constant, in units of 10**-scale.

    whole: what has no such parts. within: parts of either side that are in it; there: more bits that it is not NULL.
    """

    scale: int = 0
    parts: dict[int, Typed] = field(default_factory=dict)
    constant: int = 0
    whole: shared.Expression | None = None
    within: tuple[Typed, ...] = ()
    unit: Unit = "plain"
    there: tuple[shared.Expression, ...] = ()

    @property
    def nullable(self) -> tuple[Typed, ...]:
        """The parts without which it is NULL."""
        parts = (*self.within, *(part for _, part in sorted(self.parts.items())))
        return tuple(dict.fromkeys(part for part in parts if part.nullable))


def counted(one: Typed, operator: Operator, units: int) -> Typed:
    """A day, a time or a truth as an integer, of so many units each of those that its range is in."""
    return replace(
        one, expression=Call(operator, (one.expression,)), sort="number", low=one.low * units, high=one.high * units
    )


def from_zero(part: Typed, scale: int) -> tuple[Measure, int]:
    """A part as a measure whose range holds 0, as which a NULL is summed; and what is to be added to it."""
    low, high = at_scale(part, scale)
    if low <= 0 <= high:
        return Measure("sum", part.expression, scale, low, high), 0
    text = format(Decimal(low).scaleb(-scale), "f")
    first = LocalConstant("decimal" if scale else "integer", text)
    return Measure("sum", Call("-", (part.expression, first)), scale, 0, high - low), low


def scaled(whole: shared.Expression, factor: int) -> shared.Expression:
    """A number on shares so many times."""
    if isinstance(whole, shared.Constant):
        return shared.Constant(whole.number * factor)
    return whole if factor == 1 else shared.Operation("multiply", (whole, shared.Constant(factor)))
