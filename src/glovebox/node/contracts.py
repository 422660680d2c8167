"""The contracts in a node's home, by the hash of their exact bytes; only what every party signed counts."""

from __future__ import annotations

import difflib
from pathlib import Path

from glovebox.contract.model import Contract, parse_contract
from glovebox.contract.revocation import Revocation, read_revocation
from glovebox.contract.signing import verify_signatures
from glovebox.contract.succession import Withdrawal, check_succession, read_withdrawal
from glovebox.contract.terms import Party
from glovebox.errors import Refused, UsageError
from glovebox.identity import key_text, public_bytes
from glovebox.node.home import Home

HASH_BYTES = 32


def signature_file(contract: Path) -> Path:
    """Where a contract's signatures stand: beside it, with the suffix `.sig`."""
    return contract.with_suffix(".sig")


def read_contract(path: Path) -> Contract:
    """Read and check one contract file."""
    if not path.is_file():
        near = path.with_suffix(".toml")
        hint = f"did you mean {near}?" if near.is_file() else "the path of a contract's TOML file"
        raise UsageError(f"there is no contract file {path}", hint=hint)
    return parse_contract(path.read_bytes())


def check_signed_by_all(contract: Contract, signatures: Path) -> None:
    """Return if every party's signature over these very bytes stands in the file; Refused names who is missing."""
    lines = signatures.read_bytes().decode(errors="replace") if signatures.is_file() else ""
    signers = verify_signatures(contract, lines)
    missing = [party.name for party in contract.parties if party.name not in signers]
    if missing:
        raise Refused(
            f"the contract {contract.name} is not signed by {', '.join(missing)}",
            code="contract_unsigned",
            step="contract",
            hint="glovebox contract sign FILE at each of them, and put the lines together",
        )


def own_number(home: Home, contract: Contract) -> int:
    """This party's number in a contract: it is its key, not its name. Refused for a home that is no party of it."""
    return number_of(contract, public_bytes(home.key()))


def number_of(contract: Contract, key: bytes) -> int:
    """The number of the party that holds a key. Refused where that is none."""
    for number, party in enumerate(contract.parties):
        if party.key == key:
            return number
    raise Refused(
        f"this node is no party of {contract.name} v{contract.version}",
        code="no_party",
        step="contract",
        detail=(f"its key is {key_text(key)}",),
        hint="glovebox contract show FILE, for the parties' keys",
    )


def add_contract(home: Home, path: Path) -> Contract:
    """Copy a contract that all signed into the home; Refused for one that is not later than what the home holds."""
    contract = read_contract(path)
    check_signed_by_all(contract, signature_file(path))
    check_succession(contract, [held for held in all_contracts(home) if held.name == contract.name])
    if contract.supersedes:
        _note(home, contract.supersedes, "superseded").write_text(f"{contract.version} {contract.hash.hex()}\n")
    target = home.contracts / f"{contract.hash.hex()}.toml"
    signature_file(target).write_bytes(signature_file(path).read_bytes())
    target.write_bytes(contract.text)
    return contract


def withdraw(home: Home, contract: Contract, line: str) -> Withdrawal:
    """Note a party's withdrawal; from now on this node refuses what is asked under the contract."""
    stated = read_withdrawal(contract, line)
    with _note(home, contract.hash, "withdrawn").open("a") as file:
        file.write(line.strip() + "\n")
    return stated


def note_revocation(home: Home, line: str) -> Revocation:
    """Note that a key is taken back; from now on this node refuses what is asked under a contract with it."""
    stated = read_revocation(line)
    with _revoked(home, stated.key).open("a") as file:
        file.write(line.strip() + "\n")
    return stated


def revocations_of(home: Home, key: bytes) -> list[Revocation]:
    """What was stated when a key was taken back, in the order in which it was noted; a thief states, too."""
    file = _revoked(home, key)
    return [read_revocation(line) for line in file.read_text().splitlines()] if file.is_file() else []


def revocation_of(home: Home, key: bytes) -> Revocation | None:
    """What was stated first when a key was taken back, if it was."""
    return next(iter(revocations_of(home, key)), None)


