"""`glovebox contract check|show|sign|add`."""

from __future__ import annotations

from pathlib import Path

import cyclopts

from glovebox.cli.serving import HomeOption, home_of

contract = cyclopts.App(name="contract", help="Check, read, sign and add contracts.")


def register(app: cyclopts.App) -> None:
    """Add these commands."""
    app.command(contract)


@contract.command
def check(file: Path) -> None:
    """Check a contract, and say who has signed it."""
    from glovebox.contract.signing import verify_signatures
    from glovebox.node.contracts import read_contract, signature_file

    found = read_contract(file)
    signatures = signature_file(file)
    signers = verify_signatures(found, signatures.read_text() if signatures.is_file() else "")
    print(f"{found.name} v{found.version} is a good contract, sha256:{found.hash.hex()}")
    for party in found.parties:
        print(f"  {party.name:<20} {'signed' if party.name in signers else 'not signed yet'}")


@contract.command
def show(file: Path) -> None:
    """Print what a contract says, in plain words."""
    from glovebox.contract.reading import reading
    from glovebox.node.contracts import read_contract

    print(reading(read_contract(file)))


@contract.command
def sign(file: Path, *, home: HomeOption = None) -> None:
    """Sign a contract's exact bytes with this node's key: one line more in FILE.sig."""
    from glovebox.contract.signing import sign_contract
    from glovebox.node.contracts import read_contract, signature_file

    found, place = read_contract(file), home_of(home)
    line = sign_contract(found, place.key())
    signatures = signature_file(file)
    existing = signatures.read_text() if signatures.is_file() else ""
    if line not in existing:
        signatures.write_text(existing + line)
    print(f"signed {found.name} v{found.version}, sha256:{found.hash.hex()}, in {signatures.name}")


@contract.command
def add(file: Path, *, home: HomeOption = None) -> None:
    """Check a contract and all its signatures, and copy it into this node's home."""
    from glovebox.node.contracts import add_contract

    found = add_contract(home_of(home), file)
    print(f"added {found.name} v{found.version}, signed by {', '.join(party.name for party in found.parties)}")
