"""Keys and signatures: one form of a key, one use of a signature, and files that only their owner reads."""

import contextlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from glovebox.errors import GloveboxError, IntegrityError, UsageError
from glovebox.identity import (
    key_bytes,
    key_text,
    new_key_file,
    public_bytes,
    read_key_file,
    sign,
    verify_signature,
)


@given(st.binary(min_size=32, max_size=32))
def test_a_key_has_one_text(key):
    assert key_bytes(key_text(key)) == key


@given(st.text(max_size=60))
def test_any_other_text_is_refused(text):
    with contextlib.suppress(ValueError):
        assert key_text(key_bytes(text)) == text


def test_a_signature_is_good_for_one_domain_only():
    key = Ed25519PrivateKey.generate()
    signature = sign(key, "log", b"message")
    verify_signature(public_bytes(key), "log", b"message", signature)
    for domain, message in (("contract", b"message"), ("log", b"other"), ("lo", b"g\0message")):
        with pytest.raises(IntegrityError):
            verify_signature(public_bytes(key), domain, message, signature)


def test_a_key_file_that_others_could_read_is_refused(tmp_path):
    path = tmp_path / "identity.key"
    made = new_key_file(path)
    assert public_bytes(read_key_file(path)) == public_bytes(made)
    path.chmod(0o640)
    with pytest.raises(UsageError, match="read by others"):
        read_key_file(path)


def test_a_missing_or_cut_key_file_is_refused(tmp_path):
    with pytest.raises(UsageError):
        read_key_file(tmp_path / "identity.key")
    new_key_file(tmp_path / "identity.key")
    (tmp_path / "identity.key").write_bytes(b"short")
    with pytest.raises(GloveboxError):
        read_key_file(tmp_path / "identity.key")


def test_a_key_file_is_never_written_over(tmp_path):
    new_key_file(tmp_path / "identity.key")
    with pytest.raises(FileExistsError):
        new_key_file(tmp_path / "identity.key")
