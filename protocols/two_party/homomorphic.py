"""Sums over matching ids by Diffie-Hellman matching and encrypted columns: thin on the wire, with one bounded leak.

Functionality  QUERY gets sums[c] + noise[c], in two halves, over its ids that are TABLE's, of TABLE's columns c
Parties        QUERY matches and asks, TABLE encrypts and answers
Security       semi-honest; DDH in ristretto255, SHA-512 as a random oracle, RLWE; 2^-74 (false match) + 2^-53 a sum
Leakage        to QUERY the number of common ids plus noise of TABLE, see `common`; else n_query, n_table, C
Rounds         3
Bytes          163856 + 48 m + 32 e + 163840 C + 163840 C k; m, e: both lists with dummies, k blocks of 8192 of e
Source         Meadows 1986, [HFH99] (matching); [IKNPRSSSY20] (sums), by RLWE selection; two-party.md 1

What TABLE receives: QUERY's ids times a secret of QUERY, and a selection hidden by RLWE: nothing about what is common.
What QUERY receives: TABLE's ids times a secret of TABLE; its own ids times that, sorted anew; ciphertexts; and answers
under noise that drowns all but the sum. It sees how many of the former are among the latter: common ids and `common`
dummies that both lists hold. Without dummies it sees the exact number.
"""

from __future__ import annotations

import decimal
import functools
import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glovebox.algebra import ristretto, rlwe
from glovebox.algebra.streams import Stream
from glovebox.protocols.two_party.base_transfers import peer_of
from glovebox.runtime.context import Context, Role

U8 = NDArray[np.uint8]
U32 = NDArray[np.uint32]
U64 = NDArray[np.uint64]

SIZE_EPSILON = decimal.Decimal("0.1")  # what a session costs beside its answers' noise
HALF = 248  # dummies of the middle: beyond them a draw has a chance under 2^-40 (two-party.md 1.5)
CUT = 16  # bytes of a point that are compared
BAD_POINTS = "sent points that the group has not, or out of order, or one twice"
REAL, DUMMY, FILLER = b"\0", b"\1", b"\2"


