"""Totals over matching rows, by transfers that were made before: additive shares of each row, then of their sums.

Functionality  row k of bin j = b (b_Q ^ b_T) times a value of QUERY, a payload (p_Q + p_T) or both; shares of it
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

from collections.abc import Sequence
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
    """The public shape: totals, and (low, high) of each value of QUERY, which a product with a payload needs."""

    totals: tuple[Total, ...]
    spans: tuple[tuple[int, int], ...] = ()

    @property
    def columns(self) -> tuple[Column, ...]:
        """What is chosen by TABLE's bit, each once, in the order of the totals."""
        wanted = [Column(None if p is not None else v, p, bits) for v, p, bits in self.totals]
        return tuple(dict.fromkeys(wanted))

    @property
    def payloads(self) -> tuple[Column, ...]:
        """The columns that QUERY's bit chooses too."""
        return tuple(column for column in self.columns if column.payload is not None)

    @property
    def products(self) -> tuple[Total, ...]:
        """The totals of a value and a payload, each once."""
        return tuple(dict.fromkeys(one for one in self.totals if one[0] is not None and one[1] is not None))

    @property
    def factors(self) -> tuple[int, ...]:
        """The values of QUERY that are cut into bits, each once."""
        return tuple(dict.fromkeys(value for value, _, _ in self.products if value is not None))

    def width(self, value: int) -> int:
        """Bits of a value less its least."""
        low, high = self.spans[value]
        return max(1, (high - low).bit_length())

    def needs(self, n: int) -> Needs:
        """Transfers of n bins."""
        bits = bool(self.payloads) + sum(map(self.width, self.factors))
        return Needs(query_blocks=bits * n, table_blocks=n)

    def traffic(self) -> dict[str, float]:
        """The sizes of the card: P, V."""
        chosen = bool(self.payloads) + sum(map(self.width, self.factors))
        vectors = sum(column.bits // 8 for column in (*self.columns, *self.payloads))
        products = sum(
            _ring(total, bit).itemsize for total in self.products for bit in range(self.width(total[0] or 0))
        )
        return {"P": int(bool(self.payloads)), "V": chosen / 8 + vectors + products}


@dataclass(frozen=True, repr=False)
class Shares:
    """What a party brings: bits (n / 8,) packed, words (1 + payloads, n), and at QUERY values (k, n)."""

    bits: U8
    words: U64
    values: NDArray[np.int64] | None = None

    def __repr__(self) -> str:
        return f"<Shares of {self.words.shape[1]} bins>"


async def rows_at_query(ctx: Context, wanted: Wanted, prepared: Prepared, shares: Shares) -> list[Ring]:
    """QUERY's shares of each total's rows: (n,) in the total's ring."""
    if shares.values is None:
        raise ValueError("QUERY has values")
    n = shares.words.shape[1]
    bits, blocks = unpacked(shares.bits), prepared.sent_blocks(n)
    choices = await _choose(ctx, wanted, prepared, shares, n)
    zero, one = await ctx.compute(_both_masks, blocks, len(wanted.columns))
    mine: dict[Column, Ring] = {}
    for index, column in enumerate(wanted.columns):
        vector = _vector(column, shares, n)
        masked, share = await ctx.compute(_offer, signed(bits, vector), zero[index], one[index])
        await ctx.send(Role.TABLE, masked, f"column{index}")
        mine[column] = share + kept(bits, vector)
    if wanted.payloads:
        own = masks_of(choices[0].keys, choices[0].first, len(wanted.payloads))
        for index, column in enumerate(wanted.payloads):
            masked = await ctx.receive(Role.TABLE, RINGS[column.bits], n, f"payload{index}")
            mine[column] += _take(bits, masked, own[index])
    products = {
        total: as_ring(shares.values[total[0] or 0], RINGS[total[2]]) * mine[_of(total)] for total in wanted.products
    }
    at = 1
    for value in wanted.factors:
        jobs = [total for total in wanted.products if total[0] == value]
        for bit in range(wanted.width(value)):
            digit = unpacked(_bits_of(wanted, value, shares.values)[bit])
            masks = masks_of(choices[at].keys, choices[at].first, len(jobs))
            for index, total in enumerate(jobs):
                ring = _ring(total, bit)
                masked = await ctx.receive(Role.TABLE, ring.type, n, f"product{wanted.products.index(total)}bit{bit}")
                part = _take(digit, masked, masks[index]).astype(products[total].dtype)
                products[total] += part << part.dtype.type(bit)
            at += 1
    return [products[total] if total in products else mine[_of(total)] for total in wanted.totals]


async def rows_at_table(
    ctx: Context, wanted: Wanted, prepared: Prepared, shares: Shares, blocks: ChosenBlocks
) -> list[Ring]:
    """TABLE's shares of each total's rows: (n,) in the total's ring. Its bits are those of `blocks`."""
    n = shares.words.shape[1]
    bits = unpacked(shares.bits)
    opened = await _opened_choices(ctx, wanted, prepared, n)
    own = await ctx.compute(masks_of, blocks.keys, blocks.first, len(wanted.columns))
    mine: dict[Column, Ring] = {}
    for index, column in enumerate(wanted.columns):
        masked = await ctx.receive(Role.QUERY, RINGS[column.bits], n, f"column{index}")
        mine[column] = await ctx.compute(_take, bits, masked, own[index])
    if wanted.payloads:
        zero, one = await ctx.compute(_both_masks, opened[0], len(wanted.payloads))
        for index, column in enumerate(wanted.payloads):
            vector = _vector(column, shares, n)
            masked, share = await ctx.compute(_offer, signed(bits, vector), zero[index], one[index])
            await ctx.send(Role.QUERY, masked, f"payload{index}")
            mine[column] += share + kept(bits, vector)
    products = {total: _least(wanted, total) * mine[_of(total)] for total in wanted.products}
    at = 1
    for value in wanted.factors:
        jobs = [total for total in wanted.products if total[0] == value]
        for bit in range(wanted.width(value)):
            zero, one = await ctx.compute(_both_masks, opened[at], len(jobs))
            for index, total in enumerate(jobs):
                vector = mine[_of(total)].astype(_ring(total, bit))
                masked, share = await ctx.compute(_offer, vector, zero[index], one[index])
                await ctx.send(Role.QUERY, masked, f"product{wanted.products.index(total)}bit{bit}")
                products[total] += share.astype(products[total].dtype) << products[total].dtype.type(bit)
            at += 1
    return [products[total] if total in products else mine[_of(total)] for total in wanted.totals]


async def _choose(ctx: Context, wanted: Wanted, prepared: Prepared, shares: Shares, n: int) -> list[ChosenBlocks]:
    """Tell TABLE how QUERY's bits, and those of its factors, differ from the random choices."""
    if shares.values is None:
        raise ValueError("QUERY has values")
    vectors = [shares.bits] if wanted.payloads else []
    for value in wanted.factors:
        vectors += _bits_of(wanted, value, shares.values)
    chosen = [prepared.chosen_blocks(n) for _ in vectors]
    if vectors:
        masked = [bits ^ blocks.bits for bits, blocks in zip(vectors, chosen, strict=True)]
        await ctx.send(Role.TABLE, np.stack(masked), "choices")
    return chosen


async def _opened_choices(ctx: Context, wanted: Wanted, prepared: Prepared, n: int) -> list[SentBlocks]:
    """Blocks whose keys are those of choice 0, as QUERY chooses."""
    count = wanted.needs(n).query_blocks // n
    sent = [prepared.sent_blocks(n) for _ in range(count)]
    if not sent:
        return []
    shifts = await ctx.receive(Role.QUERY, np.uint8, (count, n // 8), "choices")
    return [await ctx.compute(_shifted, blocks, shift) for blocks, shift in zip(sent, shifts, strict=True)]


def _shifted(blocks: SentBlocks, shift: U8) -> SentBlocks:
    masks = np.negative(unpacked(shift).astype(np.uint64))[:, None]
    return blocks._replace(keys=blocks.keys ^ (masks & blocks.difference))


def _both_masks(blocks: SentBlocks, count: int) -> tuple[U64, U64]:
    """The masks of choice 0 and of choice 1: (count, n) each."""
    return (
        masks_of(blocks.keys, blocks.first, count),
        masks_of(blocks.keys ^ blocks.difference, blocks.first, count),
    )


def _offer(vector: Ring, zero: U64, one: U64) -> tuple[Ring, Ring]:
    """The masked vector, and the sender's share of bit times vector."""
    start = zero.astype(vector.dtype)
    return vector + start - one.astype(vector.dtype), np.negative(start)


def _take(bits: U8, masked: Ring, own: U64) -> Ring:
    """The chooser's share of bit times vector."""
    share: Ring = own.astype(masked.dtype) + kept(bits, masked)
    return share


def _of(total: Total) -> Column:
    """The column that a total sums, or multiplies."""
    value, payload, bits = total
    return Column(None if payload is not None else value, payload, bits)


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
    return RINGS[total[2]](wanted.spans[total[0] or 0][0] % (1 << total[2]))


def _bits_of(wanted: Wanted, value: int, values: NDArray[np.int64]) -> Sequence[U8]:
    """The packed bits of a value less its least, the lowest first."""
    low = np.uint64(wanted.spans[value][0] % (1 << 64))
    above = values[value].view(np.uint64) - low
    return [packed((above >> np.uint64(bit) & np.uint64(1)).astype(np.uint8)) for bit in range(wanted.width(value))]


def _ring(total: Total, bit: int) -> np.dtype[np.unsignedinteger[Any]]:
    """Where bit i of a factor chooses, only the low bits of the vector count: 2^i of it is wanted."""
    return np.dtype(RINGS[32 if total[2] - bit <= 32 else 64])
