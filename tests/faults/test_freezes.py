"""Freeze (SIGSTOP) a worker or node: by the configured deadline all are told who, and it comes back to a clean end."""

import os
import signal
import time

import pytest

from glovebox.cli.fleet import anew

from ..waiting import PATIENCE_S, wait_until
from .halts import (
    ASKER,
    EVENTS,
    PARTIES,
    QUESTION,
    assert_settled,
    halted,
    held_fleet,
    kept,
    runs,
    said,
)

DEADLINE_S = 8.0

FREEZES = [
    ("started", "right", "worker"),
    ("linked", "notary", "worker"),
    ("encoded", "left", "worker"),
    ("matched", "right", "worker"),
    ("revealing", "notary", "worker"),
    ("proposed", "notary", "node"),
    ("started", "right", "node"),
    ("encoded", "left", "node"),
    ("encoded", "notary", "node"),
    ("revealing", "left", "node"),
    ("revealing", "right", "node"),
    ("endorsing", "right", "node"),
    ("signed", "left", "node"),
    ("encoded", "right", "both"),
    ("finished", "left", "both"),
]
SAMPLE = {("matched", "right", "worker"), ("encoded", "notary", "node")}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    with held_fleet(tmp_path_factory.mktemp("freezes"), f"deadline_s = {DEADLINE_S}\n") as fleet:
        yield fleet


@pytest.mark.fault
@pytest.mark.parametrize(
    ("event", "party", "process"),
    [pytest.param(*freeze, marks=pytest.mark.sample if freeze in SAMPLE else ()) for freeze in FREEZES],
)
def test_a_freeze_is_told_and_survived(fleet, record_property, event, party, process):
    halt = halted(fleet, party, event)
    node = fleet.processes[party].pid
    frozen = {"worker": [halt.worker], "node": [node], "both": [halt.worker, node]}[process]
    frozen_at, began = time.time(), time.monotonic()
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    try:
        halt.release()
        others = sorted(set(PARTIES) - {party})
        own_node = party == ASKER and process != "worker"  # the asker's command talks to that very node
        if not own_node:
            halt.asking.thread.join(PATIENCE_S)
        assert wait_until(lambda: all(said(fleet, other, halt.before[other]) for other in others))
        entries = [entry for other in others for entry in said(fleet, other, halt.before[other])]
    finally:
        for pid in frozen:
            if runs(pid):  # its node ended a frozen worker meanwhile
                os.kill(pid, signal.SIGCONT)
    error, seconds = halt.asking.error, halt.asking.at - began
    told = f"{error.exit_code} {error.code:<12}{error.party or '-':<8}{error.step or '-':<10}" if error else "-"
    line = f"{EVENTS.index(event):>2} {event:<10}{party:<8}{process + ' frozen':<15}{told} "
    record_property("fault", line + (f"{seconds:.2f} s" if error else f"others {entries[0].at - frozen_at:.2f} s"))

    if not own_node:
        assert (error.exit_code, error.party) == (5, party)
        assert error.step in EVENTS
    for entry in entries:
        assert (entry.what["party"], bool(entry.what["step"])) == (party, True), entry
    halt.asking.thread.join(PATIENCE_S)
    if event != "signed":
        assert halt.asking.error and halt.asking.error.exit_code == 5
    if process != "node" and EVENTS.index(event) < EVENTS.index("finished"):  # a worker alone runs on to `revealing`
        assert all(kept(fleet, each).answers == halt.before[each].answers for each in PARTIES)
    assert_settled(fleet, {halt.worker})
    assert fleet.ask(ASKER, anew(QUESTION)).receipt
