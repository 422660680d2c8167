"""Questions meant to tell one person, each with what comes of it; answers are exact, so thresholds are all there is.

Repeats and other words of a question with noise are in tests/questions/test_noisy_answers.py, pairs that differ by one
person in tests/protocols/test_audit.py, and what is refused outright (ids compared, rows listed, questions that nobody
approved) in tests/refusals.
"""

from __future__ import annotations

import numpy as np
import pytest

from glovebox.contract.model import parse_contract
from glovebox.errors import Refused
from glovebox.node.steps import finishing_of
from glovebox.planner.answer import answer_of
from glovebox.planner.question import plan_question
from glovebox.protocols.finishing import finish
from glovebox.protocols.reveal import reveal_to_receivers, shares_for_opening
from glovebox.protocols.stacking import stacked_totals
from glovebox.runtime.world import World

from .evaluation import totals_of
from .test_meaning import HEAD

TERMS = """
[[table]]
owner = "p0"
name = "a"
rows = 99
rows_per_id = 2
[table.columns]
id = { type = "id", form = "integer" }
c = { type = "category", values = ["u", "v"], required = true, may = ["group", "filter"] }
x = { type = "integer", range = [0, 99], required = true, may = ["sum", "avg", "filter"] }

[[table]]
owner = "p1"
name = "b"
rows = 99
[table.columns]
id = { type = "id", form = "integer", unique = true }

[rules]
join = [["a.id", "b.id"]]
ask = ["p0", "p1"]
receive = ["p0", "p1"]
groups_of_at_least = 5
questions = "approved"
"""
FROM = "FROM a JOIN b USING (id)"


def agreed(*questions, terms=TERMS):
    """A contract of approved questions."""
    approved = "".join(f'[[question]]\nname = "q{n}"\nsql = "SELECT {sql}"\n' for n, sql in enumerate(questions))
    return parse_contract((HEAD + terms + approved).encode())


def planned(*questions, terms=TERMS):
    """The plan of the first of a contract's approved questions."""
    return plan_question(agreed(*questions, terms=terms), "q0", {}, 0)


async def opened(ctx, mine, *, finishing):
    secret = await stacked_totals(
        ctx.narrow("stacking"), finishing.bits, mine.shape, ctx.parties, mine * (ctx.party == 0)
    )
    finished = await finish(ctx.narrow("finish"), finishing, secret)
    opening = await shares_for_opening(ctx.narrow("opening"), finishing, finished)
    return opening, await reveal_to_receivers(ctx.narrow("reveal"), finishing, opening, (0,), "test")


async def told(plan, a, b):
    """The rows of the answer, and all that a receiver opens."""
    rows = {0: [{"id": i, "c": c, "x": x} for i, c, x in a], 1: [{"id": i, "c": "u"} for i in b]}
    totals = np.array(totals_of(plan, rows), np.int64)
    async with World(shamir=True) as world:
        _, found = (await world.run(opened, inputs=[totals] * 3, finishing=finishing_of(plan)))[0]
    answer = answer_of(plan, found.shown, found.parts)
    return answer.rows, (found.shown.tolist(), found.parts.tolist())


EVERY = [(number, "u", 10) for number in range(8)]


async def test_one_true_id_among_invented_ones_looks_like_none():
    plan = planned(f"COUNT(*) AS n, SUM(x) AS s {FROM}")
    invented = range(1000, 1060)
    outcomes = [await told(plan, [(5, "u", 77)], [*true, *invented]) for true in ([5], [])]
    assert outcomes[0] == outcomes[1]
    assert outcomes[0][0] == ((None, None),)


async def test_the_same_id_many_times_is_one_person():
    plan = planned(f"COUNT(*) AS n, SUM(x) AS s {FROM}")
    rows, _ = await told(plan, [(5, "u", 77), (5, "u", 77), (6, "u", 1), (6, "u", 1)], range(99))
    assert rows == ((None, None),)


@pytest.mark.parametrize("value", [0, 99])
async def test_an_average_of_one_shows_nothing(value):
    plan = planned(f"c, AVG(x) AS m {FROM} GROUP BY c")
    rows, seen = await told(plan, [*EVERY, (50, "v", value)], range(99))
    assert rows == (("u", 10), ("v", None))
    assert [line[1] for line in seen[1]] == [0] * len(seen[1])


