"""Periods of the calendar in one owner's expressions: in which a day or a time is, its first moment, and parts of it.

Weeks begin on Mondays. What DATE_TRUNC makes of a date is a date; of a time it is a time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from glovebox.contract.anonymity import EPOCH, first_of_period
from glovebox.planner.typed import MOST, Typed
from glovebox.schema.expressions import Call, Constant, Expression, Operator

HOUR = 3600
DAY = 24 * HOUR
SECONDS = {"second": 1, "minute": 60, "hour": HOUR}
"""Of what is counted within a day."""
PERIODS = ("hour", "day", "week", "month", "quarter", "year")
"""What DATE_TRUNC takes."""
MOST_LABELS = 10_000
MOST_DAYS = 400_000  # more than a thousand years


def _integer(value: int) -> Constant:
    return Constant("integer", str(value))


def _plus(one: Expression, value: int) -> Expression:
    return Call("+" if value > 0 else "-", (one, _integer(abs(value))))


def _floor(one: Expression, by: int) -> Expression:
    return Call("floor", (one, _integer(by)))


def _rest(one: Expression, by: int) -> Expression:
    """What is left of a whole number beside the multiples of another, from 0 on."""
    return Call("-", (one, Call("*", (_floor(one, by), _integer(by)))))


def is_bounded(one: Typed) -> bool:
    """Whether the contract gives a day or a time a range."""
    return one.low > -MOST and one.high < MOST


def truncated(one: Typed, period: str) -> Typed:
    """The first day, or moment, of the period in which a day or a time is."""
    if period == "day" and one.sort == "date":
        return replace(one, column=None)
    operator: Operator = f"trunc_{period}"  # type: ignore[assignment]
    low, high = (_first(one.sort, end, period) for end in (one.low, one.high)) if is_bounded(one) else (-MOST, MOST)
    return replace(one, expression=Call(operator, (one.expression,)), low=low, high=high, column=None)


def day_of(one: Typed) -> Typed:
    """The day of a time."""
    low, high = (one.low // DAY, one.high // DAY) if is_bounded(one) else (-MOST, MOST)
    return replace(one, expression=Call("date", (one.expression,)), sort="date", low=low, high=high, column=None)


def moment_of(sort: str, end: int) -> datetime:
    """The end of a range of days or of times."""
    return EPOCH + (timedelta(days=end) if sort == "date" else timedelta(seconds=end))


def later(one: Typed, count: int, months: bool) -> Typed:
    """A date so many days later, or, a constant, so many months: at the end of a month that has no such day."""
    if abs(count) > MOST_DAYS:
        raise OverflowError
    if not isinstance(one.expression, Constant):
        call = Call("+" if count >= 0 else "-", (one.expression, _integer(abs(count))))
        low, high = (one.low + count, one.high + count) if is_bounded(one) else (-MOST, MOST)
        return replace(one, expression=call, low=low, high=high, column=None)
    day = date.fromisoformat(one.expression.text)
    if not months:
        return replace(one, expression=Constant("date", (day + timedelta(days=count)).isoformat()))
    year, month = divmod(12 * day.year + day.month - 1 + count, 12)
    last = (date(year + (month + 1) // 12, (month + 1) % 12 + 1, 1) - timedelta(days=1)).day
    return replace(one, expression=Constant("date", date(year, month + 1, min(day.day, last)).isoformat()))


def _first(sort: str, end: int, period: str) -> int:
    """The first day or second of the period of another."""
    passed = first_of_period(moment_of(sort, end), period) - EPOCH
    return passed.days if sort == "date" else passed // timedelta(seconds=1)


def counted(one: Typed, period: str) -> Typed:
    """How many periods begin from 1970 on until a day or a time: what DATE_DIFF takes the difference of."""
    if isinstance(one.expression, Constant):
        text = one.expression.text
        moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
        place = _place("timestamp", (moment - EPOCH) // timedelta(seconds=1), period)
        return replace(one, expression=_integer(place), sort="number", low=place, high=place)
    low, high = (_place(one.sort, end, period) for end in (one.low, one.high)) if is_bounded(one) else (-MOST, MOST)
    return replace(one, expression=_number(one, period), sort="number", low=low, high=high, column=None)


def _place(sort: str, end: int, period: str) -> int:
    moment = moment_of(sort, end)
    days = (moment - EPOCH).days
    match period:
        case "year":
            return moment.year
        case "quarter":
            return (12 * moment.year + moment.month - 1) // 3
        case "month":
            return 12 * moment.year + moment.month - 1
        case "week":
            return (days + 3) // 7  # 1970 began on a Thursday
        case "day":
            return days
    return (moment - EPOCH) // timedelta(seconds=SECONDS[period])


def _days(one: Typed) -> Expression:
    if one.sort == "date":
        return Call("days", (one.expression,))
    return _floor(Call("microseconds", (one.expression,)), DAY * 1_000_000)


def _number(one: Typed, period: str) -> Expression:
    year, month = (Call(part, (one.expression,)) for part in ("year", "month"))
    months = _plus(Call("+", (Call("*", (year, _integer(12))), month)), -1)
    match period:
        case "year":
            return year
        case "quarter":
            return _floor(months, 3)
        case "month":
            return months
        case "week":
            return _floor(_plus(_days(one), 3), 7)
        case "day":
            return _days(one)
    if one.sort == "date":
        return Call("*", (_days(one), _integer(DAY // SECONDS[period])))
    return _floor(Call("microseconds", (one.expression,)), SECONDS[period] * 1_000_000)


def domain(one: Typed) -> tuple[tuple[str, ...], Expression] | None:
    """All days or moments that a truncated one can be, as texts, and its place among them; None without a range."""
    match one.expression:
        case Call("date", (inner,)):
            period, read = "day", replace(one, expression=inner, sort="timestamp")
        case Call(operator, (inner,)) if operator.startswith("trunc_"):
            period, read = operator.removeprefix("trunc_"), replace(one, expression=inner)
        case _:
            rounded = one.column.round if one.column else None
            if one.sort != "date" and not rounded:
                return None
            period, read = rounded or "day", one
    if not is_bounded(one):
        return None
    low, high = (_place(one.sort, end, period) for end in (one.low, one.high))
    labels = tuple(_label(one.sort, place, period) for place in range(low, min(high, low + MOST_LABELS) + 1))
    return labels, Call("-", (_number(read, period), _integer(low)))


def _label(sort: str, place: int, period: str) -> str:
    """The text of the first day or moment of a period."""
    match period:
        case "year":
            first = date(place, 1, 1)
        case "quarter":
            first = date(place // 4, place % 4 * 3 + 1, 1)
        case "month":
            first = date(place // 12, place % 12 + 1, 1)
        case "week":
            first = date(1970, 1, 1) + timedelta(days=7 * place - 3)
        case "day":
            first = date(1970, 1, 1) + timedelta(days=place)
        case _:
            return (EPOCH + timedelta(hours=place)).replace(tzinfo=None).isoformat()
    return first.isoformat() if sort == "date" else datetime(first.year, first.month, first.day).isoformat()


Part = tuple[int, int, Callable[[Typed], Expression]]
PARTS: dict[str, Part] = {
    "quarter": (1, 4, lambda one: _floor(_plus(Call("month", (one.expression,)), 2), 3)),
    "month": (1, 12, lambda one: Call("month", (one.expression,))),
    "day": (1, 31, lambda one: _plus(Call("-", (_days(one), _days(truncated(one, "month")))), 1)),
    "dow": (0, 6, lambda one: _rest(_plus(_days(one), 4), 7)),
    "isodow": (1, 7, lambda one: _plus(_rest(_plus(_days(one), 3), 7), 1)),
    "hour": (0, 23, lambda one: _rest(_number(one, "hour"), 24)),
}
"""Parts of a day or a time beside its year: the least and the greatest, and how it is computed."""
NAMES = {"dayofweek": "dow", "weekday": "dow", "day_of_week": "dow", "dayofweekiso": "isodow", "dayofmonth": "day"}


def part(one: Typed, name: str) -> Typed:
    """A part of a day or a time, which has a range if it is its year."""
    if name == "year":
        return counted(one, "year")
    low, high, made = PARTS[name]
    return replace(one, expression=made(one), sort="number", low=low, high=high, column=None)
