"""`glovebox receipt verify`, `log verify` and `log export`: what can be checked and shown offline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import cyclopts
from cyclopts import Parameter

from glovebox.cli.serving import HomeOption, JsonOption, home_of

receipt = cyclopts.App(name="receipt", help="Check receipts.")
log = cyclopts.App(name="log", help="Check and export this node's log.")


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
    from glovebox.errors import IntegrityError
    from glovebox.node.contracts import read_contract
    from glovebox.node.evidence import verify_receipt_of
    from glovebox.node.receipt import commitment_of_file

    text = receipt_file.read_bytes().decode(errors="replace")
    fields = verify_receipt_of(read_contract(contract_file), text.rstrip("\n") + "\n")
    if answer and commitment_of_file(answer) != fields["commitment"]:
        raise IntegrityError("this answer is not the one that the receipt commits to")
    signers = {*fields["computed by"].split(", "), *fields["receivers"].split(", "), fields["asker"]}
    print(f"good: {fields['statement']}", f"signed by {', '.join(sorted(signers))}", sep="\n")


@log.command(name="verify")
def verify_log_file(
    log_file: Annotated[Path | None, Parameter(help="Another party's log; without it this node's own.")] = None,
    *,
    of: Annotated[str | None, Parameter(help="With LOG-FILE: the party whose log it is.")] = None,
    contract: Annotated[str | None, Parameter(help="With LOG-FILE: a contract with its key.")] = None,
    home: HomeOption = None,
) -> None:
    """Check a log's chain and signatures, and that it is the one that this node's receipts know.

    Of this node also the receipts and the ledger.
    """
    from glovebox.errors import UsageError
    from glovebox.node.contracts import find_contract
    from glovebox.node.evidence import verify_home, verify_other

    place = home_of(home)
    if log_file is None:
        found = verify_home(place)
        print(f"good: {found.entries} entries, {found.receipts} receipts, {found.spends} entries of the ledger")
        return
    if of is None or contract is None:
        raise UsageError("whose log is it?", hint="glovebox log verify LOG-FILE --of PARTY --contract CONTRACT")
    found = verify_other(place, find_contract(place, contract), of, log_file)
    print(f"good: {found.entries} entries of {of}, {found.receipts} of this node's receipts know it")


@log.command(name="export")
def export_account(
    *,
    html: Annotated[bool, Parameter(negative="", help="A page to print, in place of JSON.")] = False,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Print who asked what under which contract and legal basis, what was revealed, and the budget: JSON, or --html."""
    import msgspec

    from glovebox.errors import UsageError
    from glovebox.node.export import account_of, page_of

    if html and json:
        raise UsageError("the account is JSON or a page", hint="--json or --html")
    account = account_of(home_of(home))
    print(page_of(account) if html else msgspec.json.format(msgspec.json.encode(account)).decode())
