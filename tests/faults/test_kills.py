"""Kill any worker or node at any event: all are told who was lost and where, at once, and the next question works.

Every case stops one party at an event (`held_node.py`) and kills a process of it there; the next case asks of the same
nodes, after a restart of what was killed, and after the last one so does the fixture. `make faults` prints the table.
"""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from glovebox.cli.fleet import anew
from glovebox.schema.answer import read_answer

from ..waiting import PATIENCE_S, wait_until
from .halts import (
    ASKER,
    EVENTS,
    HELD,
    PARTIES,
    QUESTION,
    assert_settled,
    halted,
    held_fleet,
    kept,
    said,
    start_missing,
    status,
)

SAMPLE = {
    ("started", "right", "node"), ("linked", "notary", "worker"), ("matched", "right", "worker"),
    ("revealing", "left", "worker"),
}  # fmt: skip
"""What `make test` runs too."""

KILLS = [
    (event, party, process)
    for event in EVENTS
    for party in PARTIES
    for process in ("worker", "node")
    if not (party == "notary" and event in ("loaded", "answered"))  # it has no table, and gets no answer
    and not (process == "worker" and event == "endorsing")  # it has completed: as at `signed`
]


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    with held_fleet(tmp_path_factory.mktemp("kills")) as fleet:
        yield fleet
        start_missing(fleet)
        assert fleet.ask(ASKER, anew(QUESTION)).receipt


@pytest.mark.fault
@pytest.mark.parametrize(
    ("event", "party", "process"),
    [pytest.param(*kill, marks=pytest.mark.sample if kill in SAMPLE else ()) for kill in KILLS],
)
def test_a_kill_is_told_and_survived(fleet, record_property, event, party, process):
    halt = halted(fleet, party, event)
    node = fleet.processes[party]
    killed = time.monotonic()
    os.kill(halt.worker if process == "worker" else node.pid, signal.SIGKILL)
    if process == "node":
        node.wait()
        del fleet.processes[party]
    halt.release()
    halt.asking.thread.join(PATIENCE_S)
    error, seconds = halt.asking.error, halt.asking.at - killed
    told = f"{error.exit_code} {error.code:<12}{error.party or '-':<8}{error.step or '-':<10}" if error else "answered"
    record_property("fault", f"{EVENTS.index(event):>2} {event:<10}{party:<8}{process:<8}{told} {seconds:.2f} s")

    if error is None:
        assert halt.asking.answered
        assert needless(event, party, process)
    else:
        assert error.exit_code == 5
        assert "nothing came" not in " ".join(error.lines()).lower()  # told by the death itself, not by a deadline
        if (party, process) == (ASKER, "node"):
            assert error.summary == "this party's node ended before it answered"
        else:
            assert error.party == party
            assert is_near(error.step, event)
        assert_others_say_so(fleet, halt, party, event)
    assert_nothing_revealed(fleet, halt, event, party)
    assert_settled(fleet, {halt.worker})
    if process == "node":
        assert_restart_says_what_was_cut_off(fleet, party, halt.before[party])


def needless(event, party, process):
    """Whether the session does not need what was killed: a spare before, a worker that has given its answer."""
    if process == "worker":
        return event in ("proposed", "answered", "signed")
    return event == "signed" and party != ASKER


def is_near(step, event):
    """Whether a step is the event of the kill or its neighbour: a loss is met where the next word is said or missed."""
    place = EVENTS.index(event)
    return step in EVENTS[max(0, place - 1) : place + 2] or (event == "endorsing" and step == "signed")


def assert_others_say_so(fleet, halt, party, event):
    """Every other node's log names the party and a step."""
    for other in set(PARTIES) - {party}:
        if event in ("proposed", "accepted") and kept(fleet, other).states == halt.before[other].states:
            continue  # it had not heard of the question
        assert wait_until(lambda other=other: said(fleet, other, halt.before[other])), other
        (entry,) = said(fleet, other, halt.before[other])
        if entry.event != "signed":
            assert entry.what["party"] == party, (other, entry)
            assert entry.what["step"], (other, entry)
        else:
            assert EVENTS.index(event) >= EVENTS.index("answered"), (other, entry)


def assert_nothing_revealed(fleet, halt, event, party):
    """Before `revealing` no party has shares of an opening from it, and without those no receiver has an answer."""
    for each in PARTIES:
        now, before = kept(fleet, each), halt.before[each]
        if halt.asking.error and EVENTS.index(event) <= EVENTS.index("revealing"):
            assert now.answers == before.answers, each
        if halt.asking.error and event not in ("finished", "revealing", "answered", "endorsing", "signed"):
            assert now.openings == before.openings, each
        if event == "finished" and each == party:  # the others have their own shares and say nothing by them
            assert now.openings == before.openings


def assert_restart_says_what_was_cut_off(fleet, party, before):
    open_ones = {id_: state for id_, state in kept(fleet, party).states.items() if id_ not in before.states}
    cut_off = {id_.hex(): state for id_, state in open_ones.items() if state != "signed"}
    fleet.start(party, HELD)
    log = kept(fleet, party).log[len(before.log) :]
    assert {e.what["session"]: e.what["state"] for e in log if e.event == "interrupted"} == cut_off
    assert status(fleet, party).interrupted == len(cut_off)
    states = kept(fleet, party).states
    assert all(states[id_] == ("failed" if id_.hex() in cut_off else "signed") for id_ in open_ones)


def test_the_command_line_says_who_was_lost(fleet):
    start_missing(fleet)
    home = fleet.homes["notary"].root
    (home / "held").unlink(missing_ok=True)
    (home / "hold").write_text("encoded")

    def kill():
        assert wait_until((home / "held").exists)
        fleet.processes["notary"].kill()
        fleet.processes.pop("notary").wait()
        (home / "hold").unlink()

    killing = threading.Thread(target=kill)
    killing.start()
    command = [sys.executable, "-I", "-m", "glovebox", "ask", str(fleet.contract), anew(QUESTION)]
    asked = subprocess.run(
        [*command, "--home", str(fleet.homes[ASKER].root)], capture_output=True, text=True, check=False
    )
    killing.join()
    assert asked.returncode == 5
    assert asked.stdout == ""
    assert "notary" in asked.stderr
    assert "Traceback" not in asked.stderr
    for party in PARTIES:
        assert "Traceback" not in (fleet.homes[party].root / "err.txt").read_text()


def test_a_second_node_on_a_home_refuses(fleet):
    start_missing(fleet)
    done = subprocess.run(
        [*HELD, "serve", "--home", str(fleet.homes["left"].root)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "another node runs" in done.stderr
    answered = fleet.ask("left", anew(QUESTION))
    assert read_answer(bytes(answered.answer)).rows
