"""From what was opened to the answer: exact numbers, computed alike by every receiver.

Sums are exact decimals, averages rounded half to even at ten decimals, ROUND half away from zero as in SQL.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from fractions import Fraction
from functools import partial

import numpy as np
from numpy.typing import NDArray

from glovebox.planner.formulas import EXACT, value_of, written
from glovebox.planner.plan import Output, Plan, groupings_of
from glovebox.planner.privacy import MISSES, error_bars
from glovebox.protocols.finishing import Part
from glovebox.schema.answer import Answer, Cell
from glovebox.schema.local import Grouping

AVERAGE_DECIMALS = 10
QUOTIENT_DECIMALS = 6  # of the unit that is averaged (quotient.py)


def parts_of(plan: Plan) -> tuple[Part, ...]:
    """What is opened of every group, each part once."""
    return tuple(dict.fromkeys(part for output in plan.outputs for part in _parts(output)))


def _parts(output: Output) -> tuple[Part, ...]:
    over = output.over if output.over is not None else 0
    match output.kind:
        case "count":
            return (Part("total", total=output.total),)
        case "sum":
            null = () if output.over is None else (Part("null", over=over),)
            return (Part("total", total=output.total), *null)
        case "average":
            return (Part("total", total=output.total), Part("total", total=over))
        case "quotient":
            quotient = Part("quotient", output.total, over, output.low, output.high)
            return (quotient, Part("null", over=over))
        case "extreme":
            return (Part("total", total=output.total),)
        case "quantile":
            return (Part("total", total=output.total), Part("null", over=over))
        case "between":
            return tuple(Part("total", total=total) for total in (output.total, output.upper, over))
        case "band":
            return (Part("band", output.total, edges=output.edges),)
        case "formula":
            return tuple(part for argument in output.arguments for part in _parts(argument))
    return ()


def answer_of(plan: Plan, shown: NDArray[np.bool_], parts: NDArray[np.object_]) -> Answer:
    """The answer. shown: (groups,) bool; parts: (parts, groups) of int, as `parts_of` lists them."""
    listed, bars = parts_of(plan), Bars.of(plan) if plan.noise else None
    rows: list[tuple[bool, tuple[Cell, ...], tuple[Cell, ...]]] = []
    for group, labels in enumerate(_labels(plan)):
        opened = {part: int(parts[place, group]) for place, part in enumerate(listed)}
        visible = bool(shown[group])
        if plan.having and not visible:
            continue  # too small or left out: nobody can tell
        cells = tuple(_cell(output, opened, labels, visible) for output in plan.outputs)
        within = tuple(bars.within(output, opened, visible) for output in plan.outputs) if bars else ()
        rows.append((visible, cells, within))
    for key in reversed(plan.order):
        rows.sort(key=lambda row: _sort_key(row[1][key.output]), reverse=key.descending)
        rows.sort(key=lambda row: row[1][key.output] is None)  # NULL stands last either way
    if plan.limit is not None:  # what is too small to show is told all the same
        rows = [row for row in rows if row[0]][: plan.limit] + [row for row in rows if not row[0]]
    return Answer(
        tuple(output.name for output in plan.outputs),
        tuple(cells for _, cells, _ in rows),
        tuple(number for number, (visible, *_) in enumerate(rows) if not visible),
        tuple(within for *_, within in rows) if bars else (),
    )


def _labels(plan: Plan) -> Iterator[tuple[Cell, ...]]:
    """The labels of every group, in row-major order of the domains."""
    return itertools.product(*(map(partial(_label, grouping), grouping.labels) for grouping in groupings_of(plan)))


def _label(grouping: Grouping, text: str) -> Cell:
    """A label as a cell: a number or a truth where it is one, NULL for what is missing."""
    if not text:
        return None
    match grouping.sort:
        case "number":
            return int(text)
        case "boolean":
            return text == "true"
    return text


def _cell(output: Output, opened: dict[Part, int], labels: tuple[Cell, ...], visible: bool) -> Cell:
    if output.kind == "group":
        return labels[output.index]
    if not visible:
        return None
    if output.kind == "formula":
        return written(value_of(output, opened), output)
    if output.kind in ("quantile", "between"):
        return _quantile(output, value_of(output, opened))
    first, *others = (opened[part] for part in _parts(output))
    match output.kind:
        case "count":
            return first
        case "band":
            return _band(output.edges, first)
        case "extreme":
            return None if first == output.high else _extreme(output, -first if output.negative else first)
        case "sum":
            return None if others and others[0] else _rounded(_scaled(first, output.scale), output.digits)
        case "quotient":
            return None if others[0] else _rounded(_scaled(first, output.scale + QUOTIENT_DECIMALS), output.digits)
    return None if others[0] <= 0 else _divided(first, others[0], output.scale, output.digits)


def _quantile(output: Output, value: Fraction | None) -> Cell:
    """A number of the column's scale; of an integer column one with decimals where it may lie between two."""
    if value is None:
        return None
    if output.scale or (output.kind == "quantile" and output.high == 1):
        return _extreme(output, int(value * 10**output.scale))
    decimals = AVERAGE_DECIMALS if output.kind == "between" else 1
    exact = EXACT.divide(Decimal(value.numerator), Decimal(value.denominator))
    return _rounded(exact.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_EVEN, EXACT), output.digits)


