"""What a plan costs, by the cards of its protocols: bytes on all links and rounds. Pure, and the same at every node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from glovebox.planner.plan import Joined, Plan, Total
from glovebox.protocols import intersection
from glovebox.protocols.intersection import JoinShape, shards_of, traffic
from glovebox.protocols.totals import Total as RowTotal
from glovebox.runtime.card import terms, value_of


class Cost(NamedTuple):
    """Bytes over all links together, and rounds of the row-level run."""

    size: int
    rounds: int


def join_shape(n_query: int, n_table: int, payloads: int, totals: Sequence[Total]) -> JoinShape:
    """The shape of a row-level run."""
    return JoinShape(
        n_query, n_table, payloads, tuple(RowTotal(total.query, total.table, total.bits) for total in totals)
    )


def join_cost(shape: JoinShape) -> Cost:
    """What the card of `intersection.py` says of a shape, over all its shards."""
    shards, _ = shards_of(shape)
    card, sizes = terms(intersection.__doc__ or ""), traffic(shape)
    rounds = round(value_of(card["Rounds"], sizes))  # of one shard; the next begins before it ends
    return Cost(round(shards * value_of(card["Bytes"], sizes)), rounds + (shards - 1) * (rounds - 1))


def plan_cost(plan: Plan) -> Cost:
    """What a plan's row-level run costs; nothing in a stacked question, whose owners share totals only."""
    if not isinstance(plan.source, Joined):
        return Cost(0, 0)
    query, table = plan.source.query, plan.source.table
    return join_cost(join_shape(query.lines, table.lines, len(table.measures), plan.totals))
