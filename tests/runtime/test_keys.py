from __future__ import annotations

import hashlib
import hmac

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from glovebox.errors import BadFrame
from glovebox.runtime.keys import SessionKeys, hello, session_transcript

SESSION = bytes(range(16))
AGREED = {
    "contract": b"[contract]",
    "statement": "SELECT COUNT(*) FROM a",
    "parameters": {"day": "1"},
    "plan_hash": bytes(32),
    "session": SESSION,
    "parties": [(0, "QUERY"), (1, "TABLE"), (2, "HELPER")],
    "acceptances": [b"of 0", b"of 1", b"of 2"],
}
OTHERWISE = [
    ("contract", b"[contract] "),
    ("statement", "SELECT COUNT(*) FROM b"),
    ("parameters", {"day": "2"}),
    ("parameters", {"da": "y1"}),
    ("parameters", {}),
    ("plan_hash", b"\1" + bytes(31)),
    ("session", bytes(16)),
    ("parties", [(1, "QUERY"), (0, "TABLE"), (2, "HELPER")]),
    ("parties", [(0, "TABLE"), (1, "QUERY"), (2, "HELPER")]),
    ("acceptances", [b"of 1", b"of 0", b"of 2"]),
    ("acceptances", [b"of 0", b"of 1of 2"]),
    ("acceptances", [b"of 0", b"of 1", b"of 2", b""]),
]


def test_both_ends_of_a_pair_share_one_secret_and_no_other_pair_has_it():
    a, b, c = (SessionKeys(SESSION, number) for number in range(3))
    transcript = session_transcript(**AGREED)
    pairs = [
        {x.pair_secret(y.party, y.exchange, transcript), y.pair_secret(x.party, x.exchange, transcript)}
        for x, y in ((a, b), (a, c), (b, c))
    ]
    assert [len(secrets) for secrets in pairs] == [1, 1, 1]
    assert len(set.union(*pairs)) == 3
    assert all(len(secret) == 32 for secret in set.union(*pairs))


def test_a_pair_secret_is_hkdf_of_x25519():
    """Against HKDF written out (RFC 5869), so that an independent implementation meets this one."""
    ours, theirs = SessionKeys(SESSION, 258), X25519PrivateKey.generate()
    shared = theirs.exchange(X25519PublicKey.from_public_bytes(ours.exchange))
    salt = b"t" * 32
    extracted = hmac.digest(salt, shared, "sha256")
    expected = hmac.digest(extracted, b"pair" + b"\1\0" + b"\2\1" + b"\1", "sha256")
    assert ours.pair_secret(1, theirs.public_key().public_bytes_raw(), salt) == expected


@pytest.mark.parametrize("exchange", [bytes(32), b"\1" + bytes(31), b"short", b""])
def test_a_key_of_small_order_ends_the_session(exchange):
    with pytest.raises(BadFrame, match="party 2"):
        SessionKeys(SESSION, 0).pair_secret(2, exchange, bytes(32))


@pytest.mark.parametrize(("part", "other"), OTHERWISE, ids=lambda value: str(value)[:20])
def test_the_transcript_is_of_everything_agreed(part, other):
    assert session_transcript(**AGREED) != session_transcript(**{**AGREED, part: other})


def test_the_transcript_puts_each_part_behind_its_length():
    """Written out once, as the first test vector of the form."""

    def part(data: bytes) -> bytes:
        return len(data).to_bytes(8, "little") + data

    parties = b"".join(
        part(part(number.to_bytes(2, "little")) + part(role))
        for number, role in enumerate([b"QUERY", b"TABLE", b"HELPER"])
    )
    whole = part(b"glovebox/1/session") + part(b"[contract]") + part(b"SELECT COUNT(*) FROM a")
    whole += part(part(part(b"day") + part(b"1"))) + part(bytes(32)) + part(SESSION) + part(parties)
    whole += part(b"of 0") + part(b"of 1") + part(b"of 2")
    assert session_transcript(**AGREED) == hashlib.sha256(whole).digest()


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=4), st.randoms())
def test_the_order_of_parameters_does_not_matter(parameters, random):
    items = list(parameters.items())
    random.shuffle(items)
    same = session_transcript(**{**AGREED, "parameters": dict(items)})
    assert same == session_transcript(**{**AGREED, "parameters": parameters})


def test_a_hello_is_of_one_secret_and_one_sender():
    hellos = {hello(secret, sender) for secret in (bytes(32), b"\1" * 32) for sender in (0, 1, 256)}
    assert len(hellos) == 6


def test_keys_do_not_show():
    keys = SessionKeys(SESSION, 3)
    assert repr(keys) == "<SessionKeys of party 3 in 0001>"
