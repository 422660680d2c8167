"""What a plan costs, by public sizes alone: bytes on all links, rounds, and how its time falls to its steps.

Bytes and rounds are what the cards of the protocols say. Pure, and the same at every node.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from glovebox.contract.terms import Contract
from glovebox.planner.plan import Joined, Plan, Total, local_queries
from glovebox.protocols import intersection
from glovebox.protocols.intersection import JoinShape, shards_of, traffic
from glovebox.protocols.totals import Total as RowTotal
from glovebox.runtime.card import terms, value_of
from glovebox.schema.columns import Table
from glovebox.schema.local import LocalQuery

# Seconds on two cores of 2026 that three parties share, measured at 10^6 and 10^7 rows; only their ratio matters.
LOAD_ROW_S = 0.3e-6
PASSES = 3  # where ids repeat or groups are made: rows are kept, hashed, grouped
JOIN_BYTE_S = 5e-9  # of all links; 75 of a row for COUNT and SUM
FINISH_VALUE_S = 2e-3  # of the totals of all groups


class Step(NamedTuple):
    """A step of a plan, and about how long it takes."""

    name: str
    seconds: float


class Cost(NamedTuple):
    """Bytes over all links together, and rounds of the row-level run."""

    size: int
    rounds: int


def join_shape(source: Joined, totals: Sequence[Total]) -> JoinShape:
    """The shape of a row-level run. A total of a pivoted side is one for each of its groups, as `by_group` expects."""
    query, table = source.query, source.table
    payloads = len(table.measures) * _pivots(table)
    return JoinShape(
        query.lines,
        table.lines,
        payloads,
        tuple(
            RowTotal(
                _pivoted(total.query, query, own),
                _pivoted(total.table, table, other) if total.column is None else payloads + total.column,
                total.bits,
                total.choice,
            )
            for total in totals
            for own in range(_pivots(query))
            for other in range(_pivots(table))
        ),
        1 if query.pivoted else query.groups,
        1 if table.pivoted else table.groups,
        source.choices,
        source.columns,
    )


def by_group(source: Joined, totals: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """A run's totals as those of the plan: (totals, groups), by the query's groups and within each by the table's."""
    query, table = source.query, source.table
    own, other = _pivots(query), _pivots(table)
    apart = totals.reshape(-1, own, other, query.groups // own, table.groups // other)
    return apart.transpose(0, 1, 3, 2, 4).reshape(len(apart), query.groups * table.groups)


def _pivots(local: LocalQuery) -> int:
    return local.groups if local.pivoted else 1


def _pivoted(measure: int | None, local: LocalQuery, group: int) -> int | None:
    """The index of a measure of one group."""
    return None if measure is None else measure * _pivots(local) + group


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
    return join_cost(join_shape(plan.source, plan.totals))


def steps_of(plan: Plan, contract: Contract) -> tuple[Step, ...]:
    """The steps of every party's run, in order: who has no table waits while the owners load theirs."""
    source = plan.source
    groups = source.query.groups * source.table.groups if isinstance(source, Joined) else source.owners[0].lines
    loading = max(_loading_s(query, contract.table(query.table, query.party)) for query in local_queries(plan))
    return (
        Step("loading", loading),
        Step("matching", JOIN_BYTE_S * plan_cost(plan).size + FINISH_VALUE_S),
        Step("finishing", FINISH_VALUE_S * groups * len(plan.totals)),
    )


def _loading_s(query: LocalQuery, table: Table) -> float:
    column = table.column(query.ids or "")
    return LOAD_ROW_S * table.rows * (1 if column and column.unique else PASSES)