def successions(home: Home, contract: Contract) -> dict[str, list[Revocation]]:
    """By party whose key in a contract was taken back for another: the statements that lead to the key it has now.

    None where the last of them names no key. Refused where two that were noted name different ones.
    """
    found = {party.name: _succession(home, party) for party in contract.parties}
    return {name: steps for name, steps in found.items() if steps and steps[-1].successor}


def _succession(home: Home, party: Party) -> list[Revocation]:
    steps: list[Revocation] = []
    key: bytes | None = party.key
    while key and (stated := revocations_of(home, key)):
        if len({one.successor for one in stated}) > 1 or key in (one.key for one in steps):
            raise Refused(
                f"what was stated of the next key of {party.name} disagrees",
                code="key_disputed",
                party=party.name,
                step="supersede",
                detail=tuple(dict.fromkeys(one.in_words() for one in [*steps, *stated])),
                hint=f"ask {party.name} by another way, and write its key into the next version by hand",
            )
        steps.append(stated[0])
        key = stated[0].successor
    return steps


def _revoked(home: Home, key: bytes) -> Path:
    """Where it stands that a key was taken back."""
    return home.contracts / f"{key.hex()}.revoked"


def check_standing(home: Home, contract: Contract) -> None:
    """Return if nothing took the place of a contract, no party withdrew from it and no key of it was taken back."""
    later, gone = _note(home, contract.hash, "superseded"), _note(home, contract.hash, "withdrawn")
    if gone.is_file():
        stated = read_withdrawal(contract, gone.read_text().splitlines()[0])
        sentence = f"{stated.party} withdrew from {contract.name} v{contract.version} at {stated.when}"
        raise Refused(sentence, code="contract_withdrawn", step="contract", hint="agree on a new contract")
    for party in contract.parties:
        if back := revocation_of(home, party.key):
            sentence = f"the key of {party.name} in {contract.name} v{contract.version} was taken back at {back.when}"
            hint = "glovebox contract supersede, with its next key"
            raise Refused(sentence, code="key_revoked", step="contract", hint=hint)
    if later.is_file():
        version, digest = later.read_text().split()
        sentence = f"version {version} took the place of {contract.name} v{contract.version}"
        hint = "glovebox contract add FILE, of that version, at every party"
        raise Refused(sentence, code="contract_old", step="contract", detail=(f"sha256:{digest}",), hint=hint)


def _note(home: Home, digest: bytes, what: str) -> Path:
    """Where it stands that a contract was superseded or withdrawn."""
    return home.contracts / f"{digest.hex()}.{what}"


def find_contract(home: Home, named: str) -> Contract:
    """A contract of this home, by its name (the highest version), its hash or a file."""
    if Path(named).is_file():
        return load_contract(home, read_contract(Path(named)).hash)
    found = [contract for contract in all_contracts(home) if named in (contract.name, contract.hash.hex())]
    if not found:
        held = sorted({contract.name for contract in all_contracts(home)})
        near = difflib.get_close_matches(named, held, n=1)
        hint = f"did you mean {near[0]}?" if near else "glovebox contract add FILE"
        detail = (f"it holds {', '.join(held)}",) if held else ()
        raise UsageError(f"this node holds no contract {named}", detail=detail, hint=hint)
    return max(found, key=lambda contract: contract.version)


def all_contracts(home: Home) -> list[Contract]:
    """Every contract in the home, checked again."""
    return [load_contract(home, bytes.fromhex(path.stem)) for path in sorted(home.contracts.glob("*.toml"))]


def load_contract(home: Home, digest: bytes) -> Contract:
    """The contract of that hash, its signatures checked; Refused if this node does not hold it."""
    path = home.contracts / f"{digest.hex()}.toml"
    if len(digest) != HASH_BYTES or not path.is_file():
        raise Refused(
            "this node holds no such contract",
            code="contract_unknown",
            step="contract",
            detail=(f"sha256:{digest[:HASH_BYTES].hex()}",),
            hint="glovebox contract add FILE, with the same bytes at every party",
        )
    contract = parse_contract(path.read_bytes())
    if contract.hash != digest:
        raise Refused("a contract file in this node's home was changed", code="contract_changed", step="contract")
    check_signed_by_all(contract, signature_file(path))
    return contract
