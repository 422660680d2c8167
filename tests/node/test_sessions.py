"""Sessions between running nodes: several at once, refusals by the others, and what is left behind."""

import asyncio
import hashlib
import json

import pytest

from glovebox.audit.log import Log, verify_log
from glovebox.audit.receipts import fields_of
from glovebox.cli.fleet import Fleet, anew
from glovebox.cli.workloads import pair
from glovebox.errors import GloveboxError, IntegrityError
from glovebox.identity import public_bytes
from glovebox.node.contracts import read_contract
from glovebox.node.evidence import verify_home, verify_other
from glovebox.node.local import Ask, Status, StatusRequest, talk
from glovebox.node.state import State

from ..waiting import PATIENCE_S

ROWS = 128
EXERCISE = pair(ROWS)
QUESTION = EXERCISE.questions[0].asked


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    directory = tmp_path_factory.mktemp("sessions")
    files = EXERCISE.write(directory / "data")
    fleet = Fleet(directory, list(EXERCISE.parties))
    fleet.agree(EXERCISE.contract(fleet.keys, fleet.addresses))
    for (party, table), path in files.items():
        fleet.bind(party, table, path)
    with fleet:
        yield fleet


def states(fleet, party):
    state = State(fleet.homes[party].state_file)
    found = [row[3] for row in state.sessions()]
    state.close()
    return found


@pytest.mark.timeout(300)
async def test_questions_of_several_parties_at_once_end_in_answers_or_busy(fleet):
    async def one(party, wait_s):
        try:
            return bytes((await fleet.ask_async(party, anew(QUESTION), wait_s=wait_s)).answer)
        except GloveboxError as error:
            return error.code

    asked = [one(party, wait_s) for party in ("left", "right") for wait_s in (0.0, PATIENCE_S, PATIENCE_S)]
    ended = await asyncio.gather(*asked)
    answers = [end for end in ended if isinstance(end, bytes)]
    assert len(answers) >= 4  # those that could wait
    assert len(set(answers)) == 1
    assert {end for end in ended if not isinstance(end, bytes)} <= {"busy"}
    for party in fleet.homes:
        assert set(states(fleet, party)) <= {"signed", "released"}


async def test_a_dry_run_asks_everyone_and_holds_nothing(fleet):
    before = {party: states(fleet, party) for party in fleet.homes}
    request = Ask(str(fleet.contract), anew(QUESTION), {}, 5.0, dry_run=True)
    replies = [reply async for reply in talk(fleet.homes["left"], request)]
    assert bytes(replies[-1].answer) == b"null"
    assert {party: states(fleet, party) for party in fleet.homes} == before


async def test_the_node_says_what_it_does(fleet):
    async with asyncio.timeout(PATIENCE_S):  # the session of an earlier test may be about to end there
        while True:
            (status,) = [reply async for reply in talk(fleet.homes["notary"], StatusRequest())]
            assert isinstance(status, Status)
            assert status.name == "notary"
            if status.sessions == ():
                return


def test_every_party_keeps_the_receipt_that_all_signed(fleet):
    answered = fleet.ask("right", anew(QUESTION))
    kept = set()
    for home in fleet.homes.values():
        state = State(home.state_file)
        kept.add(state.receipt(bytes.fromhex(answered.session)))
        state.close()
    assert kept == {answered.receipt}


def test_every_log_verifies_and_holds_no_number_of_the_answer(fleet):
    fleet.ask("left", anew(QUESTION))
    for home in fleet.homes.values():
        assert verify_log(home.log_file, public_bytes(home.key())) > 2
        told = [json.loads(line)["what"] for line in home.log_file.read_text().splitlines()]
        assert not any(str(ROWS // 2) in what.values() for what in told)


def test_no_party_can_show_another_history_later(fleet, tmp_path):
    """What the receipts say of each log holds, and a history that was cut or written anew does not stand beside it."""
    answered = fleet.ask("left", anew(QUESTION))
    contract, own, other = read_contract(fleet.contract), fleet.homes["left"], fleet.homes["right"]
    for home in fleet.homes.values():
        found = verify_home(home)
        assert found.entries > found.receipts > 0
    whole = other.log_file.read_bytes()
    copy = tmp_path / "log.jsonl"
    copy.write_bytes(whole)
    assert verify_other(own, contract, "right", copy).receipts > 0
    head = fields_of(answered.receipt.partition("\n\n")[0])["log of right"]
    lines = whole.splitlines(keepends=True)
    place = next(i for i, line in enumerate(lines) if hashlib.sha256(line.rstrip(b"\n")).hexdigest() == head)
    copy.write_bytes(b"".join(lines[:place]))  # from before the session
    with pytest.raises(IntegrityError, match="not the log that right showed") as caught:
        verify_other(own, contract, "right", copy)
    assert (caught.value.party, answered.session in caught.value.step) == ("right", True)
    copy.unlink()
    anew_ = Log(copy, other.key())  # the same entries, told again by the holder of the key
    for line in lines:
        entry = json.loads(line)
        anew_.write(entry["event"], **entry["what"])
    anew_.close()
    assert verify_log(copy, public_bytes(other.key())) == len(lines)
    with pytest.raises(IntegrityError, match="not the log that right showed"):
        verify_other(own, contract, "right", copy)


def test_a_file_that_changed_since_it_was_bound_is_refused(fleet):
    path = fleet.directory / "data" / "right-points.parquet"
    whole = path.read_bytes()
    path.write_bytes(whole + b"\0")
    with pytest.raises(GloveboxError) as refused:
        fleet.ask("left", anew(QUESTION))
    assert (refused.value.exit_code, refused.value.party) == (4, "right")
    assert "has changed" in refused.value.lines()[1]
    path.write_bytes(whole)
    fleet.bind("right", "points", path)
    assert fleet.ask("left", anew(QUESTION)).receipt


def test_a_party_without_the_contract_refuses_it(fleet):
    held = fleet.homes["notary"].contracts
    aside = held.with_name("aside")
    own = read_contract(fleet.contract).hash.hex()
    (held / f"{own}.sig").rename(aside)
    try:
        fleet.stop("notary")
        fleet.start("notary")
        with pytest.raises(GloveboxError) as refused:
            fleet.ask("left", anew(QUESTION))
        assert (refused.value.exit_code, refused.value.party, refused.value.code) == (3, "notary", "contract_unsigned")
    finally:
        aside.rename(held / f"{own}.sig")
    assert fleet.ask("left", anew(QUESTION)).receipt
