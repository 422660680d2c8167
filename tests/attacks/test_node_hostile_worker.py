"""A party's worker attacks over its true session links: the run ends, the party is named, nothing is revealed.

threats.md M14 to M16 and M18, F1 to F3, F8, W12. The node that attacks is `hostile_node.py`.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from pathlib import Path

import pytest

from glovebox.cli.fleet import anew
from glovebox.errors import GloveboxError
from glovebox.node.evidence import verify_home

from ..waiting import wait_until
from .hostile import QUESTION, count, is_right, nodes, places, sessions

pytestmark = pytest.mark.attack

HOSTILE = [sys.executable, str(Path(__file__).parent / "hostile_node.py")]
DEADLINE_S, SESSION_S = 8.0, 20.0
MOST_KIB = 500 << 10  # of a worker that took a flood: 64 MiB of window above the 300 MiB of an honest run

LOST = ("closes", "silent")
EITHER = ("goodbye",)  # found at the heartbeat after it, or by who waits for a frame
BROKE = (
    "4 GiB",
    "8 EiB",
    "random",
    "a pickle",
    "second hello",
    "twice",
    "a long label",
    "a label that is none",
    "flood",
    "small flood",
    "pickle in prss/",
    "pickle in join/",
    "pickle in shamir/",
    "ones in shamir/",
    "short in shamir/",
    "long in join/",
)
FINISHING = (
    "conversion/wrapped",
    "finish/tests/masked",
    "finish/tests/coins0",
    "finish/tests/and",
    "finish/tests/top",
    "shamir/",
    "verified/seen",
    "verified/weights",
    "verified/parts0",
    "verified/point0",
    "verified/ends",
)
TURNED = "SELECT COUNT(spending.id) AS matches FROM points LEFT JOIN spending USING (id)"  # right holds ring shares
ENTERED = ("conversion/shares/told", "conversion/shares/wraps")


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    settings = f"deadline_s = {DEADLINE_S}\nsession_s = {SESSION_S}\n"
    with nodes(tmp_path_factory.mktemp("fleet"), settings, commands={"right": HOSTILE}) as running:
        assert is_right(running.ask("left", anew(QUESTION)))
        yield running


def attacked(fleet, name, question=QUESTION):
    """The error that left is told when it asks and right attacks so."""
    file = fleet.homes["right"].root / "attack"
    file.write_text(name)
    try:
        with pytest.raises(GloveboxError) as caught:
            fleet.ask("left", anew(question))
        return caught.value
    finally:
        file.unlink()


def revealed(fleet):
    return [count(fleet, party, table) for party in ("left", "notary") for table in ("openings", "answers")]


def failed_at_both(fleet):
    return [sessions(fleet, party)[0][1] for party in ("left", "notary")] == ["failed", "failed"]


@pytest.mark.parametrize("name", BROKE + LOST + EITHER)
def test_a_hostile_worker_is_named_and_nothing_is_revealed(fleet, name):
    before = revealed(fleet)
    with Peak(fleet) as peak:
        error = attacked(fleet, name)
    assert (error.party, error.exit_code) == ("right", 5), error.lines()
    found = f"{error.code} {error.summary}"  # another party may have been the one that found it
    assert name in EITHER or ("bad_frame" in found) == (name in BROKE), error.lines()
    assert revealed(fleet) == before
    assert wait_until(lambda: failed_at_both(fleet))
    assert not (fleet.homes["right"].root / "ran").exists()
    assert peak.kib < MOST_KIB


@pytest.mark.parametrize("frames", ["join/", "shamir/"])
def test_a_party_that_beats_and_sends_nothing_ends_with_the_time_of_the_session(fleet, frames):
    before = revealed(fleet)
    error = attacked(fleet, f"nothing in {frames}")
    assert (error.code, error.exit_code) == ("too_long", 5), error.lines()
    assert "waits for" in error.lines()[0], error.lines()  # who is waited for may itself wait for right
    assert revealed(fleet) == before


@pytest.mark.parametrize(
    ("frames", "question"), [*((each, QUESTION) for each in FINISHING), *((each, TURNED) for each in ENTERED)]
)
def test_a_party_that_flips_a_bit_in_its_shares_ends_the_session_before_anything_is_kept(fleet, frames, question):
    """M18 and M19, over real links: bits of what enters, opens on the way, of products, and of what checks them."""
    assert question == QUESTION or is_right(fleet.ask("left", anew(question)))
    before = revealed(fleet)
    error = attacked(fleet, f"one bit in {frames}", question)
    found = f"{error.code} {error.summary}"  # another party may have been the one that found it
    assert "integrity" in found or "bad_frame" in found, error.lines()
    assert error.exit_code in (5, 7)
    assert revealed(fleet) == before
    assert wait_until(lambda: failed_at_both(fleet))


def test_a_party_that_blames_another_is_named_with_its_word(fleet):
    before = revealed(fleet)
    error = attacked(fleet, "blames")
    assert error.exit_code == 5
    assert "right" in error.lines()[0]
    assert revealed(fleet) == before


def test_a_party_that_does_not_end_or_sign_is_named(fleet):
    error = attacked(fleet, "signs wrongly")
    assert (error.exit_code, "right" in "".join(error.lines())) == (7, True), error.lines()
    error = attacked(fleet, "never ends")
    assert (error.party, error.exit_code) == ("right", 5), error.lines()
    assert is_right(fleet.ask("left", anew(QUESTION)))


def test_an_asker_that_never_asks_for_signatures_holds_no_place_for_ever(fleet):
    answers = count(fleet, "left", "answers")
    file = fleet.homes["right"].root / "attack"
    file.write_text("no receipt")

    def ask():
        with pytest.raises(GloveboxError):
            fleet.ask("right", anew(QUESTION))

    asking = threading.Thread(target=ask)
    asking.start()
    assert wait_until(lambda: count(fleet, "left", "answers") > answers)
    assert held(fleet, "left")
    ended = wait_until(lambda: not held(fleet, "left") and not held(fleet, "notary"))
    fleet.stop("right")
    asking.join()
    file.unlink()
    fleet.start("right", HOSTILE)
    assert ended


def test_an_asker_that_gives_an_earlier_receipt_changes_nobodys_evidence(fleet):
    file = fleet.homes["right"].root / "attack"
    assert is_right(fleet.ask("right", anew(QUESTION)))
    file.write_text("an earlier receipt")
    try:
        assert is_right(fleet.ask("right", anew(QUESTION)))  # as it says to its own people
    finally:
        file.unlink()
    for party in ("left", "notary"):
        assert wait_until(lambda party=party: sessions(fleet, party)[0][1] == "unsigned")
        assert verify_home(fleet.homes[party]).receipts


def held(fleet, party):
    """The sessions that have a place at a node."""
    return asyncio.run(places(fleet, party))


def test_the_next_question_is_answered_when_an_honest_node_is_in_its_place(fleet):
    fleet.stop("right")
    fleet.start("right")
    assert is_right(fleet.ask("left", anew(QUESTION)))
    assert is_right(fleet.ask("right", anew(QUESTION)))
    fleet.stop("right")
    fleet.start("right", HOSTILE)  # for the tests after this one


class Peak:
    """The largest memory of any process of the honest nodes while this lasts."""

    def __init__(self, fleet) -> None:
        self.fleet = fleet
        self.kib = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def _look(self) -> None:
        while not self._stop.wait(0.05):
            for party in ("left", "notary"):
                try:
                    for each in (self.fleet.processes[party].pid, *self.fleet.workers(party)):
                        status = Path(f"/proc/{each}/status").read_text()
                        if "VmRSS" in status:
                            self.kib = max(self.kib, int(status.split("VmRSS:")[1].split()[0]))
                except OSError:
                    continue

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()
        print("peak of an honest process:", self.kib >> 10, "MiB")
