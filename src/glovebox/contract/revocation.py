"""A key that counts no more: one readable line, signed by that very key, which may name the key that follows it.

    glovebox/1 revokes ed25519:9b1e… ed25519:k0Zs… 2027-01-31T09:00:00Z base64 of the Ed25519 signature

`none` stands where no key follows. Only the holder of a key can take it back; so can a thief, which costs him the key.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Struct

from glovebox.contract.statements import Stated, now, read_statement
from glovebox.errors import IntegrityError
from glovebox.identity import key_bytes, key_text, public_bytes, sign, verify_signature

DOMAIN = "revocation"
VERB = "revokes"
NOBODY = "none"


class Revocation(Struct, frozen=True):
    """What the line says. when: UTC, as in the line."""

    key: bytes
    successor: bytes | None
    when: str

    def in_words(self) -> str:
        """From which key to which, and when that was stated."""
        following = key_text(self.successor) if self.successor else NOBODY
        return f"{key_text(self.key)} -> {following}, by its statement of {self.when}"


def revocation(key: Ed25519PrivateKey, successor: bytes | None = None) -> str:
    """The line by which the holder of a key takes it back now, with its newline."""
    old, new, when = key_text(public_bytes(key)), key_text(successor) if successor else NOBODY, now()
    return Stated(old, new, when, sign(key, DOMAIN, _signed(old, new, when))).line(VERB)


def read_revocation(line: str) -> Revocation:
    """The revocation that a line states. Raises IntegrityError for anything else."""
    old, new, when, signature = read_statement(line, VERB, DOMAIN, f"KEY KEY|{NOBODY}")
    try:
        key, successor = key_bytes(old), None if new == NOBODY else key_bytes(new)
    except ValueError as problem:
        raise IntegrityError("the line of a revocation is not well formed", step=DOMAIN) from problem
    verify_signature(key, DOMAIN, _signed(old, new, when), signature)
    return Revocation(key, successor, when)


def _signed(old: str, new: str, when: str) -> bytes:
    return f"{old} {new} {when}".encode()
