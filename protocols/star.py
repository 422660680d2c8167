"""A star join: QUERY's rows beside tables that they name by keys of their own, summed level by level, then in all.

Functionality  total[k] = sum over lines of a bit times a column; a line's columns are sums of its rows' columns
Parties        QUERY owns the rows; each table's owner is TABLE of its run, with HELPER, which then holds shares
Security       semi-honest, one corrupt party; as `alignment`, error 2^-40 a table; perfect else, given the streams
Leakage        n, rows of the tables, numbers of columns, levels and totals, and the expressions, to all
Rounds         R; at most, for what waits for nothing is sent ahead
Bytes          B; R and B of `traffic`, by the cards of what it is made of
Source         psi.md 9 (spread), 12 (three owners without a helper), 17 (reduction by a key); engine.md (levels)

Rows stand in the order of their lines. A table is looked up at QUERY's distinct keys; what rows get of it is spread
over the rows with each key, and brought into their order. Columns of rows are expressed, and summed to the next
level's, of which QUERY knows the rows too; the last level's are the lines. A key that no table has gives 0.

Where all parties but QUERY own tables, HELPER's is looked up by TABLE, which then hands what it holds to HELPER under a
mask that QUERY takes on (psi.md 12): unmasked, HELPER would know its own values again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from glovebox.algebra import okvs
from glovebox.algebra.streams import Stream
from glovebox.protocols import alignment, membership, pick, reduction, spread, totals
from glovebox.protocols.alignment import OwnRows, TableSize, aligned
from glovebox.protocols.expression import Expression
from glovebox.protocols.intersection import fresh
from glovebox.protocols.membership import all_ones
from glovebox.protocols.pick import picked
from glovebox.protocols.pseudonyms import with_padding
from glovebox.protocols.reduction import segment_sums
from glovebox.protocols.rows import Aligned, expressed
from glovebox.protocols.rows import traffic as row_traffic
from glovebox.protocols.shards import Rows
from glovebox.protocols.spread import spread as spread_over
from glovebox.protocols.totals import Shares, Total, matched_totals
from glovebox.runtime.card import terms, value_of
from glovebox.runtime.context import Context, Role

U8 = NDArray[np.uint8]
U64 = NDArray[np.uint64]
Index = NDArray[np.int64]
ROW_BITS = 64


class Dimension(NamedTuple):
    """A table that rows name by a key. owner: of the table, by number. given: numbers that rows get of it, 0 without a
    match. of_lines: the key is that of the lines, which then have its match and payloads too."""

    size: TableSize
    owner: int
    given: tuple[Expression, ...]
    of_lines: bool = False


@dataclass(frozen=True)
class StarShape:
    """What all know. rows: QUERY's bound. query, helper: by number.

    levels: numbers of each level's rows, over QUERY's values and what the tables give to rows, or over the columns of
    the level before; 0 where there is no row. choices, columns: of the lines, over the last level's columns, QUERY's
    values of lines, and tables of lines. totals: of these, each with a column as its payload.
    """

    rows: int
    query: int
    helper: int
    dimensions: tuple[Dimension, ...]
    levels: tuple[tuple[Expression, ...], ...]
    choices: tuple[Expression, ...]
    columns: tuple[Expression, ...]
    totals: tuple[Total, ...]

    @property
    def n(self) -> int:
        """Rows with padding, at least one."""
        return -(-(self.rows + 1) // ROW_BITS) * ROW_BITS

    @property
    def dealer(self) -> int:
        """Who deals for the levels: an owner that is not HELPER."""
        return next(one.owner for one in self.dimensions if one.owner != self.helper)

    @property
    def roles(self) -> dict[Role, int]:
        """The roles at the levels."""
        return {Role.QUERY: self.query, Role.TABLE: self.dealer, Role.HELPER: self.helper}

    @property
    def expressed(self) -> tuple[tuple[Expression, ...], ...]:
        """What is evaluated row by row, step by step."""
        return (*(one.given for one in self.dimensions), *self.levels, (*self.choices, *self.columns))

    def roles_of(self, dimension: Dimension) -> dict[Role, int]:
        """The roles where a table is looked up."""
        if dimension.owner == self.helper:
            return {Role.QUERY: self.query, Role.TABLE: self.helper, Role.HELPER: self.dealer}
        return {**self.roles, Role.TABLE: dimension.owner}


@dataclass(frozen=True, repr=False)
class StarRows:
    """QUERY's own: r rows in the order of their lines.

    keys: of each dimension its distinct keys, encoded. places: (r,) of each the key of a row, or as many as there are
    keys where it has none. values: (values, r). ends: of each level the last row of each of the next one's. lines:
    (values, lines).
    """

    keys: Sequence[U8]
    places: Sequence[Index]
    values: NDArray[np.int64]
    ends: Sequence[Index]
    lines: NDArray[np.int64]

    def __repr__(self) -> str:
        return f"<StarRows: {len(self.keys)} keys, {len(self.values)} values>"


class Found(NamedTuple):
    """Shares of what was looked up: columns of the rows; of the lines the match and payloads, if the key is theirs."""

    given: U64
    match: U64
    payloads: U64


async def star_totals(ctx: Context, shape: StarShape, own: StarRows | None, tables: Mapping[int, Rows]) -> U64 | None:
    """Additive shares of all totals, (totals, 1) uint64 at QUERY and HELPER, None elsewhere.

    own: at QUERY. tables: this party's tables, by the number of the dimension.
    """
    found = []
    for number, dimension in enumerate(shape.dimensions):
        step = ctx.narrow(f"dimension{number}").playing(shape.roles_of(dimension))
        if step.role is not None:
            found.append(await _found(step, shape, dimension, _own_rows(step, shape, number, own, tables)))
        ctx.progress(number + 1, len(shape.dimensions) + 1)
    step = ctx.narrow("levels").playing(shape.roles)
    if step.role is None:
        return None
    here = [one for one in found if one is not None] if step.role is not Role.TABLE else []
    rows = None if step.role is Role.TABLE else np.concatenate([one.given for one in here])
    values = None if own is None else _padded(own.values, shape.n)
    for number, level in enumerate(shape.levels):
        ends = None if own is None else own.ends[number]
        rows = await _summed(step.narrow(f"level{number}"), shape, level, rows, values, ends)
        values = None
    sums = await _totals(step, shape, rows, here, None if own is None else _padded(own.lines, shape.n))
    ctx.progress(len(shape.dimensions) + 1, len(shape.dimensions) + 1)
    return fresh(step, shape.totals, np.zeros((len(shape.totals), 1), np.uint64) if sums is None else sums)


class _Own(NamedTuple):
    """What a party brings to a look-up: its rows; of QUERY where they go."""

    rows: OwnRows
    sources: Index | None = None
    order: Index | None = None


def _own_rows(
    step: Context, shape: StarShape, number: int, own: StarRows | None, tables: Mapping[int, Rows]
) -> _Own | None:
    """This party's padded rows."""
    size, padding = shape.dimensions[number].size, step.private("padding")
    if step.role is Role.TABLE:
        table = tables[number]
        if len(table.ids) > size.rows or len(table.values) != size.payloads:
            raise ValueError("a table's rows are at most its bound, with as many payloads")
        return _Own(OwnRows(with_padding(table.ids, size.rows, padding), _padded(table.values, size.rows), None))
    if step.role is not Role.QUERY or own is None:
        return None
    keys, places = own.keys[number], own.places[number]
    if len(keys) > shape.rows or len(places) > shape.rows:
        raise ValueError("QUERY's rows and keys are at most its bound")
    of_rows = np.concatenate([places, np.full(shape.n - len(places), len(keys))])
    by_key = np.argsort(of_rows, kind="stable")
    ids = OwnRows(with_padding(keys, shape.n, padding), np.zeros((0, shape.n), np.int64), None)
    return _Own(ids, of_rows[by_key], np.argsort(by_key, kind="stable"))


