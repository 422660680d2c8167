"""Whether all parties did what they should: every product, and every value that opened, checked at once.

Functionality  return if x y = z for each noted product, and each noted share is of the value that opened; else raise
Parties        all m computing parties hold shares, send and receive
Security       active: t = (m - 1) // 2 parties that lie are found out by every other, but with 2^-44; nothing is known
               of what is checked, statistically 2^-56; coins in the random-oracle model
Leakage        nothing but how many products and openings there are, and that all are right
Rounds         4 + 2 l; l, how often claims fall into parts: 1 up to 31 products of numbers, dealt bits among them, and
               127 of bits; 2 up to 620 and 14,336; one round less before something opens under a mask
Bytes          p m C + r E + p D + p m F; p = m - 1, r = (2 t + 1) p, C bytes of coins and words, E of inner products,
               D of what proves dealt bits, F of what opens, which `traffic` counts
Source         Boneh et al., CRYPTO 2019, 4.2; Goyal and Song, ePrint 2020/134, 4 (products as one claim, halved again
               and again); Chida et al., CRYPTO 2018 (errors in products are all that t parties can bring in)

A party that lies in the share of a product adds what it likes to the product, and that it knows [Chida et al., 2.3]: so
products may be checked later, before anything opens that hangs on them. What opens before stands under masks.

First all compare what opened to them, and commit to their parts of all coins: a chain of hashes, told from its end.
Each party tells its next part when it has all that was sent before, so that who is told a coin cannot change any more
what is checked with it. `claims.py` makes one claim in each field of all products, which falls into parts l times:
inner products are shared again, then a coin tells the point. At last a random product is put in, so that what is left
is random, and opens: two numbers, their product, and a sum that is 0 if all openings were right. All m shares of these
must be of degree t, of which the m - t of honest parties are enough to tell; so nobody can lie about them. Claims that
are to fall once fall in this last way: each product is then a part, and a dealt bit is a product, b (b - 1) = 0.

A wrong product, or opening, passes with 2^-56 by its weight in the claim, and with 2^8 / 2^56 each time that falls.

What a party receives: hashes and coins; shares of degree t with fresh coefficients, t of which are uniform; and two
random numbers, their product and 0, with t shares of which the others' are known beforehand.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from glovebox.algebra.gf2_56 import LANES
from glovebox.algebra.streams import Stream, derive
from glovebox.errors import IntegrityError
from glovebox.protocols.claims import (
    ENDS,
    MOST_PARTS,
    PROOF_PARTS,
    BitsClaim,
    Claim,
    NumbersClaim,
    inner_of,
    mask_of_bits,
    mask_of_numbers,
)
from glovebox.runtime.context import Context
from glovebox.runtime.noted import Noted

Result = TypeVar("Result")

HASH = 32
FIRST_PARTS, LAST_PARTS = 20, 32  # of numbers: of many, and at all


async def verified(ctx: Context) -> None:
    """Return if all that was computed since the last time is right, and nobody has found it to be wrong.

    Raises IntegrityError or BadFrame if not. Before it nothing of an answer may open, or be kept.
    """
    await checked(ctx)
    await exchanged(ctx.narrow("held"), b"1")


async def checked(ctx: Context) -> None:
    """Return if all that was computed since the last time is right, before something opens under a mask."""
    noted = await ctx.shamir.settled()
    if noted.unchecked:
        raise IntegrityError(f"{noted.unchecked} cannot be checked", step=ctx.path)
    if not noted.modulus and not noted.bits.products and not noted.bits.openings:
        return  # nothing was computed
    if not noted.modulus or (noted.bits.openings and not noted.products[1]):
        raise IntegrityError("bits without numbers, or without products, cannot be checked", step=ctx.path)
    plan = falls(*noted.products, [len(one.share) for one in noted.dealt_bits])
    if once := len(plan) == 1:
        noted.multiply_dealt()
    coins = await _committed(ctx.narrow("seen"), noted.digest, 1 + len(plan))
    coin = await coins.tell(ctx.narrow("weights"))
    numbers = NumbersClaim(noted, Stream(derive(coin, "numbers")))
    bits = BitsClaim(noted.bits, Stream(derive(coin, "bits")), once=once) if noted.products[1] else None
    claims: list[Claim] = [numbers] if bits is None else [numbers, bits]
    proofs = _Proofs(ctx.narrow("proofs"), noted, numbers)
    for step, parts in enumerate(plan):
        if step == len(plan) - 1:
            numbers.hide(mask_of_numbers(ctx.shamir, ctx.label("numbers"), noted.modulus))
            if bits is not None:
                bits.hide(mask_of_bits(ctx.shamir, ctx.label("bits")))
        products = [claim.fall(count) for claim, count in zip(claims, parts, strict=False)]
        shares = await _reshared(ctx.narrow(f"parts{step}"), claims, products)
        if step == 0:
            await proofs.taken()
        coin = await coins.tell(ctx.narrow(f"point{step}"))
        for place, (claim, share) in enumerate(zip(claims, shares, strict=True)):
            claim.meet(share, Stream(derive(coin, str(place))))
    await _open_ends(ctx.narrow("ends"), claims)


def falls(numbers: int, bits: int, dealt: Sequence[int] = ()) -> list[tuple[int, int]]:
    """Into how many parts both claims fall, each time, for so many products; dealt: bits of each dealing.

    Without bits there is one claim, and 0 in the place of the other.
    """
    if numbers + sum(dealt) < LAST_PARTS and bits < MOST_PARTS:  # each a part, and one is random
        return [(1 + max(1, numbers + sum(dealt)), _parts_of_bits(bits, 1)[0])]
    numbers, columns, times = max(1, numbers), sum(-(-count // PROOF_PARTS) for count in dealt), 2
    while True:
        ones, others = _parts_of_numbers(numbers, columns, times), _parts_of_bits(bits, times)
        if ones[0] <= FIRST_PARTS and max(ones) <= LAST_PARTS and max(others) <= MOST_PARTS:
            return list(zip(ones, others, strict=True))
        times += 1


def largest_frame(s: int) -> int:
    """Bytes of the largest frame, at most; s: bytes of a number."""
    return max(2 * LAST_PARTS * s + 2 * MOST_PARTS * LANES, (PROOF_PARTS - 1) * s)


def traffic(numbers: int, bits: int, s: int, dealt: Sequence[int] = ()) -> dict[str, int]:
    """The sizes of the card; s: bytes of a number."""
    plan = falls(numbers, bits, dealt)
    products = [(2 * one - 2) * s + max(0, 2 * other - 1) * LANES for one, other in plan]
    if len(plan) > 1:
        products[0] -= max(0, plan[0][1] - 1) * LANES  # at first a claim is one of each part
    return {
        "l": len(plan),
        "C": 2 * HASH * (len(plan) + 2) + 1,
        "E": sum(products),
        "D": len(dealt) * (PROOF_PARTS - 1) * s * (len(plan) > 1),
        "F": ENDS * (s + LANES * (bits > 0)),
    }


def _parts_of_numbers(length: int, columns: int, times: int) -> list[int]:
    """Parts each time, so that one product is left. The last time one of them is random. columns: that come after once.

    n numbers in k parts cost k n products, so the fewer there are, the more parts: squared each time costs the least.
    """
    found = []
    for left in range(times - 1, 0, -1):
        room = max(1, (LAST_PARTS - 1) * LAST_PARTS ** (left - 1) - columns)  # for what the later times can do
        found.append(max(1, math.ceil(length ** (1 / (2 ** (left + 1) - 1)) - 1e-9), -(-length // room)))
        length, columns = -(-length // found[-1]) + columns, 0
    return [*found, 1 + length]


def _parts_of_bits(length: int, times: int) -> list[int]:
    """The same, as powers of two, and about as many each time: what they cost hardly hangs on their number."""
    if not length:
        return [0] * times
    found, inner = [], inner_of(length)
    for left in range(times, 0, -1):
        count = 1 + length if left == 1 else max(1, math.ceil(length ** (1 / left) - 1e-9))
        found.append(1 << (count - 1).bit_length())
        length = -(-length // (found[-1] * inner)) * inner
        inner = 1
    return found


class _Coins:
    """Random numbers that no t parties choose, or know before every honest party has told its part of them."""

    def __init__(self, chain: list[bytes], known: dict[int, bytes]) -> None:
        self._chain, self._known = chain, known
        self._all = hashlib.sha256(b"".join(known[party] for party in sorted(known))).digest()

    def __repr__(self) -> str:
        return f"<_Coins: {len(self._chain)} to be told>"

    async def tell(self, ctx: Context) -> bytes:
        """The next one. What all parties committed to goes with their parts: it was the same to all."""
        self._known[ctx.party] = self._chain.pop()
        for party, told in (await exchanged(ctx, self._known[ctx.party] + self._all)).items():
            part, committed = told[:HASH], told[HASH:]
            if _hashed(part) != self._known[party]:
                ctx.blame(party, "sent a part of a coin that is not what it had committed to")
            if committed != self._all:
                raise IntegrityError("a party committed to different parts of a coin", step=ctx.path)
            self._known[party] = part
        return hashlib.sha256(b"".join(self._known[party] for party in ctx.parties)).digest()


async def _committed(ctx: Context, seen: bytes, coins: int) -> _Coins:
    """Coins to which all have committed who saw the same open. Raises IntegrityError if not all did."""
    chain = [ctx.private("coins").bytes(HASH)]
    for _ in range(coins):
        chain.append(_hashed(chain[-1]))
    known = {ctx.party: chain.pop()}
    for party, sent in (await exchanged(ctx, seen + known[ctx.party])).items():
        if sent[:HASH] != seen:
            raise IntegrityError("a party sent others different shares of what was opened", step=ctx.path)
        known[party] = sent[HASH:]
    return _Coins(chain, known)


class _Proofs:
    """What proves the bits that parties dealt: each of these deals as often, at once with the first inner products."""

    def __init__(self, ctx: Context, noted: Noted, claim: NumbersClaim) -> None:
        self._exchange, self._label, self._p = ctx.shamir.exchange, ctx.label("dealt"), noted.modulus
        self._claim, self._of = claim, [one.dealer for one in noted.dealt_bits]
        dealers = set(self._of)
        self._shares: dict[int, Any] = dict.fromkeys(sorted(dealers))
        if ctx.shamir.index in dealers:
            self._shares[ctx.shamir.index] = self._exchange.deal(self._label, claim.proofs(), noted.modulus)

    def __repr__(self) -> str:
        return f"<_Proofs of {len(self._of)}>"

    async def taken(self) -> None:
        """Give the claim this party's shares of all."""
        for dealer, share in self._shares.items():
            if share is None:
                count = self._of.count(dealer) * (PROOF_PARTS - 1)
                self._shares[dealer] = await self._exchange.taken(self._label, dealer, self._p, count)
        each = {dealer: iter(share.reshape(-1, PROOF_PARTS - 1)) for dealer, share in self._shares.items()}
        self._claim.prove([next(each[dealer]) for dealer in self._of])


