"""Totals over matching rows, by transfers that were made before: additive shares of each row, then of their sums.

Functionality  row k of bin j = bit (b_Q ^ b_T) times a value of QUERY, a payload (p_Q + p_T) or both; shares of it
Parties        QUERY and TABLE hold and receive shares
Security       semi-honest; perfect given the transfers and AES under a public key as an ideal permutation
Leakage        n and the shape of the totals
Rounds         1 + P; P is 1 with payloads, else 0
Bytes          n V; V bytes of a bin, see `traffic`
Source         Gilboa, CRYPTO 1999 (products); chosen vectors as in psi.md 8, by correlated transfers; two-party.md 2.3

With b = b_Q + b_T - 2 b_Q b_T and p = p_Q + p_T, "choose(bit; vector)" shares bit times vector:
  value of QUERY     Q: b_Q v; choose(b_T; (1 - 2 b_Q) v)
  payload            Q: b_Q p_Q; T: b_T p_T; choose(b_T; (1 - 2 b_Q) p_Q), choose(b_Q; (1 - 2 b_T) p_T); shares m of b p
  value and payload  Q: v m_Q; with v - low = sum of bits 2^i: T: low m_T; choose(bit i; 2^i m_T), in Z_2^(64 - i)

TABLE's bits are the random choices of its transfers. What TABLE receives: bits of QUERY ^ random choices, and vectors
plus a mask of which it knows the one half or the other. What QUERY receives: vectors, the same way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from glovebox.algebra.bits import packed, unpacked
from glovebox.algebra.ring import RINGS, Ring, kept, signed
from glovebox.protocols.totals import Total
from glovebox.protocols.two_party.correlations import masks_of
from glovebox.protocols.two_party.prepared import ChosenBlocks, Needs, Prepared, SentBlocks
from glovebox.runtime.context import Context, Role

U8 = NDArray[np.uint8]
U64 = NDArray[np.uint64]


class Column(NamedTuple):
    """What is shared a row: nothing (a count), a value of QUERY, or a payload of TABLE; and the bits of its ring."""

    value: int | None
    payload: int | None
    bits: int


@dataclass(frozen=True)
class Wanted:
    """The public shape: totals, by how many planes of bits each, and (low, high) of QUERY's values that are factors."""

    totals: tuple[Total, ...]
    planes: int = 1
    spans: tuple[tuple[int, int], ...] = ()

    @property
    def columns(self) -> tuple[Column, ...]:
        """What is chosen by TABLE's bits, each once, in the order of the totals."""
        wanted = [Column(None if one.payload is not None else one.value, one.payload, one.bits) for one in self.totals]
        return tuple(dict.fromkeys(wanted))

    @property
    def payloads(self) -> tuple[Column, ...]:
        """The columns that QUERY's bits choose too."""
        return tuple(column for column in self.columns if column.payload is not None)

    @property
    def products(self) -> tuple[Total, ...]:
        """The totals of a value and a payload, each once."""
        return tuple(dict.fromkeys(one for one in self.totals if one.value is not None and one.payload is not None))

    @property
    def digits(self) -> tuple[tuple[int, int], ...]:
        """(value, bit) of every bit of QUERY's factors less their least."""
        values = dict.fromkeys(one.value for one in self.products if one.value is not None)
        return tuple((value, bit) for value in values for bit in range(self.width(value)))

    @property
    def choices(self) -> int:
        """Bit vectors by which QUERY chooses: its shares of the planes, then digits."""
        return (self.planes if self.payloads else 0) + len(self.digits)

    def width(self, value: int) -> int:
        """Bits of a value less its least."""
        low, high = self.spans[value]
        return max(1, (high - low).bit_length())

    def jobs(self, digit: tuple[int, int]) -> list[tuple[int, Total, np.dtype[np.unsignedinteger[Any]]]]:
        """What a digit chooses: plane, product, and the ring: of 2^i times a vector, only low bits count."""
        value, bit = digit
        return [
            (plane, total, np.dtype(RINGS[32 if total.bits - bit <= 32 else 64]))
            for plane in range(self.planes)
            for total in self.products
            if total.value == value
        ]

    def needs(self, n: int) -> Needs:
        """Transfers of n bins."""
        return Needs(query_blocks=self.choices * n, table_blocks=self.planes * n)

    def traffic(self) -> dict[str, float]:
        """The sizes of the card: P, V."""
        vectors = self.planes * sum(column.bits // 8 for column in (*self.columns, *self.payloads))
        products = sum(ring.itemsize for digit in self.digits for _, _, ring in self.jobs(digit))
        return {"P": int(bool(self.payloads)), "V": self.choices / 8 + vectors + products}


@dataclass(frozen=True, repr=False)
class Shares:
    """What a party brings: bits (planes, n / 8) packed, words (1 + payloads or more, n), at QUERY values (k, n)."""

    bits: U8
    words: U64
    values: NDArray[np.int64] | None = None

    def __repr__(self) -> str:
        return f"<Shares of {self.words.shape[1]} bins>"


Key = tuple[int, Column]  # a column under the bits of a plane


async def rows_at_query(ctx: Context, wanted: Wanted, prepared: Prepared, shares: Shares) -> list[list[Ring]]:
    """QUERY's shares of each plane's totals' rows: (n,) in the total's ring."""
    if shares.values is None:
        raise ValueError("QUERY has values")
    values, n = shares.values, shares.words.shape[1]
    vectors = [*(shares.bits if wanted.payloads else ())]
    vectors += [_digit(wanted, values, *digit) for digit in wanted.digits]
    chosen = [prepared.chosen_blocks(n) for _ in vectors]
    if vectors:
        told = [bits ^ blocks.bits for bits, blocks in zip(vectors, chosen, strict=True)]
        await ctx.send(Role.TABLE, np.stack(told), "choices")
    bits = unpacked(shares.bits)
    mine: dict[Key, Ring] = {}
    for plane in range(wanted.planes):
        zero, one = await ctx.compute(both_masks, prepared.sent_blocks(n), len(wanted.columns))
        for index, column in enumerate(wanted.columns):
            job = (_vector(column, shares, n), bits[plane], zero[index], one[index])
            masked, mine[plane, column] = await ctx.compute(_offer_signed, *job)
            await ctx.send(Role.TABLE, masked, f"plane{plane}column{index}")
    for plane in range(wanted.planes if wanted.payloads else 0):
        own = await ctx.compute(masks_of, chosen[plane].keys, chosen[plane].first, len(wanted.payloads))
        for index, column in enumerate(wanted.payloads):
            masked = await ctx.receive(Role.TABLE, RINGS[column.bits], n, f"plane{plane}payload{index}")
            mine[plane, column] += await ctx.compute(_take, bits[plane], masked, own[index])
    products = _products(wanted, mine, lambda one: as_ring(values[one.value or 0], RINGS[one.bits]))
    for digit, blocks in zip(wanted.digits, chosen[len(chosen) - len(wanted.digits) :], strict=True):
        jobs = wanted.jobs(digit)
        own = await ctx.compute(masks_of, blocks.keys, blocks.first, len(jobs))
        ones = unpacked(_digit(wanted, values, *digit))
        for index, (plane, total, ring) in enumerate(jobs):
            masked = await ctx.receive(Role.TABLE, ring.type, n, _name(digit, index))
            _add_digit(products[plane, total], await ctx.compute(_take, ones, masked, own[index]), digit[1])
    return _in_order(wanted, mine, products)


async def rows_at_table(
    ctx: Context, wanted: Wanted, prepared: Prepared, shares: Shares, blocks: list[ChosenBlocks]
) -> list[list[Ring]]:
    """TABLE's shares of each plane's totals' rows: (n,) in the total's ring. A plane's bits are those of its blocks."""
    n, bits = shares.words.shape[1], unpacked(shares.bits)
    sent = [prepared.sent_blocks(n) for _ in range(wanted.choices)]
    if sent:
        sent = await shifted(ctx, sent, "choices")
    mine: dict[Key, Ring] = {}
    for plane in range(wanted.planes):
        own = await ctx.compute(masks_of, blocks[plane].keys, blocks[plane].first, len(wanted.columns))
        for index, column in enumerate(wanted.columns):
            masked = await ctx.receive(Role.QUERY, RINGS[column.bits], n, f"plane{plane}column{index}")
            mine[plane, column] = await ctx.compute(_take, bits[plane], masked, own[index])
    for plane in range(wanted.planes if wanted.payloads else 0):
        zero, one = await ctx.compute(both_masks, sent[plane], len(wanted.payloads))
        for index, column in enumerate(wanted.payloads):
            job = (_vector(column, shares, n), bits[plane], zero[index], one[index])
            masked, share = await ctx.compute(_offer_signed, *job)
            await ctx.send(Role.QUERY, masked, f"plane{plane}payload{index}")
            mine[plane, column] += share
    products = _products(wanted, mine, lambda one: _least(wanted, one))
    for digit, of_digit in zip(wanted.digits, sent[len(sent) - len(wanted.digits) :], strict=True):
        jobs = wanted.jobs(digit)
        zero, one = await ctx.compute(both_masks, of_digit, len(jobs))
        for index, (plane, total, ring) in enumerate(jobs):
            vector = mine[plane, _of(total)].astype(ring)
            masked, share = await ctx.compute(_offer, vector, zero[index], one[index])
            await ctx.send(Role.QUERY, masked, _name(digit, index))
            _add_digit(products[plane, total], share, digit[1])
    return _in_order(wanted, mine, products)


async def shifted(ctx: Context, sent: list[SentBlocks], name: str) -> list[SentBlocks]:
    """Blocks whose keys are those of choice 0, when QUERY has told how its bits differ from its random choices."""
    shifts = await ctx.receive(Role.QUERY, np.uint8, (len(sent), len(sent[0].keys) // 8), name)
    return [await ctx.compute(_shifted, blocks, shift) for blocks, shift in zip(sent, shifts, strict=True)]


def _shifted(blocks: SentBlocks, shift: U8) -> SentBlocks:
    masks = np.negative(unpacked(shift).astype(np.uint64))[:, None]
    return blocks._replace(keys=blocks.keys ^ (masks & blocks.difference))


def both_masks(blocks: SentBlocks, count: int) -> tuple[U64, U64]:
    """The masks of choice 0 and of choice 1: (count, n) each."""
    return (
        masks_of(blocks.keys, blocks.first, count),
        masks_of(blocks.keys ^ blocks.difference, blocks.first, count),
    )


def _offer(vector: Ring, zero: U64, one: U64) -> tuple[Ring, Ring]:
    """The masked vector, and the sender's share of the other's bit times vector."""
    start = zero.astype(vector.dtype)
    return vector + start - one.astype(vector.dtype), np.negative(start)


def _offer_signed(vector: Ring, bits: U8, zero: U64, one: U64) -> tuple[Ring, Ring]:
    """The same of (1 - 2 bits) vector, and the share with what the sender knows alone, bits times vector."""
    masked, share = _offer(signed(bits, vector), zero, one)
    share += kept(bits, vector)
    return masked, share


def _take(bits: U8, masked: Ring, own: U64) -> Ring:
    """The chooser's share of bit times vector."""
    share: Ring = own.astype(masked.dtype) + kept(bits, masked)
    return share


def _of(total: Total) -> Column:
    """The column that a total sums, or multiplies."""
    return Column(None if total.payload is not None else total.value, total.payload, total.bits)


def _products(wanted: Wanted, mine: dict[Key, Ring], factor: Callable[[Total], Any]) -> dict[tuple[int, Total], Ring]:
    """What a party multiplies alone."""
    planes = range(wanted.planes)
    return {(plane, one): factor(one) * mine[plane, _of(one)] for plane in planes for one in wanted.products}


def _add_digit(rows: Ring, part: Ring, bit: int) -> None:
    rows += part.astype(rows.dtype) << rows.dtype.type(bit)


def _in_order(wanted: Wanted, mine: dict[Key, Ring], products: dict[tuple[int, Total], Ring]) -> list[list[Ring]]:
    return [
        [products[plane, one] if (plane, one) in products else mine[plane, _of(one)] for one in wanted.totals]
        for plane in range(wanted.planes)
    ]


def _name(digit: tuple[int, int], index: int) -> str:
    return f"value{digit[0]}bit{digit[1]}job{index}"


def _vector(column: Column, shares: Shares, n: int) -> Ring:
    ring = RINGS[column.bits]
    if column.payload is not None:
        return as_ring(shares.words[1 + column.payload].view(np.int64), ring)
    if column.value is None:
        return np.ones(n, ring)
    if shares.values is None:
        raise ValueError("QUERY has values")
    return as_ring(shares.values[column.value], ring)


def as_ring(values: NDArray[np.int64], ring: type[np.unsignedinteger[Any]]) -> Ring:
    """Signed integers in two's complement, reduced."""
    vector: Ring = values.view(np.uint64).astype(ring)
    return vector


def _least(wanted: Wanted, total: Total) -> np.unsignedinteger[Any]:
    """The low end of a product's factor, which TABLE multiplies with."""
    return RINGS[total.bits](wanted.spans[total.value or 0][0] % (1 << total.bits))


def _digit(wanted: Wanted, values: NDArray[np.int64], value: int, bit: int) -> U8:
    """A packed bit of a value less its least."""
    above = values[value].view(np.uint64) - np.uint64(wanted.spans[value][0] % (1 << 64))
    return packed((above >> np.uint64(bit) & np.uint64(1)).astype(np.uint8))
