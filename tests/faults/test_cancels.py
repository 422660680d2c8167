"""Ctrl-C at `ask`, and `glovebox cancel`: the session ends at every node in time, and nobody else can end it."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from glovebox.cli.fleet import anew
from glovebox.errors import GloveboxError
from glovebox.node.control import open_control
from glovebox.node.local import CancelRequest, talk
from glovebox.node.messages import Cancel, signed

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
    start_missing,
    status,
)

STEPS = {"loading": "linked", "matching": "encoded", "finishing": "matched"}


@pytest.fixture(scope="module", autouse=True)
def hear_ctrl_c():
    """A shell starts what runs in its background deaf to Ctrl-C, and what that starts inherits it: also these tests."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    with held_fleet(tmp_path_factory.mktemp("cancels")) as fleet:
        yield fleet


def asked(fleet, party, event):
    """`glovebox ask`, when `party` has stopped at an event; and the workers of its session."""
    start_missing(fleet)
    home = fleet.homes[party].root
    (home / "held").unlink(missing_ok=True)
    (home / "hold").write_text(event)
    workers = set.union(*(fleet.workers(each) for each in PARTIES))  # the spares, which the session takes
    command = [sys.executable, "-I", "-m", "glovebox", "ask", str(fleet.contract), anew(QUESTION), "--json"]
    asking = subprocess.Popen(
        [*command, "--home", str(fleet.homes[ASKER].root)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert wait_until((home / "held").exists)
    return asking, workers


def assert_cancelled(fleet, before, workers):
    """All three logs say who cancelled; no worker is left, no answer, and the next question works."""
    for party in PARTIES:
        assert wait_until(lambda party=party: said(fleet, party, before[party])), party
        (entry,) = said(fleet, party, before[party])
        assert (entry.event, entry.what["code"], entry.what["party"]) == ("cancelled", "cancelled", ASKER)
        assert entry.what["step"] in EVENTS
        assert kept(fleet, party).answers == before[party].answers
    assert wait_until(lambda: not any(runs(pid) for pid in workers))
    assert_settled(fleet, workers)
    assert fleet.ask(ASKER, anew(QUESTION)).receipt


@pytest.mark.fault
@pytest.mark.parametrize("party", PARTIES)
@pytest.mark.parametrize(
    "step", [pytest.param(step, marks=pytest.mark.sample if step == "matching" else ()) for step in STEPS]
)
def test_ctrl_c_ends_the_session_everywhere(fleet, record_property, party, step):
    start_missing(fleet)
    before = {each: kept(fleet, each) for each in PARTIES}
    asking, workers = asked(fleet, party, STEPS[step])
    began_at = time.time()
    asking.send_signal(signal.SIGINT)
    out, err = asking.communicate(timeout=PATIENCE_S)
    (fleet.homes[party].root / "hold").unlink()
    assert asking.returncode == 130
    assert '"code": "cancelled"' in out
    assert "glovebox ask: cancelled" in err
    assert "Traceback" not in err
    assert_cancelled(fleet, before, workers)
    ended = max(said(fleet, each, before[each])[0].at for each in PARTIES) - began_at
    record_property(
        "fault", f"{EVENTS.index(STEPS[step]):>2} {step:<10}{party:<8}Ctrl-C  130 cancelled   {ended:.2f} s"
    )


def ask_node(fleet, party, request):
    """What a party's node replies to one request of the command line."""

    async def talked():
        return [reply async for reply in talk(fleet.homes[party], request)][-1]

    return asyncio.run(talked())


def test_the_cancel_command_ends_it_too_and_the_asker_is_told(fleet):
    halt = halted(fleet, "notary", "encoded")
    workers = set.union(*(fleet.workers(each) for each in PARTIES))
    (session,) = status(fleet, ASKER).sessions
    command = [sys.executable, "-I", "-m", "glovebox", "cancel", session.session[:6], "--json"]
    done = subprocess.run(
        [*command, "--home", str(fleet.homes[ASKER].root)], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout)["session"] == session.session
    halt.release()
    halt.asking.thread.join(PATIENCE_S)
    assert (halt.asking.error.code, halt.asking.error.exit_code) == ("cancelled", 130)
    assert_cancelled(fleet, halt.before, workers)


def test_nobody_but_the_asker_cancels(fleet):
    halt = halted(fleet, "notary", "encoded")
    for party in set(PARTIES) - {ASKER}:
        (session,) = status(fleet, party).sessions
        with pytest.raises(GloveboxError) as refused:
            ask_node(fleet, party, CancelRequest(session.session))
        assert (refused.value.code, refused.value.exit_code) == ("not_asker", 3)
    asyncio.run(cancel_over_the_wire(fleet, "right", "notary", bytes.fromhex(session.session)))
    halt.release()
    halt.asking.thread.join(PATIENCE_S)
    assert halt.asking.answered


async def cancel_over_the_wire(fleet, party, at, session):
    """A party of the contract sends another's node a signed cancel of the asker's session, over a link of its own."""
    key = fleet.homes[party].key()
    for signer in (0, PARTIES.index(party)):
        link = await open_control(key, fleet.keys[at], at, fleet.addresses[at], PATIENCE_S)
        await link.send(signed(key, signer, Cancel(session, "cancelled")))
        await link.close()


def test_a_session_that_does_not_run_is_not_cancelled(fleet):
    start_missing(fleet)
    with pytest.raises(GloveboxError) as told:
        ask_node(fleet, ASKER, CancelRequest("00"))
    assert (told.value.code, told.value.hint) == ("usage", "glovebox status")


def test_a_question_that_waits_for_a_place_is_cancelled_as_well(fleet):
    halt = halted(fleet, "right", "encoded")
    command = [sys.executable, "-I", "-m", "glovebox", "ask", str(fleet.contract), anew(QUESTION)]
    home = ["--home", str(fleet.homes[ASKER].root)]
    others = [subprocess.Popen([*command, *home], stderr=subprocess.PIPE, text=True) for _ in range(2)]
    assert "left: " in others[0].stderr.readline()
    assert "left: " in others[1].stderr.readline()
    for other in others:
        other.send_signal(signal.SIGINT)
    assert [other.wait(PATIENCE_S) for other in others] == [130, 130]
    halt.release()
    halt.asking.thread.join(PATIENCE_S)
    assert halt.asking.answered
    assert_settled(fleet, set())


def test_a_node_that_stops_cancels_what_was_asked_of_it(fleet):
    halt = halted(fleet, "notary", "encoded")
    workers = set.union(*(fleet.workers(each) for each in PARTIES))
    fleet.stop(ASKER)
    halt.release()
    halt.asking.thread.join(PATIENCE_S)
    for party in PARTIES:
        assert wait_until(lambda party=party: said(fleet, party, halt.before[party])), party
        (entry,) = said(fleet, party, halt.before[party])
        assert (entry.event, entry.what["party"]) == ("cancelled", ASKER)
    start_missing(fleet)
    assert_settled(fleet, workers)
    assert fleet.ask(ASKER, anew(QUESTION)).receipt


def test_workers_leave_ctrl_c_to_their_node(fleet):
    halt = halted(fleet, "right", "encoded")
    os.kill(halt.worker, signal.SIGINT)
    halt.release()
    halt.asking.thread.join(PATIENCE_S)
    assert halt.asking.answered