def _extreme(output: Output, units: int) -> Cell:
    """A number in its column's unit. A day that no calendar has, which only a lie makes, is nothing, and no error."""
    try:
        match output.unit:
            case "date":
                return (date(1970, 1, 1) + timedelta(days=units)).isoformat()
            case "timestamp":
                return (datetime(1970, 1, 1) + timedelta(microseconds=units)).isoformat()
    except OverflowError:
        return None
    return _rounded(_scaled(units, output.scale), output.digits)


def _band(edges: tuple[int, ...], reached: int) -> str:
    """A band in words, by how many of its edges a count reaches."""
    if reached == 0:
        return f"fewer than {edges[0]}"
    return f"{edges[reached - 1]} or more" if reached == len(edges) else f"{edges[reached - 1]} to {edges[reached] - 1}"


@dataclass(frozen=True)
class Bars:
    """How far noise takes each total from the truth, 19 times in 20. both: for two totals at once."""

    single: tuple[int, ...]
    both: tuple[int, ...]

    @classmethod
    def of(cls, plan: Plan) -> Bars:
        """The error bars of a plan with noise."""
        return cls(error_bars(plan), error_bars(plan, MISSES / 2))

    def within(self, output: Output, opened: dict[Part, int], visible: bool) -> Cell:
        """What a cell is within of the truth, but for one time in 20."""
        if output.kind in ("group", "formula") or not visible:
            return None  # how far a formula moves is not worked out
        if output.kind != "average":
            return _scaled(self.single[output.total], output.scale)
        total, count = (opened[part] for part in _parts(output))
        return self.of_average(output, total, count)

    def of_average(self, output: Output, total: int, count: int) -> Cell:
        """The same for an average: how far it moves when its noisy parts both move as far as they may."""
        low = count - self.both[output.over or 0]
        if low <= 0:
            return None
        # |(x + a) / (n + b) - x / n| is at most (|a| + |x / n| |b|) / (n - |b|)
        per_value = abs(Fraction(total, count)) * self.both[output.over or 0] + self.both[output.total]
        units = math.ceil(per_value / low * 10**AVERAGE_DECIMALS)
        return _scaled(units, output.scale + AVERAGE_DECIMALS)


def _scaled(units: int, scale: int) -> Cell:
    return Decimal(units).scaleb(-scale, EXACT) if scale else units


def _divided(total: int, count: int, scale: int, digits: int | None) -> Cell:
    """total / 10**scale / count, rounded once: to 100 digits no quotient of these seems to be a half that is none."""
    quotient = EXACT.divide(Decimal(total), Decimal(count) * 10**scale)
    if digits is not None:
        return _rounded(quotient, digits)
    return quotient.quantize(Decimal(1).scaleb(-AVERAGE_DECIMALS), ROUND_HALF_EVEN, EXACT)


def _rounded(value: Cell, digits: int | None) -> Cell:
    if digits is None or not isinstance(value, Decimal):
        return value
    return value.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP, EXACT)


def _sort_key(cell: Cell) -> tuple[bool, str, Decimal]:
    if isinstance(cell, str):
        return (True, cell, Decimal(0))
    return (False, "", Decimal(0) if cell is None else Decimal(cell))
