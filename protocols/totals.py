"""Sums over matching rows, as additive shares: only totals of blocks of rows ever leave the bit domain.

Functionality  total[k, j] = sum over rows of a bit (b_Q ^ b_S) times a value of QUERY, a payload (p_Q + p_S) or both
Parties        QUERY and HELPER hold and receive shares; TABLE deals
Security       semi-honest, one corrupt party; perfect given the streams
Leakage        n and the shape of the totals
Rounds         1 + E + W; E of `products`; W is 2 where totals are lifted
Bytes          D + n V + K; `traffic`: D, V and K of `products`, K with all of `lifting`
Source         Du, Atallah 2001 (scalar product with a commodity server), in the spirit of ABY3; psi.md 8

Of many rows whose bounds are known, 64 at a time are summed in a ring as small as their sum allows, and such sums are
lifted: vectors then cost 1 byte a row for a count, not 4.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from glovebox.algebra.ring import RINGS, Ring, block_sums, kept, signed
from glovebox.protocols import lifting, products
from glovebox.protocols.lifting import Lift, lifted
from glovebox.protocols.products import Job
from glovebox.protocols.quantile import Rank
from glovebox.protocols.shards import Rows
from glovebox.runtime.context import Context, Role

U8 = NDArray[np.uint8]
U64 = NDArray[np.uint64]

SEGMENT = 64  # rows
LIFTED_ROWS = 1 << 15
"""From so many rows on the bytes of vectors count for more than two rounds."""


class Ranked(NamedTuple):
    """Numbers at ranks, added (`quantile.py`), of so many values of QUERY in a row; the payload says how often.

    low, none: a value is at least `low` and less than `none`, which is no value. most: of so many numbers at most.
    """

    values: tuple[int, ...]
    low: int
    none: int
    ranks: tuple[Rank, ...]
    most: int


class Total(NamedTuple):
    """What is summed where a bit is set: a value of QUERY times a payload of TABLE, None counts as 1.

    bits: of the ring, 32 or 64. choice: by which condition rows are chosen; it has a bit for every plane.
    outer: "left", with QUERY's rows that have no match, whose payload is 1; "anti", those alone. Of either only what
    depends on a match is summed here, times 1 or -1; QUERY adds the sum of all its rows.
    low, high: the least and the most that a row adds, 0 at least and at most; both 0 where that is not known.
    least: not the sum but the least is wanted, of numbers from the first to one less than the second, which stands for
    the least of nothing; see `least.py`. ranked: nor that, but numbers at ranks.
    """

    value: int | None
    payload: int | None
    bits: int
    choice: int = 0
    outer: Literal["", "left", "anti"] = ""
    low: int = 0
    high: int = 0
    least: tuple[int, int] | None = None
    ranked: Ranked | None = None

    @property
    def bounds(self) -> tuple[int, int]:
        """The least and the most that a row adds, equal where that is not known."""
        if self.value is None and self.payload is None:
            return 0, 1
        return (0, 0) if self.outer else (self.low, self.high)


class Kind(enum.Enum):
    """What a job adds to its total. With b = b_Q + b_S - 2 b_Q b_S and p = p_Q + p_S."""

    HELPER_CHOOSES = "b_S (1 - 2 b_Q) v p_Q"
    QUERY_CHOOSES = "b_Q (1 - 2 b_S) p_S"
    VALUE = "v (b_S p_S)"
    MATCHED_VALUE = "(b_Q v) ((1 - 2 b_S) p_S)"


CHOOSERS = {Kind.HELPER_CHOOSES: Role.HELPER, Kind.QUERY_CHOOSES: Role.QUERY}
KINDS = {
    (False, False): (Kind.HELPER_CHOOSES,),
    (True, False): (Kind.HELPER_CHOOSES,),
    (False, True): (Kind.HELPER_CHOOSES, Kind.QUERY_CHOOSES),
    (True, True): (Kind.HELPER_CHOOSES, Kind.VALUE, Kind.MATCHED_VALUE),
}


class Term(NamedTuple):
    """A scalar product that adds to a total of a plane."""

    total: int
    plane: int
    kind: Kind
    job: Job


@dataclass(frozen=True, repr=False)
class Shares:
    """What a party brings.

    bits: (choices planes, n) uint8 of 0 and 1, the planes of a choice next to each other; words: (words, n), shares of
    the tag and the payloads; values: (k, n) at QUERY.
    """

    bits: U8
    words: U64
    values: NDArray[np.int64] | None

    def __repr__(self) -> str:
        return f"<Shares of {self.bits.shape[1]} rows>"


class Shape(NamedTuple):
    """Of a run: the totals, rows, blocks, and planes."""

    totals: Sequence[Total]
    n: int
    blocks: int
    planes: int

    def ring(self, total: Total) -> int:
        """Bits of the ring in which rows are summed: smaller than the total's where segments are to be lifted."""
        low, high = total.bounds
        if self.n < LIFTED_ROWS or low == high or self.n % (SEGMENT * self.blocks):
            return total.bits
        span = SEGMENT * (high - low)
        return next((bits for bits in (8, 16, 32) if bits < total.bits and span < 1 << bits - 1), total.bits)

    def is_lifted(self, total: Total) -> bool:
        """Whether rows are summed in a smaller ring than the total's, segment by segment."""
        return self.ring(total) < total.bits

    def parts(self, total: Total) -> int:
        """Parts of the rows of which sums are shared: blocks, or segments."""
        return self.n // SEGMENT if self.is_lifted(total) else self.blocks

    @property
    def places(self) -> list[tuple[int, int]]:
        """Every total in every plane that a match changes, by plane."""
        return [
            (index, plane)
            for plane in range(self.planes)
            for index, total in enumerate(self.totals)
            if not (total.outer == "left" and total.payload is None)
        ]

    @property
    def terms(self) -> list[Term]:
        """The products of all totals, in the public order: by plane, then totals, and within one as in psi.md 8."""
        return [
            Term(index, plane, kind, Job(self.ring(total), self.parts(total), CHOOSERS.get(kind), row))
            for index, plane in self.places
            for total in [self.totals[index]]
            for row in [total.choice * self.planes + plane]
            for kind in KINDS[total.value is not None, total.payload is not None]
        ]

    @property
    def small(self) -> list[tuple[int, int]]:
        """The places whose sums are lifted."""
        return [(index, plane) for index, plane in self.places if self.is_lifted(self.totals[index])]

    @property
    def lifts(self) -> list[Lift]:
        """What is lifted at those places."""
        return [
            Lift(total.bits, SEGMENT * total.bounds[0]) for total in (self.totals[index] for index, _ in self.small)
        ]


