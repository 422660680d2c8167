"""The node's state survives, session ids are used once, and a cut-off session is known as such."""

import sqlite3

import pytest

from glovebox.audit.receipts import receipt_text
from glovebox.errors import IntegrityError
from glovebox.node.state import Binding, State

SESSION, CONTRACT, RUN = b"s" * 16, b"c" * 32, b"r" * 32


@pytest.fixture
def state(tmp_path):
    made = State(tmp_path / "state.sqlite")
    yield made
    made.close()


def test_a_session_id_is_used_once(state):
    state.begin(SESSION, CONTRACT, "SELECT 1", "retailer")
    assert state.knows(SESSION)
    with pytest.raises(sqlite3.IntegrityError):
        state.begin(SESSION, CONTRACT, "SELECT 1", "retailer")


def test_states_survive_a_restart(state, tmp_path):
    state.begin(SESSION, CONTRACT, "SELECT 1", "retailer")
    state.move(SESSION, "spent", run=RUN)
    state.store_opening(SESSION, RUN, b"q" * 32, b"shares")
    again = State(tmp_path / "state.sqlite")
    assert again.state_of(SESSION) == "revealing"
    assert again.interrupted() == [(SESSION, "revealing")]
    assert again.state_of(SESSION) == "failed"
    assert again.interrupted() == []
    again.close()


def test_a_session_ends_as_signed(state):
    state.begin(SESSION, CONTRACT, "SELECT 1", "retailer")
    state.store_answer(RUN, SESSION, "campaign", "SELECT 1", b"[]", bytes(32))
    state.store_receipt(SESSION, "text")
    assert state.state_of(SESSION) == "signed"
    assert state.interrupted() == []
    assert [row.answer for row in state.answers()] == [b"[]"]


def test_a_binding_replaces_the_one_before(state):
    for size in (1, 2):
        state.bind(CONTRACT, "purchases", Binding("a.csv", "csv", "", 1, size, 3, b"salt", b"snapshot"))
    assert state.binding(CONTRACT, "purchases").size == 2
    assert state.binding(CONTRACT, "other") is None


def test_another_versions_state_is_refused(state, tmp_path):
    with sqlite3.connect(tmp_path / "state.sqlite") as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(IntegrityError, match="another version"):
        State(tmp_path / "state.sqlite")


def test_receipts_are_counted_within_their_contract(state):
    """How many there are under other contracts is nothing that a party of one is told."""
    first, second = ("test v1 sha256:" + digit * 64 for digit in "ab")
    texts = [receipt_text({"contract": first if n % 3 else second, "session": f"{n:032x}"}) for n in range(9)]
    for number, text in enumerate(texts):
        state.store_receipt(number.to_bytes(16), text)
    assert state.receipts_of(second, 0, 9) == texts[::3]
    assert state.receipts_of(second, 1, 1) == texts[3:4]
    state.store_receipt((0).to_bytes(16), texts[0])  # once more: whoever has counted goes on behind what it has
    assert state.receipts_of(second, 2, 9) == texts[6:7]
    assert state.receipts_of(second, 3, 9) == []
