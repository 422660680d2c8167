"""Messages between nodes: what is not exactly one of them, rightly signed, is refused."""

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from glovebox.errors import BadFrame, GloveboxError, IntegrityError
from glovebox.identity import public_bytes, sign
from glovebox.node.messages import (
    Cancel,
    Event,
    Proposal,
    Signed,
    decode,
    domain,
    encode,
    open_signed,
    signed,
)

KEY = Ed25519PrivateKey.generate()
PROPOSAL = Proposal(bytes(32), "SELECT 1", {}, bytes(16), 0, 30, False)


def test_a_signed_message_comes_back_whole():
    envelope = decode(encode(signed(KEY, 0, PROPOSAL)))
    assert open_signed(envelope, public_bytes(KEY), Proposal) == PROPOSAL


def test_another_kind_than_expected_is_refused():
    with pytest.raises(BadFrame, match="expected cancel, received proposal"):
        open_signed(signed(KEY, 0, PROPOSAL), public_bytes(KEY), Cancel)


def test_a_signature_of_another_kind_of_message_is_refused():
    body = msgspec.msgpack.encode(PROPOSAL)
    with pytest.raises(IntegrityError):
        open_signed(Signed(0, body, sign(KEY, domain(Event), body)), public_bytes(KEY), Proposal)


def test_every_flipped_bit_is_found():
    good = encode(signed(KEY, 0, PROPOSAL))
    for at in range(len(good)):
        for bit in (1, 128):
            changed = bytearray(good)
            changed[at] ^= bit
            try:
                assert open_signed(decode(bytes(changed)), public_bytes(KEY), Proposal) == PROPOSAL
                assert decode(bytes(changed)).party != 0  # who it claims to be from is checked by the reader
            except GloveboxError:
                pass


@given(st.binary(max_size=300))
def test_random_bytes_are_refused(data):
    with pytest.raises(GloveboxError):
        open_signed(decode(data), public_bytes(KEY), Proposal)


def test_an_unknown_field_is_refused():
    body = msgspec.msgpack.encode({"type": "cancel", "session": b"", "reason": "", "more": 1})
    with pytest.raises(BadFrame):
        open_signed(Signed(0, body, sign(KEY, domain(Cancel), body)), public_bytes(KEY), Cancel)
