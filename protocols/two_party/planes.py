"""The match bit by TABLE's groups: for each group, a shared bit a bin that says "matches, and is of this group".

Functionality  x[j] = b & hot[j], both shared as XORs; x = query ^ table
Parties        QUERY and TABLE hold and receive shares
Security       semi-honest; perfect given the transfers and AES under a public key as an ideal permutation
Leakage        n and the number of groups
Rounds         2
Bytes          0.125 n + 0.625 n P; P groups
Source         an AND as one transfer of 1 in 4 bits, made of 2 of 1 in 2 [NP99, ALSZ13]; two-party.md 2.3

TABLE's shares are the random choices of the transfers that the totals take next. What TABLE receives: bits of QUERY ^
random choices. What QUERY receives: four bits a group, of which it can unmask the one at its own shares.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from glovebox.algebra.bits import packed, unpacked
from glovebox.protocols.two_party.correlations import masks_of
from glovebox.protocols.two_party.prepared import ChosenBlocks, Needs, Prepared
from glovebox.protocols.two_party.totals import both_masks, shifted
from glovebox.runtime.context import Context, Role

U8 = NDArray[np.uint8]
U64 = NDArray[np.uint64]

PLACES = np.array([1, 2, 4, 8], np.uint8)
A_WORD = 16  # groups whose four places are in one word of a hash of the match bit's transfer


def needs_of(n: int, groups: int) -> Needs:
    """Transfers of n bins; TABLE's are the totals' own."""
    return Needs(query_blocks=(1 + groups) * n, table_blocks=groups * n)


async def at_query(ctx: Context, prepared: Prepared, groups: int, bits: U8, words: U64) -> U8:
    """QUERY's shares: (groups, n / 8) packed. bits: (n / 8,); words: (.., n), shares of a bit for each group."""
    n = words.shape[1]
    vectors = [bits, *(packed(_hot(words, group)) for group in range(groups))]
    chosen = [prepared.chosen_blocks(n) for _ in vectors]
    await ctx.send(
        Role.TABLE, np.stack([one ^ blocks.bits for one, blocks in zip(vectors, chosen, strict=True)]), "bits"
    )
    offers = await ctx.receive(Role.TABLE, np.uint8, (groups, n // 2), "products")
    return await ctx.compute(_taken, unpacked(bits), words, chosen, offers)


async def at_table(ctx: Context, prepared: Prepared, groups: int, bits: U8, words: U64) -> list[ChosenBlocks]:
    """TABLE's shares are the bits of the returned blocks, one for each group."""
    n = words.shape[1]
    sent = await shifted(ctx, [prepared.sent_blocks(n) for _ in range(1 + groups)], "bits")
    own = [prepared.chosen_blocks(n) for _ in range(groups)]
    match = await ctx.compute(both_masks, sent[0], -(-groups // A_WORD))
    offers = np.empty((groups, n // 2), np.uint8)
    for group in range(groups):
        hot = await ctx.compute(both_masks, sent[1 + group], 1)
        secret = (unpacked(bits), _hot(words, group), unpacked(own[group].bits))
        offers[group] = await ctx.compute(
            _offer, secret, [_places(one, group) for one in match], [one[0] for one in hot]
        )
    await ctx.send(Role.QUERY, offers, "products")
    return own


def _hot(words: U64, group: int) -> U8:
    """A party's share of each row's bit of a group."""
    bits: U8 = (words[group // 64] >> np.uint64(group % 64) & np.uint64(1)).astype(np.uint8)
    return bits


def _places(masks: U64, group: int) -> U8:
    """The four bits of a group: (n,), one for each value of QUERY's two shares."""
    bits: U8 = (masks[group // A_WORD] >> np.uint64(4 * (group % A_WORD)) & np.uint64(15)).astype(np.uint8)
    return bits


def _offer(secret: tuple[U8, U8, U8], match: list[U8], hot: list[U64]) -> U8:
    """Bit b + 2 h: (b ^ own b) & (h ^ own h) ^ the share, masked by what b's and h's transfers give for b and h."""
    bit, other, share = secret
    masks: U8 = (match[0] & np.uint8(0b0101)) | (match[1] & np.uint8(0b1010))
    masks ^= (hot[0].astype(np.uint8) & np.uint8(0b0011)) | (hot[1].astype(np.uint8) & np.uint8(0b1100))
    masks ^= PLACES[bit ^ 1 | (other ^ 1) << 1]
    masks ^= np.negative(share) & np.uint8(15)
    nibbles: U8 = masks[0::2] | masks[1::2] << np.uint8(4)
    return nibbles


def _taken(bits: U8, words: U64, chosen: list[ChosenBlocks], offers: U8) -> U8:
    match = masks_of(chosen[0].keys, chosen[0].first, -(-len(offers) // A_WORD))
    out = []
    for group, offered in enumerate(offers):
        place = bits + 2 * _hot(words, group)
        masks = masks_of(chosen[1 + group].keys, chosen[1 + group].first, 1)[0].astype(np.uint8)
        masks ^= _places(match, group)
        masks[0::2] ^= offered & 15
        masks[1::2] ^= offered >> 4
        out.append(packed(masks >> place & 1))
    return np.stack(out)
