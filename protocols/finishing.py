"""From secure totals to what is opened: nothing of a group too small to show but that one bit.

Functionality  row 0: shown, per group (`threshold.py`); then each part, times shown; all of totals with their noise, if
               they get any (`noise.py`)
Parties        all m computing parties hold and receive shares
Security       semi-honest, t = (m - 1) // 2 corrupt parties; statistical as `threshold.py`
Leakage        nothing; the shares that are opened are fresh from a product, so they say their values only
Rounds         1 + h; h of the longest part, for all run at once; a meter that orders them sees a few more
Bytes          w r g s + a g; w rows, g groups, r and s as in `threshold.py`, a of its parts together a group
Source         session.md (division, threshold on exact counts)

What a party receives: what the parts' protocols say, and shares of the last product. It opens nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from glovebox.algebra.laplace import Decay
from glovebox.errors import Refused
from glovebox.protocols.noise import bits_of, most_noise, noisy_totals
from glovebox.protocols.quotient import Ranges, quotient
from glovebox.protocols.threshold import judged_bits, large_enough, zero
from glovebox.runtime.context import Context
from glovebox.runtime.engine import modulus
from glovebox.runtime.shares import width

SALT = 32  # bytes of a party's part of the salt, sent with its opening


@dataclass(frozen=True)
class Part:
    """One opened number of each group.

    total     total `total` as it is
    null      1 where total `over` is 0, else 0
    quotient  round-half-even(10**6 * total / over), 0 where `over` is 0; low, high: bounds of a value that is averaged,
              so low * over <= total <= high * over
    band      how many of `edges` total `total`, a count, reaches
    """

    kind: Literal["total", "null", "quotient", "band"]
    total: int = 0
    over: int = 0
    low: int = 0
    high: int = 0
    edges: tuple[int, ...] = ()


@dataclass(frozen=True)
class Finishing:
    """What all parties know of a question's last steps.

    most: an upper bound of each total's absolute value. people: the total that threshold >= 1 is held against.
    zero_shown: an empty group shows as zero. parts: what is opened of each group, each listed once.
    decays: of each total's noise, empty without any; m: how many parties compute, of which some draw noise.
    """

    groups: int
    most: tuple[int, ...]
    people: int
    threshold: int
    zero_shown: bool
    parts: tuple[Part, ...]
    decays: tuple[Decay | None, ...] = ()
    m: int = 3

    @property
    def people_range(self) -> tuple[int, int]:
        """Bounds of the number of people that the threshold is held against, with its noise."""
        decay = self.decays[self.people] if self.decays else None
        noise = most_noise(decay, self.m) if decay else 0
        return -noise, self.most[self.people] + noise

    @property
    def bits(self) -> int:
        """Bits of the secure integers of this question."""
        return max([64, *(self.ranges_of(part).bits for part in self.parts if part.kind == "quotient")])

    @property
    def rows(self) -> int:
        """Opened numbers of each group."""
        return 1 + len(self.parts)

    @property
    def largest_frame(self) -> int:
        """Bytes of the largest frame of a question's last steps, conversion and reveal included."""
        judged = judged_bits(self.threshold, *self.people_range) + 1
        bands = [judged_bits(edge, 0, self.most[part.total]) + 1 for part in self.parts for edge in part.edges]
        zeros = [self.most[part.over].bit_length() for part in self.parts if part.kind == "null"]
        quotients = [self.ranges_of(part).widest for part in self.parts if part.kind == "quotient"]
        widest = max(2 * len(self.most), self.rows, judged, *bands, *zeros, *quotients, bits_of(self.decays))
        return widest * self.groups * width(modulus(self.bits)) + SALT

    def ranges_of(self, part: Part) -> Ranges:
        """Public sizes of a part of kind quotient."""
        return Ranges(part.low, part.high, self.most[part.over])


async def finish(ctx: Context, finishing: Finishing, totals: Any) -> Any:
    """Secure array (rows, groups): shown, then the parts, all 0 in a group that is not shown.

    totals: secure array (totals, groups) of integers of `finishing.bits`, without noise.
    """
    if finishing.threshold < 1 or totals.shape != (len(finishing.most), finishing.groups):
        raise Refused("a threshold of at least 1 and totals of the agreed shape are needed", step="finishing")
    if finishing.decays:
        check_noise(finishing)
        totals = await noisy_totals(ctx.narrow("noise"), finishing.bits, totals, finishing.decays)
    shown = large_enough(
        ctx, totals[finishing.people], finishing.threshold, *finishing.people_range, finishing.zero_shown
    )
    nulls: dict[int, Any] = {}
    quotients: dict[Part, Any] = {}
    for part in finishing.parts:
        if part.kind == "quotient":
            ranges = finishing.ranges_of(part)
            quotients[part], nulls[part.over] = quotient(
                ctx, finishing.bits, ranges, totals[part.total], totals[part.over]
            )
    opened = [shown]
    for part in finishing.parts:
        match part.kind:
            case "total":
                opened.append(totals[part.total])
            case "null":
                if part.over not in nulls:
                    nulls[part.over] = zero(ctx, totals[part.over], finishing.most[part.over])
                opened.append(nulls[part.over])
            case "quotient":
                opened.append(quotients[part])
            case "band":
                most, count = finishing.most[part.total], totals[part.total]
                opened.append(sum(large_enough(ctx, count, edge, 0, most, False) for edge in part.edges))
    return ctx.shamir.runtime.np_stack(opened) * shown


def check_noise(finishing: Finishing) -> None:
    """Return if nothing would be opened, or decided, of a total without noise."""
    opened = {finishing.people, *(part.total for part in finishing.parts)}
    exact = any(part.kind != "total" for part in finishing.parts) or finishing.zero_shown
    if exact or len(finishing.decays) != len(finishing.most) or any(finishing.decays[one] is None for one in opened):
        raise Refused("with noise nothing opens of a total that has none", step="finishing")
