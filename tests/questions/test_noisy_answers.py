"""Answers with noise between running nodes: near the truth, given once, paid once, and not when the budget is gone."""

import asyncio
import os
import secrets
from contextlib import closing

import msgspec
import pytest

from glovebox.audit.receipts import verify_receipt
from glovebox.errors import GloveboxError
from glovebox.node.contracts import read_contract
from glovebox.node.ledger import Ledger
from glovebox.node.local import Ask, talk

from .fleets import agreed, ask, bind_rows

PARTIES = ("north", "east", "south", "analyst")
TERMS = """
[[table]]
owner = ["north", "east", "south"]
name = "patients"
rows = 5000
rows_per_id = 2
same_person_at_several = "no"
[table.columns]
patient = { type = "id", form = "text" }
ward = { type = "category", values = ["a", "b", "c"], may = ["group", "filter"] }
stay = { type = "integer", range = [0, 10], may = ["sum", "avg", "filter"] }

[rules]
ask = ["north", "analyst"]
receive = ["analyst", "south"]
groups_of_at_least = 100
questions = "any"

[privacy]
epsilon_total = "TOTAL"
epsilon_per_question = "1"
"""
QUESTION = "SELECT ward, COUNT(*) AS n, AVG(stay) AS days FROM patients GROUP BY ward"
COLUMNS = ("patient", "ward", "stay")
SIZES = {"a": 2400, "b": 3000, "c": 6}
EPSILON = 1_000_000


