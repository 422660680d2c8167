"""A disk that takes nothing more, a torn home, a clock that is off: said, survived, and nothing is under-counted."""

import resource
import sys
from pathlib import Path

import pytest

from glovebox.audit.log import verify_log
from glovebox.cli.fleet import anew
from glovebox.errors import GloveboxError
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
    start_missing,
    status,
)

NEVER = resource.RLIM_INFINITY
FULL = [
    (event, party)
    for event, parties in {
        "proposed": ("right", "left"),
        "accepted": ("right",),
        "matched": ("right", "left"),
        "revealing": ("left",),
        "endorsing": ("notary",),
    }.items()
    for party in parties
]


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    with held_fleet(tmp_path_factory.mktemp("disks"), "deadline_s = 5\n") as fleet:
        yield fleet


def limit_files(fleet, party, size):
    """The node of a party and its workers write no file beyond this size: what a full disk does, to one party."""
    for pid in (fleet.processes[party].pid, *fleet.workers(party)):
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, NEVER))


@pytest.mark.fault
@pytest.mark.parametrize(
    ("event", "party"),
    [pytest.param(*each, marks=pytest.mark.sample if each == ("matched", "right") else ()) for each in FULL],
)
def test_a_full_disk_is_told_and_survived(fleet, record_property, event, party):
    halt = halted(fleet, party, event)
    limit_files(fleet, party, 1)
    halt.release()
    halt.asking.thread.join(PATIENCE_S)
    error = halt.asking.error
    told = f"{error.exit_code} {error.code:<12}{error.party or '-':<8}{error.step or '-':<10}" if error else "answered"
    record_property("fault", f"{EVENTS.index(event):>2} {event:<10}{party:<8}{'full disk':<15}{told}")
    if error is None:  # it signs from memory, and keeps no receipt: the others have theirs
        assert event == "endorsing"
    else:
        assert error.exit_code in (1, 5)
        assert "disk" in "".join(error.lines()), error.lines()
    if EVENTS.index(event) < EVENTS.index("revealing"):
        assert all(kept(fleet, each).answers == halt.before[each].answers for each in PARTIES)
    with pytest.raises(GloveboxError):  # still full: nothing is begun
        fleet.ask(ASKER, anew(QUESTION), wait_s=0)
    assert fleet.processes[party].poll() is None
    limit_files(fleet, party, NEVER)
    assert fleet.ask(ASKER, anew(QUESTION)).receipt
    assert wait_until(lambda: not status(fleet, party).sessions)
    for each in PARTIES:
        verify_log(fleet.homes[each].log_file, fleet.keys[each])
        assert "Traceback" not in (fleet.homes[each].root / "err.txt").read_text()
    fleet.stop(party)  # what could not be noted is noted at the next start
    start_missing(fleet)
    assert_settled(fleet, {halt.worker})


@pytest.mark.fault
def test_a_log_that_lost_its_last_bytes_is_mended_and_one_that_was_changed_is_not_served(fleet):
    start_missing(fleet)
    fleet.stop("right")
    file = fleet.homes["right"].log_file
    whole = file.read_bytes()
    file.write_bytes(whole[:-7])  # a power cut in the middle of the last line
    fleet.start("right", HELD)
    assert fleet.ask(ASKER, anew(QUESTION)).receipt
    assert verify_log(file, fleet.keys["right"])


@pytest.mark.fault
@pytest.mark.parametrize("days", ["1", "-1"])
def test_a_clock_that_is_off_by_a_day_changes_nothing(fleet, days):
    start_missing(fleet)
    fleet.stop("right")
    fleet.start("right", [sys.executable, str(Path(__file__).parent / "shifted_node.py"), days])
    answered = fleet.ask(ASKER, anew(QUESTION))
    assert read_answer(bytes(answered.answer)).rows
    assert fleet.ask("right", anew(QUESTION)).receipt
    assert abs(kept(fleet, "right").log[-1].at - kept(fleet, "left").log[-1].at) > 80_000
    fleet.stop("right")