@dataclass(frozen=True)
class Lists:
    """The public shape: padded rows of both, columns, and whether dummies hide how many ids are common."""

    n_query: int
    n_table: int
    columns: int
    hidden: bool

    @property
    def dummies(self) -> int:
        """How many both lists are longer by."""
        return 2 * HALF if self.hidden else 0

    @property
    def sizes(self) -> tuple[int, int]:
        """Of QUERY's list and of TABLE's."""
        return self.n_query + self.dummies, self.n_table + self.dummies

    @property
    def blocks(self) -> int:
        """Ciphertexts of a column."""
        return -(-self.sizes[1] // rlwe.N)

    @property
    def frame(self) -> tuple[int, int, int]:
        """Ciphertexts of all columns."""
        return (self.columns * self.blocks, len(rlwe.PRIMES), rlwe.N)

    @property
    def largest_frame(self) -> int:
        """Bytes of the largest frame."""
        return max(32 * max(self.sizes), 4 * (self.frame[0] + 1) * len(rlwe.PRIMES) * rlwe.N)

    def traffic(self) -> dict[str, float]:
        """The sizes of the card."""
        return {"m": self.sizes[0], "e": self.sizes[1], "C": self.columns, "k": self.blocks}


async def at_query(ctx: Context, lists: Lists, ids: U8) -> tuple[int, list[int]]:
    """How many points of both lists are alike, and QUERY's halves of the sums: numbers below rlwe.Q. ids: distinct."""
    m, e = lists.sizes
    secret = ristretto.scalar(ctx.private("secret").bytes(ristretto.UNIFORM_BYTES))
    items = _items(ids, lists.n_query, lists.dummies, 0, ctx.private("fillers"))
    own = await ctx.compute(_points, secret, ctx.key(Role.TABLE, "hash"), items)
    await ctx.send(Role.TABLE, own[_order(own)], "query")
    theirs = await _received(ctx, e, "table")
    again = await _multiplied(ctx, secret, theirs)
    seed = (await ctx.receive(Role.TABLE, np.uint8, 16, "seed")).tobytes()
    public, *bodies = await _elements(ctx, (lists.frame[0] + 1, *lists.frame[1:]), "columns")
    cuts = await ctx.receive(Role.TABLE, np.uint8, (m, CUT), "cuts")
    if not _is_rising(cuts):
        ctx.blame(Role.TABLE, "sent points out of order, or one twice")
    places = np.zeros((lists.blocks, rlwe.N), bool)
    places.reshape(-1)[:e] = np.isin(_whole(again[:, :CUT]), _whole(cuts))
    masks = await ctx.compute(rlwe.uniform, Stream(seed), lists.frame[0] + 1)
    asked, halves = np.empty((lists.columns, *lists.frame[1:]), np.uint32), []
    for column in range(lists.columns):
        piece = slice(column * lists.blocks, (column + 1) * lists.blocks)
        job = (masks[1:][piece], np.stack(bodies[piece]), places, (masks[0], public), ctx.private(f"hide{column}"))
        asked[column], half = await ctx.compute(rlwe.selected, *job)
        halves.append(half)
    await ctx.send(Role.TABLE, asked, "selections")
    return int(places.sum()), halves


async def at_table(ctx: Context, lists: Lists, ids: U8, columns: NDArray[np.int64], noise: Sequence[int]) -> list[int]:
    """TABLE's halves, to be sent to QUERY: numbers below rlwe.Q. columns (C, n), of its ids; noise: of each sum."""
    m = lists.sizes[0]
    secret = ristretto.scalar(ctx.private("secret").bytes(ristretto.UNIFORM_BYTES))
    shared = common(ctx.entropy(16)) if lists.hidden else 0
    items = _items(ids, lists.n_table, shared, lists.dummies - shared, ctx.private("fillers"))
    own = await ctx.compute(_points, secret, ctx.key(Role.QUERY, "hash"), items)
    order = _order(own)
    await ctx.send(Role.QUERY, own[order], "table")
    seed, random = ctx.private("seed").bytes(16), ctx.private("key")
    masks = await ctx.compute(rlwe.uniform, Stream(seed), lists.frame[0] + 1)
    key = await ctx.compute(rlwe.key, random, masks[0])
    numbers = np.zeros((lists.columns, lists.blocks * rlwe.N), np.int64)
    real = order < len(ids)
    numbers[:, np.flatnonzero(real)] = columns[:, order[real]]
    bodies = await ctx.compute(rlwe.encrypted, key.secret, masks[1:], numbers.reshape(-1, rlwe.N), random)
    theirs = await _received(ctx, m, "query")
    cuts = (await _multiplied(ctx, secret, theirs))[:, :CUT]
    await ctx.send(Role.QUERY, np.frombuffer(seed, np.uint8), "seed")
    await ctx.send(Role.QUERY, np.concatenate([key.public[1][None], bodies]).astype(np.uint32), "columns")
    await ctx.send(Role.QUERY, cuts[_order(cuts)], "cuts")
    asked = await _elements(ctx, (lists.columns, *lists.frame[1:]), "selections")
    return [
        await ctx.compute(rlwe.answered, one, key.secret, added, ctx.private(f"flood{column}"))
        for column, (one, added) in enumerate(zip(asked, noise, strict=True))
    ]


def common(uniform: bytes) -> int:
    """How many dummies both lists hold: a discrete Laplace around HALF, cut off at 0 and 2 HALF. uniform: 16 bytes."""
    drawn = int.from_bytes(uniform, "little")
    return min(2 * HALF, sum(drawn >= bound for bound in _bounds()))  # all are looked at, whatever is drawn


@functools.cache
def _bounds() -> tuple[int, ...]:
    with decimal.localcontext(prec=60):
        weights = [(-SIZE_EPSILON * abs(place - HALF)).exp() for place in range(2 * HALF + 1)]
        whole = sum(weights)
        return tuple(int(part / whole * 2**128) for part in itertools.accumulate(weights))


def _items(ids: U8, bound: int, shared: int, lone: int, random: Stream) -> list[tuple[bytes, U8]]:
    """What is hashed: ids, dummies that the other list has too, and random fillers up to the public length."""
    dummies = np.arange(shared, dtype="<u8").view(np.uint8).reshape(shared, 8)
    fillers = random.read((bound - len(ids) + lone, 32), np.uint8)
    return [(REAL, ids), (DUMMY, dummies), (FILLER, fillers)]


def _points(secret: bytes, key: bytes, items: list[tuple[bytes, U8]]) -> U8:
    digests = []
    for kind, rows in items:
        prefix, octets, width = b"glovebox/pjs/1/id" + key + kind, rows.tobytes(), rows.shape[1]
        starts = range(0, len(octets), width)
        digests += [hashlib.sha512(prefix + octets[start : start + width]).digest() for start in starts]
    uniform = np.frombuffer(b"".join(digests), np.uint8).reshape(-1, ristretto.UNIFORM_BYTES)
    return ristretto.hashed_times(secret, uniform)


async def _received(ctx: Context, count: int, name: str) -> U8:
    """The other's list, each point once, in order; whether they are points is seen when they are multiplied."""
    octets = await ctx.receive(peer_of(ctx), np.uint8, (count, ristretto.ELEMENT_BYTES), name)
    if not _is_rising(octets):
        ctx.blame(peer_of(ctx), BAD_POINTS)
    return octets


async def _multiplied(ctx: Context, secret: bytes, points: U8) -> U8:
    try:
        return await ctx.compute(ristretto.all_times, secret, points)
    except ValueError:  # no canonical encoding of an element, or the identity
        ctx.blame(peer_of(ctx), BAD_POINTS)


async def _elements(ctx: Context, shape: tuple[int, ...], name: str) -> U64:
    """Elements of the ring, whose residues are below their primes."""
    found = await ctx.receive(peer_of(ctx), np.uint32, shape, name)
    if (found >= rlwe.P.astype(np.uint32)).any():
        ctx.blame(peer_of(ctx), "sent numbers that are no residues")
    return found.astype(np.uint64)


def _order(octets: U8) -> NDArray[np.intp]:
    """What sorts rows as bytes."""
    return np.lexsort(_words(octets)[::-1])


def _is_rising(octets: U8) -> bool:
    """Whether each row is above the one before: at its last word, or at an earlier one if that is not alike."""
    above = np.zeros(max(len(octets) - 1, 0), bool)
    for word in _words(octets)[::-1]:
        above = (word[1:] > word[:-1]) | (word[1:] == word[:-1]) & above
    return bool(above.all())


def _words(octets: U8) -> NDArray[np.uint64]:
    """Rows as numbers that compare as their bytes do, the highest first: (words, n)."""
    return np.ascontiguousarray(octets).view(">u8").astype(np.uint64).T


def _whole(octets: U8) -> NDArray[np.void]:
    """Rows as single things."""
    return np.ascontiguousarray(octets).view(f"V{octets.shape[1]}").reshape(-1)