def made(directory, total=1000):
    """A running fleet of three hospitals and an analyst; total: the budget of each hospital."""
    fleet = agreed(directory, PARTIES, TERMS.replace("TOTAL", str(total)))
    for party in PARTIES[:3]:
        rows = [(f"{party}{ward}{n}", ward, n % 5) for ward, size in SIZES.items() for n in range(size // 3)]
        bind_rows(fleet, party, "patients", COLUMNS, rows)
    return fleet


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    with made(tmp_path_factory.mktemp("noisy")) as fleet:
        yield fleet


@pytest.fixture
def question():
    """QUESTION in words that no other test used."""
    return f"{QUESTION} -- {secrets.token_hex(8)}"


def entries(fleet, party):
    """Kinds and amounts in a party's ledger."""
    with closing(Ledger(fleet.homes[party].ledger_file)) as ledger:
        contract = read_contract(fleet.contract).hash
        return [(entry.kind, entry.amounts) for entry in ledger.entries(contract)]


def spent(fleet, party):
    """What is spent of the first hospital, by a party's ledger."""
    with closing(Ledger(fleet.homes[party].ledger_file)) as ledger:
        return ledger.spent(read_contract(fleet.contract).hash).get(0, 0)


def followed(fleet, party, statement, seen):
    """Ask, and note what events are reached by whom."""
    return fleet.ask(party, statement, seen=lambda event, at: seen.add((event, at)))


async def heard(home, request):
    """All that a node replies to a request."""
    return [reply async for reply in talk(home, request)]


def test_an_answer_is_near_the_truth_and_says_how_near(fleet, question):
    before = {party: entries(fleet, party) for party in PARTIES}
    answer = ask(fleet, "analyst", question)
    rows = {row[0]: (row[1:], bars[1:]) for row, bars in zip(answer.rows, answer.within, strict=True)}
    for ward in "ab":
        (n, days), (near_n, near_days) = rows[ward]
        assert abs(n - SIZES[ward]) <= 4 * near_n
        assert abs(days - 2) <= 4 * near_days
    assert rows["c"] == ((None, None), (None, None))
    assert [answer.rows[number][0] for number in answer.suppressed] == ["c"]
    for party in PARTIES:
        assert entries(fleet, party) == [*before[party], ("spent", {0: EPSILON, 1: EPSILON, 2: EPSILON})]


def test_asked_again_the_same_answer_comes_back_at_no_cost_and_nothing_is_computed(fleet, question):
    before = spent(fleet, "east")
    seen = [set() for _ in range(4)]
    first = followed(fleet, "analyst", question, seen[0])
    again = followed(fleet, "analyst", question, seen[1])
    by_another = followed(fleet, "north", question, seen[2])
    for party in PARTIES:
        fleet.stop(party)
    for party in PARTIES:
        fleet.start(party)
    later = followed(fleet, "analyst", question, seen[3])
    assert bytes(first.answer) == bytes(again.answer) == bytes(later.answer)
    assert bytes(by_another.answer) == b"null"
    assert ("matched", "north") in seen[0]
    for events in seen[1:]:
        assert {event for event, _ in events}.isdisjoint({"loaded", "encoded", "matched", "finished"})
        assert ("revealing", "north") in events
    keys = {party.name: party.key for party in read_contract(fleet.contract).parties}
    fields = [verify_receipt(one.receipt, keys, PARTIES) for one in (first, again, by_another, later)]
    assert len({(field["commitment"], field["run"]) for field in fields}) == 1
    assert len({field["session"] for field in fields}) == 4
    assert spent(fleet, "east") == before + EPSILON


def test_the_same_question_in_other_words_costs_again_and_has_other_noise(fleet, question):
    before = spent(fleet, "south")
    forms = [question, question.replace("SELECT", "select"), question + " ", question.replace("n,", "m,")]
    counts = {count for form in forms for _, count, _ in ask(fleet, "analyst", form).rows[:2]}
    assert len(counts) > 4
    assert spent(fleet, "south") == before + len(forms) * EPSILON


def test_other_rows_are_another_question_and_the_same_bound_again_are_not(fleet, question):
    before, bound = spent(fleet, "east"), fleet.directory / "north-patients.csv"
    held = bound.read_bytes()
    first = ask(fleet, "analyst", question)
    try:
        bind_rows(fleet, "north", "patients", COLUMNS, [(f"north{n}", "a", 3) for n in range(4000)])
        assert ask(fleet, "analyst", question).rows[0][1] > first.rows[0][1] + 1000
    finally:
        bound.write_bytes(held)
        fleet.bind("north", "patients", bound)
    assert ask(fleet, "analyst", question) == first
    assert spent(fleet, "east") == before + 2 * EPSILON


def test_a_run_in_which_nothing_was_revealed_costs_nothing(fleet, question):
    """One owner's rows are not those that were bound: all sign that they had not come to reveal."""
    before, path = {party: entries(fleet, party) for party in PARTIES}, fleet.directory / "east-patients.csv"
    status, held = path.stat(), path.read_bytes()

    def write(data):  # as if nobody had touched the file
        path.write_bytes(data)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    write(held.replace(b"easta0,a,0", b"easta0,a,4"))
    with pytest.raises(GloveboxError) as refused:
        ask(fleet, "analyst", question)
    write(held)
    assert (refused.value.exit_code, refused.value.party) == (7, "east")
    for party in PARTIES:
        assert [kind for kind, _ in entries(fleet, party)[len(before[party]) :]] == ["spent", "void"], party
    assert ask(fleet, "analyst", question).within
    assert (
        spent(fleet, "north")
        == sum(amounts[0] for kind, amounts in entries(fleet, "east") if kind == "spent") - EPSILON
    )


def test_when_the_budget_is_gone_only_what_was_answered_is_answered(tmp_path):
    with made(tmp_path, total=2) as fleet:
        first = ask(fleet, "analyst", QUESTION)
        ask(fleet, "analyst", "SELECT COUNT(*) AS n FROM patients")
        more = Ask(str(fleet.contract), "SELECT COUNT(*) AS more FROM patients", {}, 5.0)
        for request in (more, msgspec.structs.replace(more, dry_run=True)):
            with pytest.raises(GloveboxError) as refused:
                asyncio.run(heard(fleet.homes["analyst"], request))
            assert (refused.value.exit_code, refused.value.code) == (6, "budget")
            assert any("there is 0 left" in line for line in refused.value.detail)
        assert ask(fleet, "analyst", QUESTION) == first
        assert {spent(fleet, party) for party in PARTIES} == {2 * EPSILON}


def test_a_ledger_that_was_rolled_back_is_refused_by_the_peers(tmp_path):
    with made(tmp_path) as fleet:
        ask(fleet, "analyst", "SELECT COUNT(*) AS before FROM patients")
        fleet.stop("east")
        file = fleet.homes["east"].ledger_file
        aside = file.read_bytes()  # a ledger that is closed is one file
        fleet.start("east")
        ask(fleet, "analyst", QUESTION)
        fleet.stop("east")
        file.write_bytes(aside)
        fleet.start("east")
        with pytest.raises(GloveboxError) as refused:
            ask(fleet, "analyst", "SELECT COUNT(*) AS after FROM patients")
        assert (refused.value.code, refused.value.party, refused.value.exit_code) == ("ledger_rolled_back", "east", 7)
        assert spent(fleet, "north") == 2 * EPSILON
