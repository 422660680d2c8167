"""Messages between nodes: what is not exactly one of them, rightly signed, is refused."""

import contextlib
from typing import get_args

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
    Message,
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
KINDS = get_args(Message)
SIMPLE = {
    "bytes": st.binary(max_size=40), "str": st.text(max_size=20), "bool": st.booleans(), "float": st.floats(),
    "int": st.integers(-(2**63), 2**64 - 1), "Amount": st.integers(0, 2**40 - 1),
}  # fmt: skip
VALUES = st.recursive(
    st.none() | st.one_of(*SIMPLE.values()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(SIMPLE["str"] | SIMPLE["int"], inner, max_size=3),
    max_leaves=6,
)


def fields(kind):
    """Fields of a kind of message by name: of their type, or anything that MessagePack can say."""
    types = kind.__annotations__
    return st.fixed_dictionaries({name: SIMPLE.get(types[name], VALUES) | VALUES for name in kind.__struct_fields__})


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


@given(st.sampled_from(get_args(Message)), st.data())
def test_a_body_that_its_sender_bent_is_a_message_or_a_bad_frame(kind, data):
    """Of every kind of message; the sender signs what it bent, so that the signature keeps out nothing."""
    body = bytearray(msgspec.msgpack.encode({"type": kind.__struct_config__.tag, **data.draw(fields(kind))}))
    for at, change in data.draw(st.lists(st.tuples(st.integers(0, len(body) - 1), st.integers(1, 255)), max_size=2)):
        body[at] ^= change
    sent = Signed(0, bytes(body), sign(KEY, domain(kind), bytes(body)))
    with contextlib.suppress(BadFrame, IntegrityError):
        assert isinstance(open_signed(decode(encode(sent)), public_bytes(KEY), *KINDS), KINDS)


def test_an_unknown_field_is_refused():
    body = msgspec.msgpack.encode({"type": "cancel", "session": b"", "reason": "", "more": 1})
    with pytest.raises(BadFrame):
        open_signed(Signed(0, body, sign(KEY, domain(Cancel), body)), public_bytes(KEY), Cancel)
