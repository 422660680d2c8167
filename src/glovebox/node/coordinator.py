"""The asker's node runs a question: propose, start, follow, have the receipt signed. It relays and decides nothing."""

from __future__ import annotations

import asyncio
import contextlib
import random
import secrets
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from glovebox.contract.model import Contract, Party
from glovebox.errors import BadFrame, Busy, Cancelled, GloveboxError, IntegrityError, PeerLost
from glovebox.node.blame import NODE_LOST, failed_at, rank, refused_by
from glovebox.node.considering import consider
from glovebox.node.control import ControlLink
from glovebox.node.messages import (
    SESSION_BYTES,
    Acceptance,
    Cancel,
    Ended,
    Endorsement,
    Event,
    Failed,
    Proposal,
    Receipt,
    Refusal,
    Signed,
    Some,
    Start,
    open_signed,
    signed,
    told,
)
from glovebox.node.participant import Participant
from glovebox.node.receipt import receipt_for
from glovebox.node.voiding import settle
from glovebox.node.workers import REPLY_S
from glovebox.planner.plan import session_parties

if TYPE_CHECKING:
    from glovebox.node.node import Node

EXPIRES_S = 180  # the first party holds its acceptance while the others reply, which REPLY_S bounds
SIGNED_S = 20.0
BLAME_S = 5.0
"""When a peer was lost: how long the others may take to say what they saw. Their workers lose this one's links at once,
so only a node that stands still, or lies, takes it all; one that knows the cause ends the waiting."""

ENDING_S = 20.0
"""How long after this node the others may end: they wait for each other's goodbye."""

EVENTS = (
    "proposed", "accepted", "started", "linked", "loaded", "encoded", "matched", "finished", "revealing", "answered",
    "signed",
)  # fmt: skip

Emit = Callable[[Sequence[str], str], Awaitable[None]]
Watch = Callable[[Participant], None]


@dataclass
class Outcome:
    """What came of a question: the receipt, and each party's figures."""

    session: bytes
    receivers: tuple[int, ...] = ()
    receipt: str = ""
    ended: list[Ended] = field(default_factory=list)
    seconds: float = 0.0


async def ask(node: Node, contract: Contract, question: Question, emit: Emit, watch: Watch) -> Outcome:
    """Ask, and again while a party is busy and there is time.

    emit: called with (events, party name) of every party; watch: each second with this party's own part of the session.
    """
    began = time.monotonic()
    if question.dry_run:  # takes no place
        return await _ask_in_turn(node, contract, question, began, emit, watch)
    async with node.turns.turn(question.wait_s, lambda: emit(("waiting",), node.name)):
        return await _ask_in_turn(node, contract, question, began, emit, watch)


async def _ask_in_turn(
    node: Node, contract: Contract, question: Question, began: float, emit: Emit, watch: Watch
) -> Outcome:
    while True:
        attempt = Attempt(node, contract, question, emit, watch)
        node.asking[attempt.session] = asking = asyncio.ensure_future(attempt.run())
        try:
            return await asking
        except Busy:
            pause = random.uniform(0.05, 0.5)  # noqa: S311 - spreads retries, keeps no secret
            if time.monotonic() + pause > began + question.wait_s:
                raise
        finally:
            del node.asking[attempt.session]
        await asyncio.sleep(pause)


@dataclass(frozen=True)
class Question:
    """What is asked: the text or the name of an approved question, and how long a busy party is waited for."""

    statement: str
    parameters: dict[str, str]
    wait_s: float = 30.0
    dry_run: bool = False