def _padded(values: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    padded = np.zeros((len(values), n), np.int64)
    padded[:, : values.shape[1]] = values
    return padded


async def _found(step: Context, shape: StarShape, dimension: Dimension, own: _Own | None) -> Found | None:
    """What rows and lines get of one table; None at its TABLE, and at TABLE of the levels."""
    n, size, count = shape.n, dimension.size, len(dimension.given)
    words = await aligned(step, own.rows if own else None, n, size)
    tags = None if words is None else ~words[0] if step.role is Role.QUERY else words[0]
    bits = await all_ones(step.narrow("equal"), tags, n)
    aligned_rows = None if words is None or bits is None else Aligned([bits], [words[1:]], None)
    given = await expressed(step.narrow("given"), dimension.given, aligned_rows, n)
    columns = None if given is None else np.array(given, np.uint64).reshape(count, n)
    if count:
        columns = await spread_over(step.narrow("spread"), columns, own.sources if own else None, count, n, n)
        if not dimension.of_lines:
            columns = await picked(step.narrow("order"), columns, own.order if own else None, count, n, n)
    found = None
    if columns is not None and bits is not None and words is not None:
        kept = slice(None if dimension.of_lines else 0)
        found = Found(columns, bits[None, kept].astype(np.uint64), words[1:, kept])
    return found if dimension.owner != shape.helper else await _moved(step.narrow("move"), shape, dimension, found)


async def _moved(step: Context, shape: StarShape, dimension: Dimension, found: Found | None) -> Found | None:
    """What the step's HELPER holds becomes TABLE's, less a mask that QUERY adds to its own; bits by XOR."""
    counts = (len(dimension.given), *((1, dimension.size.payloads) if dimension.of_lines else ()))
    shape_of = sum(counts), shape.n
    match step.role:
        case Role.HELPER if found is not None:
            masked = await step.compute(_masked, found, step.stream(Role.QUERY), dimension, shape.n, -1)
            await step.send(Role.TABLE, _together(masked, dimension))
            return None
        case Role.QUERY if found is not None:
            return await step.compute(_masked, found, step.stream(Role.HELPER), dimension, shape.n, 1)
        case Role.TABLE:
            words = await step.receive(Role.HELPER, np.uint64, shape_of)
            given, *of_lines = np.split(words, np.cumsum(counts)[:-1])
            match_, payloads = of_lines or (np.zeros((1, 0), np.uint64), np.zeros((0, 0), np.uint64))
            return Found(given, match_ & np.uint64(1), payloads)
    raise ValueError("QUERY and HELPER have words to move")


def _masked(found: Found, stream: Stream, dimension: Dimension, n: int, sign: int) -> Found:
    mask = stream.read((len(found.given), n), np.uint64)
    given = found.given + mask if sign > 0 else found.given - mask
    if not dimension.of_lines:
        return Found(given, found.match, found.payloads)
    bits, mask = (stream.read((count, n), np.uint64) for count in (1, dimension.size.payloads))
    payloads = found.payloads + mask if sign > 0 else found.payloads - mask
    whole = found.match ^ bits
    return Found(given, whole & np.uint64(1) if sign > 0 else whole, payloads)


def _together(found: Found, dimension: Dimension) -> U64:
    return np.concatenate([found.given, found.match, found.payloads]) if dimension.of_lines else found.given


async def _summed(
    step: Context,
    shape: StarShape,
    level: Sequence[Expression],
    rows: U64 | None,
    values: NDArray[np.int64] | None,
    ends: Index | None,
) -> U64 | None:
    """The columns of the next level: sums of this one's over the rows of each. Zeros make room for rows without any."""
    n, count = shape.n, len(level)
    made = await expressed(step.narrow("rows"), level, None if rows is None else Aligned([], [], values, rows), n)
    columns = None if made is None else np.concatenate([np.array(made, np.uint64), np.zeros((count, n), np.uint64)], 1)
    return await segment_sums(step.narrow("sums"), columns, ends, count, 2 * n, n)


async def _totals(
    step: Context, shape: StarShape, rows: U64 | None, found: Sequence[Found], values: NDArray[np.int64] | None
) -> U64 | None:
    """Totals of the lines."""
    n, expressions = shape.n, (*shape.choices, *shape.columns)
    at_lines = [one for one, each in zip(found, shape.dimensions, strict=False) if each.of_lines]
    lines = None
    if rows is not None:
        matches = [one.match[0].astype(np.uint8) for one in at_lines]
        lines = Aligned(matches, [one.payloads for one in at_lines], values, rows)
    made = await expressed(step.narrow("lines"), expressions, lines, n)
    shares = None
    if made is not None:
        bits, columns = np.stack(made[: len(shape.choices)]), made[len(shape.choices) :]
        shares = Shares(bits, np.array([np.zeros(n, np.uint64), *columns], np.uint64), values)
    sums = await matched_totals(step.narrow("totals"), shape.totals, shares, n)
    return None if sums is None else sums.reshape(len(shape.totals), 1)


def traffic(shape: StarShape) -> dict[str, float]:
    """The sizes of the card: rounds and bytes of all that a run is made of, one after the other."""
    rounds, size = zip(*_costs(shape), strict=True)
    return {"R": sum(rounds), "B": sum(size)}


def _costs(shape: StarShape) -> Iterator[tuple[float, float]]:
    n = shape.n
    for dimension in shape.dimensions:
        count, table = len(dimension.given), dimension.size
        yield _cost(alignment, alignment.traffic(n, table, None))
        yield _cost(membership, {"n": n, "U": 0})
        yield _gates(dimension.given, n)
        if count:
            yield _cost(spread, {"w": 8, "C": count, "m": n, "n": n})
        if count and not dimension.of_lines:
            yield _cost(pick, {"w": 8, "C": count, "b": n, "G": n})
        if dimension.owner == shape.helper:
            yield 1, 8 * n * (count + (1 + table.payloads if dimension.of_lines else 0))
    for level in shape.levels:
        yield _gates(level, n)
        yield _cost(reduction, {"w": 8, "C": len(level), "n": 2 * n, "G": n})
    yield _gates((*shape.choices, *shape.columns), n)
    yield _cost(totals, {"n": n} | totals.traffic(shape.totals, n))


def _cost(protocol: ModuleType, sizes: dict[str, float]) -> tuple[float, float]:
    card = terms(protocol.__doc__ or "")
    return value_of(card["Rounds"], sizes), value_of(card["Bytes"], sizes)


def _gates(expressions: Sequence[Expression], n: int) -> tuple[float, float]:
    cost = row_traffic(expressions)
    return cost["F"], n * (cost["O"] + cost["D"])


def largest_frame(shape: StarShape) -> int:
    """Bytes of the largest frame that any party sends."""
    n = shape.n
    tables = [8 * one.size.words * okvs.layout_of(one.size.rows).rows for one in shape.dimensions]
    moved = max(len(one.given) + 1 + one.size.payloads for one in shape.dimensions)
    summed = max(2 * max(map(len, shape.levels)), 2 * max(len(one.given) for one in shape.dimensions), moved)
    gates = max(row_traffic(one)["M"] for one in shape.expressed)
    return max(*tables, 8 * n * summed, round(n * gates) + 8, int(totals.traffic(shape.totals, n)["C"]), 13 * n)
