"""The receipt of a session: a plain text that every party signs, checked with the contract alone.

    glovebox receipt 1
    session: 5c1e…
    …
    commitment: 9f0a…

    — retailer ifdJqx…
    — publisher u9Wk0a…

The text ends before the empty line; every signature covers exactly its bytes. `commitment` is the hash of the answer
under a salt that only receivers hold: it binds the answer and tells nothing of it.
"""

from __future__ import annotations

import hashlib

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from glovebox.errors import IntegrityError
from glovebox.identity import sign, signature_bytes, signature_text, verify_signature

TITLE = "glovebox receipt 1"
DOMAIN = "receipt"
SALT_BYTES = 32
MARK = "— "


def commitment(salt: bytes, answer: bytes) -> bytes:
    """SHA-256 that binds an answer's canonical bytes; without the 32-byte salt it tells nothing of them."""
    return hashlib.sha256(b"glovebox/1/answer" + salt + answer).digest()


def receipt_text(fields: dict[str, str]) -> str:
    """The text to be signed, a line a field, in the order given. Line breaks in a field become spaces."""
    lines = [TITLE, *(f"{name}: {' '.join(value.split())}" for name, value in fields.items())]
    return "\n".join(lines) + "\n"


def fields_of(text: str) -> dict[str, str]:
    """The fields of a receipt's text."""
    first, *lines = text.removesuffix("\n").split("\n")
    if first != TITLE or not all(": " in line for line in lines):
        raise IntegrityError("this is not a receipt", detail=(f"its first line must be: {TITLE}",))
    fields = dict(line.split(": ", 1) for line in lines)
    if len(fields) != len(lines):
        raise IntegrityError("this receipt names a field twice")
    return fields


def endorse(key: Ed25519PrivateKey, text: str) -> bytes:
    """A party's signature under a receipt's text."""
    return sign(key, DOMAIN, text.encode())


def signed_receipt(text: str, signatures: dict[str, bytes]) -> str:
    """The text and its signatures, a line each."""
    lines = [f"{MARK}{name} {signature_text(signature)}" for name, signature in signatures.items()]
    return text + "\n" + "\n".join(lines) + "\n"


def verify_receipt(receipt: str, keys: dict[str, bytes], signers: list[str]) -> dict[str, str]:
    """Check a signed receipt; return its fields.

    keys: the contract's public keys by party. signers: the parties that must have signed.
    Raises IntegrityError that names the first signature missing or wrong.
    """
    text, gap, rest = receipt.partition("\n\n")
    if not gap:
        raise IntegrityError("this receipt carries no signatures")
    text += "\n"
    missing = set(signers)
    for line in rest.removesuffix("\n").split("\n"):
        name, _, signature = line.removeprefix(MARK).partition(" ")
        if not line.startswith(MARK) or name not in keys:
            raise IntegrityError("a line below the receipt is no signature of a party of its contract")
        try:
            verify_signature(keys[name], DOMAIN, text.encode(), signature_bytes(signature))
        except IntegrityError as problem:
            raise IntegrityError(f"the signature of {name} under this receipt does not verify", party=name) from problem
        missing.discard(name)
    if not rest.endswith("\n"):
        raise IntegrityError("this receipt does not end with its last line")
    if missing:
        raise IntegrityError(f"the receipt lacks the signature of {', '.join(sorted(missing))}")
    return fields_of(text)
