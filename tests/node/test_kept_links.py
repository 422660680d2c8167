"""The control links that an asker keeps: used for its next question, and ended where they are lost."""

import os
import signal
import sys
from pathlib import Path

import pytest

from glovebox.cli.fleet import Fleet, anew
from glovebox.cli.workloads import pair
from glovebox.errors import GloveboxError
from glovebox.schema.answer import read_answer

from ..waiting import PATIENCE_S, wait_until

ROWS = 128
EXERCISE = pair(ROWS)
QUESTION = EXERCISE.questions[0].asked
OTHERS = ("right", "notary")
DEADLINE_S = 8.0
ESTABLISHED = "01"  # proc_net_tcp(5)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="connections are read from Linux's /proc")


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    directory = tmp_path_factory.mktemp("kept")
    fleet = Fleet(directory, list(EXERCISE.parties))
    fleet.agree(EXERCISE.contract(fleet.keys, fleet.addresses))
    for (party, table), path in EXERCISE.write(directory / "data").items():
        fleet.bind(party, table, path)
    for home in fleet.homes.values():
        home.settings_file.write_text(f"{home.settings_file.read_text()}deadline_s = {DEADLINE_S}\n")
    with fleet:
        yield fleet


def connections(fleet):
    """The connections that the other parties' nodes have accepted, by both ends' ports."""
    ports = {int(fleet.addresses[party].rpartition(":")[2]) for party in OTHERS}
    found = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        here, there, state = line.split()[1:4]
        ends = tuple(int(end.rpartition(":")[2], 16) for end in (here, there))
        if state == ESTABLISHED and ends[0] in ports:
            found.add(ends)
    return found


def ask(fleet, statement=QUESTION, wait_s=PATIENCE_S):
    """Ask as left; how many ids match, by the answer."""
    return read_answer(bytes(fleet.ask("left", anew(statement), wait_s=wait_s).answer)).rows[0][0]


def settled(fleet):
    """The connections, once the session's own are closed."""
    assert wait_until(lambda: len(connections(fleet)) == len(OTHERS))
    return connections(fleet)


def test_one_link_a_party_stays_and_serves_the_next_question(fleet):
    assert ask(fleet) == ROWS // 2
    kept = settled(fleet)
    assert ask(fleet) == ROWS // 2
    assert settled(fleet) == kept


def test_a_node_that_was_started_anew_is_met_anew(fleet):
    ask(fleet)
    kept = settled(fleet)
    fleet.stop("right")
    assert wait_until(lambda: len(connections(fleet)) == 1)
    fleet.start("right")
    assert ask(fleet, wait_s=0.0) == ROWS // 2
    assert len(settled(fleet) & kept) == 1


def test_a_link_whose_other_end_is_silent_is_not_used(fleet):
    ask(fleet)
    kept = settled(fleet)
    right = fleet.processes["right"]
    right.send_signal(signal.SIGSTOP)
    try:
        assert wait_until(lambda: len(connections(fleet)) == 1)  # the asker has ended its own
    finally:
        right.send_signal(signal.SIGCONT)
    assert ask(fleet, wait_s=0.0) == ROWS // 2
    assert len(settled(fleet) & kept) == 1


def test_no_link_stays_from_a_question_that_was_refused(fleet):
    ask(fleet)
    settled(fleet)
    file = fleet.directory / "data" / "right-points.parquet"
    bound = file.stat()
    os.utime(file, ns=(bound.st_atime_ns, bound.st_mtime_ns + 1))  # no longer the file that was bound
    with pytest.raises(GloveboxError) as refused:
        ask(fleet)
    assert refused.value.party == "right"
    assert wait_until(lambda: not connections(fleet))
    os.utime(file, ns=(bound.st_atime_ns, bound.st_mtime_ns))
    assert ask(fleet) == ROWS // 2


def test_an_asker_that_stops_leaves_no_link(fleet):
    ask(fleet)
    settled(fleet)
    fleet.stop("left")
    assert wait_until(lambda: not connections(fleet))
    fleet.start("left")
