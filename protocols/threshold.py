"""Which numbers are below zero, as shared bits: what thresholds, bands, tests for zero and quotients are made of.

Functionality  [b] = [x < 0] for each x of a secure array, -2^(b - 1) <= x < 2^(b - 1)
Parties        all m computing parties hold and receive shares
Security       t = (m - 1) // 2 corrupt parties, that follow the protocol or are found out by `verified.py`;
               statistical, 2^-60 an opened number (2^-57 for 9 parties and b = 61)
Leakage        nothing but how many numbers, and b
Rounds         w + 3 + h; h = ceil(log2(b - 2)), w layers that leave two of C addends, 1 for three parties
Bytes          o n s + k r n s + A r n + o n + 32 m p; n numbers, s bytes of a field element, p = m - 1 peers, o and r
               as in `shared_bits.py`; C sets of m - t parties, k = C - 1, A = C b + 2 b - 8 ANDs a number, b > 2
Source         masks: Damgard et al., TCC 2006; a sum bit by bit in another field: Escudero et al., CRYPTO 2020; of
               sets of parties: Cramer, Damgard and Ishai, TCC 2005

Each set of m - t parties draws a mask R and a byte. x + 2^(b - 1) + sum of R opens; less the masks, modulo 2^b, its top
bit is 1 - [x < 0]. That difference is a sum of public bits and of all sets' bits of -R. The top bit opens under the sum
of all bytes, and their lowest bits, the coins, take it back. What a set draws is shared in both fields without a word,
each member's share being a multiple of it: nobody can share a mask in one field and another in the other.

What a party receives: shares of degree t of products; a number under masks of which it does not know one at least, as
long as the field allows; a hash of what it opened to; and a byte under bytes of which it does not know one at least.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glovebox.algebra.gf256 import TIMES, of_set
from glovebox.errors import IntegrityError, Refused
from glovebox.protocols.shared_bits import Bits, anded, opened_masked
from glovebox.protocols.verified import exchanged
from glovebox.runtime.context import Context
from glovebox.runtime.engine import modulus
from glovebox.runtime.noted import Numbers
from glovebox.runtime.shares import width

MOST_BITS = 63


def judged_bits(edge: int, low: int, high: int) -> int:
    """b with -2^(b-1) <= x - edge < 2^(b-1) for low <= x <= high."""
    return max(high, edge - low, 1).bit_length() + 1


async def below(ctx: Context, integers: int, numbers: Sequence[Any], edges: Sequence[int], bits: int) -> list[Any]:
    """Secure arrays of bits, as numbers: 1 where a number is below its edge. Numbers less edges have `bits` bits.

    numbers: secure arrays (n,), of any lengths.
    """
    runtime = ctx.shamir.runtime
    differences = [number - edge for number, edge in zip(numbers, edges, strict=True)]
    found = await negative(ctx, integers, runtime.np_concatenate(differences), bits)
    ends = np.cumsum([0, *(number.size for number in numbers)]).tolist()
    return [found[start:end] for start, end in pairwise(ends)]


async def negative(ctx: Context, integers: int, numbers: Any, bits: int) -> Any:
    """Secure array of bits, as numbers: 1 where a number is below 0. integers: bits of the secure integers."""
    if not 2 <= bits <= min(MOST_BITS, integers - 3):
        raise Refused("numbers too large to compare", step="threshold")
    shamir, n = ctx.shamir, numbers.size
    masks, _, words = shamir.masks(ctx.label("masked"), integers, n, 0)
    addends, coins, bytes_ = _drawn(ctx, integers, [-word for word in words], n, bits)
    masked = (await shamir.numbers(numbers)).reshape(-1) + (1 << bits - 1) + masks
    total, coin, (x, y) = await asyncio.gather(
        shamir.opened_masked(ctx.label("masked"), masked, integers), _either(ctx, integers, coins), _two(ctx, addends)
    )
    low = np.array([value & (1 << bits) - 1 for value in total], np.uint64)
    top, _ = await asyncio.gather(
        _top(ctx, x, y, _bits_of(low, bits)), _compared(ctx.narrow("same"), total, width(modulus(integers)))
    )
    told = (await opened_masked(ctx.narrow("top"), top ^ bytes_) & 1).astype(object)  # not below 0, if its coin is 0
    return shamir.of_shares(integers, (coin * (2 * told - 1) + (1 - told)).reshape(numbers.shape))


def _drawn(
    ctx: Context, integers: int, lowest: list[NDArray[np.uint64]], n: int, bits: int
) -> tuple[list[Bits], list[Numbers], Bits]:
    """Shares of what all sets draw: bits of the negative of each one's masks, its coins; and of the sum of their bytes.

    Bits, a set's (bits, n), start with the lowest. A coin is the lowest bit of a set's byte.
    """
    shamir, p = ctx.shamir, modulus(integers)
    coins, addends, bytes_ = [], [], np.zeros(n, np.uint8)
    for (subset, stream), words in zip(shamir.sets(ctx.label("coins")), lowest, strict=True):
        if stream is None:
            addends.append(np.zeros((bits, n), np.uint8))
            coins.append(np.zeros(n, object))
            continue
        byte, weight = stream.read(n, np.uint8), TIMES[of_set(shamir.index, subset, shamir.m)]
        coins.append((byte & 1).astype(object) * shamir.weight(subset, p))
        addends.append(weight[_bits_of(words, bits)])
        bytes_ ^= weight[byte]
    return addends, coins, bytes_


async def _either(ctx: Context, integers: int, coins: list[Numbers]) -> Numbers:
    """The XOR of bits, as numbers, by pairs."""
    step = 0
    while (pairs := len(coins) // 2) > 0:
        x, y = np.stack(coins[:pairs]), np.stack(coins[pairs : 2 * pairs])
        both = await ctx.shamir.multiplied(ctx.label(f"coins{step}"), x, y, integers)
        coins = [*(x + y - 2 * both), *coins[2 * pairs :]]
        step += 1
    return coins[0]


def _bits_of(numbers: NDArray[np.uint64], bits: int) -> Bits:
    lines: Bits = (numbers >> np.arange(bits, dtype=np.uint64)[:, None] & np.uint64(1)).astype(np.uint8)
    return lines


async def _two(ctx: Context, addends: list[Bits]) -> tuple[Bits, Bits]:
    """Two numbers of the same sum as several: of each three, their XOR and their carries (Wallace)."""
    step = 0
    while (threes := len(addends) // 3) > 0:
        x, y, z = (np.stack(addends[place : 3 * threes : 3]) for place in range(3))
        carries = await anded(ctx.narrow(f"carries{step}"), x ^ y, x ^ z) ^ x
        addends = [*(x ^ y ^ z), *map(_shifted, carries), *addends[3 * threes :]]
        step += 1
    first, second = addends
    return first, second


def _shifted(carries: Bits) -> Bits:
    return np.concatenate([np.zeros_like(carries[:1]), carries[:-1]])


async def _compared(ctx: Context, opened: Sequence[int], size: int) -> None:
    """Return if the same numbers, of `size` bytes, opened to all. Raises IntegrityError.

    Who opened another number has another share of its top bit, off by what it holds of the masks' bits and what the
    random byte does not hide: so no top bit opens before this.
    """
    own = hashlib.sha256(b"".join(value.to_bytes(size, "little") for value in opened)).digest()
    if any(other != own for other in (await exchanged(ctx, own)).values()):
        raise IntegrityError("a party sent others different shares of what opened under a mask", step=ctx.path)


async def _top(ctx: Context, x: Bits, y: Bits, public: Bits) -> Bits:
    """The top bit of x + y + a public number: carries by pairs of neighbours (Kogge and Stone)."""
    either, both = x ^ y, await anded(ctx.narrow("and"), x, y)
    x, y = either ^ public, _shifted(both ^ either * public)
    top: Bits = x[-1] ^ y[-1]
    x, y = x[1:-1], y[1:-1]  # nothing is carried out of the lowest place, for y is 0 there
    if not len(x):
        return top
    makes, passes, step = await anded(ctx.narrow("carry"), x, y), x ^ y, 0
    while (pairs := len(makes) // 2) > 0:
        low, high, last = slice(0, 2 * pairs, 2), slice(1, 2 * pairs, 2), slice(2 * pairs, None)
        both = await anded(
            ctx.narrow(f"carry{step}"),
            np.concatenate([passes[high], passes[high]]),
            np.concatenate([makes[low], passes[low]]),
        )
        makes = np.concatenate([makes[high] ^ both[:pairs], makes[last]])
        passes = np.concatenate([both[pairs:], passes[last]])
        step += 1
    carried: Bits = top ^ makes[0]
    return carried
