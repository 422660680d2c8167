"""One party's side of one session: consider a proposal, accept or refuse, run, sign the receipt."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import glovebox
from glovebox.audit.receipts import commitment, endorse, fields_of, signed_receipt, verify_receipt
from glovebox.contract.model import Contract
from glovebox.data.identifiers import recipe_digest
from glovebox.data.snapshot import snapshot_of
from glovebox.errors import Cancelled, GloveboxError, IntegrityError, PeerError
from glovebox.node.acceptances import dialled_by, open_start
from glovebox.node.budget import (
    check_budget,
    compare_ledgers,
    cost_of,
    note_heads,
    own_head,
    seen_heads,
    verify_void,
)
from glovebox.node.channel import Alive, BoundTable, Broke, Close, Completed, Doing, Job, Keys, Opened, Reached, Store
from glovebox.node.disclosures import compared_with, disclosure_of
from glovebox.node.messages import (
    NONCE_BYTES,
    Acceptance,
    Ended,
    Endorsement,
    Failed,
    Proposal,
    Receipt,
    Signed,
    Start,
    Void,
)
from glovebox.node.receipt import log_field, question_id, receipt_for, run_id
from glovebox.node.steps import is_alone, is_homomorphic
from glovebox.node.workers import WORKER_LOST, Worker, error_of
from glovebox.planner.memory import Need
from glovebox.planner.plan import PLAN_FORMAT, Plan, canonical, members, plan_hash, session_parties

if TYPE_CHECKING:
    from glovebox.node.node import Node

LEDGER = "ledger"
"""In an entry of the log: the head of the ledger then."""

MOST_KEPT = 8  # sessions that an acceptance names: more than one only if the parties disagreed on what was kept

Tell = Callable[[tuple[str, ...]], Awaitable[None]]

ENDS = {"held": "released", "spent": "failed", "repeating": "failed", "revealing": "failed", "answered": "unsigned"}
"""Where an error leaves a session; `unsigned`: this party's run was over, the receipt that all signed did not come."""


