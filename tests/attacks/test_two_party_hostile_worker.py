"""The worker of one of two owners alone attacks over its true link: the run ends, it is named, nothing is revealed.

Right is QUERY of both protocols; `tests/protocols/two_party` attacks from either side, in every frame. threats.md M14
to M16, F1 to F3. The node that attacks is `hostile_node.py`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from glovebox.cli.fleet import anew
from glovebox.contract.terms import EXACT
from glovebox.errors import GloveboxError
from glovebox.node.contracts import read_contract
from glovebox.planner.question import plan_question
from glovebox.schema.answer import read_answer

from ..faults.halts import wait_until
from ..questions.fleets import agreed, bind_rows
from .hostile import count, sessions

pytestmark = pytest.mark.attack

HOSTILE = [sys.executable, str(Path(__file__).parent / "hostile_node.py")]
SETTINGS = "deadline_s = 3.0\nsession_s = 20.0\nahead_mib = 0\n"
SETTLING_S = 20
TABLES = """[[table]]
owner = "left"
name = "a"
rows = 300
[table.columns]
id = { type = "id", form = "integer", unique = true }
x = { type = "integer", range = [0, 10], may = ["filter"] }

[[table]]
owner = "right"
name = "b"
rows = 200
[table.columns]
id = { type = "id", form = "integer", unique = true }
y = { type = "integer", range = [0, 10], required = true, may = ["sum"] }

[rules]
join = [["a.id", "b.id"]]
ask = ["left"]
groups_of_at_least = 1
questions = "any"
"""
TERMS = {
    "two-party": TABLES + f'receive = ["left"]\nexact = "{EXACT}"\n',
    # the other way round: left's numbers are summed, for right
    "two-party-homomorphic": TABLES.replace("left", "RIGHT").replace("right", "left").replace("RIGHT", "right").replace(
        'ask = ["right"]', 'ask = ["left"]'
    )
    + f'receive = ["right"]\nexact = "{EXACT}"\n',
}  # fmt: skip
QUESTION = "SELECT COUNT(*) AS n, SUM(y) AS s FROM a JOIN b USING (id)"
STRICT = (
    "identity in prepare/by_table/base/choices",
    "no element in prepare/by_table/base/choices",
    "one element twice in prepare/by_table/base/choices",
    "identity in prepare/by_query/base/key",
    "short in prepare/by_query/trees",
    "long in prepare/by_query/nibbles",
    "short in join/trees",
    "long in join/shard0/table/codes",
    "short in join/shard0/equal/four",
    "long in join/shard0/totals/",
    "short in finish/choices",
    "goodbye",
    "closes",
)
THIN = (
    "identity in matching/query",
    "no element in matching/query",
    "one element twice in matching/query",
    "short in matching/query",
    "ones in matching/selections",
    "long in matching/selections",
    "goodbye",
    "closes",
)
LOST = ("goodbye", "closes")


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    """Two nodes with a contract of either protocol; `fleet.contracts` has their files."""
    fleet = None
    contracts = {}
    for protocol, terms in TERMS.items():
        if fleet is None:
            fleet = agreed(tmp_path_factory.mktemp("two"), ["left", "right"], f'protocol = "{protocol}"\n{terms}')
        else:
            text = contracts["two-party"].read_text()
            head = text[: text.index("[[table]]")].replace('"two-party"', f'"{protocol}"')
            fleet.agree(head.replace('name = "test"', 'name = "thin"') + terms)
        a, b = ("left", "right") if protocol == "two-party" else ("right", "left")
        bind_rows(fleet, a, "a", ("id", "x"), [(n, n % 7) for n in range(250)])
        bind_rows(fleet, b, "b", ("id", "y"), [(n, 5) for n in range(100, 290)])
        contracts[protocol] = fleet.contract.rename(fleet.directory / f"{protocol}.toml")
    fleet.contracts = contracts
    for home in fleet.homes.values():
        home.settings_file.write_text(home.settings_file.read_text() + SETTINGS)
    try:
        fleet.start("left")
        fleet.start("right", HOSTILE)
        yield fleet
    finally:
        for party in list(fleet.processes):
            fleet.stop(party)


def revealed(fleet):
    return [count(fleet, "left", table) for table in ("openings", "answers")]


def assert_named(fleet, protocol, name):
    fleet.contract = fleet.contracts[protocol]
    before, file = revealed(fleet), fleet.homes["right"].root / "attack"
    file.write_text(name)
    try:
        with pytest.raises(GloveboxError) as caught:
            fleet.ask("left", anew(QUESTION))
    finally:
        file.unlink()
    error = caught.value
    assert (error.party, error.exit_code) == ("right", 5), error.lines()
    assert name in LOST or "bad_frame" in f"{error.code} {error.summary}", error.lines()
    assert revealed(fleet) == before
    assert wait_until(lambda: sessions(fleet, "left")[0][1] == "failed", SETTLING_S)


def test_right_answers_while_it_is_honest_and_plays_the_roles_that_it_attacks_in(fleet):
    for protocol, path in fleet.contracts.items():
        fleet.contract = path
        source = plan_question(read_contract(path), QUESTION, {}, 0).source
        assert source.query.party == 1
        answered = fleet.ask("left", anew(QUESTION))
        if protocol == "two-party":
            assert read_answer(bytes(answered.answer)).rows == ((150, 750),)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", STRICT)
def test_a_hostile_owner_is_named_in_the_strict_protocol(fleet, name):
    assert_named(fleet, "two-party", name)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", THIN)
def test_a_hostile_owner_is_named_in_the_homomorphic_mode(fleet, name):
    assert_named(fleet, "two-party-homomorphic", name)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("protocol", "frames"), [("two-party", "join/"), ("two-party-homomorphic", "matching/sel")])
def test_an_owner_that_beats_and_sends_nothing_ends_with_the_time_of_the_session(fleet, protocol, frames):
    fleet.contract = fleet.contracts[protocol]
    before, file = revealed(fleet), fleet.homes["right"].root / "attack"
    file.write_text(f"nothing in {frames}")
    try:
        with pytest.raises(GloveboxError) as caught:
            fleet.ask("left", anew(QUESTION))
    finally:
        file.unlink()
    assert (caught.value.code, caught.value.exit_code) == ("too_long", 5), caught.value.lines()
    assert revealed(fleet) == before
