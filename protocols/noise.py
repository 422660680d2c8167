"""Noise for differential privacy, added on shares: what any t parties know of it leaves one discrete Laplace at least.

Functionality  [y] = [x] + the sum of t + 2 halves of discrete Laplace noise, one of each of the first t + 2 parties
Parties        all m computing parties hold and receive shares; the first t + 2 draw halves
Security       t = (m - 1) // 2 corrupt parties: they do not know two halves at least, which together are the promised
               noise; perfect. A half out of its range is found out by `verified.py`
Leakage        nothing but the number of totals and the public ranges of halves
Rounds         1
Bytes          h p B s; h = t + 2 halves, p = m - 1 peers, B the bits of all halves of one party, s bytes of a field
               element
Source         threats.md 3.3 B (halves, for m = 3); [DKMMN06] (parts of noise); [CKS20] (integers only)

A half enters by its bits, above the low end of its range. Shares of bits that are checked to be bits are in range. A
party can still choose its own half, and so move the answer within its range.

What a party receives: one share of degree t of each bit of the others' halves.
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

    bits: of the secure integers. totals: secure array (totals, groups).
    """
    if len(decays) != totals.shape[0] or not any(decays):
        raise Refused("each total has its noise, or none", step="noise")
    shamir, groups = ctx.shamir, totals.shape[1]
    senders = list(range(drawing(len(ctx.parties))))
    mine = _as_bits(ctx, decays, groups) if shamir.index in senders else None
    inputs = await shamir.dealt(ctx.label("halves"), senders, mine, (bits_of(decays) * groups,), bits)
    for sender, share in zip(senders, inputs, strict=True):
        shamir.note_dealt(ctx.label(str(sender)), sender, share, mine if sender == shamir.index else None, bits)
    added, start = np.sum(inputs, axis=0), 0
    lines = list(await shamir.numbers(totals))
    for number, decay in enumerate(decays):
        if decay:
            size = _bits(decay)
            powers = np.array([1 << place for place in range(size)], dtype=object)
            own = added[start : start + size * groups].reshape((size, groups))
            lines[number] = lines[number] + powers @ own - len(senders) * decay.reach
            start += size * groups
    return shamir.of_shares(bits, np.stack(lines))


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
