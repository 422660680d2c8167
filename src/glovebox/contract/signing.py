"""Signatures under a contract: one readable line each, over the exact bytes of the file.

    glovebox/1 retailer 3f1c…64 hexadecimal digits of the file's SHA-256… base64 of the Ed25519 signature

The lines of several copies may be put together in any order.
"""

from __future__ import annotations

import base64
import binascii

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from glovebox.contract.terms import Contract
from glovebox.errors import IntegrityError, UsageError
from glovebox.identity import SIGNATURE_BYTES, public_bytes, sign, verify_signature

MARK = "glovebox/1"
DOMAIN = "contract"
MOST_BYTES = 1 << 16  # a hundred parties at 250 bytes, more than twice over


def sign_contract(contract: Contract, key: Ed25519PrivateKey) -> str:
    """The signature line of the party that has this key, with its newline. Raises UsageError if none has."""
    for party in contract.parties:
        if party.key == public_bytes(key):
            signature = base64.b64encode(sign(key, DOMAIN, contract.text)).decode()
            return f"{MARK} {party.name} {contract.hash.hex()} {signature}\n"
    raise UsageError(
        f"this node's key is no party's in {contract.name}",
        hint="compare `glovebox identity` with the keys in the contract",
    )


def verify_signatures(contract: Contract, lines: str) -> set[str]:
    """The names of the parties that signed these very bytes.

    Raises IntegrityError, naming the line, for one that is not a signature of a party under this contract: what
    cannot be verified is not passed over. A line may stand twice.
    """
    if len(lines) > MOST_BYTES:
        raise IntegrityError("the signature file is too long", step="line 1")
    signed: dict[str, str] = {}
    for number, line in enumerate(lines.split("\n"), 1):
        if not line.strip(" \t\r"):
            continue
        name = _verify_line(contract, line.strip(" \t\r"), f"line {number}")
        if signed.setdefault(name, line.split()[-1]) != line.split()[-1]:
            raise IntegrityError(f"two signatures of {name} differ", step=f"line {number}", party=name)
    return set(signed)


def _verify_line(contract: Contract, line: str, step: str) -> str:
    """The name of the party whose signature the line is."""
    words = line.split(" ")
    if len(words) != 4 or words[0] != MARK:
        raise IntegrityError("this is not a signature line", step=step, hint=f"{MARK} PARTY SHA256 SIGNATURE")
    _, name, digest, encoded = words
    number = contract.number(name)
    if number is None:
        raise IntegrityError("the line is signed by no party of the contract", step=step)
    if digest != contract.hash.hex():
        hint = "sign again: every change of the file, however small, makes another contract"
        raise IntegrityError(f"{name} signed another text", step=step, party=name, hint=hint)
    try:
        signature = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as problem:
        raise IntegrityError(f"the signature of {name} is not base64", step=step, party=name) from problem
    if len(signature) != SIGNATURE_BYTES or base64.b64encode(signature).decode() != encoded:
        raise IntegrityError(f"the signature of {name} is not 64 bytes of base64", step=step, party=name)
    try:
        verify_signature(contract.parties[number].key, DOMAIN, contract.text, signature)
    except IntegrityError as problem:
        raise IntegrityError(f"the signature of {name} does not verify", step=step, party=name) from problem
    return name
