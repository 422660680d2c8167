"""A receipt holds with the contract's keys alone, and nothing of it can be changed unseen."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from glovebox.audit.receipts import commitment, endorse, receipt_text, signed_receipt, verify_receipt
from glovebox.errors import IntegrityError
from glovebox.identity import public_bytes

NAMES = ["notary", "publisher", "retailer"]
PRIVATE = {name: Ed25519PrivateKey.generate() for name in NAMES}
KEYS = {name: public_bytes(key) for name, key in PRIVATE.items()}
TEXT = receipt_text({"statement": "SELECT COUNT(*)\nFROM a", "commitment": commitment(bytes(32), b"answer").hex()})


def receipt(names=NAMES, text=TEXT):
    return signed_receipt(TEXT, {name: endorse(PRIVATE[name], text) for name in names})


def test_a_receipt_signed_by_all_gives_its_fields():
    assert verify_receipt(receipt(), KEYS, NAMES)["statement"] == "SELECT COUNT(*) FROM a"


def test_a_missing_signature_is_named():
    with pytest.raises(IntegrityError, match="publisher"):
        verify_receipt(receipt(["notary", "retailer"]), KEYS, NAMES)


def test_every_changed_byte_is_found():
    good = receipt().encode()
    for at in range(len(good) - 1):
        changed = bytearray(good)
        changed[at] ^= 2
        with pytest.raises((IntegrityError, UnicodeDecodeError)):
            verify_receipt(bytes(changed).decode(), KEYS, NAMES)


def test_a_signature_over_another_text_is_refused():
    with pytest.raises(IntegrityError, match="does not verify"):
        verify_receipt(receipt(text="another"), KEYS, NAMES)


def test_a_strangers_signature_is_refused():
    with pytest.raises(IntegrityError, match="no signature of a party"):
        verify_receipt(receipt(), {name: KEYS[name] for name in NAMES[1:]}, NAMES[1:])


def test_the_commitment_hides_and_binds():
    one = commitment(bytes(32), b"41")
    assert one != commitment(bytes(32), b"42")
    assert one != commitment(b"\1" * 32, b"41")
