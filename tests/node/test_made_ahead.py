"""Two owners' transfers are made while their nodes are idle, used once, and never a condition of a question."""

import os
import secrets
import signal
from contextlib import closing

import msgspec
import pytest

from glovebox.audit.log import Entry
from glovebox.errors import GloveboxError
from glovebox.node.contracts import read_contract
from glovebox.node.ledger import Ledger
from glovebox.schema.answer import read_answer

from ..faults.halts import wait_until
from ..questions.fleets import agreed, bind_rows

TERMS = """protocol = "two-party"
[[table]]
owner = "left"
name = "a"
rows = 900
[table.columns]
id = { type = "id", form = "integer", unique = true }
x = { type = "integer", range = [0, 10], required = true, may = ["sum", "avg", "filter"] }

[[table]]
owner = "right"
name = "b"
rows = 900
[table.columns]
id = { type = "id", form = "integer", unique = true }
y = { type = "integer", range = [0, 10], required = true, may = ["sum", "avg", "filter"] }

[rules]
join = [["a.id", "b.id"]]
ask = ["left", "right"]
receive = ["left", "right"]
groups_of_at_least = 20
questions = "any"

[privacy]
epsilon_total = "100"
epsilon_per_question = "2"
"""
PARTIES = ("left", "right")
WAIT_S = 90
EPSILON = 2_000_000


def bound(directory, terms):
    fleet = agreed(directory, PARTIES, terms)
    bind_rows(fleet, "left", "a", ("id", "x"), [(n, n % 7) for n in range(800)])
    bind_rows(fleet, "right", "b", ("id", "y"), [(n, 5) for n in range(300, 900)])
    return fleet


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    with bound(tmp_path_factory.mktemp("ahead"), TERMS) as fleet:
        yield fleet


def asked(fleet, party="left", seen=lambda event, at: None):
    statement = "SELECT COUNT(DISTINCT a.id) AS n, SUM(y) AS s FROM a JOIN b USING (id)"
    return fleet.ask(party, f"{statement} -- {secrets.token_hex(8)}", seen=seen)


def assert_near(answered):
    answer = read_answer(bytes(answered.answer))
    for cell, clear, within in zip(answer.rows[0], (500, 2500), answer.within[0], strict=True):
        assert abs(cell - clear) <= 5 * within


def said(fleet, party, event):
    lines = fleet.homes[party].log_file.read_bytes().splitlines()
    return [entry.what for line in lines if (entry := msgspec.json.decode(line, type=Entry)).event == event]


def stocks(fleet):
    """The sessions in which transfers were made, as both say."""
    made = [[what["session"] for what in said(fleet, party, "prepared")] for party in PARTIES]
    return made[0] if made[0] == made[1] else []


@pytest.mark.timeout(400)
def test_a_question_uses_what_was_made_before_it_and_no_other_question_does(fleet):
    assert wait_until(lambda: stocks(fleet), WAIT_S)
    first = asked(fleet)
    assert_near(first)
    at_once = asked(fleet, "right")  # nothing is made yet: the session makes its own
    assert_near(at_once)
    sent = [sum(party.bytes_sent for party in answered.parties) for answered in (first, at_once)]
    assert 2 * sent[0] < sent[1]
    assert wait_until(lambda: len(stocks(fleet)) > 1, WAIT_S)
    assert_near(asked(fleet))
    for party in PARTIES:
        used = [what["ahead"] for what in said(fleet, party, "started") if "ahead" in what]
        assert used == stocks(fleet)[: len(used)]
        assert len(used) == len(set(used)) == 2
        with closing(Ledger(fleet.homes[party].ledger_file)) as ledger:
            spent = ledger.spent(read_contract(fleet.contract).hash)
        assert spent == dict.fromkeys((0, 1), 3 * EPSILON)
    assert_kills_are_survived(fleet)


def assert_kills_are_survived(fleet):
    """Of a worker in its session, who is named; and of one that holds transfers: the session makes its own."""

    def kill(event, party):
        if (event, party) == ("linked", "right"):
            for worker in fleet.workers("right"):
                os.kill(worker, signal.SIGKILL)

    with pytest.raises(GloveboxError) as lost:
        asked(fleet, seen=kill)
    assert (lost.value.exit_code, lost.value.party) == (5, "right")
    before = len(stocks(fleet))
    assert wait_until(lambda: len(stocks(fleet)) > before, WAIT_S)
    for worker in fleet.workers("left"):
        os.kill(worker, signal.SIGKILL)
    answered = asked(fleet)
    assert_near(answered)
    assert "ahead" not in said(fleet, "left", "started")[-1]


@pytest.mark.timeout(400)
def test_transfers_of_low_traffic_are_made_before_a_question_and_in_it(tmp_path):
    with bound(tmp_path, TERMS.replace("two-party", "two-party-low-traffic")) as fleet:
        assert wait_until(lambda: stocks(fleet), WAIT_S)
        assert_near(asked(fleet))
        answered = asked(fleet, "right")
        assert_near(answered)
        assert "\nprotocol: two-party-low-traffic\n" in answered.receipt
        assert said(fleet, "left", "started")[0]["ahead"] == stocks(fleet)[0]
