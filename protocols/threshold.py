"""Which groups are large enough to show, and which totals are zero, as shared bits.

Functionality  [shown] = [people >= k], or also [people = 0] where empty groups show as zero; [zero] = [x = 0]
Parties        all m computing parties hold and receive shares
Security       semi-honest, t = (m - 1) // 2 corrupt parties; statistical: masks of 2^(60 - log2 C(m, t)) times the range
Leakage        nothing but the number of groups and the public bound
Rounds         4 + ceil(log2(b + 2)) for shown, 2 + ceil(log2 b) for zero, at once; b the bits of the bound
Bytes          see `finishing.py`
Source         Toft, PhD thesis 2007 (comparison); Damgard et al., TCC 2006 (masking, random bits); as in MPyC

What a party receives: openings of r^2 for random r, of x + 2^b r' + r with r' 60 bits longer than x, of a product with a
random field element under a fresh mask of degree 2t; and shares of products. None depends on x but by 2^-53 or less.
"""

from __future__ import annotations

from typing import Any

from glovebox.runtime.context import Context


def large_enough(ctx: Context, people: Any, threshold: int, high: int, zero_shown: bool) -> Any:
    """Secure array of bits, as people: 1 where a group may show. 0 <= people <= high < 2^31, threshold >= 1."""
    bits = max(high, threshold).bit_length() + 1  # -2^(bits-1) <= people - threshold < 2^(bits-1)
    shown = 1 - ctx.shamir.runtime.np_sgn(people - threshold, l=bits, LT=True)
    return shown + zero(ctx, people, high) if zero_shown else shown


def zero(ctx: Context, numbers: Any, high: int) -> Any:
    """Secure array of bits: 1 where the number is 0. 0 <= numbers <= high."""
    return ctx.shamir.runtime.np_sgn(numbers, l=max(1, high.bit_length()), EQ=True)
