"""A star join: QUERY's rows beside tables that they name by keys of their own, summed level by level, then in all.

Functionality  total[k] = sum over lines of a bit times a column; a line's columns are sums of its rows' columns
Parties        QUERY owns the rows, each owner of like rows in turn; a table's owner is TABLE of its run, with HELPER,
               which then holds shares
Security       semi-honest, one corrupt party; as `alignment`, error 2^-40 a table; perfect else, given the streams
Leakage        n of each, rows of the tables, numbers of columns, levels and totals, and the expressions, to all
Rounds         R; at most, for what waits for nothing is sent ahead
Bytes          B; R and B of `traffic`, by the cards of what it is made of
Source         psi.md 9 (spread), 12 (three owners without a helper), 17 (reduction by a key); engine.md (levels)

Rows stand in the order of their lines. A table is looked up at QUERY's distinct keys; what rows get of it is spread
over the rows with each key, and brought into their order. Columns of rows are expressed, and summed to the next
level's, of which QUERY knows the rows too; the last level's are the lines. A key that no table has gives 0.

Of several owners of rows each is QUERY of its own. Its lines then have those of later owners with the same ids beside
them, and count where no earlier owner has a line of the id (`fellows`).

Where all parties but QUERY own tables, HELPER's is looked up by TABLE, which then hands what it holds to HELPER under a
mask that QUERY takes on (psi.md 12): unmasked, HELPER would know its own values again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from glovebox.algebra.streams import Stream
from glovebox.protocols.alignment import OwnRows, aligned
from glovebox.protocols.expression import Expression
from glovebox.protocols.fellows import fellow_rows
from glovebox.protocols.intersection import fresh
from glovebox.protocols.membership import all_ones
from glovebox.protocols.pick import picked
from glovebox.protocols.pseudonyms import with_padding
from glovebox.protocols.reduction import segment_sums
from glovebox.protocols.rows import Aligned, expressed
from glovebox.protocols.shards import Rows
from glovebox.protocols.spread import spread as spread_over
from glovebox.protocols.star_shape import Dimension, Fellow, StarShape
from glovebox.protocols.totals import Shares, matched_totals
from glovebox.runtime.context import Context, Role

U8 = NDArray[np.uint8]
U64 = NDArray[np.uint64]
Index = NDArray[np.int64]


@dataclass(frozen=True, repr=False)
class StarRows:
    """QUERY's own: r rows in the order of their lines.

    keys: of each dimension its distinct keys, encoded; where there are fellows then those of lines, in their order.
    places: (r,) of each the key of a row, or as many as there are keys where it has none. values: (values, r). ends: of
    each level the last row of each of the next one's. lines: (values, lines).
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


class Lines(NamedTuple):
    """A party's part of one owner's lines: shares of their columns, and what tables of lines give."""

    columns: U64
    found: list[Found]


async def star_totals(
    ctx: Context, shapes: Sequence[StarShape], own: StarRows | None, tables: Mapping[int, Rows]
) -> list[U64 | None]:
    """Additive shares of all totals of each owner's lines, (totals, 1) uint64 at its QUERY and HELPER, None elsewhere.

    shapes: of each owner of rows, all with one HELPER. own: at such an owner. tables: this party's, by the number of
    the dimension.
    """
    steps = [ctx.narrow(f"owner{place}") for place in range(len(shapes))]
    mine = [own if shape.query == ctx.party else None for shape in shapes]
    made = []
    for step, shape, rows in zip(steps, shapes, mine, strict=True):
        made.append(await _lines(step, shape, rows, tables))
        ctx.progress(len(made), 2 * len(shapes))
    lines = {shape.query: one.columns for shape, one in zip(shapes, made, strict=True) if one is not None}
    sums = []
    for step, shape, rows, one in zip(steps, shapes, mine, made, strict=True):
        found = [] if one is None else [*one.found]
        for number, fellow in enumerate(shape.fellows):
            met = await _met(step.narrow(f"fellow{number}"), shape, fellow, own, lines.get(fellow.owner))
            found += [] if met is None else [met]
        sums.append(await _totals(step.narrow("totals"), shape, one and one.columns, found, rows))
        ctx.progress(len(shapes) + len(sums), 2 * len(shapes))
    return sums


