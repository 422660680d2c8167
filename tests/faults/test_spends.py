"""Kill a node at any event of a question with noise: no ledger says less than was spent, and an answer is given once.

After a restart the same question is asked again. Where every computing party had its opening shares on disk, the answer
was on its way: the same shares go out, at no cost. Elsewhere the question runs anew, and costs anew, unless all signed
that nothing had been revealed.
"""

import dataclasses
import os
import signal
import sqlite3
from contextlib import closing

import pytest

from glovebox.cli.fleet import anew
from glovebox.contract.terms import MICRO
from glovebox.node.contracts import read_contract
from glovebox.node.ledger import Ledger

from ..waiting import PATIENCE_S, wait_until
from .halts import (
    ASKER,
    EVENTS,
    EXERCISE,
    HELD,
    PARTIES,
    QUESTION,
    assert_settled,
    halted,
    held_fleet,
    start_missing,
)

RULES = EXERCISE.terms.partition("exact = ")[0].replace("groups_of_at_least = 1", "groups_of_at_least = 2")
NOISY = dataclasses.replace(EXERCISE, terms=f'{RULES}[privacy]\nepsilon_total = "1000"\nepsilon_per_question = "1"\n')
SAMPLE = {("finished", "right"), ("revealing", "left")}

KILLS = [
    (event, party)
    for event in EVENTS
    for party in PARTIES
    if not (party == "notary" and event in ("loaded", "answered"))  # it has no table, and gets no answer
]


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    with held_fleet(tmp_path_factory.mktemp("spends"), exercise=NOISY) as fleet:
        yield fleet


def spent(fleet, party):
    """What one owner has spent, by a party's ledger, and the kinds of its entries by session."""
    with closing(Ledger(fleet.homes[party].ledger_file)) as ledger:
        contract = read_contract(fleet.contract).hash
        kinds = {}
        for entry in ledger.entries(contract):
            kinds.setdefault(entry.session, []).append(entry.kind)
        return max(ledger.spent(contract).values(), default=0), kinds


def openings(fleet, party):
    """Sessions of which a party keeps shares of an opening."""
    with closing(sqlite3.connect(f"file:{fleet.homes[party].state_file}?mode=ro", uri=True)) as db:
        return {row[0] for row in db.execute("SELECT session FROM openings")}


@pytest.mark.fault
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("event", "party"), [pytest.param(*kill, marks=pytest.mark.sample if kill in SAMPLE else ()) for kill in KILLS]
)
def test_a_kill_never_makes_an_answer_cheaper(fleet, record_property, event, party):
    start_missing(fleet)
    statement = anew(QUESTION)
    before = {each: (spent(fleet, each), openings(fleet, each)) for each in PARTIES}
    known = max(amount for (amount, _), _ in before.values())
    halt = halted(fleet, party, event, statement)
    node = fleet.processes.pop(party)
    os.kill(node.pid, signal.SIGKILL)
    node.wait()
    halt.release()
    halt.asking.thread.join(PATIENCE_S)
    fleet.start(party, HELD)
    assert_settled(fleet, {halt.worker})

    computed = set.intersection(*(openings(fleet, each) - before[each][1] for each in PARTIES))
    begun = {session for each in PARTIES for session in openings(fleet, each) - before[each][1]}
    for each in PARTIES:  # whoever has shares of an opening has paid for them, and nobody gives that back
        kinds = spent(fleet, each)[1]
        for session in openings(fleet, each) - before[each][1]:
            assert kinds[session] == ["spent"], (each, event, party)
    assert len(begun) <= 1
    first = fleet.ask(ASKER, statement)
    if computed:
        assert bytes(fleet.ask(ASKER, statement).answer) == bytes(first.answer)
    assert wait_until(lambda: len({spent(fleet, each)[0] for each in PARTIES}) == 1)
    after = {each: spent(fleet, each)[0] for each in PARTIES}
    runs = {session for each in PARTIES for session in openings(fleet, each) - before[each][1]}
    assert after[ASKER] >= known + len(runs) * MICRO  # never fewer spends than runs with an opening
    assert after[ASKER] <= known + 2 * MICRO
    if computed:  # the answer was on its way: that one is given, and nothing is computed
        assert runs == computed
        assert after[ASKER] == known + MICRO
    told = "the same run" if computed else f"{(after[ASKER] - known) // MICRO} spent, {len(runs)} runs with openings"
    record_property("fault", f"{EVENTS.index(event):>2} {event:<10}{party:<8}node    then {told}")