async def _reshared(ctx: Context, claims: Sequence[Claim], products: Sequence[Any]) -> list[Any]:
    """Shares of the inner products of both claims, one frame from each of 2t + 1 parties to each other [GRR98]."""
    me, m, t = ctx.shamir.index, ctx.shamir.m, ctx.shamir.threshold
    private = ctx.private("shares")
    dealt = [claim.split(product, private, t, m) for claim, product in zip(claims, products, strict=True)]
    sizes = [len(one[0]) for one in dealt]
    seen = []
    if me <= 2 * t:
        for place, party in enumerate(ctx.parties):
            if place != me:
                await ctx.send(party, np.frombuffer(b"".join(one[place] for one in dealt), np.uint8))
    for place, party in enumerate(ctx.parties[: 2 * t + 1]):
        own = b"".join(one[me] for one in dealt)
        seen.append(own if place == me else (await ctx.receive(party, np.uint8, sum(sizes))).tobytes())
    return [
        _of(ctx, claim.joined, [one[start : start + size] for one in seen])
        for claim, start, size in zip(claims, (0, sizes[0]), sizes, strict=False)
    ]


async def _open_ends(ctx: Context, claims: Sequence[Claim]) -> None:
    """Open what is left of the claims."""
    mine = [claim.ends() for claim in claims]
    seen = {**await exchanged(ctx, b"".join(mine)), ctx.party: b"".join(mine)}
    for claim, start, own in zip(claims, (0, len(mine[0])), mine, strict=False):
        ends = [seen[party][start : start + len(own)] for party in ctx.parties]
        if not _of(ctx, claim.holds, ends, ctx.shamir.threshold):
            raise IntegrityError("a party did not compute what it should", step=ctx.path)


def _of(ctx: Context, made: Callable[..., Result], *args: Any) -> Result:
    """What is made of others' shares. Raises IntegrityError if one is none."""
    try:
        return made(*args)
    except ValueError as error:
        raise IntegrityError(f"a party {error}", step=ctx.path) from None


async def exchanged(ctx: Context, mine: bytes) -> dict[int, bytes]:
    """What every other party sent, of the same size."""
    others = [party for party in ctx.parties if party != ctx.party]
    for party in others:
        await ctx.send(party, np.frombuffer(mine, np.uint8))
    return {party: (await ctx.receive(party, np.uint8, len(mine))).tobytes() for party in others}


def _hashed(part: bytes) -> bytes:
    return hashlib.sha256(b"glovebox/1/coin" + part).digest()
