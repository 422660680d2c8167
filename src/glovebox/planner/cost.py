"""What a plan costs, by public sizes alone: bytes on all links, rounds, and how its time falls to its steps.

Bytes and rounds are what the cards of the protocols say. Pure, and the same at every node.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from glovebox.contract.terms import Contract
from glovebox.planner.plan import Joined, Plan, Total, groupings_of, joins_of, local_queries, stars_of
from glovebox.planner.ranked import ranked_cost
from glovebox.planner.shape import join_shape, joint_shape, star_shapes
from glovebox.protocols import intersection, least, quantile, star_shape
from glovebox.protocols.intersection import JoinShape, shards_met, shards_of, traffic
from glovebox.protocols.two_party import homomorphic, prepared
from glovebox.protocols.two_party import intersection as joint
from glovebox.protocols.two_party.intersection import JointShape
from glovebox.runtime.card import terms, value_of
from glovebox.schema.columns import Table
from glovebox.schema.local import LocalQuery

# Seconds on two cores of 2026 that three parties share, measured at 10^6 and 10^7 rows; only their ratio matters.
LOAD_ROW_S = 0.3e-6
PASSES = 3  # where ids repeat or groups are made: rows are kept, hashed, grouped
JOIN_BYTE_S = 5e-9  # of all links; 75 of a row for COUNT and SUM
FINISH_VALUE_S = 2e-3  # of the totals of all groups

# The same of two parties alone (benchmarks/two_owners.py).
AHEAD_TRANSFER_S = 1e-7  # of one key, whichever way it is made
ASKED_BYTE_S = 1.2e-8
POINT_S = 3e-5  # of an id of either, in the homomorphic mode: two products of the group, at both at once


class Step(NamedTuple):
    """A step of a plan, and about how long it takes."""

    name: str
    seconds: float


class Cost(NamedTuple):
    """Bytes over all links together, and rounds of the row-level run."""

    size: int
    rounds: int


class JointCost(NamedTuple):
    """Of two parties alone: what depends on no data and can be made before the question, and what waits for it."""

    ahead: Cost
    asked: Cost
    transfers: int

    @property
    def size(self) -> int:
        """Bytes of both."""
        return self.ahead.size + self.asked.size

    @property
    def seconds(self) -> tuple[float, float]:
        """About how long both take."""
        return AHEAD_TRANSFER_S * self.transfers, ASKED_BYTE_S * self.asked.size


def join_cost(shape: JoinShape) -> Cost:
    """What the card of `intersection.py` says of a shape, over all its shards."""
    shards, _ = shards_of(shape)
    card, sizes = terms(intersection.__doc__ or ""), traffic(shape)
    rounds = round(value_of(card["Rounds"], sizes))  # of one shard; the next begins before it ends
    size, rounds = shards * value_of(card["Bytes"], sizes), rounds + (shards - 1) * (rounds - 1)
    if shape.leasts and shards > 1:
        met = least.traffic_of_parts(shape.leasts, shards_met(shape, shards))
        size, rounds = size + met["e"], rounds + round(met["R"])
    for one in shape.ranked:  # which are looked for once, in what all shards counted
        card, sizes = terms(quantile.__doc__ or ""), quantile.traffic(one.ranks, one.sizes(shape.blocks))
        size -= (shards - 1) * value_of(card["Bytes"], sizes)
        rounds -= (shards - 1) * round(value_of(card["Rounds"], sizes))
    return Cost(round(size), rounds)


def joint_cost(shape: JointShape, low_traffic: bool) -> JointCost:
    """What the cards of `two_party/prepared.py` and `intersection.py` say of a shape, over all its shards."""
    ahead, asked = terms(prepared.__doc__ or ""), terms(joint.__doc__ or "")
    sizes, needs, (shards, _) = joint.traffic(shape), joint.needs_of(shape), shape.shards
    made = prepared.sizes(needs, low_traffic)
    rounds = round(value_of(asked["Rounds"], sizes))
    return JointCost(
        Cost(round(value_of(ahead["Bytes"], made)), round(value_of(ahead["Rounds"], made))),
        Cost(round(shards * value_of(asked["Bytes"], sizes)), rounds + (shards - 1) * (rounds - 1)),
        needs.transfers,
    )


def encrypted_cost(source: Joined, totals: Sequence[Total]) -> Cost:
    """What the card of `two_party/homomorphic.py` says."""
    shape, card = join_shape(source, totals), terms(homomorphic.__doc__ or "")
    lists = homomorphic.Lists(shape.n_query, shape.n_table, len(shape.totals) * shape.table_groups, True)
    return Cost(*(round(value_of(card[line], lists.traffic())) for line in ("Bytes", "Rounds")))


def plan_cost(plan: Plan) -> Cost:
    """What a plan's row-level run costs; nothing in a stacked question, whose owners share totals only."""
    if isinstance(plan.source, Joined) and plan.source.homomorphic:
        return encrypted_cost(plan.source, plan.totals)
    if isinstance(plan.source, Joined) and plan.source.helper is None:
        cost = joint_cost(joint_shape(plan.source, plan.totals), plan.source.lpn > 0)
        ahead, asked = cost.ahead, cost.asked
        return Cost(ahead.size + asked.size, ahead.rounds + asked.rounds)
    costs = [join_cost(join_shape(*run)) for run in joins_of(plan)]
    stars = [star_shape.traffic(star_shapes(one)) for one in stars_of(plan)]
    costs += [Cost(round(sizes["B"]), round(sizes["R"])) for sizes in stars]
    costs = costs or [Cost(*ranked_cost(plan))]
    return Cost(sum(cost.size for cost in costs), sum(cost.rounds for cost in costs))


def steps_of(plan: Plan, contract: Contract) -> tuple[Step, ...]:
    """The steps of every party's run, in order: who has no table waits while the owners load theirs."""
    groups = math.prod(len(grouping.labels) for grouping in groupings_of(plan))
    loading = max(
        sum(_loading_s(one, contract.table(one.table, one.party)) for one in query.tables)
        for query in local_queries(plan)
    )
    return (
        Step("loading", loading),
        Step("matching", _matching_s(plan) + FINISH_VALUE_S),
        Step("finishing", FINISH_VALUE_S * groups * len(plan.totals)),
    )


def _matching_s(plan: Plan) -> float:
    if isinstance(plan.source, Joined) and plan.source.homomorphic:
        return POINT_S * sum(query.lines for query in plan.source.owners)
    if isinstance(plan.source, Joined) and plan.source.helper is None:
        return sum(joint_cost(joint_shape(plan.source, plan.totals), plan.source.lpn > 0).seconds)
    return JOIN_BYTE_S * plan_cost(plan).size


def _loading_s(query: LocalQuery, table: Table) -> float:
    column = table.column(query.ids or "")
    return LOAD_ROW_S * table.rows * (1 if column and column.unique else PASSES)
