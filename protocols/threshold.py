"""Which groups are large enough to show, and which totals are zero, as shared bits.

Functionality  [shown] = [people >= k], or also [people = 0] where empty groups show as zero; [zero] = [x = 0]
Parties        all m computing parties hold and receive shares
Security       semi-honest, t = (m - 1) // 2 corrupt parties; statistical, 2^-58 an opened mask at m = 3, 2^-53 at m = 9
Leakage        nothing but the number of groups and the public bound
Rounds         4 + h; h = ceil(log2(b + 1)) halvings of b + 1 factors. For zero 2 + ceil(log2 b)
Bytes          b q g s + 2 q g s + o g s + b r g s; g groups, b bits, s bytes of a field element; q = 2 t m for a random
               bit or an opened product, o = t m for an opened number, r = (2 t + 1) (m - 1) for a product.
               For zero b q g s + o g s + b r g s less r g s
Source         Toft, PhD thesis 2007 (comparison); Damgard et al., TCC 2006 (masks, random bits); as in MPyC

What a party receives: openings of r^2 for random r under a mask of degree 2t; of x + 2^b + r + 2^b r' with r' of 60
bits; of a product with a random field element under a mask of degree 2t; and shares of products. An opening is uniform,
or at most 2^-53 away from a distribution that does not depend on x; whether the last product is 0 is the xor of the
answer with a random bit that nobody knows.
"""

from __future__ import annotations

from typing import Any

from glovebox.runtime.context import Context


def large_enough(ctx: Context, people: Any, threshold: int, low: int, high: int, zero_shown: bool) -> Any:
    """Secure array of bits, as people: 1 where a group may show. low <= people <= high, threshold >= 1.

    zero_shown: also 1 where people is 0; low is 0 then.
    """
    bits = judged_bits(threshold, low, high)
    shown = 1 - ctx.shamir.runtime.np_sgn(people - threshold, l=bits, LT=True)
    return shown + zero(ctx, people, high) if zero_shown else shown


def judged_bits(threshold: int, low: int, high: int) -> int:
    """b with -2^(b-1) <= people - threshold < 2^(b-1) for low <= people <= high."""
    return max(high, threshold - low).bit_length() + 1


def zero(ctx: Context, numbers: Any, high: int) -> Any:
    """Secure array of bits: 1 where the number is 0. 0 <= numbers <= high."""
    return ctx.shamir.runtime.np_sgn(numbers, l=max(1, high.bit_length()), EQ=True)
