"""`glovebox contract draft|check|show|diff|sign|add|supersede|withdraw`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import cyclopts
from cyclopts import Parameter

from glovebox.cli.serving import HomeOption, home_of
from glovebox.cli.tables import RelationOption

contract = cyclopts.App(name="contract", help="Draft, check, read, sign, add and end contracts.")


def register(app: cyclopts.App) -> None:
    """Add these commands."""
    app.command(contract)


@contract.command
def draft(
    *source: Path,
    relation: RelationOption = None,
    out: Annotated[Path | None, Parameter(help="Write it to a new file.")] = None,
    home: HomeOption = None,
) -> None:
    """Draft a contract from this party's own data, for a person to finish: it tells of the data, so read it first.

    SOURCE is a CSV, Parquet, DuckDB or SQLite file, or postgres:NAME; each is a table of the draft.
    """
    from glovebox.node.drafting import draft_contract

    text = draft_contract(home_of(home), source, relation)
    if out is None:
        print(text, end="")
        return
    with out.open("x") as file:
        file.write(text)
    print(f"wrote {out}")


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


@contract.command
def diff(file: Path, other: Path | None = None, *, home: HomeOption = None) -> None:
    """Print what a contract changes, in the words of `show`: against OTHER, or the version that this node holds."""
    from glovebox.contract.succession import differences
    from glovebox.node.contracts import find_contract, read_contract

    new = read_contract(file)
    old = read_contract(other) if other else find_contract(home_of(home), new.name)
    print("\n".join(differences(old, new)) or "nothing")


@contract.command
def supersede(
    contract: str,
    *,
    out: Annotated[Path | None, Parameter(help="Where to write it [NAME-vVERSION.toml].")] = None,
    home: HomeOption = None,
) -> None:
    """Write the next version of a contract that this node holds, to be edited and then signed by all again.

    Keys that were taken back for another are written anew: a thief of the old key can state that, so ask their parties.
    """
    from glovebox.contract.succession import successor
    from glovebox.node.contracts import find_contract, successions

    place = home_of(home)
    old = find_contract(place, contract)
    changed = successions(place, old)
    keys = {steps[0].key: following for steps in changed.values() if (following := steps[-1].successor)}
    target = out or Path(f"{old.name}-v{old.version + 1}.toml")
    with target.open("xb") as file:
        file.write(successor(old, keys))
    for party, steps in changed.items():
        for step in steps:
            print(f"key of {party}: {step.in_words()}; ask {party} by another way")
    print(f"wrote {target}, which takes the place of {old.name} v{old.version} once all signed and added it")


@contract.command
def withdraw(
    contract: str,
    *,
    statement: Annotated[Path | None, Parameter(help="Note the statement of another party, from this file.")] = None,
    home: HomeOption = None,
) -> None:
    """Withdraw from a contract: this node refuses from now on. Prints the signed statement, for the other parties."""
    from glovebox.contract.succession import withdrawal
    from glovebox.node.contracts import find_contract
    from glovebox.node.contracts import withdraw as noted

    place = home_of(home)
    found = find_contract(place, contract)
    line = withdrawal(found, place.key()) if statement is None else statement.read_text()
    stated = noted(place, found, line)
    print(line.strip())
    print(
        f"# {stated.party} withdrew from {found.name} v{found.version} at {stated.when}; this node refuses from now on"
    )
