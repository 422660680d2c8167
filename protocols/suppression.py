"""Complementary suppression: no hidden group is told by those that show and by totals that other answers give.

Functionality  in each line of groups under one total: where a group is hidden, and all hidden ones together have fewer
               than k people, the last large group of the line is hidden, too; under a hidden total all are. Or, where
               totals cross: all groups show, or none
Parties        all m computing parties hold and receive shares
Security       t = (m - 1) // 2 corrupt parties, that follow the protocol or are found out by `verified.py`, which runs
               before people of hidden groups are compared; statistical as `threshold.py`
Leakage        nothing but the number of groups and which totals there are
Rounds         3 + v + c + d; v of a check, c of a comparison, d = ceil(log2(longest line)), and 1 a level
Bytes          V + C + x r s; V of a check, C of a comparison a line, x products, s and r of `threshold.py`
Source         Cox, JASA 1980 (complementary suppression); Wong et al., VLDB 2007 (what knowing the rule tells)

Of the hidden groups of a line others know the sum at most. They are two at least, with k people at least, so each may
have any number of people from 0 to k - 1. Which group joins them follows from the order of the domain, which is public:
it is not the smallest one, for then the others' sizes would bound it.

Of the people of hidden groups nothing is known but what others say of all groups. After the check these are within
their reach (`entry.py`), and so are sums of them, for which the masks have room (`Finishing.bits`).

What a party receives: what `threshold.py` says, and shares of products.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from glovebox.protocols.threshold import below, judged_bits
from glovebox.protocols.verified import checked
from glovebox.runtime.context import Context


@dataclass(frozen=True)
class Nesting:
    """The totals that other answers give of an answer's groups.

    order: the groups so that those under one total stand side by side. sizes: how many totals there are on each level,
    each total of a level over as many neighbours of the next; none: totals that cross. several: a person may be in
    several groups, so that people of groups do not add up; then one level at most.
    """

    order: tuple[int, ...]
    sizes: tuple[int, ...] = ()
    several: bool = False


def totals_of(ctx: Context, nesting: Nesting, people: Any) -> list[Any]:
    """The people of every level but the last, secure arrays; where they do not add up, none."""
    runtime, ordered = ctx.shamir.runtime, people[list(nesting.order)]
    sizes = () if nesting.several else nesting.sizes
    return [runtime.np_sum(ordered.reshape((size, len(nesting.order) // size)), axis=1) for size in sizes]


async def complemented(
    ctx: Context, integers: int, nesting: Nesting, people: Sequence[Any], large: Sequence[Any], shown: Sequence[Any],
    threshold: int, most: int,
) -> Any:  # fmt: skip
    """Secure array (groups,) of bits: which groups show, of those that are shown by themselves.

    people, large, shown: of each level, those of the answer last and in its own order. large: `threshold` people or
    more; shown: large, or empty where that shows. most: a bound of the people of a line.
    """
    runtime, order = ctx.shamir.runtime, list(nesting.order)
    people, large, shown = ([*levels[:-1], levels[-1][order]] for levels in (people, large, shown))
    if not nesting.sizes:
        return runtime.np_prod(shown[-1]) * shown[-1][np.argsort(order)]
    if not nesting.several:  # which groups are hidden hangs on products of products, and of it a masked number opens
        await checked(ctx.narrow("groups"))
    mask: Any = None if nesting.several else shown[0]  # people in several groups: of a small total all groups are small
    for level, size in enumerate(nesting.sizes, len(people) - len(nesting.sizes)):
        one, two, three = (of[level].reshape((size, of[level].size // size)) for of in (people, large, shown))
        least = 0 if nesting.several else threshold
        kept = await _line(ctx.narrow(f"level{level}"), integers, one, two, three, least, most)
        mask = (kept if mask is None else kept * mask.reshape((size, 1))).reshape((kept.size,))
    return mask[np.argsort(order)]


async def _line(ctx: Context, integers: int, people: Any, large: Any, shown: Any, threshold: int, most: int) -> Any:
    """Which groups of each line show when the last large one is hidden, too, where that has to be: (lines, groups).

    It has to be where any is hidden, if they have fewer than `threshold` people together; without one, always.
    """
    runtime = ctx.shamir.runtime
    lacking = 1 - runtime.np_prod(shown, axis=1)
    if threshold:
        hidden = runtime.np_sum(people * (1 - shown), axis=1)
        (few,) = await below(ctx, integers, [hidden], [threshold], judged_bits(threshold, 0, most))
        lacking = lacking * few
    later, reach, width = 1 - large, 1, large.shape[1]  # products of 1 - large from each group to the end of its line
    while reach < width:
        later = runtime.np_concatenate((later[:, :-reach] * later[:, reach:], later[:, -reach:]), axis=1)
        reach *= 2
    beyond = runtime.np_concatenate((later[:, 1:], later[:, :1] * 0 + 1), axis=1)
    return shown - large * beyond * lacking.reshape((len(people), 1))
