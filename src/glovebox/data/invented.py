"""Tables invented from a contract's own schema: every row obeys it, no person is in them, one seed gives one set.

Each table comes twice: as its owner might have it, and as it is after anonymisation on the way in, worked out here by
other means than the owner's database, so that one can be held against the other.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from glovebox.schema.columns import Column, Table

MISSING = 0.05
OUTSIDE = 0.1
MOST_REPEATS = 4
DAY_S = 86_400
UNLISTED = "unlisted"
Ints = NDArray[np.int64]


class Invented(NamedTuple):
    """A table as its owner has it, and as it is once treated."""

    own: pa.Table
    treated: pa.Table


def invent(table: Table, owner: int, rows: int, seed: int) -> Invented:
    """So many rows of a table at one of its owners, fewer where the contract bounds them lower.

    Owners who join meet in about half of their ids, whichever the form; owners of whom no person is at two do not meet.
    """
    random = np.random.default_rng([seed, owner])
    n = min(rows, table.rows)
    people = _people(table, owner if table.apart else 0, n, random)
    together = {part for column in table.columns for part in column.parts}
    own: dict[str, Any] = {}
    treated: dict[str, Any] = {}
    for column in table.columns:
        if column.parts:
            continue
        if column.kind == "id":
            own[column.name] = treated[column.name] = _ids(table, column, people, random)
        else:
            own[column.name], treated[column.name] = _values(column, people, random, column.name in together)
    return Invented(pa.table(own), pa.table(treated))


def _people(table: Table, apart: int, n: int, random: np.random.Generator) -> Ints:
    """Who each row is about: a number, at most as often as one id may stand in the table."""
    most = 1 if any(column.unique for column in table.columns) else min(table.rows_per_id or 1, MOST_REPEATS)
    drawn = random.permutation(max(1, n + n // 2))[:n] + apart * 10_000_000
    return random.permutation(np.repeat(drawn, random.integers(1, most + 1, n))[:n])


def _ids(table: Table, column: Column, people: Ints, random: np.random.Generator) -> Any:
    """The ids of the rows' people; where the table has an id a row, a further id is borne by several rows."""
    bearers = people
    if not column.unique and any(other.unique for other in table.columns):
        bearers = people[random.permutation(len(people)) // min(table.rows_per_id or 1, MOST_REPEATS)]
    if column.form == "integer":
        texts: Any = bearers
        if column.low is not None and column.high is not None:
            texts = column.low + bearers % (column.high - column.low + 1)
    elif column.form == "phone":
        texts = np.strings.add("+4930", (bearers + 1_000_000).astype(str))
    elif column.form == "email":
        texts = np.strings.add(np.strings.add("p", bearers.astype(str)), "@x.ex")
    else:
        texts = np.strings.add("p", bearers.astype(str))
    missing = None if column.required or column.unique else random.random(len(people)) < MISSING
    return pa.array(texts, mask=missing)


def _values(column: Column, people: Ints, random: np.random.Generator, of_person: bool) -> tuple[Any, Any]:
    """A column's cells, as they are and as they become. of_person: the same for all rows of a person, at any owner."""
    n = len(people)
    optional = not column.required and not (column.kind == "category" and "other" not in column.values)
    missing = random.random(n) < (MISSING if optional and not of_person else 0)
    if column.kind == "category" and not column.bands:
        return _labels(column, people if of_person else random.integers(0, 1 << 30, n), missing, random)
    low, high = _span(column)
    units = low + (people * 2_654_435_761 if of_person else random.integers(0, 1 << 40, n)) % (high - low + 1)
    if column.clip or "other" in column.values:
        units = np.where(random.random(n) < OUTSIDE, low - 1 - (high - low) // 10, units)
    becomes = units
    if column.clip and column.low is not None:
        becomes = np.clip(units, column.low, column.high)
    if column.bands:
        labels = np.array([*column.values[: len(column.bands)], "other"])
        band = np.searchsorted(np.array(column.bands), units, side="right") - 1
        band = np.where(missing, -1, band)
        gone = missing if "other" not in column.values else np.zeros(n, bool)
        return _typed(column, units, missing), pa.array(labels[band], mask=gone)
    if column.round:
        becomes = _first(becomes, column)
    return _typed(column, units, missing), _typed(column, becomes, missing)


def _labels(column: Column, drawn: Ints, missing: NDArray[np.bool_], random: np.random.Generator) -> tuple[Any, Any]:
    labels = np.array([*column.values, UNLISTED])
    index = drawn % len(column.values)
    if "other" not in column.values:
        return pa.array(labels[index], mask=missing), pa.array(labels[index], mask=missing)
    unlisted = random.random(len(drawn)) < OUTSIDE
    own = np.where(unlisted, len(column.values), index)
    become = np.where(unlisted | missing, column.values.index("other"), index)
    return pa.array(labels[own], mask=missing), pa.array(labels[become])


def _span(column: Column) -> tuple[int, int]:
    """The least and the most units that are drawn."""
    if column.bands:
        first, last = column.bands[0], column.bands[-1]
        return first, last + (last - first) // 2 + 1
    if column.low is not None and column.high is not None:
        return column.low, column.high
    match column.kind:
        case "date":
            return 20_454, 20_818  # the days of 2026
        case "timestamp":
            return 20_454 * DAY_S, 20_819 * DAY_S - 1
        case "boolean":
            return 0, 1
        case _:
            return 0, 10 ** min(column.precision or 3, 3) - 1


def _typed(column: Column, units: Ints, missing: NDArray[np.bool_]) -> Any:
    """Units of a scale, days or seconds as an Arrow array of the column's type."""
    match column.kind:
        case "boolean":
            return pa.array(units == 1, mask=missing)
        case "date":
            return pa.array(units.astype("datetime64[D]"), pa.date32(), mask=missing)
        case "timestamp":
            return pa.array(units.astype("datetime64[s]"), pa.timestamp("us"), mask=missing)
    if not column.precision:
        return pa.array(units, mask=missing)
    words = np.stack([units, units >> 63], axis=1)
    there = pa.array(~missing).buffers()[1]
    return pa.Array.from_buffers(
        pa.decimal128(18, column.scale), len(units), [there, pa.py_buffer(np.ascontiguousarray(words).data)]
    )


def _first(units: Ints, column: Column) -> Ints:
    """The first day, or second, of each period."""
    day = 1 if column.kind == "date" else DAY_S
    days = units // day
    months = days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    match column.round:
        case "hour":
            return units // 3600 * 3600
        case "week":
            days = days - (days + 3) % 7  # 1970-01-01 was a Thursday
        case "month" | "quarter" | "year":
            size = {"month": 1, "quarter": 3, "year": 12}[column.round]
            first = (months // size * size).astype("datetime64[M]")
            days = first.astype("datetime64[D]").astype(np.int64)
    return days * day
