"""A party attends a session that another asked for: over one control link, from the proposal to the signed receipt."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import structlog
from msgspec import Struct

from glovebox.errors import BadFrame, Cancelled, GloveboxError, IntegrityError, PeerError, PeerLost
from glovebox.node.considering import consider
from glovebox.node.control import ControlLink
from glovebox.node.greeting import greeting
from glovebox.node.kept_links import KEPT_S
from glovebox.node.messages import (
    SESSION_BYTES,
    Ahead,
    Cancel,
    Ended,
    Event,
    Greeting,
    Message,
    Proposal,
    Receipt,
    Records,
    Signed,
    Start,
    claimed,
    open_signed,
    refusal,
    signed,
    told,
    words,
)
from glovebox.node.participant import Participant, Tell
from glovebox.node.records import give_records
from glovebox.node.voiding import hear_void
from glovebox.runtime.links import BLAMED

if TYPE_CHECKING:
    from glovebox.node.node import Node

PROPOSAL_S = 10.0
RECEIPT_S = 30.0  # more than the asker waits for the others to end, and then for their signatures
MOST_EXPIRES_S = 180

report = structlog.get_logger()


async def attend(node: Node, link: ControlLink) -> None:
    """Serve one control link. Errors go to the asker, signed, and into the log; the node goes on.

    Where a session ended well, the link stays open for the asker's next question.
    """
    try:
        envelope = await link.receive(PROPOSAL_S)
        first: Struct = claimed(envelope, Proposal, Ahead, Greeting, Records)
    except GloveboxError as problem:
        report.warning("a control link brought no proposal", code=problem.code)
        return
    match first:
        case Greeting():
            with contextlib.suppress(PeerLost):
                await link.send(signed(node.key, 0, greeting(node.home, link.peer)))
        case Records() as wanted:
            with contextlib.suppress(GloveboxError):  # it has all, or has no part in them
                await give_records(node, link, envelope, wanted)
        case Ahead() as offer:
            await _attend_ahead(node, link, envelope, offer)
        case Proposal() as proposal:
            while await _attend_question(node, link, envelope, proposal):
                try:
                    envelope = await link.receive(KEPT_S + PROPOSAL_S)
                    proposal = claimed(envelope, Proposal)
                except PeerLost:  # no further question comes
                    return
                except GloveboxError as problem:
                    report.warning("a control link brought no proposal", code=problem.code)
                    return


async def _attend_question(node: Node, link: ControlLink, envelope: Signed, proposal: Proposal) -> bool:
    """From the proposal to the kept receipt; False where it did not come to that."""
    participant = await _answer_proposal(node, link, envelope, proposal)
    if participant is None:
        return False
    error: GloveboxError | None = None
    try:
        await _run(node, link, participant, proposal.expires_s)
    except Exception as problem:
        error = told(problem)
        report.warning("session failed", session=proposal.session.hex(), code=error.code, step=error.step)
    except asyncio.CancelledError:
        error = GloveboxError("this node was stopped", code="stopped")
        raise
    finally:
        leaving = asyncio.ensure_future(link.close()) if error else None  # at once: the asker may keep it otherwise
        await node.end_session(participant, error)
        if leaving:
            await leaving
    return error is None


async def _attend_ahead(node: Node, link: ControlLink, envelope: Signed, offer: Ahead) -> None:
    """Transfers before a question; why not is told to who offered them, if it is a party."""
    try:
        await node.stocks.attend(link, envelope, offer)
    except Exception as problem:
        error = told(problem)
        report.info("nothing was made ahead", code=error.code)
        with contextlib.suppress(PeerLost):
            await link.send(signed(node.key, 1, refusal(offer.session[:SESSION_BYTES], 1, error)))


async def _answer_proposal(node: Node, link: ControlLink, envelope: Signed, proposal: Proposal) -> Participant | None:
    """Accept or refuse; None after a refusal or a dry run. From the acceptance on a slot and a worker are held."""
    participant, number = None, 0
    try:
        participant = await consider(node, envelope)
        number, link.name = participant.me, participant.asker_name
        if link.peer != participant.contract.parties[proposal.asker].key:
            raise IntegrityError("the proposal came over another party's link", step="proposed")
        if proposal.dry_run:
            await link.send(signed(node.key, number, participant.would_accept()))
            return None
        node.take_slot(participant)
        acceptance = await participant.accept()
        node.log.write("accepted", session=proposal.session.hex(), statement=proposal.statement)
        with contextlib.suppress(PeerLost):  # an asker that is gone may have said why: it is read next
            await link.send(signed(node.key, number, acceptance))
        return participant
    except Exception as problem:
        error = told(problem)
        if participant:
            await node.end_session(participant, error)
        node.note("refused", session=proposal.session[:SESSION_BYTES].hex(), code=error.code, step=error.step)
        with contextlib.suppress(PeerLost):
            await link.send(signed(node.key, number, refusal(proposal.session, number, error)))
        return None


async def _run(node: Node, link: ControlLink, participant: Participant, expires_s: int) -> None:
    """From start to the kept receipt."""
    key = participant.contract.parties[participant.proposal.asker].key

    async def tell(message: Message) -> None:
        await link.send(signed(node.key, participant.me, message))

    async def reached(names: tuple[str, ...]) -> None:
        with contextlib.suppress(PeerLost):  # the run does not depend on being followed
            await tell(Event(participant.session, participant.me, names))

    said = False

    async def failed(error: GloveboxError) -> None:
        nonlocal said
        if not said:
            said = True
            with contextlib.suppress(PeerLost):
                await tell(participant.failed(error))

    following: asyncio.Future[Signed] | None = None
    try:
        opening = open_signed(await link.receive(min(expires_s, MOST_EXPIRES_S)), key, Start, Cancel)
        if not isinstance(opening, Start):
            raise _cancelled(opening, participant)
        following = asyncio.ensure_future(link.receive())
        ended = await _until_ended(participant, opening, reached, failed, following)
        with contextlib.suppress(PeerLost):
            await tell(ended)
        receipt = _receipt(await _in_time(following, participant), participant)
        with contextlib.suppress(PeerLost):
            await tell(participant.endorse(receipt))
        participant.keep_receipt(_receipt(await link.receive(RECEIPT_S), participant))
    except Exception as problem:
        error = told(problem)
        if isinstance(error, PeerLost) and error.step == "control":
            error.step = participant.step
        await failed(error)
        if participant.took and not participant.revealing:
            await hear_void(link, following, participant)
        raise
    finally:
        if following:
            following.cancel()


async def _in_time(following: asyncio.Future[Signed], participant: Participant) -> Signed:
    """The receipt, which comes when all parties have ended; they end together, but for the time of their goodbyes."""
    try:
        async with asyncio.timeout(RECEIPT_S):
            return await following
    except TimeoutError as problem:
        raise PeerLost(
            f"{participant.asker_name} sent no receipt for {RECEIPT_S:g} s",
            party=participant.asker_name,
            step="answered",
        ) from problem


async def _until_ended(
    participant: Participant,
    start: Start,
    reached: Tell,
    failed: Callable[[GloveboxError], Awaitable[None]],
    following: asyncio.Future[Signed],
) -> Ended:
    """Run; the asker's cancel, or the loss of its link, ends the session, at once unless it has begun to reveal.

    Of a lost peer this party says what it saw at once, and then hears the asker: who left is often not who was lost
    first, and the asker hears everybody. It waits for the asker for as long as for any party that is silent.
    """
    participant.see_start(start)
    running = asyncio.ensure_future(participant.run(start, reached))
    both: list[asyncio.Future[Any]] = [running, following]
    await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    if not running.done() and participant.revealing:  # the others may have all they need
        await asyncio.wait([running], timeout=participant.node.settings.deadline_s)
    elif lost := _lost_peer(running):
        await failed(lost)
        await asyncio.wait([following], timeout=participant.node.settings.deadline_s)
    if running.done() and not (_lost_peer(running) and following.done()):
        return running.result()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    asker = participant.contract.parties[participant.proposal.asker]
    raise _cancelled(open_signed(following.result(), asker.key, Cancel), participant)


def _lost_peer(running: asyncio.Future[Ended]) -> GloveboxError | None:
    """The error of a run that ended because a peer was lost, or because another peer says that one was."""
    error = running.exception() if running.done() else None
    return error if isinstance(error, GloveboxError) and error.code in (PeerLost.code, BLAMED) else None


def _receipt(envelope: Signed, participant: Participant) -> Receipt:
    """The asker's receipt; its cancel is raised as an error."""
    asker = participant.contract.parties[participant.proposal.asker]
    message = open_signed(envelope, asker.key, Receipt, Cancel)
    if not isinstance(message, Receipt):
        raise _cancelled(message, participant)
    return message


def _cancelled(message: Struct, participant: Participant) -> GloveboxError:
    """The asker's cancel as an error; whom it blames is only its word."""
    asker = participant.asker_name
    match message:
        case Cancel(session) if session != participant.session:
            return BadFrame(f"{asker} cancelled another session", party=asker, step=participant.step)
        case Cancel(_, Cancelled.code):
            return Cancelled(f"{asker} cancelled", party=asker, step=participant.step)
        case Cancel(_, reason, blamed, step) if participant.contract.number(blamed) is not None:
            summary, code = f"{asker} cancelled for a fault of {blamed}", words(reason)
            return PeerError(summary, code=code, party=blamed, step=words(step), detail=(f"{asker} says so",))
        case _:
            return Cancelled(f"{asker} cancelled", party=asker, step=participant.step)
