"""What a node did, for an auditor: who asked what under which contract and legal basis, what was revealed, the budget.

All of it is public between the parties of a contract: no row, no answer and no id is in it.
"""

from __future__ import annotations

import html
from collections.abc import Iterable
from contextlib import closing
from datetime import UTC, datetime

from msgspec import Struct

from glovebox.audit.log import read_log
from glovebox.audit.receipts import fields_of
from glovebox.contract.terms import epsilon_text
from glovebox.identity import key_text, public_bytes
from glovebox.node.contracts import all_contracts
from glovebox.node.home import Home
from glovebox.node.ledger import Ledger
from glovebox.node.state import State

REVEALED = {
    "signed": "the answer",
    "unsigned": "the answer; the receipt that all sign is missing",
    "answered": "the answer; the receipt that all sign is missing",
    "revealing": "perhaps the answer: this party's shares of it may have left",
}
"""What a session's state says of what left; else nothing did, unless shares of the answer were kept to be sent."""


class Budget(Struct, frozen=True):
    """An owner's privacy budget under a contract, in epsilon."""

    owner: str
    total: str
    spent: str
    left: str


class Agreement(Struct, frozen=True):
    """A contract that this node held to."""

    name: str
    version: int
    hash: str
    purpose: str
    legal_basis: str
    first: str
    last: str
    parties: tuple[str, ...]
    groups_of_at_least: int
    budget: tuple[Budget, ...]


class Asked(Struct, frozen=True):
    """One question, by its session: who asked what, and what became of it. receipt: the commitment that all signed."""

    began: str
    session: str
    contract: str
    asker: str
    statement: str
    state: str
    reason: str
    revealed: str
    receivers: str
    groups_of_at_least: str
    epsilon: str
    receipt: str


class Account(Struct, frozen=True):
    """The whole account of a node. entries, head: of its log, which is the evidence for the rest."""

    party: str
    key: str
    at: str
    entries: int
    head: str
    contracts: tuple[Agreement, ...]
    questions: tuple[Asked, ...]


def account_of(home: Home) -> Account:
    """What a home's contracts, state, ledger and log say. The log is verified first."""
    key = public_bytes(home.key())
    lines = read_log(home.log_file, key)
    contracts = all_contracts(home)
    names = {contract.hash: f"{contract.name} v{contract.version}" for contract in contracts}
    with closing(Ledger(home.ledger_file)) as ledger, closing(State(home.state_file)) as state:
        agreements = tuple(
            Agreement(
                contract.name, contract.version, contract.hash.hex(), contract.purpose, contract.legal_basis,
                contract.first.isoformat(), contract.last.isoformat(), tuple(party.name for party in contract.parties),
                contract.rules.groups_of_at_least,
                tuple(
                    Budget(contract.parties[owner].name, *map(epsilon_text, (total, spent, max(0, total - spent))))
                    for owner, spent in sorted(ledger.spent(contract.hash).items())
                    for total in ((contract.privacy.epsilon_total if contract.privacy else 0),)
                ),
            )
            for contract in contracts
        )  # fmt: skip
        questions = tuple(_asked(state, names, *row) for row in state.sessions())
    head = lines[-1][1].hex() if lines else ""
    return Account(home.settings().name, key_text(key), _time(), len(lines), head, agreements, questions)


def _asked(
    state: State, names: dict[bytes, str], session: bytes, statement: str, asker: str, ended: str, reason: str,
    began: float, _: float, contract: bytes,
) -> Asked:  # fmt: skip
    receipt = state.receipt(session)
    fields = fields_of(receipt.partition("\n\n")[0]) if receipt else {}
    revealed = REVEALED.get(ended) or (REVEALED["revealing"] if state.opening(session) else "nothing")
    return Asked(
        _time(began), session.hex(), names.get(contract, f"sha256:{contract.hex()}"), asker, statement, ended, reason,
        revealed, fields.get("receivers", ""), fields.get("groups of at least", ""), fields.get("epsilon", "none"),
        fields.get("commitment", ""),
    )  # fmt: skip


def _time(seconds: float | None = None) -> str:
    when = datetime.now(UTC) if seconds is None else datetime.fromtimestamp(seconds, UTC)
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


STYLE = """
body { font: 10pt/1.4 sans-serif; margin: 2em auto; max-width: 60em; color: #111 }
table { border-collapse: collapse; width: 100%; margin: .5em 0 2em }
th, td { border: 1px solid #999; padding: .3em .5em; text-align: left; vertical-align: top; overflow-wrap: anywhere }
code { font-size: 9pt; overflow-wrap: anywhere } tr { break-inside: avoid }
@media print { body { margin: 0; max-width: none } }
"""


def page_of(account: Account) -> str:
    """The account as one printable page: no script, nothing loaded from anywhere, every word escaped."""
    parts = [
        f"<h1>What {_text(account.party)} did</h1>",
        f"<p>As of {_text(account.at)}. Key <code>{_text(account.key)}</code>. Its log has {account.entries} entries; "
        f"the last has the hash <code>{_text(account.head)}</code>.</p>",
        "<h2>Contracts</h2>",
    ]
    for one in account.contracts:
        parts += [
            f"<h3>{_text(one.name)}, version {one.version}</h3>",
            f"<p>{_text(one.purpose)}<br>Legal basis: {_text(one.legal_basis or 'not stated in the contract')}<br>"
            f"In force from {one.first} to {one.last}, between {_text(', '.join(one.parties))}. "
            f"Groups of at least {one.groups_of_at_least}.<br><code>sha256:{one.hash}</code></p>",
        ]
        if one.budget:
            rows = [(each.owner, each.total, each.spent, each.left) for each in one.budget]
            parts.append(_table(("Owner", "Epsilon in all", "spent", "left"), rows))
    rows_asked = [
        (
            one.began, one.asker, one.contract, one.statement,
            one.revealed + (f", to {one.receivers}" if one.receivers else ""), one.groups_of_at_least, one.epsilon,
            f"{one.state} {one.reason}".strip(), one.session[:8],
        )
        for one in account.questions
    ]  # fmt: skip
    heads = ("Began", "Asked by", "Under", "Question", "Revealed", "Groups of", "Epsilon", "Ended", "Session")
    parts += ["<h2>Questions</h2>", _table(heads, rows_asked)]
    title = f"<title>Account of {_text(account.party)}</title>"
    head = f'<!doctype html>\n<html lang="en"><meta charset="utf-8">{title}<style>{STYLE}</style>'
    return "\n".join([head, *parts, "</html>\n"])


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    top = "".join(f"<th>{_text(head)}</th>" for head in heads)
    body = "\n".join("<tr>" + "".join(f"<td>{_text(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table>\n<tr>{top}</tr>\n{body}\n</table>"


def _text(words: str) -> str:
    return html.escape(words)
