"""A key that counts no more: one readable line, signed by that very key, which may name the key that follows it.

    glovebox/1 revokes ed25519:9b1e… ed25519:k0Zs… 2027-01-31T09:00:00Z base64 of the Ed25519 signature

`none` stands where no key follows. Only the holder of a key can take it back; so can a thief, which costs him the key.
"""

from __future__ import annotations

from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Struct

from glovebox.contract.signing import MARK
from glovebox.contract.succession import TIME
from glovebox.errors import IntegrityError
from glovebox.identity import key_bytes, key_text, public_bytes, sign, signature_bytes, signature_text, verify_signature

DOMAIN = "revocation"
WORD = "revokes"
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
    following = key_text(successor) if successor else NOBODY
    stated = f"{key_text(public_bytes(key))} {following} {datetime.now(UTC).strftime(TIME)}"
    return f"{MARK} {WORD} {stated} {signature_text(sign(key, DOMAIN, stated.encode()))}\n"


def read_revocation(line: str) -> Revocation:
    """The revocation that a line states. Raises IntegrityError for anything else."""
    words = line.strip().split(" ")
    if len(words) != 6 or words[:2] != [MARK, WORD]:
        hint = f"{MARK} {WORD} KEY KEY|{NOBODY} TIME SIGNATURE"
        raise IntegrityError("this is not the line of a revocation", step=DOMAIN, hint=hint)
    _, _, old, new, when, encoded = words
    try:
        key, successor = key_bytes(old), None if new == NOBODY else key_bytes(new)
        datetime.strptime(when, TIME)
    except ValueError as problem:
        raise IntegrityError("the line of a revocation is not well formed", step=DOMAIN) from problem
    verify_signature(key, DOMAIN, f"{old} {new} {when}".encode(), signature_bytes(encoded))
    return Revocation(key, successor, when)
