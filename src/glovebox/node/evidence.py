"""What a node's files prove, offline: its log, its receipts and its ledger, each held against the others.

The log's entries are chained and signed. Every receipt names the head of each party's log when the run was over, and
all parties signed it: a log that lacks one of these heads is another history than the one that was shown then. Entries
of the log name the head of the ledger after what they tell of.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from glovebox.audit.log import log_keys, read_log
from glovebox.audit.receipts import fields_of, verify_receipt
from glovebox.contract.model import Contract
from glovebox.errors import GloveboxError, IntegrityError, Refused
from glovebox.identity import public_bytes
from glovebox.node.contracts import load_contract
from glovebox.node.database import broken_file, check_sqlite
from glovebox.node.home import Home
from glovebox.node.ledger import Ledger
from glovebox.node.messages import Head, decode, open_signed
from glovebox.node.participant import LEDGER
from glovebox.node.receipt import log_field
from glovebox.node.state import State


class Evidence(NamedTuple):
    """How many log entries, receipts and ledger entries were checked."""

    entries: int
    receipts: int
    spends: int


def verify_receipt_of(contract: Contract, text: str) -> dict[str, str]:
    """Check a receipt with its contract alone: every party that it names signed. Returns its fields."""
    keys = {party.name: party.key for party in contract.parties}
    fields = fields_of(text.partition("\n\n")[0])
    try:
        signers = {*fields["computed by"].split(", "), *fields["receivers"].split(", "), fields["asker"]}
        named = fields["contract"].rpartition("sha256:")[2]
    except KeyError as problem:
        raise IntegrityError(f"this receipt lacks its line {problem.args[0]}") from problem
    if named != contract.hash.hex():
        raise IntegrityError("this receipt is of another contract")
    return verify_receipt(text, keys, sorted(signers))


def verify_home(home: Home) -> Evidence:
    """Check all of a home. Raises IntegrityError that names the first line, receipt or entry that does not hold."""
    key = public_bytes(home.key())
    lines = read_log(home.log_file, key)
    receipts = kept_receipts(home)
    _check_heads({head for _, head in lines}, log_keys(lines, key), receipts, home.log_file.name)
    return Evidence(len(lines), len(receipts), _verify_ledger(home, [entry.what.get(LEDGER) for entry, _ in lines]))


def verify_other(home: Home, contract: Contract, party: str, log_file: Path) -> Evidence:
    """Check another party's log against the contract's key for it, and against every receipt in this home."""
    number = contract.number(party)
    if number is None:
        raise IntegrityError(f"{party} is no party of {contract.name}")
    key = contract.parties[number].key
    lines = read_log(log_file, key)
    checked = _check_heads({head for _, head in lines}, log_keys(lines, key), kept_receipts(home), log_file.name)
    return Evidence(len(lines), checked, 0)


def kept_receipts(home: Home) -> list[tuple[Contract, dict[str, str]]]:
    """Every receipt in a home, checked, with its contract."""
    check_sqlite(home.state_file)
    state = State(home.state_file)
    contracts: dict[str, Contract] = {}
    found = []
    try:
        for session, text in state.receipts():
            try:
                stated = fields_of(text.partition("\n\n")[0])
                digest = stated.get("contract", "").rpartition("sha256:")[2]
                if digest not in contracts:
                    contracts[digest] = load_contract(home, bytes.fromhex(digest))
                fields = verify_receipt_of(contracts[digest], text)
                if fields.get("session") != session.hex():
                    raise IntegrityError("it is of another session")
            except (IntegrityError, Refused, ValueError) as problem:
                said = problem.summary if isinstance(problem, GloveboxError) else "it names no contract"
                place = f"session {session.hex()}"
                raise IntegrityError("a receipt does not hold", step=place, detail=(said,)) from problem
            found.append((contracts[digest], fields))
    except (sqlite3.DatabaseError, UnicodeDecodeError) as problem:
        raise broken_file(home.state_file) from problem
    finally:
        state.close()
    return found


def _check_heads(
    heads: set[bytes], keys: set[bytes], receipts: list[tuple[Contract, dict[str, str]]], name: str
) -> int:
    """How many receipts name a head of the log of these keys; IntegrityError for one that the log does not have."""
    known, checked = {head.hex() for head in heads}, 0
    for contract, fields in receipts:
        for party in contract.parties:
            head = fields.get(log_field(party.name))
            if party.key not in keys or head is None:
                continue
            if head not in known:
                raise IntegrityError(
                    f"{name} is not the log that {party.name} showed in session {fields['session']}",
                    code="another_history", party=party.name, step=f"session {fields['session']}",
                    detail=("Every party of that session signed a head that this log does not have.",),
                )  # fmt: skip
            checked += 1
    return checked


def _verify_ledger(home: Home, told: Iterable[str | None]) -> int:
    """How many entries the ledger has; IntegrityError where it does not hold, or lacks a head that the log names."""
    if not home.ledger_file.is_file():
        return 0
    check_sqlite(home.ledger_file)
    with closing(Ledger(home.ledger_file)) as ledger:
        entries = [entry for contract in ledger.contracts() for entry in ledger.entries(contract)]
        for digest in ledger.noted():
            contract = load_contract(home, digest)
            for party, envelope in ledger.heads(digest).items():
                if not 0 <= party < len(contract.parties):
                    raise IntegrityError("the ledger holds a head of no party", step=f"contract {digest.hex()}")
                open_signed(decode(envelope), contract.parties[party].key, Head)
    known = {entry.hash.hex() for entry in entries}
    for number, head in enumerate(told, 1):
        if head is not None and head not in known:
            raise IntegrityError(
                "the ledger lacks an entry that the log tells of", code="ledger_broken",
                step=f"line {number} of {home.log_file.name}", hint=f"the newest backup of {home.ledger_file.name}",
            )  # fmt: skip
    return len(entries)
