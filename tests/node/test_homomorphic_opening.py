"""The homomorphic mode from both owners' rows to what its receiver opens: by group, with noise, above a threshold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from glovebox.contract.model import parse_contract
from glovebox.errors import Refused
from glovebox.node.budget import cost_of
from glovebox.node.homomorphic import halves_for_opening, reveal
from glovebox.planner.answer import answer_of
from glovebox.planner.question import plan_question
from glovebox.protocols.shards import Rows
from glovebox.runtime.world import World

from ..protocols.joins import owner

EXAMPLE = Path(__file__).parents[2] / "examples" / "contracts" / "two-owners-thin.toml"
CONTRACT = parse_contract(EXAMPLE.read_bytes().replace(b"20_000", b"200").replace(b'"0.5"', b'"5"'))
SUMS = """SELECT COUNT(DISTINCT customer) AS people, SUM(cost) AS cost
FROM members JOIN impressions USING (customer) WHERE format = 'video'"""


async def opened(ctx, own, plan):
    async def reached(event):
        pass

    opening = await halves_for_opening(ctx.narrow("joint"), plan, own, reached)
    once = await reveal(ctx.narrow("reveal"), plan, opening)
    again = await reveal(ctx.narrow("again"), plan, opening)
    assert (once is None) == (again is None)
    assert once is None or (once.parts == again.parts).all()
    return once


async def answered(plan, query, table):
    async with World(2, seed=3, deadline_s=60) as world:
        got = await world.run(opened, query=query, table=table, plan=plan)
    assert got.table is None
    return answer_of(plan, got.query.shown, got.query.parts)


async def test_noisy_sums_open_to_the_receiver_and_small_groups_do_not_show():
    plan = plan_question(CONTRACT, "formats", {}, 0)
    query, table = owner(range(120), [0] * 120), owner(range(40, 200), [1] * 160)
    of_first = (np.arange(160) < 70).astype(np.int64)  # 70 of the first match, 10 of the second
    assert plan.source.table.pivoted
    answer = await answered(plan, query, Rows(table.ids, np.stack([of_first, 1 - of_first])))
    (video, many), (banner, few) = answer.rows
    assert (video, banner, few) == ("video", "banner", None)
    assert abs(many - 70) <= 5 * answer.within[0][1]


async def test_without_privacy_sums_are_exact_and_the_size_is_told():
    plan = replace(plan_question(CONTRACT, SUMS, {}, 0), noise=None, threshold=1)
    measures = plan.source.table.measures
    query, table = owner(range(50), [0] * 50), owner(range(30, 90), [0] * 60)
    values = np.stack([np.ones(60, np.int64) if one.kind != "sum" else np.arange(60) for one in measures])
    answer = await answered(plan, query, Rows(table.ids, values))
    assert [int(cell * 10**4) if place else cell for place, cell in enumerate(answer.rows[0])] == [20, sum(range(20))]


def test_a_session_costs_what_it_tells_beside_its_answer():
    assert cost_of(plan_question(CONTRACT, "formats", {}, 0)) == dict.fromkeys((0, 1), 5_100_000)


@pytest.mark.parametrize("statement", [
    "SELECT country, COUNT(*) AS n FROM members JOIN impressions USING (customer) GROUP BY country",
    "SELECT COUNT(*) AS n FROM members LEFT JOIN impressions USING (customer)",
])  # fmt: skip
def test_what_would_use_more_of_the_receivers_rows_is_refused(statement):
    with pytest.raises(Refused) as refused:
        plan_question(CONTRACT, statement, {}, 0)
    assert refused.value.step in ("protocol", "privacy")
