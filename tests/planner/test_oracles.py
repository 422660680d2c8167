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

from . import test_beside
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
        ctx.narrow("stacking"), finishing.bits, finishing.most, finishing.groups, ctx.parties, mine * (ctx.party == 0)
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


@pytest.mark.parametrize("having", ["SUM(x) > 50", "SUM(x) <= 50", "COUNT(*) < 2 AND SUM(x) > 50"])
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


@pytest.mark.parametrize("value", [10, 77])
async def test_a_parameter_that_fits_one_person_finds_what_fits_nobody(value):
    """Whether anybody has 77 cannot be told: a group of one opens as a group of none does."""
    asked = f"SELECT c, COUNT(*) AS n, AVG(x) AS m {FROM} WHERE x = :x GROUP BY c"
    question = f'[[question]]\nname = "q0"\nsql = "{asked}"\nparameters = {{ x = "integer" }}\n'
    plan = plan_question(parse_contract((HEAD + TERMS + question).encode()), "q0", {"x": "77"}, 0)
    nobody = await told(plan, EVERY, range(99))
    assert await told(plan, [*EVERY, (50, "v", value)], range(99)) == nobody


async def test_two_questions_that_differ_by_one_person_tell_that_person():
    """What is not defended (docs/limits.md): filters are weighed by who signs, and an owner is warned of such a pair
    (tests/questions/test_disclosures.py). By groups the same pair is suppressed, as above."""
    pair = f"SUM(x) AS s, COUNT(*) AS n {FROM}", f"SUM(x) AS s, COUNT(*) AS n {FROM} WHERE x <> 77"
    people = [*EVERY, (50, "u", 77)]
    ((every, more),), ((others, fewer),) = [
        (await told(planned(*asked), people, range(99)))[0] for asked in (pair, pair[::-1])
    ]
    assert (every - others, more - fewer) == (77, 1)


def test_no_approved_question_has_a_limit():
    """All groups would open to the receivers, who keep the first ones."""
    with pytest.raises(Refused) as refused:
        planned(f"c, COUNT(*) AS n {FROM} GROUP BY c ORDER BY n LIMIT 1")
    assert "LIMIT would hide groups that open all the same" in refused.value.detail[-1]


@pytest.mark.parametrize("asked", [
    "COUNT(*) AS n {} WHERE x <> 77", "COUNT(*) AS n, 1 AS one {}", "COUNT(*) AS n {} WHERE NOT x = 77",
    "COUNT(*) FILTER (WHERE x <> 77) AS n {}", "COUNT(CASE WHEN x <> 77 THEN 1 END) AS n {}", "SUM(1) AS n {}",
    "COUNT(*) AS n {} HAVING COUNT(*) > 8", "COUNT(*) AS n {} LIMIT 1", "COUNT(*) AS m {}", "AVG(x) AS n {}",
    "COUNT(*) AS n FROM b JOIN a USING (id)", "COUNT(*) AS n FROM a WHERE id IN (SELECT id FROM b)",
    "c, COUNT(*) AS n {} GROUP BY c",
])  # fmt: skip
def test_a_question_that_differs_from_an_approved_one_is_refused(asked):
    with pytest.raises(Refused, match="refused"):
        plan_question(agreed(f"COUNT(*) AS n {FROM}"), f"SELECT {asked.format(FROM)}", {}, 0)


@pytest.mark.parametrize(
    "asked", ["select  count(*) as n\nfrom a join b using (id)", "SELECT COUNT(*) AS n /* c */ {}"]
)
def test_an_approved_question_in_another_layout_is_that_question(asked):
    contract = agreed(f"COUNT(*) AS n {FROM}")
    assert plan_question(contract, asked.format(FROM), {}, 0) == plan_question(contract, "q0", {}, 0)


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


def test_a_persons_rows_are_one_part_where_a_sub_query_adds_them_up():
    made = "FROM (SELECT id, SUM(x) AS s FROM a GROUP BY id) q JOIN b USING (id)"
    assert len(planned(f"SUM(q.s) AS s {made}", terms=RULE).dominance) == 1


@pytest.mark.parametrize("asked", [
    f"SUM(q.s) AS s FROM {test_beside.VISITORS} q",
    f"AVG(q.n) AS s FROM {test_beside.VISITORS} q JOIN p2.g g USING (id)",
    f"SUM(l.f::INTEGER) AS s FROM p2.g c JOIN {test_beside.ALL} l ON l.id = c.id", "SUM(f::INTEGER) AS s FROM w",
    "SUM(f::INTEGER) AS s FROM v",
])  # fmt: skip
def test_sums_over_persons_of_several_owners_are_refused_under_a_dominance_rule(asked):
    laws = test_beside.LAWS.replace("groups_of_at_least", "dominance_percent = 60\ngroups_of_at_least")
    with pytest.raises(Refused) as refused:
        plan_question(parse_contract((HEAD + test_beside.TABLES + laws).encode()), f"SELECT {asked}", {}, 0)
    assert refused.value.step == "rules.dominance_percent"
    assert "What one person adds to this total is not known here." in refused.value.detail
    assert "sub-query" in refused.value.hint