async def _lines(step: Context, shape: StarShape, own: StarRows | None, tables: Mapping[int, Rows]) -> Lines | None:
    """One owner's lines; at QUERY and HELPER."""
    found = []
    for number, dimension in enumerate(shape.dimensions):
        looking = step.narrow(f"dimension{number}").playing(shape.roles_of(dimension))
        if looking.role is not None:
            found.append(await _found(looking, shape, dimension, _own_rows(looking, shape, number, own, tables)))
    summing = step.narrow("levels").playing(shape.roles)
    if summing.role is None:
        return None
    here = [one for one in found if one is not None] if summing.role is not Role.TABLE else []
    rows = None if summing.role is Role.TABLE else np.concatenate([one.given for one in here])
    values = None if own is None else _padded(own.values, shape.n)
    for number, level in enumerate(shape.levels):
        ends = None if own is None else own.ends[number]
        rows = await _summed(summing.narrow(f"level{number}"), shape, level, rows, values, ends)
        values = None
    at_lines = [one for one, each in zip(here, shape.dimensions, strict=False) if each.of_lines]
    return None if rows is None else Lines(rows, at_lines)


async def _met(
    step: Context, shape: StarShape, fellow: Fellow, own: StarRows | None, columns: U64 | None
) -> Found | None:
    """A fellow's lines beside those of QUERY; at QUERY and HELPER."""
    step = step.playing(shape.roles_of(fellow))
    if step.role is None:
        return None
    size, ids = shape.size_of(fellow), None
    if step.role is not Role.HELPER and own is not None:
        bound = size.rows if step.role is Role.TABLE else shape.n
        if len(own.keys[-1]) >= bound:
            raise ValueError("an owner's lines are at most its bound")
        ids = with_padding(own.keys[-1], bound, step.private("padding"))
    words = await fellow_rows(step, ids, columns if step.role is not Role.QUERY else None, shape.n, size)
    bits = await all_ones(step.narrow("equal"), _tags(step, words), shape.n)
    if words is None or bits is None:
        return None
    return Found(np.zeros((0, shape.n), np.uint64), bits[None].astype(np.uint64), words[1:])


def _tags(step: Context, words: U64 | None) -> U64 | None:
    """QUERY's are turned over, so that equal ones make ones."""
    return None if words is None else ~words[0] if step.role is Role.QUERY else words[0]


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
    bits = await all_ones(step.narrow("equal"), _tags(step, words), n)
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
    step: Context, shape: StarShape, rows: U64 | None, found: Sequence[Found], own: StarRows | None
) -> U64 | None:
    """Fresh shares of the totals of the lines."""
    step = step.playing(shape.roles)
    if step.role is None:
        return None
    n, expressions = shape.n, (*shape.choices, *shape.columns)
    values = None if own is None else _padded(own.lines, n)
    lines = None
    if rows is not None:
        lines = Aligned([one.match[0].astype(np.uint8) for one in found], [one.payloads for one in found], values, rows)
    made = await expressed(step.narrow("lines"), expressions, lines, n)
    shares = None
    if made is not None:
        bits, columns = np.stack(made[: len(shape.choices)]), made[len(shape.choices) :]
        shares = Shares(bits, np.array([np.zeros(n, np.uint64), *columns], np.uint64), values)
    sums = await matched_totals(step.narrow("sums"), shape.totals, shares, n)
    count = len(shape.totals)
    return fresh(step, shape.totals, np.zeros((count, 1), np.uint64) if sums is None else sums.reshape(count, 1))
