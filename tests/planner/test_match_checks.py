"""A match check is planned as a count of which only a band opens, and is refused where the contract has none."""

from __future__ import annotations

import pytest

from glovebox.contract.model import ContractError, parse_contract
from glovebox.errors import Refused
from glovebox.node.steps import finishing_of
from glovebox.planner.explain import in_words
from glovebox.planner.matching import CLAUSE, match_statements
from glovebox.planner.plan import Output
from glovebox.planner.question import plan_question

from ..contract.test_contract_rules import GOOD, PRIVACY

TEXT = GOOD.replace("groups_of_at_least = 2", "groups_of_at_least = 25\noverlap_checks = 2")
MATCH = "MATCH one.a.id WITH two.b.id"


def planned(text=TEXT, statement=MATCH, asker=0):
    return plan_question(parse_contract(text.encode()), statement, {}, asker)


def test_only_a_band_of_the_count_opens():
    plan = planned()
    (output,) = plan.outputs
    assert output == Output("overlap", "band", total=output.total, edges=(25, 50, 100, 200, 500, 1000))
    assert (plan.clause, plan.threshold, plan.zero_shown, plan.receivers) == (CLAUSE, 25, False, (0, 1))
    assert [part.kind for part in finishing_of(plan).parts] == ["band"]
    assert in_words(plan, parse_contract(TEXT.encode()))


def test_a_contract_that_shows_single_persons_tells_no_band_under_ten():
    text = TEXT.replace("groups_of_at_least = 25", 'groups_of_at_least = 1\nexact = "everyone may see single persons"')
    assert planned(text).outputs[0].edges[:3] == (10, 20, 50)


def test_every_join_has_its_check_also_of_composed_ids():
    text = TEXT.replace('["a.id", "b.id"]', '["a.id", "b.id"], [["a.id", "a.n"], ["b.id", "b.m"]]')
    statements = match_statements(parse_contract(text.encode()))
    assert statements == [MATCH, "MATCH one.a.id+n WITH two.b.id+m"]
    assert {planned(text, statement).source.query.ids for statement in statements} <= {"id", "id+n", "id+m"}


REFUSED = [
    (GOOD, MATCH, CLAUSE),
    (TEXT, "MATCH two.b.id WITH one.a.id", "rules.join"),
    (TEXT, "MATCH one.a.id WITH  two.b.id", "rules.join"),
    (TEXT, MATCH + " ", "rules.join"),
    (TEXT, "MATCH one.a.x WITH two.b.id", "rules.join"),
    (TEXT, "MATCH one.a.id WITH two.b.id; DROP TABLE a", "rules.join"),
    (TEXT, "match one.a.id with two.b.id", "sql"),
]


@pytest.mark.parametrize(("text", "statement", "step"), REFUSED)
def test_what_is_no_check_of_the_contract_is_refused(text, statement, step):
    with pytest.raises(Refused) as refused:
        planned(text.replace('"approved"', '"any"\nexact = "everyone may see single persons"'), statement)
    assert refused.value.step == step
    assert refused.value.hint


def test_who_may_not_ask_may_not_check_either():
    with pytest.raises(Refused) as refused:
        planned(asker=1)
    assert refused.value.step == "rules.ask"


def test_no_match_check_without_noise_beside_a_budget():
    with pytest.raises(ContractError) as refused:
        parse_contract(TEXT.replace("[rules]", PRIVACY.format("6", "1") + "[rules]").encode())
    assert refused.value.code == "contract_not_served"