class Participant:
    """What this party holds of one session, from its acceptance to the signed receipt."""

    def __init__(
        self, node: Node, contract: Contract, proposal: Proposal, plan: Plan, need: Need, bound: tuple[BoundTable, ...]
    ) -> None:
        self.node, self.contract, self.proposal, self.plan = node, contract, proposal, plan
        self.session = proposal.session
        self.me = node.number_in(contract)
        self.worker: Worker | None = None
        self.acceptances: dict[int, Acceptance] = {}
        self.revealing = False
        self.step = "proposed"  # the last event that this party reached
        self.doing: Doing | None = None  # what the worker said last
        self.began = 0.0  # seconds of the monotonic clock
        self.expects_peers = True
        self.cost = cost_of(plan)
        self.held = False  # whether the cost is held against the budget, which is until it is spent or released
        self._need, self._bound = need, bound
        self._snapshot = snapshot_of([one.snapshot for one in bound])
        self._question = question_id(contract, proposal, self._snapshot)
        self._again: bytes | None = None  # opening shares that are sent again, of a session that was answered
        self._run = b""
        self._close: tuple[bytes, ...] = ()  # sessions whose answers count the same people of this party but for a few
        self._ahead = b""  # the session of transfers that the worker holds already
        self._commitment, self._peak_mib = b"", 0
        self._endorsed = ""  # the text of the receipt that this party signed
        self._log = b""  # the head of this party's log when its run was over
        self._folder = node.home.temporary / proposal.session.hex()  # for what does not fit in the worker's memory

    def __repr__(self) -> str:
        state = self.node.state.state_of(self.session) or "new"
        return f"<Session {self.session.hex()[:4]} {self.node.name}: {state}>"

    @property
    def asker_name(self) -> str:
        """The asker, by its name in the contract."""
        return self.contract.parties[self.proposal.asker].name

    @property
    def asker_key(self) -> bytes:
        """The asker's identity key."""
        return self.contract.parties[self.proposal.asker].key

    @property
    def is_first(self) -> bool:
        """Whether this is the session's first party, which every asker comes to first."""
        return session_parties(self.plan)[0] == self.me

    @property
    def question(self) -> bytes:
        """The same for the same question over the same rows of this party."""
        return self._question

    def would_accept(self, exchange: bytes = b"", certificate: bytes = b"") -> Acceptance:
        """This party's acceptance; without keys it only says that it would accept. BudgetError where it would not."""
        if not self.held:
            self._check_unless_kept()
        return Acceptance(
            self.session,
            self.me,
            plan_hash(self.plan),
            PLAN_FORMAT,
            secrets.token_bytes(NONCE_BYTES),
            exchange,
            certificate,
            self._snapshot,
            recipe_digest(),
            glovebox.__version__,
            self._kept(),
            own_head(self.node, self.contract, self.me) if self.cost else None,
            seen_heads(self.node, self.contract, self.me) if self.cost else (),
            self._ahead,
        )

    def _kept(self) -> tuple[bytes, ...]:
        return self.node.state.openings(self._question)[:MOST_KEPT]

    def _check_unless_kept(self) -> None:
        """Those who compute say beforehand whether the budget covers the question, unless it may be a repeat."""
        if self.me in self.plan.computing and not self._kept():
            self._check_budget()

    def _check_budget(self) -> None:
        running = self.node.participants.values()
        held = [one.cost for one in running if one.held and one is not self and one.contract.hash == self.contract.hash]
        check_budget(self.contract, self.cost, self.node.ledger.spent(self.contract.hash), held)

    async def accept(self) -> Acceptance:
        """Make this session's keys, note it as held, and say so."""
        self._check_unless_kept()
        self.held = True
        self.node.state.begin(self.session, self.contract.hash, self.proposal.statement, self.asker_name)
        if self.me not in members(self.plan):
            return self.would_accept()
        with self._naming():
            keys = await self._prepared()
        self.step = "accepted"
        return self.would_accept(keys.exchange, keys.certificate)

    async def _prepared(self) -> Keys:
        """A worker with this session's keys: the spare, or another if that one died before it was needed."""
        wants = is_alone(self.plan) and not is_homomorphic(self.plan) and not self._kept()
        stock = self.node.stocks.take(self.contract, self.plan) if wants else None
        self.worker = stock.worker if stock else self.node.workers.take()
        self._ahead = stock.session if stock else b""
        try:
            return await self.worker.prepare(self.session, self.me)
        except PeerError:
            await self.worker.end()
        self.worker, self._ahead = self.node.workers.new(), b""
        return await self.worker.prepare(self.session, self.me)

    def see_start(self, start: Start) -> None:
        """Check every acceptance, and note the session as spent before the worker learns of it.

        Where every computing party keeps its opening shares of one and the same session, nothing is spent or computed.
        """
        self.acceptances = acceptances = open_start(self.contract, self.plan, self.session, start)
        self._run = run_id(self.contract, self.proposal, self.acceptances)
        if self.cost:
            compare_ledgers(self.node, self.contract, self.session, acceptances)
        kept = [set(acceptances[party].kept) for party in self.plan.computing]
        if earlier := set.intersection(*kept):
            self._repeat(min(earlier))
        else:
            self._spend()
        self.held = False

    def _spend(self) -> None:
        if self.cost:
            self._check_budget()
            self.node.ledger.spend(self.contract.hash, self.session, self.proposal.statement, self.cost)
        self.node.state.move(self.session, "spent", run=self._run)
        said = {"ahead": self._ahead.hex()} if self._uses_stock() else {}
        self.node.log.write("started", session=self.session.hex(), run=self._run.hex(), **self._ledger(), **said)

    def _ledger(self) -> dict[str, str]:
        """The head of the ledger, for an entry of the log: the signature there is the ledger's too."""
        return {LEDGER: self.node.ledger.head(self.contract.hash)[1].hex()} if self.cost else {}

    def _uses_stock(self) -> bool:
        """Whether both workers hold transfers of one and the same session."""
        return bool(self._ahead) and {one.ahead for one in self.acceptances.values()} == {self._ahead}

    def _repeat(self, earlier: bytes) -> None:
        """Have the opening shares of an earlier session sent again: the same answer with the same noise."""
        if self.me in self.plan.computing:
            run, self._again = self.node.state.opening(earlier) or (b"", None)
            if run != self._run:
                raise IntegrityError("what is kept of this question is of another run", step="started")
        self.node.state.move(self.session, "repeating", run=self._run)
        self.node.log.write("repeating", session=self.session.hex(), run=self._run.hex(), earlier=earlier.hex())

    async def run(self, start: Start, tell: Tell, beat: Callable[[], None] = lambda: None) -> Ended:
        """Run a session whose start was seen to its end.

        tell: called with the events that this party reaches; beat: each second.
        """

        async def reached(events: tuple[str, ...]) -> None:
            self.step = events[-1]
            await tell(events)

        self.began = time.monotonic()
        await reached(("started",))
        if self.worker is None:
            return self._ended(0)
        self.revealing = self._again is not None
        with self._naming():
            await self.worker.run(self._job(start.acceptances))
            return await self._attend_worker(self.worker, reached, beat)

    @contextmanager
    def _naming(self) -> Iterator[None]:
        """Name this party, and the step it had reached, if its worker is lost."""
        try:
            yield
        except PeerError as lost:
            if lost.code == WORKER_LOST:
                lost.party, lost.step = self.node.name, self.step
            raise

    async def _attend_worker(self, worker: Worker, tell: Tell, beat: Callable[[], None]) -> Ended:
        """Do what the worker asks for, until its run is over."""
        while True:
            match await worker.receive():
                case Alive(doing):
                    self.doing = doing
                    beat()
                case Reached(names):
                    self.expects_peers = self.expects_peers and "linked" not in names  # whoever comes later is no peer
                    await tell(names)
                case Close(sessions):
                    self._close = sessions
                    self.node.log.write("close", session=self.session.hex(), earlier=",".join(map(bytes.hex, sessions)))
                case Store(opening):
                    opens = disclosure_of(self.contract, self.plan, self.me, self.proposal, self._close)
                    self.node.state.store_opening(self.session, self._run, self._question, opening, opens)
                    self.revealing = True
                    await tell(("revealing",))
                    await worker.stored()
                case Opened(answer, salt):
                    self._keep(answer, salt)
                    await tell(("answered",))
                case Completed(bytes_sent, peak_mib):
                    if not self._commitment:
                        self.node.state.move(self.session, "answered")
                    self._peak_mib = peak_mib
                    return self._ended(bytes_sent)
                case Broke() as broke:
                    raise error_of(broke)
                case other:
                    raise GloveboxError(f"the worker sent {type(other).__name__.lower()} out of turn")

    def _ended(self, bytes_sent: int) -> Ended:
        self._log = self.node.log.head
        return Ended(self.session, self.me, self._commitment, bytes_sent, self._log)

    def _keep(self, answer: bytes, salt: bytes) -> None:
        self._commitment = commitment(salt, answer)
        self.node.state.store_answer(self._run, self.session, self.contract.name, self.proposal.statement, answer, salt)

    def endorse(self, receipt: Receipt) -> Endorsement:
        """Sign the receipt, if every line of it is what this party knows; with how far its ledger goes now."""
        given = fields_of(receipt.text)
        told = given.get("commitment", "")
        logs = {party: given.get(log_field(self.contract.parties[party].name), "") for party in self.acceptances}
        logs[self.me] = self._log.hex()
        own = receipt_for(
            self.contract, self.plan, self.proposal, self.acceptances,
            began=given.get("began", ""), ended=given.get("ended", ""), commitment=told, logs=logs,
        )  # fmt: skip
        if own != receipt.text or (self._commitment and told != self._commitment.hex()):
            raise IntegrityError("the receipt differs from what this party saw", step="signed")
        self._endorsed = receipt.text
        head = own_head(self.node, self.contract, self.me) if self.cost else None
        return Endorsement(self.session, self.me, endorse(self.node.key, receipt.text), head)

    def keep_receipt(self, receipt: Receipt) -> str:
        """Check that all parties of the session signed, and keep the receipt and the heads of their ledgers."""
        if receipt.text != self._endorsed:  # another session's would have all signatures, too
            raise IntegrityError("the receipt is not the one that this party signed", step="signed")
        names = {party.name: party.key for party in self.contract.parties}
        text = signed_receipt(receipt.text, receipt.signatures)
        verify_receipt(text, names, [self.contract.parties[party].name for party in session_parties(self.plan)])
        if self.cost:
            note_heads(self.node, self.contract, receipt.heads)
        self.node.state.store_receipt(self.session, text, self._peak_mib)
        self.node.log.write("signed", session=self.session.hex())
        return text

    @property
    def took(self) -> bool:
        """Whether the session took something of a budget, which all computing parties may yet sign to give back."""
        return bool(self.cost) and self.node.state.state_of(self.session) == "spent"

    def failed(self, error: GloveboxError) -> Failed:
        """How this party's run ended; it is over, so that its shares of the opening never leave if they have not."""
        return Failed(
            self.session, self.me, error.code, error.step, error.summary, error.party, error.exit_code, self.revealing
        )

    def void(self, void: Void) -> None:
        """Give back what the session took, if every computing party signed that nothing was revealed."""
        verify_void(self.contract, self.plan, self.session, void)
        if void.session != self.session or self.revealing:
            raise IntegrityError("a session that may have revealed something cannot be void", step="void")
        self.node.ledger.void(self.contract.hash, self.session)
        self.node.log.write("void", session=self.session.hex(), **self._ledger())

    async def end(self, error: GloveboxError | None = None) -> None:
        """End the worker and note how the session ended, and who was at fault."""
        try:
            ended = ENDS.get(self.node.state.state_of(self.session) or "")
            if error and ended:
                self.node.state.move(self.session, ended, error.code)
                event = "unsigned" if ended == "unsigned" else "cancelled" if error.code == Cancelled.code else "failed"
                what = {"code": error.code, "party": error.party, "step": error.step}
                self.node.note(event, session=self.session.hex(), **what)
        finally:
            await self._end_worker(error)

    async def _end_worker(self, error: GloveboxError | None) -> None:
        if self.worker:
            worker, self.worker = self.worker, None
            if error:
                worker.kill()
            await worker.end()
            await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    def _job(self, acceptances: tuple[Signed, ...]) -> Job:
        settings, need = self.node.settings, self._need
        self._folder.mkdir(mode=0o700, parents=True)
        return Job(
            self.contract.text,
            self.proposal.statement,
            self.proposal.parameters,
            canonical(self.plan),
            self.session,
            self.me,
            tuple(party.name for party in self.contract.parties),
            tuple(party.address for party in self.contract.parties),
            dialled_by(self.contract, self.me),
            acceptances,
            self._bound,
            str(self._folder),
            settings.memory_mib,
            need.database_mib(settings.memory_mib),
            need.disk > 0,
            settings.deadline_s,
            settings.session_s,
            self._again,
            self._uses_stock(),
            compared_with(self.node.state, self.contract, self.plan, self.me, self.node.exactly_told),
        )
