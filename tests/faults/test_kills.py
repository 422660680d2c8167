"""Kill any worker or node at any event: the asker is told who was lost and where, at once, and the next question works.

Every case stops one party right after an event (`held_node.py`), kills a process of it there, and asks again after a
restart. `pytest -m fault -s` prints the table.
"""

import contextlib
import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from glovebox.cli.exercises import pair
from glovebox.cli.fleet import Fleet
from glovebox.errors import GloveboxError
from glovebox.node.state import State

HELD = [sys.executable, str(Path(__file__).parent / "held_node.py")]
EXERCISE = pair(128)
QUESTION = EXERCISE.questions[0].asked
PARTIES = ("left", "right", "notary")
BEFORE = ("accepted", "started", "linked", "loaded", "encoded", "matched", "finished")
AFTER = ("revealing", "answered")
WITHIN_S = 5.0
"""A bound that people rely on (who waits for a dead peer must be told), not a measure of speed: it takes 0.1 s."""


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    directory = tmp_path_factory.mktemp("kills")
    files = EXERCISE.write(directory / "data")
    fleet = Fleet(directory, list(PARTIES))
    fleet.agree(EXERCISE.contract(fleet.keys, fleet.addresses))
    for (party, table), path in files.items():
        fleet.bind(party, table, path)
    yield fleet
    for party in PARTIES:
        fleet.stop(party)


def children(process):
    return {int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()}


def run_until_killed(fleet, party, event, process):
    """Ask, stop `party` at `event`, kill there; what the asker was told, and seconds from the kill until then."""
    for each in PARTIES:
        if each not in fleet.processes:
            fleet.start(each, HELD)
    home = fleet.homes[party].root
    (home / "held").unlink(missing_ok=True)
    told = {}

    def ask():
        try:
            told["answer"] = fleet.ask("left", QUESTION)
        except GloveboxError as error:
            told["error"] = error
        told["at"] = time.monotonic()

    node = fleet.processes[party]
    deadline = time.monotonic() + 20
    while not (spare := children(node)) and time.monotonic() < deadline:
        time.sleep(0.01)
    (home / "hold").write_text(event)
    asking = threading.Thread(target=ask)
    asking.start()
    while not (home / "held").exists() and time.monotonic() < deadline:
        time.sleep(0.002)
    assert (home / "held").exists(), told
    workers = spare & children(node)
    victims = workers if process == "worker" else {node.pid}
    assert len(victims) == 1
    killed = time.monotonic()
    os.kill(victims.pop(), signal.SIGKILL)
    if process == "node":
        node.wait()
        del fleet.processes[party]
    (home / "hold").unlink()
    asking.join(60)
    return told.get("error"), told["at"] - killed


def answers(fleet):
    found = {}
    for party, home in fleet.homes.items():
        state = State(home.state_file)
        found[party] = len(state.answers())
        state.close()
    return found


def check_kill(fleet, party, event, process):
    before = answers(fleet)
    error, seconds = run_until_killed(fleet, party, event, process)
    line = f"{event:<10}{party:<8}{process:<7}"
    if error is None:
        print(f"{line} answered")
        assert event == "answered"  # that party's worker had nothing more to do
    else:
        print(f"{line} {error.exit_code} {error.code} {error.party or '-'} {error.step or '-'} {seconds:.2f} s")
        assert error.exit_code == 5
        assert seconds < WITHIN_S
        if (party, process) != ("left", "node"):  # the asker's command talks to that very node
            assert error.party == party
            assert error.step
    if event in BEFORE:
        assert answers(fleet) == before
    if party not in fleet.processes:
        fleet.start(party, HELD)
        log = fleet.homes[party].log_file.read_text()
        assert '"interrupted"' in log
    assert fleet.ask("left", QUESTION).receipt


@pytest.mark.fault
@pytest.mark.parametrize("process", ["worker", "node"])
@pytest.mark.parametrize(
    ("event", "party"),
    [
        (event, party)
        for event in (*BEFORE, *AFTER)
        for party in PARTIES
        if party != "notary" or event not in ("loaded", "answered")  # it has no table, and gets no answer
    ],
)
def test_a_kill_is_told_and_survived(fleet, event, party, process):
    check_kill(fleet, party, event, process)


@pytest.mark.parametrize(
    ("event", "party", "process"),
    [("linked", "notary", "worker"), ("started", "right", "node"), ("finished", "left", "worker")],
)
def test_a_sample_of_kills_is_told_and_survived(fleet, event, party, process):
    check_kill(fleet, party, event, process)


@pytest.mark.parametrize("process", ["worker", "node"])
def test_a_frozen_party_is_named_by_its_deadline(tmp_path, process):
    files = EXERCISE.write(tmp_path / "data")
    fleet = Fleet(tmp_path, list(PARTIES))
    fleet.agree(EXERCISE.contract(fleet.keys, fleet.addresses))
    for (party, table), path in files.items():
        fleet.bind(party, table, path)
    for home in fleet.homes.values():
        home.settings_file.write_text(home.settings_file.read_text() + "deadline_s = 2.0\n")
    home = fleet.homes["right"].root
    for party in PARTIES:
        fleet.start(party, HELD)
    frozen = []
    try:
        node = fleet.processes["right"]
        while not (spare := children(node)):
            time.sleep(0.01)
        (home / "hold").write_text("encoded")

        def freeze():
            while not (home / "held").exists():
                time.sleep(0.002)
            frozen.extend(spare & children(node) if process == "worker" else [*children(node), node.pid])
            for pid in frozen:
                os.kill(pid, signal.SIGSTOP)
            (home / "hold").unlink()

        freezing = threading.Thread(target=freeze)
        freezing.start()
        with pytest.raises(GloveboxError) as told:
            fleet.ask("left", QUESTION)
        freezing.join()
        assert told.value.exit_code == 5
        assert told.value.party == "right"
    finally:
        for pid in frozen:
            with contextlib.suppress(ProcessLookupError):  # its node ended it meanwhile
                os.kill(pid, signal.SIGCONT)
        for party in PARTIES:
            fleet.stop(party)


def test_a_second_node_on_a_home_refuses(fleet):
    if "left" not in fleet.processes:
        fleet.start("left", HELD)
    import subprocess

    done = subprocess.run(
        [*HELD, "serve", "--home", str(fleet.homes["left"].root)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "another node runs" in done.stderr
