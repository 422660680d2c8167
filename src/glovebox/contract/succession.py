"""How a contract ends before its last day: a later version takes its place, or a party withdraws from it.

A withdrawal is one readable line, signed over the contract's hash and the time in a domain of its own:

    glovebox/1 withdraws publisher 3f1c…64 hexadecimal digits… 2027-01-31T09:00:00Z base64 of the Ed25519 signature
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Struct

from glovebox.contract.lines import read_toml
from glovebox.contract.reading import reading
from glovebox.contract.statements import Stated, now, read_statement
from glovebox.contract.terms import Contract
from glovebox.errors import IntegrityError, Refused, UsageError
from glovebox.identity import key_text, public_bytes, sign, verify_signature

DOMAIN = "withdrawal"
VERB = "withdraws"


class Withdrawal(Struct, frozen=True):
    """A party's statement that a contract no longer binds it. when: UTC, as in the line."""

    party: str
    when: str


def successor(contract: Contract, keys: Mapping[bytes, bytes]) -> bytes:
    """The text of the next version of a contract, to be edited: its number, what it takes the place of, changed keys.

    keys: those that were taken back, with what follows.
    """
    lines = contract.text.decode().splitlines(keepends=True)
    _, places = read_toml(contract.text)
    supersedes = f'supersedes = "sha256:{contract.hash.hex()}"\n'
    if contract.supersedes is not None:
        lines[places.of(("supersedes",)) - 1] = supersedes
    number = places.of(("version",)) - 1
    lines[number] = re.sub(r"(=\s*)[0-9_]+", rf"\g<1>{contract.version + 1}", lines[number], count=1)
    if contract.supersedes is None:
        lines.insert(number + 1, supersedes)
    text = "".join(lines)
    for old, new in keys.items():
        text = text.replace(key_text(old), key_text(new))
    return text.encode()


def check_succession(contract: Contract, held: list[Contract]) -> None:
    """Return if a contract may be added beside those of its name that are held: versions only go up. Raises Refused."""
    latest = max(held, key=lambda other: other.version, default=None)
    if latest is None or latest.hash == contract.hash:
        return
    known = f"this node holds version {latest.version}, sha256:{latest.hash.hex()}"
    if contract.version <= latest.version:
        sentence = f"{contract.name} v{contract.version} is not later than what is held"
        hint = "glovebox contract supersede"
        raise Refused(sentence, code="contract_old", step="version", detail=(known,), hint=hint)
    if contract.supersedes != latest.hash:
        sentence = f"{contract.name} v{contract.version} does not take the place of what is held"
        hint = f'supersedes = "sha256:{latest.hash.hex()}", or another name'
        raise Refused(sentence, code="contract_chain", step="supersedes", detail=(known,), hint=hint)


def differences(old: Contract, new: Contract) -> list[str]:
    """What changed between two contracts, in the lines of their readings: `-` as it was, `+` as it is."""
    before, after = (reading(contract).splitlines() for contract in (old, new))
    changed = difflib.unified_diff(before, after, n=0, lineterm="")
    return [line for line in changed if not line.startswith(("---", "+++", "@@"))]


def withdrawal(contract: Contract, key: Ed25519PrivateKey) -> str:
    """The line by which the party that has this key withdraws now, with its newline. UsageError if none has it."""
    for party in contract.parties:
        if party.key == public_bytes(key):
            when = now()
            signature = sign(key, DOMAIN, _signed(contract, when))
            return Stated(party.name, contract.hash.hex(), when, signature).line(VERB)
    raise UsageError(f"this node's key is no party's in {contract.name}")


def read_withdrawal(contract: Contract, line: str) -> Withdrawal:
    """The withdrawal that a line states. Raises IntegrityError for what is no party's statement on this contract."""
    name, digest, when, signature = read_statement(line, VERB, DOMAIN, "PARTY SHA256")
    number = contract.number(name)
    if number is None or digest != contract.hash.hex():
        raise IntegrityError("the line withdraws from another contract", step=DOMAIN)
    verify_signature(contract.parties[number].key, DOMAIN, _signed(contract, when), signature)
    return Withdrawal(name, when)


def _signed(contract: Contract, when: str) -> bytes:
    return contract.hash + when.encode()
