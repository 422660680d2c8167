"""Ids become pseudonyms that only QUERY and TABLE can make, and HELPER gets QUERY's.

Functionality  HELPER gets (x, y)[i] = PRF(id[i]) of QUERY's rows; QUERY and TABLE also PRF masks of their own rows
Parties        QUERY and TABLE hold ids and a key; HELPER receives
Security       semi-honest, one corrupt party; AES is a PRP
Leakage        n to HELPER
Rounds         1
Bytes          13 n
Source         Bellare, Kilian, Rogaway, JCSS 2000 (CBC-MAC); psi.md 4; a key of two of three [LRG19, MRR20]
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glovebox.algebra import identifiers
from glovebox.algebra.streams import Stream
from glovebox.runtime.context import Context, Role

U8 = NDArray[np.uint8]
U64 = NDArray[np.uint64]
Y_BYTES = 5


@dataclass(frozen=True, repr=False)
class Pseudonyms:
    """x: (n,) uint64; y: (n, 5) uint8; masks: (words, n) uint64, word 0 is the tag; no masks at HELPER."""

    x: U64
    y: U8
    masks: U64 | None

    def __repr__(self) -> str:
        return f"<Pseudonyms of {len(self.x)} rows>"


async def pseudonyms(ctx: Context, ids: U8 | None, n: int, words: int) -> Pseudonyms:
    """Pseudonyms of QUERY's rows at QUERY and HELPER, of TABLE's own rows at TABLE.

    ids: (rows, 16 blocks) uint8 at QUERY and TABLE, distinct, already padded; None at HELPER. n: QUERY's public number
    of rows. words: mask words of each id.
    """
    match ctx.role:
        case Role.QUERY:
            own = await _hashed(ctx, Role.TABLE, ids, words)
            await ctx.send(Role.HELPER, own.x, "x")
            await ctx.send(Role.HELPER, own.y, "y")
            return own
        case Role.TABLE:
            return await _hashed(ctx, Role.QUERY, ids, words)
        case Role.HELPER:
            x = await ctx.receive(Role.QUERY, np.uint64, n, "x")
            y = await ctx.receive(Role.QUERY, np.uint8, (n, Y_BYTES), "y")
            if await ctx.compute(_any_repeat, x, y):
                ctx.blame(Role.QUERY, "sent a pseudonym twice")  # a row that counts double (psi.md 15)
            return Pseudonyms(x, y, None)
        case None:
            raise ValueError("only QUERY, TABLE and HELPER take part")


def with_padding(ids: U8, rows: int, random: Stream) -> U8:
    """Ids and then random ones, which match nothing; from here on both are treated alike, so time tells only rows."""
    if len(ids) == rows:
        return ids
    padded = np.empty((rows, ids.shape[1]), np.uint8)
    padded[: len(ids)] = ids
    random.fill(padded[len(ids) :])
    return padded


async def _hashed(ctx: Context, other: Role, ids: U8 | None, words: int) -> Pseudonyms:
    if ids is None:
        raise ValueError("QUERY and TABLE need ids")
    keys = [ctx.key(other, f"mask{i}") for i in range(-(-words // 2))]
    return await ctx.compute(_hash, ids, ctx.key(other, "id"), ctx.key(other, "pseudonym"), keys, words)


def _hash(ids: U8, id_key: bytes, pseudonym_key: bytes, mask_keys: list[bytes], words: int) -> Pseudonyms:
    hashes = identifiers.hash_ids(ids, id_key)
    x, y = identifiers.pseudonyms(hashes, pseudonym_key)
    return Pseudonyms(x, y, identifiers.masks(hashes, mask_keys, words))


def _any_repeat(x: U64, y: U8) -> bool:
    """Whether two pairs (x, y) are equal; x alone repeats by chance with 2**-25 at a million rows."""
    if not identifiers.may_repeat(x[:, None]):
        return False
    pairs = np.concatenate([x.view(np.uint8).reshape(-1, 8), y], axis=1)
    return len(np.unique(pairs, axis=0)) < len(x)
