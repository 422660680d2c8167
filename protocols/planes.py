"""A shared bit of each row becomes one bit for each group of TABLE's column: set in the group of the matching row.

Functionality  plane[c, j] = bit[c] & word bit j; the groups of a row of TABLE ride in XOR-shared words, one bit each
Parties        QUERY and HELPER hold and receive shares; TABLE deals
Security       semi-honest, one corrupt party; perfect given the streams
Leakage        n, the number of choices and of groups
Rounds         1
Bytes          0.25 n c + 0.25 n G + 0.125 n c G; c choices, G groups
Source         Beaver, CRYPTO 1991 (dealt AND); psi.md 8 (GROUP BY a column of T)

A choice's bit and a group's bit are opened once each, masked, and serve every product that they are a factor of.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from glovebox.algebra.bits import packed, unpacked
from glovebox.algebra.streams import Stream
from glovebox.runtime.context import Context, Role

U8 = NDArray[np.uint8]
U64 = NDArray[np.uint64]
GROUPS_A_WORD = 64


async def group_planes(
    ctx: Context, bits: U8 | None, words: U64 | None, n: int, choices: int, groups: int
) -> U8 | None:
    """XOR shares of every choice's bit within every group: (choices groups, n) uint8 of 0 and 1, None at TABLE.

    bits: (choices, n) uint8 of 0 and 1, words: (ceil(groups / 64), n) uint64, XOR shares at QUERY and HELPER. n: a
    multiple of 8.
    """
    shape = choices, groups, n // 8
    match ctx.role:
        case Role.TABLE:
            masks = ctx.stream(Role.QUERY, "d"), ctx.stream(Role.HELPER, "d"), ctx.stream(Role.HELPER, "c")
            await ctx.send(Role.QUERY, await ctx.compute(_correction, *masks, shape), "c")
            return None
        case Role.QUERY | Role.HELPER:
            if bits is None or words is None:
                raise ValueError("QUERY and HELPER have bits and words")
            other = Role.HELPER if ctx.role is Role.QUERY else Role.QUERY
            mask, masked = await ctx.compute(_masked, ctx.stream(Role.TABLE, "d"), bits, words, groups)
            await ctx.send(other, masked, "d")
            theirs = await ctx.receive(other, np.uint8, masked.shape, "d")
            if ctx.role is Role.QUERY:
                correction = await ctx.receive(Role.TABLE, np.uint8, shape, "c")
            else:
                correction = await ctx.compute(ctx.stream(Role.TABLE, "c").read, shape, np.uint8)
            opened = masked ^ theirs
            return await ctx.compute(_products, opened, mask, correction, choices, ctx.role is Role.QUERY)
        case None:
            raise ValueError("a party outside the run has no part in it")


def group_words(groups: NDArray[np.int64], count: int) -> U64:
    """TABLE's words of its rows' groups: (ceil(count / 64), n) uint64 with bit groups[i] of row i set, from (n,)."""
    bits = np.uint64(1) << (groups.view(np.uint64) % np.uint64(GROUPS_A_WORD))
    words = np.arange(-(-count // GROUPS_A_WORD))
    return np.where(groups // GROUPS_A_WORD == words[:, None], bits, np.uint64(0))


def _masked(stream: Stream, bits: U8, words: U64, groups: int) -> tuple[U8, U8]:
    """The masks of all wires, the choices' first, and the wires under them."""
    wires = np.empty((len(bits) + groups, bits.shape[1] // 8), np.uint8)
    wires[: len(bits)] = packed(bits)
    for group in range(groups):
        word, bit = divmod(group, GROUPS_A_WORD)
        wires[len(bits) + group] = packed((words[word] >> np.uint64(bit)).astype(np.uint8) & np.uint8(1))
    mask = stream.read(wires.shape, np.uint8)
    return mask, wires ^ mask


def _correction(of_query: Stream, of_helper: Stream, gamma: Stream, shape: tuple[int, int, int]) -> U8:
    """(A & B) ^ gamma: QUERY's share of the products of the masks; HELPER's is gamma."""
    choices, groups, size = shape
    masks = of_query.read((choices + groups, size), np.uint8) ^ of_helper.read((choices + groups, size), np.uint8)
    products: U8 = masks[:choices, None] & masks[None, choices:]
    return products ^ gamma.read(shape, np.uint8)


def _products(opened: U8, mask: U8, correction: U8, choices: int, at_query: bool) -> U8:
    """x y = X Y + X b + Y a + ab in Z_2, with X = x + a and Y = y + b opened."""
    (left, right), (a, b) = np.split(opened, [choices]), np.split(mask, [choices])
    products = (left[:, None] & b[None]) ^ (right[None] & a[:, None]) ^ correction
    if at_query:
        products ^= left[:, None] & right[None]
    return unpacked(products).reshape(len(left) * len(right), -1)
