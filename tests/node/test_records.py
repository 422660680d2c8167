"""The signed receipt comes later to who was not there, and only one that all of its parties signed."""

from contextlib import closing
from types import SimpleNamespace

import pytest

from glovebox.errors import IntegrityError
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


def test_one_partys_word_is_no_record(answered):
    """A receipt in which a party names itself alone, and signs: true as a signature, and no session."""
    from glovebox.audit.receipts import endorse, fields_of, receipt_text, signed_receipt

    fleet, answer = answered
    fields = fields_of(answer.receipt.partition("\n\n")[0])
    text = receipt_text(fields | {"computed by": "beta", "receivers": "beta", "asker": "beta"})
    made = signed_receipt(text, {"beta": endorse(fleet.homes["beta"].key(), text)})
    with pytest.raises(IntegrityError, match="of no session"):
        take_record(SimpleNamespace(), read_contract(fleet.contract), made)
