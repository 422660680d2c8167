"""The ledger adds up whole numbers, is never changed unseen, and gives back only what it took."""

import sqlite3
from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glovebox.contract.terms import MICRO
from glovebox.errors import IntegrityError
from glovebox.node.ledger import START, Ledger

ONE, OTHER = b"c" * 32, b"d" * 32


def session(number):
    return number.to_bytes(16, "big")


@pytest.fixture
def ledger(tmp_path):
    made = Ledger(tmp_path / "ledger.sqlite")
    yield made
    made.close()


def again(tmp_path):
    with closing(Ledger(tmp_path / "ledger.sqlite")) as ledger:
        return ledger.spent(ONE), ledger.head(ONE)


def test_what_is_spent_survives_and_is_kept_apart_by_contract_and_owner(ledger, tmp_path):
    ledger.spend(ONE, session(1), "q", {0: 100_000, 2: 100_000})
    ledger.spend(OTHER, session(2), "q", {0: 7})
    ledger.spend(ONE, session(3), "r", {2: 1})
    assert ledger.spent(ONE) == {0: 100_000, 2: 100_001}
    assert ledger.spent(OTHER) == {0: 7}
    assert ledger.head(b"e" * 32) == (0, START)
    assert again(tmp_path) == ({0: 100_000, 2: 100_001}, ledger.head(ONE))
    assert ledger.head(ONE)[0] == 2


@settings(max_examples=10)
@given(st.lists(st.integers(1, 10**10), max_size=20))
def test_any_order_adds_up_to_the_same_total(tmp_path_factory, amounts):
    with closing(Ledger(tmp_path_factory.mktemp("ledger") / "ledger.sqlite")) as ledger:
        for number, amount in enumerate(amounts):
            ledger.spend(ONE, session(number), "q", {1: amount})
        assert ledger.spent(ONE).get(1, 0) == sum(amounts)


def test_tenths_add_up_exactly(ledger):
    for number in range(30):
        ledger.spend(ONE, session(number), "q", {0: MICRO // 10})
    assert ledger.spent(ONE) == {0: 3 * MICRO}


def test_a_void_gives_back_once_and_only_what_was_taken(ledger):
    ledger.spend(ONE, session(1), "q", {0: 5, 1: 5})
    ledger.spend(ONE, session(2), "q", {0: 3})
    ledger.void(ONE, session(1))
    assert ledger.spent(ONE) == {0: 3, 1: 0}
    for number in (1, 9):
        ledger.void(ONE, session(number))
    assert ledger.spent(ONE) == {0: 3, 1: 0}
    assert [entry.kind for entry in ledger.entries(ONE)] == ["spent", "spent", "void"]


def test_the_most_that_anyone_knows_counts(ledger):
    ledger.spend(ONE, session(1), "q", {0: 5, 1: 5})
    assert ledger.raise_to(ONE, session(2), {0: 4, 1: 9, 2: 1}) == {1: 4, 2: 1}
    assert ledger.spent(ONE) == {0: 5, 1: 9, 2: 1}
    assert ledger.raise_to(ONE, session(2), {0: 5}) == {}
    assert ledger.head(ONE)[0] == 2


def test_a_head_says_what_came_before(ledger, tmp_path):
    heads = []
    for number, what in ((1, "q"), (2, "q"), (3, "q")):
        ledger.spend(ONE, session(number), what, {0: 1})
        heads.append(ledger.head(ONE))
    assert [number for number, _ in heads] == [1, 2, 3]
    assert len({digest for _, digest in heads}) == 3


@pytest.mark.parametrize("change", [
    "UPDATE entries SET amounts = x'8100cc01' WHERE number = 2", "UPDATE entries SET kind = 'void' WHERE number = 2",
    "UPDATE entries SET session = x'00' WHERE number = 1", "UPDATE entries SET at = at + 1 WHERE number = 3",
    "UPDATE entries SET what = 'other' WHERE number = 3", "DELETE FROM entries WHERE number = 2",
    "DELETE FROM entries WHERE number = 1", "UPDATE entries SET number = 9 WHERE number = 3",
    "UPDATE entries SET hash = x'00' WHERE number = 1", "UPDATE entries SET contract = x'00' WHERE number = 2",
])  # fmt: skip
def test_a_changed_entry_is_noticed_when_the_node_starts(ledger, tmp_path, change):
    for number in (1, 2, 3):
        ledger.spend(ONE, session(number), "q", {0: 300})
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as db, db:
        assert db.execute(change).rowcount == 1
    with pytest.raises(IntegrityError, match=r"entry \d of the ledger"):
        Ledger(tmp_path / "ledger.sqlite")


def test_only_a_newer_head_takes_the_place_of_a_kept_one(ledger):
    for number in (3, 5, 4):
        ledger.note_head(ONE, 1, number, b"%d" % number)
    ledger.note_head(ONE, 2, 0, b"first")
    ledger.note_head(OTHER, 1, 9, b"of another contract")
    assert ledger.heads(ONE) == {1: b"5", 2: b"first"}


def test_another_versions_ledger_is_refused(ledger, tmp_path):
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as db, db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(IntegrityError, match="another version"):
        Ledger(tmp_path / "ledger.sqlite")
