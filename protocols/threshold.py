"""Which numbers are below zero, as shared bits: what thresholds, bands, tests for zero and quotients are made of.

Functionality  [b] = [x < 0] for each x of a secure array, -2^(b - 1) <= x < 2^(b - 1)
Parties        all m computing parties hold and receive shares; the first t + 1 give masks
Security       semi-honest, t = (m - 1) // 2 corrupt parties; statistical, 2^-60 an opened number
Leakage        nothing but how many numbers, and b
Rounds         u + 2 + h; h = ceil(log2(b - 2)), u as below
Bytes          2 u p n s + v r n s + o n s + u p b n + u p n + A r n + o n; n numbers, s bytes of a field element, u =
               t + 1 that give, v = t, and o, p, r as in `shared_bits.py`; A = u b + 2 b - 8 ANDs a number, b > 2
Source         masks: Damgard et al., TCC 2006; a sum bit by bit in another field: Escudero et al., CRYPTO 2020

Each giver has a mask R of b + 60 bits and a coin. x + 2^(b - 1) + sum of R opens; less the masks, modulo 2^b, its top
bit is 1 - [x < 0]. That difference is a sum of public bits and of the givers' bits of -R, which are shared as bits. The
top bit opens under all givers' coins, and the coins, shared as integers too, take it back.

What a party receives: shares of degree t; a number under masks of which it does not know one at least, that is 60 bits
longer than the number; and a bit under coins of which it does not know one at least.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import reduce
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glovebox.errors import Refused
from glovebox.protocols.shared_bits import Bits, anded, given, opened_masked
from glovebox.runtime.context import Context
from glovebox.runtime.engine import SEC_PARAM

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
    if not 2 <= bits <= min(MOST_BITS, integers - 3):  # t + 1 <= 5 masks of bits + 60 bits are below p / 2
        raise Refused("numbers too large to compare", step="threshold")
    shamir, array, n = ctx.shamir, ctx.shamir.integers(integers).array, numbers.size
    givers = list(range(shamir.threshold + 1))
    masks, mine = _drawn(ctx, n, bits) if shamir.index in givers else (np.zeros((2, n), dtype=object), None)
    inputs = [shared for (shared,) in shamir.runtime.input([array(masks)], senders=givers)]
    coin = reduce(lambda x, y: x + y - 2 * (x * y), [one[1] for one in inputs])
    masked = numbers.reshape((n,)) + (1 << bits - 1) + sum((one[0] for one in inputs[1:]), inputs[0][0])
    shares = await given(ctx.narrow("masks"), mine, (bits + 1, n))
    x, y = await _two(ctx, [share[:-1] for share in shares])
    total, product = await asyncio.gather(shamir.apart(shamir.opened_masked(masked)), anded(ctx.narrow("and"), x, y))
    low = np.array([value & (1 << bits) - 1 for value in total], np.uint64)
    top = await _top(ctx, x ^ y, product, _bits_of(low, bits))
    for share in shares:
        top = top ^ share[-1]
    told = (await opened_masked(ctx.narrow("top"), top)).astype(object)  # not below zero, if its coin is 0
    return (coin * (2 * told - 1) + (1 - told)).reshape(numbers.shape)


def _drawn(ctx: Context, n: int, bits: int) -> tuple[NDArray[np.object_], Bits]:
    """Masks and coins (2, n); and the bits of their negatives, the lowest first, with the coins last: (bits + 1, n)."""
    words = ctx.private("masks").read((3, n), np.uint64)
    low, high = words[0] & np.uint64((1 << bits) - 1), words[1] & np.uint64((1 << SEC_PARAM) - 1)
    coins = words[2] & np.uint64(1)
    masks = np.stack([low.astype(object) | high.astype(object) << bits, coins.astype(object)])
    return masks, np.concatenate([_bits_of(-low, bits), coins[None].astype(np.uint8)])


def _bits_of(numbers: NDArray[np.uint64], bits: int) -> Bits:
    lines: Bits = (numbers >> np.arange(bits, dtype=np.uint64)[:, None] & np.uint64(1)).astype(np.uint8)
    return lines


async def _two(ctx: Context, addends: list[Bits]) -> tuple[Bits, Bits]:
    """Two numbers of the same sum as several: of three, their XOR and their carries."""
    for step in range(len(addends) - 2):
        x, y, z, *rest = addends
        carries = await anded(ctx.narrow(f"carries{step}"), x ^ y, x ^ z) ^ x
        addends = [x ^ y ^ z, _shifted(carries), *rest]
    first, second = addends
    return first, second


def _shifted(carries: Bits) -> Bits:
    return np.concatenate([np.zeros_like(carries[:1]), carries[:-1]])


async def _top(ctx: Context, either: Bits, both: Bits, public: Bits) -> Bits:
    """The top bit of x + y + a public number, of x ^ y and x & y: carries by pairs of neighbours (Kogge and Stone)."""
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