class Attempt:
    """One session from the asker's side."""

    def __init__(self, node: Node, contract: Contract, question: Question, emit: Emit, watch: Watch) -> None:
        self.node, self.contract, self.question, self.emit, self.watch = node, contract, question, emit, watch
        self.me = node.number_in(contract)
        self.session = secrets.token_bytes(SESSION_BYTES)
        self.links: dict[int, ControlLink] = {}
        self.own: Participant | None = None
        self.failures: dict[int, Signed] = {}  # how the session failed for others, as they signed it
        self.started = False

    async def run(self) -> Outcome:
        """The whole session. Whatever goes wrong, every party is told, and nothing stays held."""
        began = time.monotonic()
        error: GloveboxError | None = None
        try:
            start = await self._propose()
            outcome = Outcome(self.session, self.own.plan.receivers if self.own else ())
            if not self.question.dry_run:
                clock = _now()
                await self.emit(("accepted",), self.node.name)
                outcome.ended = await self._follow(start)
                outcome.receipt = await self._have_signed(outcome.ended, clock)
                kept, parties = self.node.kept_links, self.contract.parties
                self.links = {party: link for party, link in self.links.items() if not kept.keep(parties[party], link)}
            outcome.seconds = time.monotonic() - began
            return outcome
        except Exception as problem:
            error = told(problem)
            error.detail += self._had_left()
            if error is not problem:
                raise error from problem
            raise
        except asyncio.CancelledError as problem:
            step = self.own.step if self.own else "proposed"
            error = Cancelled("cancelled", party=self.node.name, step=step, detail=self._had_left())
            raise error from problem
        finally:
            leaving = asyncio.ensure_future(self._leave(error))
            await asyncio.shield(leaving)  # whoever cancels twice does not leave a worker behind

    async def _propose(self) -> Start:
        """Ask every party whether it would take part; return all signed acceptances, or raise the refusal.

        The first party in the contract's order is asked before the rest: of several askers at once the one that gets
        a slot there finds the others free, where all would take their own and be refused by each other. Where this
        party is the first, its slot is all that is waited for.
        """
        question = self.question
        proposal = Proposal(
            self.contract.hash, question.statement, question.parameters, self.session, self.me, EXPIRES_S,
            question.dry_run,
        )  # fmt: skip
        envelope = signed(self.node.key, self.me, proposal)
        self.own = await consider(self.node, envelope)
        plan = self.own.plan
        await self.emit(("proposed",), self.node.name)
        every = session_parties(plan)
        acceptances = []
        if self.own.is_first:
            self.node.take_slot(self.own)
        else:
            acceptances = await self._accepted([self._acceptance(every[0], envelope)])
        rest = every[len(acceptances) :]
        acceptances += await self._accepted([self._acceptance(party, envelope) for party in rest])
        return Start(self.session, tuple(sorted(acceptances, key=lambda acceptance: acceptance.party)))

    async def _accepted(self, tasks: list[asyncio.Future[Signed]]) -> list[Signed]:
        """All acceptances. A lost party ends the waiting at once; else all are heard, and busy counts least."""
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            if not any(isinstance(task.exception(), PeerLost) for task in tasks if task.done()):
                await asyncio.wait(tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        errors = [error for task in tasks if not task.cancelled() and (error := task.exception())]
        if errors:
            raise min(errors, key=lambda error: (isinstance(error, Busy), not isinstance(error, PeerLost)))
        return [task.result() for task in tasks]

    def _acceptance(self, party: int, envelope: Signed) -> asyncio.Future[Signed]:
        return asyncio.ensure_future(self._accept_own() if party == self.me else self._propose_to(party, envelope))

    def _own_participant(self) -> Participant:
        if self.own is None:
            raise GloveboxError("no session was proposed")
        return self.own

    async def _accept_own(self) -> Signed:
        own = self._own_participant()
        if not own.is_first:
            self.node.take_slot(own)
        acceptance = own.would_accept() if self.question.dry_run else await own.accept()
        return signed(self.node.key, self.me, acceptance)

    async def _propose_to(self, party: int, envelope: Signed) -> Signed:
        stated = self.contract.parties[party]
        link = self.links[party] = await self.node.kept_links.to(stated)
        await link.send(envelope)
        reply, message = await _hear(link, stated, "proposed", REPLY_S, Acceptance, Refusal)
        match message:
            case Refusal() as refusal:
                raise refused_by(stated.name, refusal)
            case Acceptance(session) if session != self.session or reply.party != party:
                raise IntegrityError(f"{stated.name} answered another session", party=stated.name)
        return reply

    async def _follow(self, start: Start) -> list[Ended]:
        """Start every party and follow them to the end; the first failure ends the session.

        This one first: if it must not start, the others have spent nothing; and it has the others to follow, too.
        """
        own = self._own_participant()
        self.started = True
        own.see_start(start)
        envelope = signed(self.node.key, self.me, start)
        names = {party: self.contract.parties[party].name for party in self.links}
        others = {names[party]: asyncio.ensure_future(self._follow_one(party, envelope)) for party in self.links}
        running = asyncio.ensure_future(
            own.run(start, lambda names: self.emit(names, self.node.name), lambda: self.watch(own))
        )
        tasks = {self.node.name: running, **others}
        try:
            await _wait_ended(tasks.values(), [running] if own.worker else [*others.values()])
        finally:
            for task in tasks.values():
                task.cancel()
        if errors := _errors(tasks.values()):
            raise min(errors, key=rank)  # of equal ones this node's own
        for name, task in tasks.items():
            if task.cancelled():
                raise PeerLost(f"{name} did not end its run, as the others did", party=name, step="answered")
        return [task.result() for task in tasks.values()]

    async def _follow_one(self, party: int, start: Signed) -> Ended:
        link, stated = self.links[party], self.contract.parties[party]
        last = "accepted"
        with contextlib.suppress(PeerLost):  # which is met again at once, and told there
            await link.send(start)
        while True:
            reply, message = await _hear(link, stated, last, None, Event, Ended, Failed)
            match message:
                case Event(_, _, names):
                    if known := [name for name in names if name in EVENTS]:
                        last = known[-1]
                        await self.emit(known, stated.name)
                case Ended() as ended:
                    if (ended.session, ended.party, len(ended.log)) != (self.session, party, len(self.node.log.head)):
                        raise IntegrityError(f"{stated.name} ended another session", party=stated.name, step=last)
                    return ended
                case Failed() as failed:
                    self.failures[party] = reply
                    raise failed_at(stated.name, failed, self.contract)

    async def _have_signed(self, ended: list[Ended], began: str) -> str:
        """Build the receipt, collect every signature, and give all of them to all."""
        own = self._own_participant()
        told = {end.commitment for end in ended if end.commitment}
        if len(told) != 1:
            raise IntegrityError("the receivers did not get one and the same answer", step="answered")
        text = receipt_for(
            self.contract, own.plan, own.proposal, own.acceptances,
            began=began, ended=_now(), commitment=told.pop().hex(), logs={end.party: end.log.hex() for end in ended},
        )  # fmt: skip
        draft = Receipt(self.session, text, {})
        endorsed = await asyncio.gather(*(self._endorsed_by(party, draft) for party in self.links))
        endorsed.append(own.endorse(draft))
        signatures = {self.contract.parties[one.party].name: one.signature for one in endorsed}
        heads = tuple(one.head for one in endorsed if one.head)
        whole = Receipt(self.session, text, {name: signatures[name] for name in sorted(signatures)}, heads)
        kept = own.keep_receipt(whole)
        envelope = signed(self.node.key, self.me, whole)
        await asyncio.gather(*(link.send(envelope) for link in self.links.values()), return_exceptions=True)
        await self.emit(("signed",), self.node.name)
        return kept

    async def _endorsed_by(self, party: int, draft: Receipt) -> Endorsement:
        stated = self.contract.parties[party]
        with contextlib.suppress(PeerLost):  # which is met again at once, and told there
            await self.links[party].send(signed(self.node.key, self.me, draft))
        match (await _hear(self.links[party], stated, "signed", SIGNED_S, Endorsement, Failed))[1]:
            case Failed() as failed:
                raise failed_at(stated.name, failed, self.contract)
            case Endorsement(_, of) as endorsement if of == party:
                return endorsement
        raise GloveboxError("no endorsement came")

    def _had_left(self) -> tuple[str, ...]:
        """What a person must know of a session that ended with an error: whether somebody may have the answer."""
        if self.own is None or not self.own.revealing:
            return ()
        if self.node.state.answer(self.session):
            return ("This party has the answer (glovebox answers); the receipt that all signed is missing.",)
        return ("Shares of the answer had left: a receiver may have it.",)

    async def _leave(self, error: GloveboxError | None) -> None:
        if error:
            envelope = signed(self.node.key, self.me, Cancel(self.session, error.code, error.party, error.step))
            await asyncio.gather(*(link.send(envelope) for link in self.links.values()), return_exceptions=True)
            if self.started and self.own and self.own.cost and not self.own.revealing:
                await settle(self.own, error, self.links, self.failures)
        closing = asyncio.gather(*(link.close() for link in self.links.values()), return_exceptions=True)
        try:
            if self.own:
                await self.node.end_session(self.own, error)
        finally:
            await closing


async def _wait_ended(tasks: Collection[asyncio.Task[Ended]], first: list[asyncio.Task[Ended]]) -> None:
    """Wait until all have ended; cancel those that take too long. first: when one of these ends, all should soon."""
    pending = set(tasks)
    while not _errors(tasks) and not any(task.done() for task in first):
        _, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
    if pending and not _errors(tasks):
        _, pending = await asyncio.wait(pending, timeout=ENDING_S, return_when=asyncio.FIRST_EXCEPTION)
    deadline = time.monotonic() + BLAME_S
    while pending and min(map(rank, _errors(tasks)), default=0) > 1 and (left := deadline - time.monotonic()) > 0:
        _, pending = await asyncio.wait(pending, timeout=left, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)


def _errors(tasks: Collection[asyncio.Task[Ended]]) -> list[BaseException]:
    """The errors of those that failed, in order."""
    return [error for task in tasks if task.done() and not task.cancelled() and (error := task.exception())]


async def _hear(
    link: ControlLink, party: Party, step: str, deadline_s: float | None, *kinds: type[Some]
) -> tuple[Signed, Some]:
    """A party's next message, in its envelope and out of it; what is wrong with it is that party's fault.

    step: the last that this party reached, for the error if its node is lost.
    """
    try:
        envelope = await link.receive(deadline_s)
        return envelope, open_signed(envelope, party.key, *kinds)
    except PeerLost as lost:
        lost.code, lost.step = NODE_LOST, step
        raise
    except (BadFrame, IntegrityError) as problem:
        raise type(problem)(
            f"{party.name} broke the protocol", party=party.name, step=problem.step or "control",
            detail=(problem.summary,),
        ) from problem  # fmt: skip


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
