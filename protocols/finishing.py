"""From secure totals to what is opened: nothing of a group too small to show but that one bit.

Functionality  row 0: shown, per group, where it is within `having.py`; then each part, times shown; all of totals
               with their noise, if they get any (`noise.py`)
Parties        all m computing parties hold and receive shares
Security       t = (m - 1) // 2 corrupt parties, that follow the protocol or are found out by `verified.py`, which its
               caller runs before anything of it opens; statistical as `threshold.py`
Leakage        nothing; the shares that are opened are fresh from a product, so they say their values only
Rounds         1 + v + h + q; v of a check, h of comparisons (`threshold.py`), all at once; q of quotients, all at once,
               if there are any; with HAVING as many again as of comparisons, and one a bound; one where empty groups
               show
Bytes          w r g s + a g; w rows, g groups, r and s as in `threshold.py`, a of its comparisons, parts and bounds of
               HAVING, a group; of a bound r s beside its comparison; the check and the comparisons' hashes apart
Source         session.md (division, threshold on exact counts)

What a party receives: what the parts' protocols say, and shares of the last product. It opens nothing.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Literal

from glovebox.algebra.laplace import Decay
from glovebox.errors import Refused
from glovebox.protocols.entry import reach, wrap_bits
from glovebox.protocols.having import Bound
from glovebox.protocols.noise import bits_of, most_noise, noisy_totals
from glovebox.protocols.quotient import COMPARED, REST, Ranges, fraction_bits, quotient
from glovebox.protocols.suppression import Nesting, complemented, totals_of
from glovebox.protocols.threshold import below, judged_bits
from glovebox.protocols.verified import checked
from glovebox.protocols.verified import largest_frame as verified_frame
from glovebox.runtime.context import Context
from glovebox.runtime.engine import modulus
from glovebox.runtime.prss import sets_of
from glovebox.runtime.shares import width

Less = dict[tuple[int, int], Any]

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
    decays: of each total's noise, empty without any; m: how many parties compute, of which some draw noise. nesting:
    totals that other answers give of these groups, None without any. having: what a group's totals, with their noise,
    are to meet; else it is not shown.
    """

    groups: int
    most: tuple[int, ...]
    people: int
    threshold: int
    zero_shown: bool
    parts: tuple[Part, ...]
    decays: tuple[Decay | None, ...] = ()
    m: int = 3
    nesting: Nesting | None = None
    having: tuple[Bound, ...] = ()

    @property
    def people_range(self) -> tuple[int, int]:
        """Bounds of the number of people that the threshold is held against, with its noise."""
        decay = self.decays[self.people] if self.decays else None
        noise = most_noise(decay, self.m) if decay else 0
        return -noise, self.most[self.people] + noise

    @property
    def bounded_bits(self) -> int:
        """Bits of the numbers that HAVING compares."""
        noise = [most_noise(decay, self.m) if decay else 0 for decay in self.decays or (None,) * len(self.most)]
        most = [most + more for most, more in zip(self.most, noise, strict=True)]
        return max((bound.bits(most) for bound in self.having), default=2)

    @property
    def bits(self) -> int:
        """Bits of the secure integers of this question, of which what opens on the way has no more, whoever lies."""
        nested = 2 * reach(self.most_in_line, self.m) if self.nesting else 0  # twice, for it is a sum
        return max([64, nested.bit_length(), *(self.ranges_of(part).bits for part in self.quotients)])

    @property
    def quotients(self) -> tuple[Part, ...]:
        """All parts that are such."""
        return tuple(part for part in self.parts if part.kind == "quotient")

    @property
    def rows(self) -> int:
        """Opened numbers of each group."""
        return 1 + len(self.parts)

    @property
    def tests(self) -> tuple[tuple[int, int], ...]:
        """All that has to be known of totals: whether total `number` is below `edge`, as (number, edge)."""
        found = [(self.people, edge) for edge in self.judged]
        for part in self.parts:
            match part.kind:
                case "null":
                    found.append((part.over, 1))
                case "quotient":
                    found.extend((part.over, power) for power in self.ranges_of(part).powers)
                case "band":
                    found.extend((part.total, edge) for edge in part.edges)
        return tuple(dict.fromkeys(found))

    @property
    def divisors(self) -> tuple[int, ...]:
        """Totals that others are divided by."""
        return tuple(dict.fromkeys(part.over for part in self.quotients))

    @property
    def divisor_bits(self) -> int:
        """Bits of the numbers that are compared to know whether divisors are in their ranges."""
        far = [(self.most[number], reach(self.most[number], self.m)) for number in self.divisors]
        return max((judged_bits(most + 1, -one, one) for most, one in far), default=2)

    @property
    def judged(self) -> tuple[int, ...]:
        """What people are compared with: the threshold, and 1 where an empty group shows."""
        return (self.threshold, 1) if self.zero_shown else (self.threshold,)

    @property
    def tested_bits(self) -> int:
        """Bits of the numbers that tests compare."""
        ranges = [
            (edge, *(self.people_range if number == self.people else (0, self.most[number])))
            for number, edge in self.tests
        ]
        if self.nesting:
            ranges.append((self.threshold, 0, self.most_in_line))
        return max(judged_bits(*one) for one in ranges)

    @property
    def most_in_line(self) -> int:
        """A bound of the people of all groups together."""
        return self.most[self.people] * self.groups

    @property
    def largest_frame(self) -> int:
        """Bytes of the largest frame of a question's last steps, conversion and reveal included."""
        levels = len(self.nesting.sizes) if self.nesting else 0
        divided = max(COMPARED, 2 * len(self.divisors)) if self.divisors else 0
        compared = max(len(self.tests) + 2 * levels, len(self.having), divided)
        sets = sets_of(self.m)  # of which a half gives coins to the other, and of whose bits three make two
        entered = (1 + wrap_bits(self.m)) * len(self.most)
        elements = max(entered, self.rows, sets // 2 * compared, bits_of(self.decays), fraction_bits(self.m))
        bits = max(
            [
                self.tested_bits,
                self.bounded_bits,
                self.divisor_bits,
                *(self.ranges_of(part).divisor_bits + REST for part in self.quotients),
            ]
        )
        size = width(modulus(self.bits))
        large = max(elements * size, max(2, sets // 3) * bits * compared) * self.groups
        return max(large, verified_frame(size)) + SALT

    def ranges_of(self, part: Part) -> Ranges:
        """Public sizes of a part of kind quotient."""
        most = self.most[part.over]
        return Ranges(part.low, part.high, most, reach(self.most[part.total], self.m) + abs(part.low) * most)


async def finish(ctx: Context, finishing: Finishing, totals: Any) -> Any:
    """Secure array (rows, groups): shown, then the parts, all 0 in a group that is not shown.

    totals: secure array (totals, groups) of integers of `finishing.bits`, without noise.
    """
    if finishing.threshold < 1 or totals.shape != (len(finishing.most), finishing.groups):
        raise Refused("a threshold of at least 1 and totals of the agreed shape are needed", step="finishing")
    await checked(ctx.narrow("checked"))  # for what entered was multiplied, by what may be no bits
    if finishing.decays:
        check_noise(finishing)
        totals = await noisy_totals(ctx.narrow("noise"), finishing.bits, totals, finishing.decays)
    shown, less, within = await _shown(ctx, finishing, totals)
    if finishing.having:
        numbers = [bound.number(totals) for bound in finishing.having]
        for outside in await below(
            ctx.narrow("having"), finishing.bits, numbers, [0] * len(numbers), finishing.bounded_bits
        ):
            shown = shown * (1 - outside)
    parts = [  # one after the other, for a quotient checks all that was computed before
        await _value(ctx.narrow(f"part{place}"), finishing, part, totals, less, within)
        for place, part in enumerate(finishing.parts)
    ]
    return ctx.shamir.runtime.np_stack([shown, *parts]) * shown


async def _shown(ctx: Context, finishing: Finishing, totals: Any) -> tuple[Any, Less, dict[int, Any]]:
    """Secure array of bits: which groups show; and of each test, in which groups the total is below its edge."""
    numbers, edges = zip(*finishing.tests, strict=True)
    nesting, people = finishing.nesting, totals[finishing.people]
    levels = totals_of(ctx, nesting, people) if nesting else []  # of which the same is asked as of the groups' people
    asked = [(level, edge) for edge in finishing.judged for level in levels]
    tested = below(
        ctx.narrow("tests"),
        finishing.bits,
        [*(totals[number] for number in numbers), *(level for level, _ in asked)],
        [*edges, *(edge for _, edge in asked)],
        finishing.tested_bits,
    )
    found, within = await asyncio.gather(tested, _within(ctx, finishing, totals))
    less = dict(zip(finishing.tests, found, strict=False))
    of_levels = [found[len(numbers) + place :: len(levels)] for place in range(len(levels))]
    judged = [*of_levels, [less[finishing.people, edge] for edge in finishing.judged]]
    large = [1 - bits[0] for bits in judged]
    shown = large  # or 0: a bit, also of what is no number of people
    if finishing.zero_shown:
        shown = [1 - bits[0] * (1 - bits[1]) for bits in judged]
    if nesting is None:
        return shown[0], less, within
    mask = await complemented(
        ctx.narrow("nesting"), finishing.bits, nesting, [*levels, people], large, shown, finishing.threshold,
        finishing.most_in_line,
    )  # fmt: skip
    return mask, less, within


async def _within(ctx: Context, finishing: Finishing, totals: Any) -> dict[int, Any]:
    """Of each total that others are divided by, in which groups it is neither below 0 nor above its bound."""
    if not (numbers := finishing.divisors):
        return {}
    edges = [*[0] * len(numbers), *(finishing.most[number] + 1 for number in numbers)]
    found = await below(
        ctx.narrow("divisors"),
        finishing.bits,
        [totals[number] for number in numbers * 2],
        edges,
        finishing.divisor_bits,
    )
    return {number: found[len(numbers) + place] - found[place] for place, number in enumerate(numbers)}


async def _value(
    ctx: Context, finishing: Finishing, part: Part, totals: Any, less: Less, within: dict[int, Any]
) -> Any:
    """A part of every group."""
    match part.kind:
        case "total":
            return totals[part.total]
        case "null":
            return less[part.over, 1]
        case "band":
            return sum(1 - less[part.total, edge] for edge in part.edges)
    ranges = finishing.ranges_of(part)
    powers, over = [less[part.over, power] for power in ranges.powers], part.over
    return await quotient(ctx, finishing.bits, ranges, totals[part.total], totals[over], powers, within[over])


def check_noise(finishing: Finishing) -> None:
    """Return if nothing would be opened, or decided, of a total without noise."""
    opened = {finishing.people, *(part.total for part in finishing.parts)}
    opened |= {total for bound in finishing.having for total, _ in bound.terms}
    exact = any(part.kind != "total" for part in finishing.parts) or finishing.zero_shown or finishing.nesting
    if exact or len(finishing.decays) != len(finishing.most) or any(finishing.decays[one] is None for one in opened):
        raise Refused("with noise nothing opens of a total that has none", step="finishing")
