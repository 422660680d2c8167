"""What `explain` tells of two owners alone, and that what is made ahead covers the contract's questions."""

from pathlib import Path

import pytest

from glovebox.contract.model import parse_contract
from glovebox.contract.two_owners import promises
from glovebox.node.two_owners import needs_by_party, usual_needs
from glovebox.planner import roles
from glovebox.planner.explain import explanation, in_words
from glovebox.planner.plan import plan_hash
from glovebox.planner.question import plan_question

EXAMPLES = Path(__file__).parents[2] / "examples" / "contracts"
STRICT = (EXAMPLES / "two-owners.toml").read_bytes()
CONTRACT = parse_contract(STRICT)
THIN = parse_contract((EXAMPLES / "two-owners-thin.toml").read_bytes())
SUM = "SELECT SUM(amount) AS s FROM purchases JOIN impressions USING (customer)"


def test_the_difference_to_a_neutral_party_is_told_in_bytes_time_and_assumptions():
    plan = plan_question(CONTRACT, "reach", {}, 0)
    told, words = explanation(plan, CONTRACT), in_words(plan, CONTRACT)
    assert told["roles"].keys() == {"query", "table"}
    assert told["must_not_collude"] == []
    assert told["bytes"] > told["bytes_ahead"] > told["with_neutral"]["bytes"]
    assert "Diffie-Hellman in ristretto255" in told["assumptions"]
    assert "with a neutral third party: about" in words
    assert "neither learns which match, or how many" in words


@pytest.mark.parametrize(("rows", "pays"), [(b"20_000", False), (b"2_000_000", True)])
def test_a_neutral_party_is_recommended_where_it_pays(rows, pays):
    contract = parse_contract(STRICT.replace(b"20_000", rows))
    plan = plan_question(contract, SUM, {}, 0)
    assert explanation(plan, contract)["neutral_pays"] == pays
    assert ("inviting a neutral third party pays here" in in_words(plan, contract)) == pays


def test_low_traffic_spares_bytes_and_says_what_it_rests_on(monkeypatch):
    sparing = parse_contract(STRICT.replace(b'"two-party"', b'"two-party-low-traffic"'))
    plan = plan_question(sparing, "reach", {}, 0)
    told, plain = explanation(plan, sparing), explanation(plan_question(CONTRACT, "reach", {}, 0), CONTRACT)
    assert 3 * told["bytes_ahead"] < plain["bytes_ahead"]
    assert told["protocol"] == "two-party-low-traffic"
    assert set(told["assumptions"]) - set(plain["assumptions"]) == {"learning parity with noise (table 1)"}
    assert "learning parity with noise" in in_words(plan, sparing)
    assert "on learning parity with noise (LPN, parameter table 1)" in " ".join(promises(sparing))
    assert "LPN" not in " ".join(promises(CONTRACT))
    monkeypatch.setattr(roles, "VERSION", 2)  # a node whose program has other parameters has another plan
    assert plan_hash(plan_question(sparing, "reach", {}, 0)) != plan_hash(plan)


def test_the_homomorphic_mode_says_what_it_tells_and_costs():
    plan = plan_question(THIN, "reach", {}, 0)
    told, words = explanation(plan, THIN), in_words(plan, THIN)
    assert (told["protocol"], told["epsilon"]) == ("two-party-homomorphic", "0.6")
    assert "the receiver is told besides how many ids match, at epsilon 0.1" in words


def test_what_is_made_ahead_covers_every_question_of_the_contract_and_a_sum_of_either_side():
    usual = usual_needs(CONTRACT)
    for statement in ("reach", "formats", SUM, SUM.replace("amount", "cost")):
        assert usual.covers(needs_by_party(plan_question(CONTRACT, statement, {}, 0)))
    assert usual.size < 64 << 20
