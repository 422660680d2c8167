"""The signed receipt comes later to who was not there, and only one that all of its parties signed."""

import asyncio
from contextlib import closing
from types import SimpleNamespace

import pytest

from glovebox.audit.receipts import endorse, fields_of, receipt_text, signed_receipt
from glovebox.errors import IntegrityError
from glovebox.node import records
from glovebox.node.contracts import read_contract
from glovebox.node.evidence import verify_home
from glovebox.node.records import take_record
from glovebox.node.state import State

from ..questions.fleets import agreed, bind_rows
from ..waiting import wait_until
from .test_bound_databases import TERMS

COUNT = "SELECT COUNT(*) AS n FROM sales JOIN members USING (id)"


def receipts(fleet, party):
    """A party's receipts, by session."""
    with closing(State(fleet.homes[party].state_file)) as state:
        return {session.hex(): text for session, text in state.receipts()}


@pytest.fixture(scope="module")
def answered(tmp_path_factory):
    """A contract of four, of which the auditor was not there when a question was answered."""
    fleet = agreed(tmp_path_factory.mktemp("records"), ["alpha", "beta", "notary", "auditor"], TERMS)
    bind_rows(fleet, "alpha", "sales", ["id", "amount"], [[n, 1] for n in range(6)])
    bind_rows(fleet, "beta", "members", ["id"], [[n] for n in range(3, 9)])
    for party in ("alpha", "beta", "notary"):
        fleet.start(party)
    try:
        yield fleet, fleet.ask("alpha", COUNT)
    finally:
        for party in list(fleet.processes):
            fleet.stop(party)


def test_a_party_that_took_no_part_gets_the_record_at_its_start(answered):
    fleet, answer = answered
    fleet.start("auditor")
    assert wait_until(lambda: receipts(fleet, "auditor") == {answer.session: answer.receipt})
    fleet.stop("auditor")
    assert verify_home(fleet.homes["auditor"]).receipts == 1
    assert b'"delivered"' in fleet.homes["auditor"].log_file.read_bytes()
    assert receipts(fleet, "notary") == {answer.session: answer.receipt}  # nothing came back


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: "\n".join(text.splitlines()[:-1]) + "\n", "lacks the signature"),
        (lambda text: text.replace("asker: alpha", "asker: beta"), "does not verify"),
        (lambda text: text.replace("computed by: alpha, beta, notary", "computed by: alpha"), "does not verify"),
        (lambda text: "", "not a receipt"),
    ],
    ids=["a signature less", "another asker", "fewer parties", "nothing"],
)
def test_a_record_that_not_all_signed_is_not_kept(answered, change, said):
    fleet, answer = answered
    with pytest.raises(IntegrityError, match=said):
        take_record(SimpleNamespace(), read_contract(fleet.contract), change(answer.receipt))


@pytest.mark.parametrize(
    ("parties", "session"), [(("beta",), None), (("beta",), "zz"), (("alpha", "beta", "notary"), "zz")]
)
def test_a_receipt_of_no_session_is_no_record(answered, parties, session):
    """In one a party names itself alone, and signs: true as a signature, and no session; so is what is no id."""
    fleet, answer = answered
    fields = fields_of(answer.receipt.partition("\n\n")[0])
    named = {"computed by": ", ".join(parties), "receivers": parties[0], "asker": parties[0]}
    text = receipt_text(fields | named | {"session": session or fields["session"]})
    made = signed_receipt(text, {party: endorse(fleet.homes[party].key(), text) for party in parties})
    with pytest.raises(IntegrityError, match="of no session"):
        take_record(SimpleNamespace(), read_contract(fleet.contract), made)


async def test_whatever_comes_from_one_party_the_others_are_asked(answered, monkeypatch):
    fleet, _ = answered
    contract, asked = read_contract(fleet.contract), []

    async def hostile(node, contract, party):
        asked.append(party)
        match party:
            case 0:
                raise ValueError
            case 1:
                await asyncio.Event().wait()

    monkeypatch.setattr(records, "FETCH_S", 0.01)
    monkeypatch.setattr(records, "_fetch", hostile)
    monkeypatch.setattr(records, "_others", lambda node: [(contract, party) for party in range(4)])
    assert not await records._are_fetched(SimpleNamespace())
    assert asked == [0, 1, 2, 3]


def test_a_reply_holds_receipts_of_its_contract_and_no_more_bytes_than_a_message_takes(tmp_path, monkeypatch):
    contract = SimpleNamespace(name="test", version=1, hash=b"c" * 32)
    monkeypatch.setattr(records, "MOST_BYTES", 1000)
    with closing(State(tmp_path / "state.sqlite")) as state:
        for number in range(5):
            field = records.contract_field(contract) if number else "other v1 sha256:" + "0" * 64
            text = receipt_text({"contract": field, "statement": "\N{SNOWMAN}" * 150, "session": f"{number:032x}"})
            state.store_receipt(number.to_bytes(16), text)
        kept, sizes, since = records._kept(SimpleNamespace(state=state), contract, 0), [], 0
        while kept.until > since:
            sizes.append(sum(len(text.encode()) for text in kept.receipts))
            since, kept = kept.until, records._kept(SimpleNamespace(state=state), contract, kept.until)
    assert since == 4
    assert len(sizes) == 4
    assert all(450 < size <= 1000 for size in sizes)
