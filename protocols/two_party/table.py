"""TABLE's rows in a table that QUERY looks up: each bin's tag and words are shared, equal and right on a match.

Functionality  word[j] = query + table = payload (bits: query ^ table) where the bin's id is TABLE's; there, tags match
Parties        TABLE holds ids and payloads, QUERY ids; both receive shares
Security       semi-honest; masks.py; error 2^-44 a table (none found), 2^-64 a bin (false match)
Leakage        n; the number of TABLE's rows
Rounds         2
Bytes          24 n + 8 W R; R rows of the table, 4.5 to 5.8 for one of TABLE's, see okvs.layout_of
Source         Pinkas, Schneider, Tkachenko, Yanai, EUROCRYPT 2019 (bins); tables as in psi.md 5; two-party.md 2.2

Each of TABLE's ids is in the table at all four of its bins: tag[bin] and payload - word[bin], masked by the function
of that bin at that id. QUERY knows a bin's function at one id: it looks up that bin's tag if the id is there, and noise
else. It receives a table of masked values, uniform but for the words that it unmasks, which are shares.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glovebox.algebra import codes, cuckoo, identifiers, okvs
from glovebox.algebra.kernels import kernels
from glovebox.algebra.streams import Stream
from glovebox.errors import GloveboxError
from glovebox.protocols.two_party.base_transfers import peer_of
from glovebox.protocols.two_party.masks import Functions, Trees, evaluated, functions, masks, values_at
from glovebox.runtime.context import Context, Role

U8 = NDArray[np.uint8]
U32 = NDArray[np.uint32]
U64 = NDArray[np.uint64]


@dataclass(frozen=True)
class Size:
    """Public sizes of one shard, and its number.

    bins; TABLE's rows; words of a row: the tag, payloads, and words of bits.
    """

    bins: int
    rows: int
    payloads: int
    bit_words: int = 0
    shard: int = 0

    @property
    def words(self) -> int:
        """Of a row in all."""
        return 1 + self.payloads + self.bit_words

    @property
    def parts(self) -> tuple[slice, slice]:
        """Where the payloads are, which are shared as sums, and the bits, which are shared as XORs."""
        return slice(1, 1 + self.payloads), slice(1 + self.payloads, self.words)

    @property
    def layout(self) -> okvs.Layout:
        """Of the table."""
        return okvs.layout_of(cuckoo.FUNCTIONS * self.rows)


@dataclass(frozen=True, repr=False)
class Asked:
    """What QUERY needs to look up its bins: the ids' hashes (bins, 2), and the values of the bins' functions there."""

    size: Size
    hashes: U64
    values: U64

    def __repr__(self) -> str:
        return f"<Asked: {self.size.bins} bins>"


async def asked(ctx: Context, planting: Trees, size: Size, hashes: U64) -> Asked:
    """QUERY's first part, which waits for nothing. hashes: (bins, 2), of the id in each bin (`cuckoo.mixed`)."""
    words = await ctx.compute(codes.code_words, hashes, _code_keys(ctx))
    return Asked(size, hashes, await evaluated(ctx, planting, words))


async def looked_up(ctx: Context, asked: Asked) -> U64:
    """QUERY's shares: (words, bins), the tag first. ctx: the one that `asked` had."""
    table = await ctx.receive(Role.TABLE, np.uint64, (asked.size.layout.rows, asked.size.words), "rows")
    return await ctx.compute(_unmasked, asked, ctx.key(Role.TABLE, "slots"), table)


async def programmed(ctx: Context, planting: Trees, size: Size, hashes: U64, placed: U32, rows: U64) -> U64:
    """TABLE's shares: (words, bins), the tag first; random.

    hashes: (rows, 2) and placed: (rows, 4), of its ids; rows: (words - 1, rows), payloads and then bits.
    """
    code = _code_keys(ctx)
    slots = ctx.key(Role.QUERY, "slots")
    shares = ctx.private("shares").read((size.words, size.bins), np.uint64)
    inverse = await functions(ctx, planting, size.bins)
    free = ctx.private("free")
    table = await ctx.compute(_encoded, size, code, slots, inverse, hashes, placed, rows, shares, free, ctx.path)
    await ctx.send(Role.QUERY, table, "rows")
    return shares


def _code_keys(ctx: Context) -> tuple[bytes, bytes]:
    peer = peer_of(ctx)
    return ctx.key(peer, "code0"), ctx.key(peer, "code1")


def _unmasked(asked: Asked, slots: bytes, table: U64) -> U64:
    size, (numbers, bits) = asked.size, asked.size.parts
    x, y = identifiers.pseudonyms(asked.hashes, slots)
    words = okvs.decode(kernels(), size.layout, table, x, y)
    hidden = masks(asked.values, np.arange(size.bins, dtype=np.uint32), size.words, size.shard * size.bins)
    words[0] ^= hidden[0]
    words[numbers] += hidden[numbers]
    words[bits] ^= hidden[bits]
    return words


def _encoded(
    size: Size, code: tuple[bytes, bytes], slots: bytes, inverse: Functions, hashes: U64, placed: U32, rows: U64,
    shares: U64, free: Stream, step: str,
) -> U64:  # fmt: skip
    n, (numbers, bits) = len(hashes), size.parts
    x, y = np.empty(4 * n, np.uint64), np.empty((4 * n, 5), np.uint8)
    values: U64 = np.empty((4 * n, size.words), np.uint64)
    for function in range(cuckoo.FUNCTIONS):
        part = slice(function * n, (function + 1) * n)
        mixed = cuckoo.mixed(hashes, function)
        x[part], y[part] = identifiers.pseudonyms(mixed, slots)
        bins = np.ascontiguousarray(placed[:, function])
        known = values_at(inverse, bins, codes.code_words(mixed, code))
        hidden = masks(known, bins, size.words, size.shard * size.bins)
        values[part, 0] = shares[0, bins] ^ hidden[0]
        values[part, numbers] = (rows[: size.payloads] - shares[numbers][:, bins] - hidden[numbers]).T
        values[part, bits] = (rows[size.payloads :] ^ shares[bits][:, bins] ^ hidden[bits]).T
    table = free.read((size.layout.rows, size.words), np.uint64)
    try:
        okvs.encode(kernels(), size.layout, x, y, values, table)
    except okvs.UnsolvableError as problem:
        raise no_place("the table could not be built", step) from problem
    return table


def no_place(what: str, step: str) -> GloveboxError:
    """The fixed error of a run that hashes alone end."""
    return GloveboxError(
        f"{what}, by a chance of less than 2^-40 that no data changes",
        code="no_table",
        step=step,
        hint="ask again: a new session has new keys",
    )
