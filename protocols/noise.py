"""Noise for differential privacy, added on shares: what any t parties know of it leaves one discrete Laplace at least.

Functionality  [y] = [x] + the sum of t + 2 halves of discrete Laplace noise, one of each of the first t + 2 parties
Parties        all m computing parties hold and receive shares; the first t + 2 draw halves
Security       semi-honest, t = (m - 1) // 2 corrupt parties: they do not know two halves at least, which together are
               the promised noise; perfect. A half out of its range ends the run, but for a chance of 2^-64, unless
               its party lies in the check as well
Leakage        nothing but the number of totals and the public ranges of halves
Rounds         3; input, a coin, a check of all halves at once
Bytes          h p B s + o s + h q s; h = t + 2 halves, p = m - 1 peers, B the bits of all halves of one party, o and q
               as in `threshold.py` for a number and a product that is opened, s bytes of a field element
Source         threats.md 3.3 B (halves, for m = 3); [DKMMN06] (parts of noise); [CKS20] (integers only)

A half enters by its bits, above the low end of its range. Shares of bits that are checked to be bits are in range. A
party can still choose its own half, and so move the answer within its range; and one that shifts its share of the
check's opening, which it can compute, moves it further.

What a party receives: one share of degree t of each bit of the others' halves, an opened random number, and an opened
0 for each party that drew, a random combination of products under a mask of degree 2t.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from glovebox.algebra.laplace import Decay, halves
from glovebox.errors import Refused
from glovebox.runtime.context import Context


def drawing(m: int) -> int:
    """How many of m parties draw a half."""
    return (m - 1) // 2 + 2


async def noisy_totals(ctx: Context, bits: int, totals: Any, decays: tuple[Decay | None, ...]) -> Any:
    """The totals with noise, each of its own decay; None: a total that keeps none.

    bits: of the secure integers. totals: secure array (totals, groups). Raises BadFrame for a half out of its range.
    """
    if len(decays) != totals.shape[0] or not any(decays):
        raise Refused("each total has its noise, or none", step="noise")
    groups = totals.shape[1]
    senders = list(range(drawing(len(ctx.parties))))
    mine = np.zeros(bits_of(decays) * groups, dtype=object)
    if ctx.shamir.index in senders:
        mine = _as_bits(ctx, decays, groups)
    runtime, array = ctx.shamir.runtime, ctx.shamir.integers(bits).array
    inputs = [shared for (shared,) in runtime.input([array(mine)], senders=senders)]
    for sender, in_range in zip(senders, await ctx.shamir.are_bits(inputs), strict=True):
        if not in_range:
            ctx.blame(ctx.parties[sender], "put in noise that is out of range")
    added = sum(inputs[1:], inputs[0])
    lines, start = [], 0
    for number, decay in enumerate(decays):
        if decay is None:
            lines.append(totals[number])
            continue
        size = _bits(decay)
        powers = np.array([[1 << place] for place in range(size)], dtype=object)
        own = added[start : start + size * groups].reshape((size, groups))
        lines.append(totals[number] + runtime.np_sum(own * powers, axis=0) - len(senders) * decay.reach)
        start += size * groups
    return runtime.np_stack(lines)


def bits_of(decays: tuple[Decay | None, ...]) -> int:
    """Bits of one party's halves of one group."""
    return sum(_bits(decay) for decay in decays if decay)


def most_noise(decay: Decay, m: int) -> int:
    """A bound of the noise in a total, among m parties."""
    return drawing(m) * decay.reach


def _bits(decay: Decay) -> int:
    return decay.reach.bit_length()  # 0 <= half + reach < 2 reach


def _as_bits(ctx: Context, decays: tuple[Decay | None, ...], groups: int) -> NDArray[np.object_]:
    """This party's halves, freshly drawn: for each total its bits, the lowest first, and for each bit all groups."""
    lines = []
    for decay in decays:
        if decay:
            above = halves(decay, groups, ctx.entropy) + decay.reach
            lines.append(above >> np.arange(_bits(decay))[:, None] & 1)
    return np.concatenate([line.reshape(-1) for line in lines]).astype(object)
