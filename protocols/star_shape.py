"""What all know of a star join before it begins: tables, levels, roles, and what it costs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import NamedTuple

from glovebox.algebra import okvs
from glovebox.protocols import alignment, fellows, membership, pick, reduction, spread, totals
from glovebox.protocols.alignment import TableSize
from glovebox.protocols.expression import Expression
from glovebox.protocols.rows import traffic as row_traffic
from glovebox.protocols.totals import Total
from glovebox.runtime.card import terms, value_of
from glovebox.runtime.context import Role

ROW_BITS = 64


class Dimension(NamedTuple):
    """A table that rows name by a key. owner: of the table, by number. given: numbers that rows get of it, 0 without a
    match. of_lines: the key is that of the lines, which then have its match and payloads too."""

    size: TableSize
    owner: int
    given: tuple[Expression, ...]
    of_lines: bool = False


class Fellow(NamedTuple):
    """Another owner of like rows, by number, and their bound. earlier: a line that it has is counted there, and its
    columns are not looked up."""

    owner: int
    rows: int
    earlier: bool

    @property
    def n(self) -> int:
        """Lines with padding, at least one."""
        return -(-(self.rows + 1) // ROW_BITS) * ROW_BITS


@dataclass(frozen=True)
class StarShape:
    """What all know of one owner's rows. rows: QUERY's bound. query, helper: by number.

    levels: numbers of each level's rows, over QUERY's values and what the tables give to rows, or over the columns of
    the level before; 0 where there is no row. choices, columns: of the lines, over the last level's columns, QUERY's
    values of lines, and tables of lines, of which the fellows are the last, with columns of the last level as payloads.
    totals: of these, each with a column as its payload.
    """

    rows: int
    query: int
    helper: int
    dimensions: tuple[Dimension, ...]
    levels: tuple[tuple[Expression, ...], ...]
    choices: tuple[Expression, ...]
    columns: tuple[Expression, ...]
    totals: tuple[Total, ...]
    fellows: tuple[Fellow, ...] = ()

    @property
    def n(self) -> int:
        """Rows with padding, at least one."""
        return -(-(self.rows + 1) // ROW_BITS) * ROW_BITS

    @property
    def dealer(self) -> int:
        """Who deals for the levels: an owner that is not HELPER."""
        return next(one.owner for one in self.looked_up if one.owner != self.helper)

    @property
    def looked_up(self) -> list[Dimension | Fellow]:
        """All that rows or lines are held beside."""
        return [*self.dimensions, *self.fellows]

    @property
    def roles(self) -> dict[Role, int]:
        """The roles at the levels."""
        return {Role.QUERY: self.query, Role.TABLE: self.dealer, Role.HELPER: self.helper}

    @property
    def expressed(self) -> tuple[tuple[Expression, ...], ...]:
        """What is evaluated row by row, step by step."""
        return (*(one.given for one in self.dimensions), *self.levels, (*self.choices, *self.columns))

    def roles_of(self, table: Dimension | Fellow) -> dict[Role, int]:
        """The roles where a table, or a fellow's lines, are looked up."""
        if table.owner == self.helper:
            return {Role.QUERY: self.query, Role.TABLE: self.helper, Role.HELPER: self.dealer}
        return {**self.roles, Role.TABLE: table.owner}

    def size_of(self, fellow: Fellow) -> TableSize:
        """What all know of a fellow's lines."""
        return TableSize(fellow.n, 0 if fellow.earlier else len(self.levels[-1]))


def traffic(shapes: Sequence[StarShape]) -> dict[str, float]:
    """The sizes of the card: rounds and bytes of all that a run is made of, one after the other."""
    rounds, size = zip(*(cost for shape in shapes for cost in _costs(shape)), strict=True)
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
    for fellow in shape.fellows:
        yield _cost(fellows, fellows.traffic(n, shape.size_of(fellow)))
        yield _cost(membership, {"n": n, "U": 0})
    yield _gates((*shape.choices, *shape.columns), n)
    yield _cost(totals, {"n": n} | totals.traffic(shape.totals, n))


def _cost(protocol: ModuleType, sizes: dict[str, float]) -> tuple[float, float]:
    card = terms(protocol.__doc__ or "")
    return value_of(card["Rounds"], sizes), value_of(card["Bytes"], sizes)


def _gates(expressions: Sequence[Expression], n: int) -> tuple[float, float]:
    cost = row_traffic(expressions)
    return cost["F"], n * (cost["O"] + cost["D"])


def largest_frame(shapes: Sequence[StarShape]) -> int:
    """Bytes of the largest frame that any party sends."""
    return max(map(_largest_frame, shapes))


def _largest_frame(shape: StarShape) -> int:
    n = shape.n
    sizes = [*(one.size for one in shape.dimensions), *map(shape.size_of, shape.fellows)]
    tables = [8 * size.words * okvs.layout_of(size.rows).rows for size in sizes]
    moved = max(len(one.given) + 1 + one.size.payloads for one in shape.dimensions)
    summed = max(2 * max(map(len, shape.levels)), 2 * max(len(one.given) for one in shape.dimensions), moved)
    gates = max(row_traffic(one)["M"] for one in shape.expressed)
    return max(*tables, 8 * n * summed, round(n * gates) + 8, int(totals.traffic(shape.totals, n)["C"]), 13 * n)
