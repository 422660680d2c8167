"""What SQL makes of one owner's days and times: parts of them, the first of a period, and how far two are apart."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from glovebox.planner import calendar
from glovebox.planner.typed import Typed, moment, number, with_article
from glovebox.schema.expressions import Constant

if TYPE_CHECKING:
    from glovebox.planner.typing import Typing

PARTS = (
    exp.Year, exp.Quarter, exp.Month, exp.Day, exp.DayOfMonth, exp.DayOfWeek, exp.DayOfWeekIso, exp.Hour, exp.Extract,
)  # fmt: skip
UNITS = ("second", "minute", "hour", "day", "month", "quarter", "year")
"""What DATE_DIFF counts the beginnings of; not weeks, of which databases count those of seven days instead."""
INTERVALS = {"DAY": (1, 0), "WEEK": (7, 0), "MONTH": (0, 1), "QUARTER": (0, 3), "YEAR": (0, 12)}
"""The days, or the months, of an interval's unit."""


def made_by(typing: Typing) -> dict[type[exp.Expr], Callable[[Any], Typed]]:
    """How a typing reads these parts of a statement."""
    return {
        **dict.fromkeys(PARTS, partial(_part, typing)),
        exp.TimestampTrunc: partial(_truncated, typing),
        exp.DateDiff: partial(_elapsed, typing),
    }


def _part(typing: Typing, node: exp.Expr) -> Typed:
    """The year, the month, the weekday .. of a day or a time."""
    of, called = (node.expression, node.name) if isinstance(node, exp.Extract) else (node.this, node.key)
    one, called, refuse = typing.typed(of), called.lower(), typing.refuse
    name = calendar.NAMES.get(called, called)
    if name != "year" and name not in calendar.PARTS:
        hint = "YEAR(x), QUARTER(x), MONTH(x), DAY(x), DAYOFWEEK(x) or HOUR(x)"
        refuse(node, "sql", "Of a day, its year, quarter, month, day and weekday are taken", hint)
    if not _is_column(one):
        refuse(node, "sql", f"{with_article(called)} is of a column of dates or of times", f"{called.upper()}(x)")
    if name == "year" and not calendar.is_bounded(one):
        refuse(node, "sql", "A year is of a date or a time that has a range", "a range in the contract")
    if name == "hour" and one.sort == "date":
        refuse(node, "sql", "A date has no hours", "HOUR(a time)")
    return calendar.part(one, name)


def _truncated(typing: Typing, node: exp.TimestampTrunc) -> Typed:
    """The first day of a date's month, week, ..; the first moment of a time's."""
    one, period, refuse = typing.typed(node.this), node.args["unit"].name.lower(), typing.refuse
    if not _is_column(one):
        refuse(node, "sql", "DATE_TRUNC takes a column of dates or of times", "DATE_TRUNC('month', x)")
    if period not in calendar.PERIODS or (one.sort == "date" and period == "hour"):
        hint = "DATE_TRUNC('month', x), or 'week', 'quarter', 'year'; of a time 'hour' and 'day' too"
        refuse(node, "sql", f"DATE_TRUNC takes no {period[:20]} here", hint)
    return calendar.truncated(one, period)


def _elapsed(typing: Typing, node: exp.DateDiff) -> Typed:
    """How many days, months, .. begin from one day, or time, to another."""
    return typing.calculated(node, "-", *(since(typing, node, end) for end in (node.this, node.expression)))


def shifted(typing: Typing, node: exp.Expr) -> Typed | None:
    """A date and a number of days or an interval, added or subtracted; None for other arithmetic."""
    if not isinstance(node, exp.Add | exp.Sub):
        return None
    one, other = node.this.unnest(), node.expression.unnest()
    if isinstance(node, exp.Add) and isinstance(one, exp.Interval):
        one, other = other, one
    day = typing.typed(one)
    if isinstance(other, exp.Interval):
        count, months = _interval(typing, other)
    else:
        by = typing.typed(other)
        if day.sort != "date" or by.sort != "number" or not isinstance(by.expression, Constant) or by.scale:
            return None
        count, months = by.low, False
    count = -count if isinstance(node, exp.Sub) else count
    refuse = typing.refuse
    if day.sort != "date" or (months and not isinstance(day.expression, Constant)):
        sentence = "To one owner's dates days are added, to a constant months too, and to times nothing"
        refuse(node, "sql", sentence, "x + 30, or DATE_DIFF('hour', a, b)")
    try:
        return calendar.later(day, count, months)
    except (OverflowError, ValueError):
        return refuse(node, "sql", "There is no such day", "DATE '2026-12-31' - INTERVAL 30 DAY")


def _interval(typing: Typing, node: exp.Interval) -> tuple[int, bool]:
    """How many days, or months, an interval is, and whether it is months."""
    unit = str(node.args.get("unit", "")).upper().rstrip("S")
    found = number(str(node.this.this)) if isinstance(node.this, exp.Literal) else None
    if found is None or found.scale or unit not in INTERVALS:
        hint = "INTERVAL 7 DAY, or WEEK, MONTH, QUARTER, YEAR"
        typing.refuse(node, "sql", "An interval here is a whole number of days or months", hint)
    days, months = INTERVALS[unit]
    return found.low * (days or months), not days


def since(typing: Typing, node: exp.DateDiff, end: exp.Expr) -> Typed:
    """One end of a DATE_DIFF as the number of its day, month, .., so that the difference is that of the numbers."""
    unit, one, refuse = node.args.get("unit"), typing.typed(end), typing.refuse
    period = unit.name.lower() if unit else "day"
    if isinstance(one.expression, Constant) and one.sort == "text":
        one = moment("timestamp", one.expression.text) or one
    if one.sort not in ("date", "timestamp"):
        refuse(node, "sql", "DATE_DIFF takes two dates or times", "DATE_DIFF('day', a, b)")
    if period not in UNITS:
        hint = "DATE_DIFF('day', a, b), or 'month', 'quarter', 'year', 'hour', 'minute', 'second'"
        refuse(node, "sql", f"DATE_DIFF counts no {period[:20]} here", hint)
    return calendar.counted(one, period)


def _is_column(one: Typed) -> bool:
    return one.sort in ("date", "timestamp") and not isinstance(one.expression, Constant)
