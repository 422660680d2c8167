"""What a plan asks of counted values: of each measure of kind counts its sizes, and the ranks that are wanted of it."""

from __future__ import annotations

import math
from typing import NamedTuple

from glovebox.planner.plan import Plan, Stacked, groupings_of
from glovebox.protocols import quantile, ring_stacking
from glovebox.protocols.quantile import Counts, Rank, largest_frame, traffic
from glovebox.runtime.card import terms, value_of

WORD_BYTES = 8
HELD = 8  # arrays of all counts that a party holds at once: own, share, ascending, blocks, masked, opened, in frames


class Ranked(NamedTuple):
    """The quantiles of one measure. asked: the ranks of each total; places: these totals' numbers; low: of a value."""

    sizes: Counts
    asked: tuple[tuple[Rank, ...], ...]
    places: tuple[int, ...]
    low: int


def ranked_of(plan: Plan) -> tuple[Ranked, ...]:
    """The quantiles of every measure that has some, in the order of the measures."""
    if not isinstance(plan.source, Stacked):
        return ()
    groups, found = math.prod(len(grouping.labels) for grouping in groupings_of(plan)), []
    for index, measure in enumerate(plan.source.owners[0].measures):
        places = tuple(place for place, total in enumerate(plan.totals) if total.ranks and total.query == index)
        if places:
            wanted = [plan.totals[place] for place in places]
            sizes = Counts(groups, measure.high - measure.low + 1, max(total.most for total in wanted))
            found.append(Ranked(sizes, tuple(total.ranks for total in wanted), places, measure.low))
    return tuple(found)


def ranked_cost(plan: Plan) -> tuple[int, int]:
    """Bytes on all links and rounds of the quantiles of a stacked question, by the cards of their protocols."""
    size, rounds = 0.0, 0.0
    for one in ranked_of(plan):
        stacked = {"n": one.sizes.groups * one.sizes.values, "f": _senders(plan)}
        for protocol, sizes in ((ring_stacking, stacked), (quantile, traffic(one.asked, one.sizes))):
            card = terms(protocol.__doc__ or "")
            size, rounds = size + value_of(card["Bytes"], sizes), rounds + value_of(card["Rounds"], sizes)
    return round(size), round(rounds)


def ranked_frame(plan: Plan) -> int:
    """Bytes of the largest frame of these protocols."""
    frames = [
        max(largest_frame(one.asked, one.sizes), WORD_BYTES * one.sizes.groups * one.sizes.values)
        for one in ranked_of(plan)
    ]
    return max(frames, default=0)


def ranked_bytes(plan: Plan) -> int:
    """Memory of one party: the counts of every measure, and what a search among one of them takes."""
    sizes = [WORD_BYTES * one.sizes.groups * one.sizes.values for one in ranked_of(plan)]
    searched = [
        size * (HELD + 3 * len(quantile.ranks_of(one.asked))) for size, one in zip(sizes, ranked_of(plan), strict=True)
    ]
    return sum(sizes) + max(searched, default=0)


def _senders(plan: Plan) -> int:
    """Owners that are neither QUERY nor HELPER."""
    query, _, helper = plan.computing[:3]
    return sum(local.party not in (query, helper) for local in plan.source.owners)
