"""How far a session is: shares by public sizes, what each party's `status` says of its own run, and the live line."""

import asyncio
import json
import os
import pty
import re
import subprocess
import sys
import time

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from glovebox.cli.exercises import CAMPAIGN, HOSPITALS
from glovebox.cli.fleet import anew
from glovebox.cli.progress import duration, in_words
from glovebox.cli.workloads import pair
from glovebox.contract.model import parse_contract
from glovebox.identity import public_bytes
from glovebox.node.local import Ask, Progress, Running, talk
from glovebox.node.progress import share_of
from glovebox.planner.cost import Step, steps_of
from glovebox.planner.question import plan_question

from ..faults.halts import ASKER, PARTIES, QUESTION, assert_settled, halted, held_fleet, start_missing, status

STEPS = (Step("loading", 2.0), Step("matching", 7.0), Step("finishing", 1.0))


@pytest.mark.parametrize(
    ("name", "part", "share"),
    [("loading", 0.0, 0.0), ("loading", 0.5, 0.1), ("matching", 0.0, 0.2), ("matching", 1.0, 0.9), ("finishing", 1, 1)],
)
def test_the_share_of_the_whole_that_is_done(name, part, share):
    assert share_of(STEPS, name, part) == pytest.approx(share)


def test_a_step_that_the_plan_does_not_have_is_an_error():
    with pytest.raises(ValueError, match="no step sleeping"):
        share_of(STEPS, "sleeping", 0.5)


def test_what_people_read():
    at = Running("7f3a", "spring", "retailer", "matching", 3, 40, 0.254, 12.0, 35.2)
    assert in_words(at) == "matching 3 of 40, 25%, about 35 s left"
    assert in_words(Running("7f3a", "spring", "retailer", "finishing", 0, 1, 0.99, 12.0)) == "finishing, 99%"
    assert in_words(Running("7f3a", "spring", "retailer", "accepted")) == "accepted"
    assert [duration(seconds) for seconds in (0.4, 99, 100, 5999, 6000)] == ["0 s", "99 s", "2 min", "100 min", "2 h"]


@pytest.mark.parametrize("exercise", [CAMPAIGN, HOSPITALS, pair(10**6)], ids=lambda exercise: exercise.name)
def test_every_plan_has_the_three_steps(exercise):
    keys = {party: public_bytes(Ed25519PrivateKey.generate()) for party in exercise.parties}
    addresses = {party: f"{party.replace('_', '-')}.example:7171" for party in exercise.parties}
    contract = parse_contract(exercise.contract(keys, addresses).encode())
    asker = exercise.parties.index(exercise.questions[0].asker)
    steps = steps_of(plan_question(contract, exercise.questions[0].asked, {}, asker), contract)
    assert [step.name for step in steps] == ["loading", "matching", "finishing"]
    assert all(step.seconds > 0 for step in steps)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    with held_fleet(tmp_path_factory.mktemp("progress")) as fleet:
        yield fleet


def status_when(fleet, party, step):
    """A party's session, as soon as it is at a step."""
    deadline = time.monotonic() + 10
    while True:
        (session,) = status(fleet, party).sessions
        if session.step == step:
            return session
        assert time.monotonic() < deadline, session
        time.sleep(0.05)


def test_each_node_says_how_far_its_own_run_is_and_the_asker_is_told_of_no_other(fleet):
    halt = halted(fleet, "right", "encoded")
    sessions = {party: status_when(fleet, party, "matching") for party in ("left", "right")}
    sessions["notary"] = status_when(fleet, "notary", "loading")  # it has no table, and waits for rows
    assert {one.session for one in sessions.values()} == {sessions["left"].session}
    assert {(one.contract, one.asker) for one in sessions.values()} == {("bench", ASKER)}
    assert 0 < sessions["left"].share == sessions["right"].share < 1
    assert sessions["notary"].share == 0
    halt.release()
    halt.asking.thread.join(30)
    assert halt.asking.answered
    assert_settled(fleet, set())


async def test_the_command_line_is_told_each_second(fleet):
    await asyncio.to_thread(start_missing, fleet)
    home = fleet.homes["right"].root
    (home / "hold").write_text("matched")
    told = []
    async with asyncio.timeout(30):
        async for reply in talk(fleet.homes[ASKER], Ask(str(fleet.contract), anew(QUESTION))):
            told.append(reply)
            if isinstance(reply, Running) and reply.step == "finishing":
                (home / "hold").unlink(missing_ok=True)
    running = [reply for reply in told if isinstance(reply, Running)]
    assert {one.step for one in running} >= {"loading", "finishing"}
    assert [one.share for one in running] == sorted(one.share for one in running)
    assert {reply.party for reply in told if isinstance(reply, Progress)} == set(PARTIES)


def test_a_terminal_shows_a_live_line(fleet):
    start_missing(fleet)
    hold = fleet.homes["right"].root / "hold"
    hold.write_text("matched")

    def look(seen):
        if b"finishing" in seen:
            hold.unlink(missing_ok=True)

    seen = on_terminal([str(fleet.contract), anew(QUESTION), "--home", str(fleet.homes[ASKER].root)], look)
    assert re.search(r"━.* finishing, \d+%", seen)
    assert "receipt signed by all" in seen


def test_a_program_is_told_events_alone(fleet):
    start_missing(fleet)
    seen = on_terminal([str(fleet.contract), anew(QUESTION), "--home", str(fleet.homes[ASKER].root), "--json"])
    events = [json.loads(line) for line in seen.splitlines()]
    assert {"event": "matched", "party": ASKER} in events
    assert all(event.keys() == {"event", "party"} for event in events)


def on_terminal(arguments, look=lambda seen: None):
    """What `glovebox ask` writes to a terminal's stderr. look: called with all that was written, again and again."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-I", "-m", "glovebox", "ask", *arguments]
    asking = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=theirs, env={**os.environ, "TERM": "xterm"})
    os.close(theirs)
    seen = b""
    while True:
        try:
            seen += os.read(ours, 1 << 16)
            look(seen)
        except OSError:  # the other side is closed
            break
    os.close(ours)
    assert asking.wait() == 0
    return seen.decode()
