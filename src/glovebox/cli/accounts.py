"""`glovebox budget`: what questions cost, and what they told of this party's own tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cyclopts

from glovebox.cli.serving import HomeOption, JsonOption, home_of

if TYPE_CHECKING:
    from glovebox.node.home import Home


def register(app: cyclopts.App) -> None:
    """Add this command."""
    app.command(budget)


def budget(*, home: HomeOption = None, json: JsonOption = False) -> None:
    """Say what was spent on what, of whom, and what was opened of this party's tables to whom, under all contracts."""
    place = home_of(home)
    told = {"contracts": _accounts(place), "opened": _opened(place)}
    if json:
        import json as text

        print(text.dumps(told))
        return
    for account in told["contracts"]:
        print(f"{account['contract']}, version {account['version']}")
        for owner, amounts in account["owners"].items():
            print(f"  {owner}: epsilon {amounts['spent']} of {amounts['total']} is spent, {amounts['left']} is left")
        for entry in account["entries"]:
            cost = f"{entry['epsilon']} of {', '.join(entry['owners'])}"
            print(f"  {entry['at']}  {entry['kind']:<6} {cost}  {entry['what']}")
    print("opened of this party's tables:" if told["opened"] else "nothing was opened of this party's tables")
    for one in told["opened"]:
        what = f"{one['table']} ({', '.join(one['columns'])})"
        print(f"  {one['at']}  {one['contract']}  {what} to {', '.join(one['to'])}")
        print(f"      {one['statement']}")
        if one["close"]:
            print(f"      differs by few people from {', '.join(session[:8] for session in one['close'])}")


def _accounts(place: Home) -> list[dict[str, Any]]:
    """Of every contract with a budget, what is spent, and on what."""
    from contextlib import closing

    from glovebox.contract.terms import epsilon_text
    from glovebox.node.contracts import all_contracts
    from glovebox.node.ledger import Ledger

    found = []
    with closing(Ledger(place.ledger_file)) as ledger:
        for contract in all_contracts(place):
            if contract.privacy is None:
                continue
            total, spent = contract.privacy.epsilon_total, ledger.spent(contract.hash)
            owners = sorted({owner for table in contract.tables for owner in table.owners})
            found.append({
                "contract": contract.name,
                "version": contract.version,
                "owners": {
                    contract.parties[owner].name: {
                        "spent": epsilon_text(spent.get(owner, 0)),
                        "total": epsilon_text(total),
                        "left": epsilon_text(max(0, total - spent.get(owner, 0))),
                    }
                    for owner in owners
                },
                "entries": [
                    {
                        "at": _time(entry.at),
                        "kind": entry.kind,
                        "epsilon": epsilon_text(max(entry.amounts.values(), default=0)),
                        "owners": list(contract.names(tuple(entry.amounts))),
                        "what": _line(entry.what),
                        "session": entry.session.hex(),
                    }
                    for entry in ledger.entries(contract.hash)
                ],
            })  # fmt: skip
    return found


def _opened(place: Home) -> list[dict[str, Any]]:
    """What was opened of this party's tables, the newest first."""
    from contextlib import closing

    from glovebox.node.state import State

    with closing(State(place.state_file)) as state:
        return [
            {
                "at": _time(one.at),
                "session": one.session.hex(),
                "contract": one.name,
                "table": one.table,
                "columns": one.columns.split(","),
                "to": one.receivers.split(","),
                "statement": _line(one.statement),
                "close": one.close.split(",") if one.close else [],
            }
            for one in state.disclosures()
        ]


def _time(seconds: float) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _line(statement: str) -> str:
    """A statement on one line, without what a terminal would obey."""
    return "".join(one if one.isprintable() else " " for one in " ".join(statement.split()))
