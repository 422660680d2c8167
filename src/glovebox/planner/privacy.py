"""How much noise an answer gets: what one person can change, how the question's epsilon is shared, and error bars.

Neighbours are two sets of tables of which one lacks all rows of one person at all owners; where a table says that a row
is a person, one row. Rows of a stacked table that have no id count as a person each.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache

import numpy as np

from glovebox.algebra.laplace import Decay, decay
from glovebox.contract.terms import MICRO
from glovebox.planner.grouping import Key
from glovebox.planner.plan import Noise, Output, Plan
from glovebox.planner.totals import Totals
from glovebox.protocols.having import Bound
from glovebox.protocols.noise import drawing, most_noise
from glovebox.runtime.engine import MOST_PARTIES

COMPARED_BITS = 61
"""Of a number that is compared with zero on secure integers of 64 bits (`threshold.py`)."""

MISSES = Fraction(1, 20)
"""How often a number is further from the truth than its error bar says."""


def noise_of(
    totals: Totals, outputs: Sequence[Output], keys: Sequence[Key], having: Sequence[Bound] = ()
) -> Noise | None:
    """The noise of a question; None under a contract without [privacy]. Refused where it would not fit.

    A person's rows are spread over the groups, so what they add up to is bounded over all groups as in one. But as one
    of the counted people, a person may stand in as many groups as it has rows at the side that makes them.
    """
    privacy = totals.scope.contract.privacy
    if privacy is None:
        return None
    leaves = [leaf for output in outputs for leaf in output.leaves()]
    opened = {0, *(number for leaf in leaves for number in (leaf.total, leaf.over))}
    opened |= {number for bound in having for number, _ in bound.terms}
    spread = person_groups(totals, keys)
    persons = tuple(
        person * (spread if totals.counts_people(number) else 1) if number in opened else 0
        for number, person in enumerate(totals.persons)
    )
    noise = Noise(privacy.epsilon_per_question, persons)
    if not _fits(totals, noise, having):
        statement = totals.scope.statement
        sentence = "One person can change these totals by so much that no noise that hides it fits"
        statement.refuse(statement.tree, "privacy", sentence, "a contract with smaller ranges or rows_per_id")
    return noise


def _fits(totals: Totals, noise: Noise, having: Sequence[Bound]) -> bool:
    """Whether the noise can be drawn, and what HAVING compares be compared, among however many parties."""
    try:
        found = decays(noise)
    except ValueError:
        return False
    most = [
        max(-total.low, total.high) + (most_noise(one, MOST_PARTIES) if one else 0)
        for total, one in zip(totals.totals, found, strict=True)
    ]
    return all(bound.bits(most) <= COMPARED_BITS for bound in having)


def person_groups(totals: Totals, keys: Sequence[Key]) -> int:
    """How many groups one person may be in."""
    spread = 1
    for side in {key.side for key in keys}:
        groups = math.prod(len(key.groupings[0].labels) for key in keys if key.side == side)
        spread *= min(totals.person_rows(side), groups)
    return spread


def decays(noise: Noise) -> tuple[Decay | None, ...]:
    """The decay of each total's noise: of n totals with noise each has an n-th of the question's epsilon."""
    shares = sum(person > 0 for person in noise.persons)
    return tuple(decay(noise.epsilon, MICRO * shares * person) if person else None for person in noise.persons)


def error_bars(plan: Plan, misses: Fraction = MISSES) -> tuple[int, ...]:
    """For each total, in its units, what its noise stays within but for a chance of `misses`; 0 without noise."""
    if plan.noise is None:
        return (0,) * len(plan.totals)
    halves = halves_of(plan)
    return tuple(0 if one is None else bar(one, halves, misses) for one in decays(plan.noise))


def halves_of(plan: Plan) -> int:
    """How many halves of a discrete Laplace a total gets; of two parties alone two of each but an only receiver."""
    if len(plan.computing) > 2:
        return drawing(len(plan.computing))
    return 2 * sum(plan.receivers != (party,) for party in plan.computing)


EXACT_SCALE = 256  # beyond it the law is that of this scale, stretched: the bar is longer than need be by under 1 %


@lru_cache(256)
def bar(q: Decay, halves: int, misses: Fraction) -> int:
    """The smallest h such that |noise| > h has a chance of at most `misses`, for a sum of so many halves."""
    scale = Fraction(q.t, q.s)
    if scale > EXACT_SCALE:
        return math.ceil(scale * Fraction(bar(Decay(1, EXACT_SCALE), halves, misses) + 1, EXACT_SCALE))
    ratio, order = math.exp(-q.s / q.t), halves / 2  # NB(order, ratio) less another
    length = math.ceil(40 * scale) + 40
    k = np.arange(1, length)
    one = (1 - ratio) ** order * np.cumprod(np.concatenate([[1.0], ratio * (k - 1 + order) / k]))
    chances = np.fft.irfft(np.abs(np.fft.rfft(one, 2 * length)) ** 2)[:length]  # of h = 0, 1, ...
    above = np.cumsum(chances[::-1])[::-1]
    return int(np.flatnonzero(2 * above[1:] <= float(misses))[0])
