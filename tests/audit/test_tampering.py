"""Any byte of a log, a ledger, a receipt or a contract that is changed is found, and the place is named."""

import shutil
from contextlib import closing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from glovebox.errors import GloveboxError, IntegrityError
from glovebox.node.contracts import find_contract, load_contract
from glovebox.node.evidence import kept_receipts, verify_home, verify_receipt_of
from glovebox.node.ledger import Ledger
from glovebox.node.state import State

from .conftest import SESSIONS

FEW = settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
CHANGE = st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255))


def changed(path, change):
    """Change one byte of a file; its whole bytes before."""
    whole = path.read_bytes()
    bent = bytearray(whole)
    bent[int(change[0] * len(bent))] ^= change[1]
    path.write_bytes(bent)
    return whole


def restored(path, whole):
    for beside in path.parent.glob(path.name + "-*"):
        beside.unlink()  # SQLite's own files
    path.write_bytes(whole)


def test_a_whole_home_verifies(home):
    assert verify_home(home) == (2 * SESSIONS, SESSIONS, SESSIONS)


@FEW
@given(CHANGE)
def test_any_byte_of_the_log(home, change):
    whole = changed(home.log_file, change)
    line = whole[: int(change[0] * len(whole))].count(b"\n") + 1
    try:
        with pytest.raises(IntegrityError) as caught:
            verify_home(home)
        assert caught.value.step in {f"line {line}", f"line {line + 1}"}  # a new line break makes two of one
    finally:
        restored(home.log_file, whole)


@FEW
@given(CHANGE)
def test_any_byte_of_the_ledger(home, change):
    """Found, and the ledger named; or what the ledger says is what it said: SQLite has bytes that say nothing."""
    contract = find_contract(home, "bench").hash
    with closing(Ledger(home.ledger_file)) as ledger:
        before = ledger.entries(contract), ledger.spent(contract)
    whole = changed(home.ledger_file, change)
    try:
        verify_home(home)
        with closing(Ledger(home.ledger_file)) as ledger:
            assert (ledger.entries(contract), ledger.spent(contract)) == before
    except IntegrityError as found:
        assert "ledger" in found.summary, found.lines()
    finally:
        restored(home.ledger_file, whole)


def test_a_ledger_from_a_backup_is_found_by_the_log(home, tmp_path):
    whole = home.ledger_file.read_bytes()
    restored(home.ledger_file, whole)
    fork = tmp_path / "ledger.sqlite"
    contract = find_contract(home, "bench").hash
    with closing(Ledger(fork)) as ledger:  # one that never had the last entry
        for number in range(1, SESSIONS):
            ledger.spend(contract, bytes([number]) * 16, "SELECT 1", {0: 500_000, 1: 250_000})
    shutil.copy(fork, home.ledger_file)
    try:
        with pytest.raises(IntegrityError, match="lacks an entry that the log tells of"):
            verify_home(home)
    finally:
        restored(home.ledger_file, whole)


@FEW
@given(CHANGE)
def test_any_byte_of_a_receipt(home, tmp_path, change):
    state = State(home.state_file)
    text = state.receipt(bytes([1]) * 16)
    state.close()
    contract, file = find_contract(home, "bench"), tmp_path / "receipt.txt"
    file.write_text(text)
    assert verify_receipt_of(contract, file.read_bytes().decode())["asker"] == "left"
    changed(file, change)
    with pytest.raises(IntegrityError) as caught:
        verify_receipt_of(contract, file.read_bytes().decode(errors="replace"))
    assert caught.value.summary


@FEW
@given(CHANGE)
def test_any_byte_of_the_receipts_that_are_kept(home, change):
    before = [fields for _, fields in kept_receipts(home)]
    whole = changed(home.state_file, change)
    try:
        assert [fields for _, fields in kept_receipts(home)] == before
    except IntegrityError as found:
        assert "receipt" in found.summary or "state.sqlite" in found.summary, found.lines()
    finally:
        restored(home.state_file, whole)


@FEW
@given(CHANGE)
def test_any_byte_of_a_contract(home, change):
    digest = find_contract(home, "bench").hash
    file = home.contracts / f"{digest.hex()}.toml"
    whole = changed(file, change)
    try:
        with pytest.raises(GloveboxError) as caught:
            load_contract(home, digest)
        assert caught.value.step
    finally:
        restored(file, whole)


@FEW
@given(CHANGE)
def test_any_byte_of_the_signatures_under_it(home, change):
    """Found, with the line; or only the white space around a line has changed, which nobody signed."""
    digest = find_contract(home, "bench").hash
    file = home.contracts / f"{digest.hex()}.sig"
    whole = changed(file, change)
    try:
        lines = [line.strip(" \t\r") for line in file.read_bytes().decode(errors="replace").split("\n")]
        if [line for line in lines if line] == whole.decode().split():
            return
        with pytest.raises(GloveboxError) as caught:
            load_contract(home, digest)
        assert caught.value.step.startswith("line ") or "not signed by" in caught.value.summary
    finally:
        restored(file, whole)