@pytest.mark.parametrize("having", ["SUM(x) > 50", "SUM(x) <= 50"])
async def test_having_tells_nothing_of_a_small_group(having):
    plan = planned(f"c, COUNT(*) AS n {FROM} GROUP BY c HAVING {having}")
    outcomes = [await told(plan, [*EVERY, (50, "v", value)], range(99)) for value in (0, 99)]
    assert outcomes[0] == outcomes[1]


async def test_a_total_does_not_tell_the_group_that_it_has_more_than_those_that_show():
    """Eight people in one group, one in the other: nine in all, which another question tells."""
    by_group, total = f"c, COUNT(DISTINCT id) AS n {FROM} GROUP BY c", f"COUNT(DISTINCT id) AS n {FROM}"
    rows, _ = await told(planned(by_group, total), [*EVERY, (50, "v", 1)], range(99))
    assert rows == (("u", None), ("v", None))
    assert (await told(planned(total, by_group), [*EVERY, (50, "v", 1)], range(99)))[0] == ((9,),)
    assert (await told(planned(by_group), [*EVERY, (50, "v", 1)], range(99)))[0] == (("u", 8), ("v", None))


async def test_a_case_that_one_person_passes_is_about_a_group_that_shows():
    """The threshold counts the group's people: contracts without noise approve each question (docs/privacy.md)."""
    plan = planned(f"COUNT(CASE WHEN x = 77 THEN 1 END) AS n {FROM}")
    rows, _ = await told(plan, [*EVERY, (50, "u", 77)], range(99))
    assert rows == ((1,),)


@pytest.mark.parametrize("asked", [f"COUNT(*) AS n {FROM} WHERE x <> 77", f"COUNT(*) AS n, 1 AS one {FROM}"])
def test_a_question_that_differs_from_an_approved_one_is_refused(asked):
    with pytest.raises(Refused, match="refused"):
        plan_question(agreed(f"COUNT(*) AS n {FROM}"), f"SELECT {asked}", {}, 0)


RULE = TERMS.replace("groups_of_at_least", "dominance_percent = 60\ngroups_of_at_least")
UNIQUE = 'form = "integer", unique = true }\nc'
DOMINANCE = RULE.replace("rows_per_id = 2", "").replace('form = "integer" }\nc', UNIQUE)


@pytest.mark.parametrize(("largest", "shown"), [(59, True), (60, True), (61, False), (99, False), (0, True)])
@pytest.mark.parametrize("aggregate", ["SUM(x)", "AVG(x)", "SUM(x) FILTER (WHERE x > 0)"])
async def test_a_sum_that_one_person_dominates_does_not_show(largest, shown, aggregate):
    """Others add 40 in all: 60 of 100 is 60 percent, 61 of 101 more."""
    plan = planned(f"c, {aggregate} AS s {FROM} GROUP BY c", terms=DOMINANCE)
    rows, seen = await told(plan, [*EVERY, (50, "v", largest), *((51 + n, "v", 10) for n in range(4))], range(99))
    assert [row[1] is not None for row in rows] == [True, shown]
    assert shown or [line[1] for line in seen[1]] == [0] * len(seen[1])


@pytest.mark.parametrize(("asked", "others", "terms", "why"), [
    (f"SUM(x) AS s {FROM}", [], RULE, "What one person adds"),
    (f"MAX(x) AS s {FROM}", [], DOMINANCE.replace('"avg"', '"avg", "max"'), "One person's part"),
    (f"SUM(x - 5) AS s {FROM}", [], DOMINANCE, "below zero"),
    (f"SUM(x) AS s {FROM}", [], DOMINANCE.replace("[0, 99]", f"[0, {10**15}]"), "too large to compare"),
    (f"c, SUM(x) AS s {FROM} GROUP BY c", [f"COUNT(*) AS n {FROM}"], DOMINANCE, "tells a total of these sums"),
])  # fmt: skip
def test_sums_whose_parts_are_not_known_are_refused_under_a_dominance_rule(asked, others, terms, why):
    with pytest.raises(Refused) as refused:
        planned(asked, *others, terms=terms)
    assert any(why in line for line in refused.value.detail)
    assert refused.value.step == "rules.dominance_percent"
