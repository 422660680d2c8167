"""The signed record for those who were not there: a receipt reaches every party of its contract at the next contact.

A party that was lost while a receipt was signed, or that took no part in the session, asks the other nodes for what it
lacks: at its start, again while one is not reached, and every hour; soon after a session that ended here unsigned. A
receipt proves itself, whoever brings it: all parties of its session signed it.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import structlog

from glovebox.contract.terms import Contract
from glovebox.errors import IntegrityError, PeerLost
from glovebox.node.control import ControlLink, open_control
from glovebox.node.evidence import verify_receipt_of
from glovebox.node.greeting import shared_contracts, takes_links
from glovebox.node.messages import SESSION_BYTES, Kept, Records, Signed, open_signed, signed
from glovebox.node.receipt import contract_field

if TYPE_CHECKING:
    from glovebox.node.node import Node

FIRST_S, EVERY_S = 5.0, 3600.0
"""Who was not reached is tried again after five seconds, and then after ever longer pauses up to an hour."""

ANSWER_S = 10.0
MOST_ROWS, MOST_BYTES = 256, 2 << 20  # of one reply, which must fit in a control message
MOST_REPLIES = 1000  # of one contact
FETCH_S = 60.0  # of one contact: a slow party keeps the next one waiting no longer, and goes on where it was

report = structlog.get_logger()


async def keep_records(node: Node) -> None:
    """Fetch what this node lacks from the others, until cancelled."""
    pause = FIRST_S
    while True:
        pause = EVERY_S if await _are_fetched(node) else min(4 * pause, EVERY_S)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await node.lacks_receipt.wait()
                pause = FIRST_S
                await asyncio.sleep(pause)  # the others may be about to keep it
        node.lacks_receipt.clear()


async def _are_fetched(node: Node) -> bool:
    """Ask every party; whether all were reached. Whatever goes wrong with one, the others are asked, now and later."""
    reached = True
    try:
        for contract, party in _others(node):
            reached &= await _is_fetched(node, contract, party)
    except Exception as problem:
        report.warning("the records were not fetched", reason=type(problem).__name__)
        return False
    return reached


def _others(node: Node) -> list[tuple[Contract, int]]:
    """Every contract of this party with every other party of it that can be reached."""
    return [
        (contract, number)
        for contract in shared_contracts(node.home, node.public)
        for number, party in enumerate(contract.parties)
        if party.key != node.public and takes_links(node.home, party)
    ]


async def _is_fetched(node: Node, contract: Contract, party: int) -> bool:
    """Fetch from one party what it keeps and this one lacks; whether it was reached and answered as it should."""
    stated = contract.parties[party]
    try:
        async with asyncio.timeout(FETCH_S):
            await _fetch(node, contract, party)
    except PeerLost:
        return False
    except Exception as problem:
        report.info("no records came", party=stated.name, reason=type(problem).__name__)
        return False
    return True


async def _fetch(node: Node, contract: Contract, party: int) -> None:
    stated, me = contract.parties[party], node.number_in(contract)
    since = node.state.looked_through(contract.hash, party)
    link = await open_control(node.key, stated.key, stated.name, stated.address, node.settings.deadline_s)
    try:
        for _ in range(MOST_REPLIES):
            await link.send(signed(node.key, me, Records(contract.hash, since)))
            kept = open_signed(await link.receive(ANSWER_S), stated.key, Kept)
            for text in kept.receipts:
                take_record(node, contract, text)
            if kept.until <= since:
                return
            since = kept.until
            node.state.look_through(contract.hash, party, since)
    finally:
        await link.close()


def take_record(node: Node, contract: Contract, text: str) -> None:
    """Keep a receipt that this node lacks, and log it. IntegrityError if not all of its parties signed it."""
    fields = verify_receipt_of(contract, text)
    signers = {*fields["computed by"].split(", "), *fields["receivers"].split(", "), fields["asker"]}
    session = _session_of(fields) if len(signers) >= min(3, len(contract.parties)) else b""
    if len(session) != SESSION_BYTES:
        raise IntegrityError("this receipt is of no session", step="records")
    if node.state.receipt(session) is None:
        node.state.store_receipt(session, text)
        node.log.write("delivered", session=session.hex())


def _session_of(fields: dict[str, str]) -> bytes:
    try:
        return bytes.fromhex(fields.get("session", ""))
    except ValueError as problem:
        raise IntegrityError("this receipt is of no session", step="records") from problem


async def give_records(node: Node, link: ControlLink, envelope: Signed, wanted: Records) -> None:
    """Answer a party of a contract that asks for records, as long as it asks."""
    contract = node.contract(wanted.contract)
    if link.peer not in (party.key for party in contract.parties):
        raise IntegrityError("records are for parties of their contract", step="records")
    me = node.number_in(contract)
    for _ in range(MOST_REPLIES):
        wanted = open_signed(envelope, link.peer, Records)
        await link.send(signed(node.key, me, _kept(node, contract, wanted.since)))
        envelope = await link.receive(ANSWER_S)


def _kept(node: Node, contract: Contract, since: int) -> Kept:
    found: list[str] = []
    size = 0
    for text in node.state.receipts_of(contract_field(contract), since, MOST_ROWS):
        size += len(text.encode())
        if size > MOST_BYTES and found:
            break
        found.append(text)
    return Kept(contract.hash, tuple(found), since + len(found))
