"""`glovebox receipt verify` and `glovebox log verify`: what can be checked offline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import cyclopts
from cyclopts import Parameter

from glovebox.cli.serving import HomeOption, home_of

receipt = cyclopts.App(name="receipt", help="Check receipts.")
log = cyclopts.App(name="log", help="Check this node's log.")


def register(app: cyclopts.App) -> None:
    """Add these commands."""
    app.command(receipt)
    app.command(log)


@receipt.command(name="verify")
def verify_receipt_file(
    receipt_file: Path,
    contract_file: Path,
    *,
    answer: Annotated[Path | None, Parameter(help="The answer, as `ask --format json --out` wrote it.")] = None,
) -> None:
    """Check every signature of a receipt with the contract alone; with --answer, that it is the answer's."""
    from glovebox.audit.receipts import verify_receipt
    from glovebox.errors import IntegrityError
    from glovebox.node.contracts import read_contract
    from glovebox.node.receipt import commitment_of_file

    contract = read_contract(contract_file)
    keys = {party.name: party.key for party in contract.parties}
    text = receipt_file.read_text()
    fields = verify_receipt(text, keys, [])
    signers = {*fields["computed by"].split(", "), *fields["receivers"].split(", "), fields["asker"]}
    verify_receipt(text, keys, sorted(signers))
    if fields["contract"].rpartition("sha256:")[2] != contract.hash.hex():
        raise IntegrityError("this receipt is of another contract")
    if answer and commitment_of_file(answer) != fields["commitment"]:
        raise IntegrityError("this answer is not the one that the receipt commits to")
    print(f"good: {fields['statement']}", f"signed by {', '.join(sorted(signers))}", sep="\n")


@log.command(name="verify")
def verify_own_log(*, home: HomeOption = None) -> None:
    """Check the chain and every signature of this node's log."""
    from glovebox.audit.log import verify_log
    from glovebox.identity import public_bytes

    place = home_of(home)
    print(f"good: {verify_log(place.log_file, public_bytes(place.key()))} entries")