def traffic(totals: Sequence[Total], n: int, planes: int = 1, blocks: int = 1) -> dict[str, float]:
    """The sizes of the card, and with them the most bytes of a frame of corrections, C."""
    shape = Shape(totals, n, blocks, planes)
    sizes = products.traffic([term.job for term in shape.terms], n)
    sizes |= {"W": 0, "C": sizes["K"]}
    if shape.small:
        size = n // SEGMENT
        of_lifting = lifting.traffic(shape.lifts, size, blocks)
        sizes["K"] += of_lifting["D"] + size * of_lifting["V"] + of_lifting["K"]
        sizes["W"] = 2
    return sizes


async def matched_totals(
    ctx: Context, totals: Sequence[Total], shares: Shares | None, n: int, blocks: int = 1, planes: int = 1
) -> U64 | None:
    """Shares of each total of each plane over each block of rows.

    n: rows, a multiple of 8 and of the blocks. planes: bits a row of each choice, such as one for each group of TABLE.
    Returns (totals, planes, blocks) uint64 at QUERY and HELPER, None at TABLE. Totals in Z_2^32 are widened: add them
    mod 2^64, reduce mod 2^32 at the end.
    """
    shape = Shape(totals, n, blocks, planes)
    terms, me = shape.terms, ctx.role
    jobs = [term.job for term in terms]
    if me is Role.TABLE:
        await products.products(ctx, jobs, n)
        if shape.small:
            await lifted(ctx.narrow("lift"), shape.lifts, None, n // SEGMENT, blocks)
        return None
    if shares is None or me is None:
        raise ValueError("QUERY and HELPER need shares")
    sums = await ctx.compute(_own_sums, shape, me, shares)
    vector = partial(_vector, terms, totals, me, shares)
    for term, share in zip(terms, await products.products(ctx, jobs, n, shares.bits, vector) or [], strict=True):
        sums[term.total, term.plane] += share
    if shape.small:
        small = [sums[place] for place in shape.small]
        large = await lifted(ctx.narrow("lift"), shape.lifts, small, n // SEGMENT, blocks)
        sums |= zip(shape.small, large if large is not None else [], strict=True)
    whole = np.zeros((len(totals), planes, blocks), np.uint64)
    for place, share in sums.items():
        whole[place] = share
    return whole


def _vector(terms: Sequence[Term], totals: Sequence[Total], me: Role, shares: Shares, number: int) -> Ring:
    """A party's vector of a job, as `Kind` writes it."""
    term = terms[number]
    total, ring, bits = totals[term.total], term.job.ring, shares.bits[term.job.row]
    match term.kind, me:
        case Kind.HELPER_CHOOSES, _:
            return signed(bits, _weight(total, ring, shares))
        case Kind.VALUE, Role.QUERY:
            return _value(total, ring, shares)
        case Kind.MATCHED_VALUE, Role.QUERY:
            return kept(bits, _value(total, ring, shares))
        case Kind.VALUE, _:
            return kept(bits, _payload(total, ring, shares))
        case _:
            return signed(bits, _payload(total, ring, shares))


def _own_sums(shape: Shape, me: Role, shares: Shares) -> dict[tuple[int, int], Ring]:
    """QUERY: sum b_Q v p_Q. HELPER: sum b_S p_S of a payload alone; with a value it is in the jobs."""
    sums: dict[tuple[int, int], Ring] = {}
    for index, plane in shape.places:
        total = shape.totals[index]
        ring, parts = RINGS[shape.ring(total)], shape.parts(total)
        if me is Role.QUERY:
            weight = _weight(total, ring, shares)
        elif total.value is None and total.payload is not None:
            weight = _payload(total, ring, shares)
        else:
            sums[index, plane] = np.zeros(parts, ring)
            continue
        sums[index, plane] = block_sums(kept(shares.bits[total.choice * shape.planes + plane], weight), parts)
    return sums


def _weight(total: Total, ring: type[np.unsignedinteger[Any]], shares: Shares) -> Ring:
    """QUERY's v p_Q; what is missing counts as 1."""
    if total.value is None and total.payload is None:
        return np.ones(shares.bits.shape[1], ring)
    if total.payload is None:
        return _value(total, ring, shares)
    payload = _payload(total, ring, shares)
    return payload if total.value is None else payload * _value(total, ring, shares)


def _value(total: Total, ring: type[np.unsignedinteger[Any]], shares: Shares) -> Ring:
    if shares.values is None or total.value is None:
        raise ValueError("a total of values needs QUERY's values")
    vector: Ring = shares.values[total.value].view(np.uint64).astype(ring, copy=False)
    return vector


def _payload(total: Total, ring: type[np.unsignedinteger[Any]], shares: Shares) -> Ring:
    if total.payload is None:
        raise ValueError("a total without a payload has no vector of payloads")
    vector: Ring = shares.words[1 + total.payload].astype(ring, copy=False)
    if total.outer and shares.values is not None:  # at QUERY: sum v + sum b v (p - 1)
        vector = vector - ring(1)
    return vector


def with_unmatched(totals: Sequence[Total], sums: U64, rows: Iterable[Rows]) -> U64:
    """Totals that rows without a match count in: QUERY's own sums of all its rows, and what matches change of them.

    rows: QUERY's, at QUERY. Only its groups may be asked for: a row without a match is in none of a table's.
    """
    whole = sums.copy()
    for index in (place for place, total in enumerate(totals) if total.outer == "anti"):
        whole[index] = np.negative(whole[index])
    for part in rows:
        groups = np.zeros(len(part.ids), np.int64) if part.groups is None else part.groups
        for index, total in enumerate(totals):
            if total.outer:
                values = np.ones(len(groups), np.int64) if total.value is None else part.values[total.value]
                np.add.at(whole[index], groups, values.view(np.uint64))
    return whole
