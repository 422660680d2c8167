"""A party attends a session that another asked for: over one control link, from the proposal to the signed receipt."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import structlog

from glovebox.errors import GloveboxError, IntegrityError, PeerLost
from glovebox.node.control import ControlLink
from glovebox.node.messages import (
    Cancel,
    Ended,
    Endorsement,
    Event,
    Failed,
    Message,
    Proposal,
    Receipt,
    Signed,
    Start,
    claimed,
    open_signed,
    refusal,
    signed,
)
from glovebox.node.participant import Participant, Tell, consider

if TYPE_CHECKING:
    from glovebox.node.node import Node

PROPOSAL_S = 10.0
RECEIPT_S = 20.0

report = structlog.get_logger()


async def attend(node: Node, link: ControlLink) -> None:
    """Serve one control link. Errors go to the asker, signed, and into the log; the node goes on."""
    try:
        envelope = await link.receive(PROPOSAL_S)
        proposal = claimed(envelope, Proposal)
    except GloveboxError as problem:
        report.warning("a control link brought no proposal", code=problem.code)
        return
    session, participant, error = proposal.session, None, None
    try:
        participant = await _answer_proposal(node, link, envelope, proposal)
        if participant is None or proposal.dry_run:
            return
        await _run(node, link, participant, proposal.expires_s)
    except GloveboxError as problem:
        error = problem
        report.warning("session failed", session=session.hex(), code=problem.code, step=problem.step)
    except asyncio.CancelledError:
        error = GloveboxError("this node was stopped", code="stopped")
        raise
    finally:
        if participant:
            await participant.end(error)
            node.free_slot(session)


async def _answer_proposal(node: Node, link: ControlLink, envelope: Signed, proposal: Proposal) -> Participant | None:
    """Accept or refuse; None after a refusal. A slot and a worker are held from the acceptance on."""
    participant, number = None, 0
    try:
        participant = await consider(node, envelope)
        number = participant.me
        if link.peer != participant.contract.parties[proposal.asker].key:
            raise IntegrityError("the proposal came over another party's link", step="proposed")
        if proposal.dry_run:
            await link.send(signed(node.key, number, participant.would_accept()))
            return participant
        node.take_slot(proposal.session)
        node.participants[proposal.session] = participant
        acceptance = await participant.accept()
        node.log.write("accepted", session=proposal.session.hex(), statement=proposal.statement)
        await link.send(signed(node.key, number, acceptance))
        return participant
    except GloveboxError as problem:
        node.log.write("refused", session=proposal.session.hex(), code=problem.code, step=problem.step)
        with contextlib.suppress(PeerLost):
            await link.send(signed(node.key, number, refusal(proposal.session, number, problem)))
        if participant and node.participants.get(proposal.session) is participant:
            await participant.end(problem)
            node.free_slot(proposal.session)
        return None


async def _run(node: Node, link: ControlLink, participant: Participant, expires_s: int) -> None:
    """From start to the kept receipt."""
    key = participant.contract.parties[participant.proposal.asker].key

    async def tell(message: Message) -> None:
        await link.send(signed(node.key, participant.me, message))

    async def reached(name: str) -> None:
        with contextlib.suppress(PeerLost):  # the run does not depend on being followed
            await tell(Event(participant.session, participant.me, name))

    opening = open_signed(await link.receive(min(expires_s, 60)), key, Start, Cancel)
    if not isinstance(opening, Start):
        raise GloveboxError("the asker cancelled before start", code="cancelled", step="accepted")
    following = asyncio.ensure_future(link.receive())
    try:
        ended = await _until_ended(participant, opening, reached, following)
        await tell(ended)
        receipt = open_signed(await following, key, Receipt, Cancel)
        if not isinstance(receipt, Receipt):
            raise GloveboxError("the asker cancelled before the receipt", code="cancelled", step="answered")
        await tell(Endorsement(participant.session, participant.me, participant.endorse(receipt)))
        participant.keep_receipt(open_signed(await link.receive(RECEIPT_S), key, Receipt))
    except GloveboxError as problem:
        with contextlib.suppress(PeerLost):
            await tell(
                Failed(
                    participant.session, participant.me, problem.code, problem.step, problem.summary, problem.party,
                    problem.exit_code,
                )
            )  # fmt: skip
        raise
    finally:
        following.cancel()


async def _until_ended(
    participant: Participant, start: Start, reached: Tell, following: asyncio.Future[Signed]
) -> Ended:
    """Run; the asker's cancel, or the loss of its link, ends a session that has not begun to reveal."""
    running = asyncio.ensure_future(participant.run(start, reached))
    both: list[asyncio.Future[Any]] = [running, following]
    await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    if not running.done() and not participant.revealing:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        if following.exception() is None:
            raise GloveboxError("the asker cancelled", code="cancelled", step="started")
        raise PeerLost("the asker's node was lost", party=participant.asker_name, step="started")
    return await running
