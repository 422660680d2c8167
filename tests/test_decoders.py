"""Whatever bytes a decoder gets, it gives what was meant or an error of Glovebox's own: no other exception, no hang.

Preambles, frames, messages and contracts have such tests beside them (`runtime/`, `node/test_messages.py`,
`contract/`); here are the texts and files: receipts, logs, notes, signatures, answers, CSV.
"""

import contextlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from glovebox.audit.log import Log, read_log
from glovebox.audit.receipts import endorse, fields_of, receipt_text, signed_receipt, verify_receipt
from glovebox.cli.workloads import pair
from glovebox.contract.model import parse_contract
from glovebox.contract.revocation import read_revocation, revocation
from glovebox.contract.signing import sign_contract, verify_signatures
from glovebox.contract.succession import read_withdrawal, withdrawal
from glovebox.data.quality import check_table
from glovebox.data.sources import source_at
from glovebox.errors import DataError, GloveboxError, IntegrityError, UsageError
from glovebox.identity import public_bytes
from glovebox.node.binding import database_over
from glovebox.node.home import Home
from glovebox.node.messages import Greeting, claimed, decode, encode, signed
from glovebox.node.receipt import commitment_of_file

KEYS = {name: Ed25519PrivateKey.generate() for name in ("left", "right", "notary")}
PUBLIC = {name: public_bytes(key) for name, key in KEYS.items()}
CONTRACT = parse_contract(
    pair(64).contract(PUBLIC, {name: f"127.0.0.1:{port}" for port, name in enumerate(KEYS, 7171)}).encode()
)
SAID = receipt_text({"statement": "SELECT 1", "asker": "left", "commitment": "00" * 32})
RECEIPT = signed_receipt(SAID, {name: endorse(key, SAID) for name, key in KEYS.items()})
SIGNATURES = "".join(sign_contract(CONTRACT, key) for key in KEYS.values())
WITHDRAWAL = withdrawal(CONTRACT, KEYS["left"])
REVOCATION = revocation(KEYS["left"], PUBLIC["right"])
MANY = settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
SOME = settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])


def edited(text: str):
    """Any text, or the given one with a piece taken out and any other put in its place."""
    place = st.integers(0, len(text))
    return st.one_of(
        st.text(max_size=300),
        st.builds(
            lambda at, size, new: text[:at] + new + text[at + size :], place, st.integers(0, 40), st.text(max_size=20)
        ),
    )


@MANY
@given(edited(RECEIPT))
def test_any_text_is_this_receipt_or_none(text):
    try:
        assert verify_receipt(text, PUBLIC, list(KEYS)) == fields_of(SAID)
    except IntegrityError:
        assert text != RECEIPT


@MANY
@given(edited(SIGNATURES))
def test_any_text_is_signatures_or_an_error_with_its_line(text):
    try:
        assert verify_signatures(CONTRACT, text) <= set(KEYS)
    except IntegrityError as error:
        assert error.step.startswith("line ")


@MANY
@given(edited(WITHDRAWAL))
def test_any_text_is_this_withdrawal_or_none(text):
    try:
        assert read_withdrawal(CONTRACT, text).party == "left"
    except IntegrityError:
        assert text.strip() != WITHDRAWAL.strip()


@MANY
@given(edited(REVOCATION))
def test_any_text_is_this_revocation_or_none(text):
    try:
        assert read_revocation(text).key == PUBLIC["left"]
    except IntegrityError:
        assert text.strip() != REVOCATION.strip()


@MANY
@given(st.binary(max_size=400))
def test_any_bytes_are_an_empty_log_or_name_their_line(tmp_path, data):
    file = tmp_path / "log.jsonl"
    file.write_bytes(data)
    try:
        assert read_log(file, PUBLIC["left"]) == []
        assert data == b""
    except IntegrityError as error:
        assert error.step.startswith("line ")
    with contextlib.suppress(IntegrityError):  # a node that opens it may refuse it, and breaks over nothing
        Log(file, KEYS["left"]).close()


@MANY
@given(st.binary(max_size=300), st.integers(0, 200), st.integers(1, 255))
def test_any_bytes_are_a_greeting_or_a_bad_frame(data, at, change):
    bent = bytearray(encode(signed(KEYS["left"], 0, Greeting("1", 1, 1.0, (bytes(32),)))))
    bent[at % len(bent)] ^= change
    for octets in (data, bytes(bent)):
        with contextlib.suppress(GloveboxError):
            assert isinstance(claimed(decode(octets), Greeting), Greeting)


@MANY
@given(edited('{"answer":{"rows":[[1]]},"salt":"00"}'))
def test_any_text_is_an_answer_or_an_integrity_error(tmp_path, text):
    file = tmp_path / "answer.json"
    file.write_text(text)
    with contextlib.suppress(IntegrityError):
        assert len(commitment_of_file(file)) == 64


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = Home(tmp_path_factory.mktemp("home") / "left")
    home.make("left", "127.0.0.1:7171")
    return home


CELLS = st.lists(st.text(alphabet=st.characters(exclude_characters=",\n\r\x00", codec="utf-8"), max_size=8), max_size=6)


@SOME
@given(
    st.one_of(
        st.binary(max_size=200),
        st.builds(lambda rows: "id,amount\n" + "\n".join(rows), st.lists(CELLS.map(",".join), max_size=5)).map(
            str.encode
        ),
    )
)
def test_any_bytes_are_a_csv_or_a_data_error(home, tmp_path, data):
    """Counted as the contract's rows and its faults, or told as a fault of the file, and never a value of it."""
    file = tmp_path / "spending.csv"
    file.write_bytes(data)
    table = CONTRACT.table("spending")
    try:
        source = source_at(file, relation="spending")
        with database_over(home, source) as database:
            check_table(database, table, source)
    except (DataError, UsageError) as error:
        assert error.summary
