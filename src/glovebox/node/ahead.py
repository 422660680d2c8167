"""Transfers of two parties alone, made while both nodes are idle: the next question waits for its own part only.

One stock a contract, in the memory of a worker that has met the other's worker and waits. A question names the stock in
both acceptances, or makes its own transfers; the worker dies with the question's session, so nothing is used twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from msgspec import Struct

from glovebox.algebra.lpn import VERSION
from glovebox.contract.terms import LOW_TRAFFIC, STRICT_ALONE, Contract
from glovebox.errors import Busy, GloveboxError, IntegrityError, Refused
from glovebox.node.channel import Alive, Broke, MadeAhead, MakeAhead
from glovebox.node.contracts import check_standing
from glovebox.node.control import ControlLink, open_control
from glovebox.node.messages import NONCE_BYTES, SESSION_BYTES, Ahead, Refusal, Signed, encode, open_signed, signed
from glovebox.node.two_owners import needs_by_party, usual_needs
from glovebox.node.workers import REPLY_S, Worker, error_of
from glovebox.planner.plan import Plan
from glovebox.protocols.two_party.prepared import Needs
from glovebox.runtime.keys import session_transcript

if TYPE_CHECKING:
    from glovebox.node.node import Node

PAUSE_S = 2.0  # between two looks at what is missing
RETRY_S = 10.0  # after the other could not, or would not
MOST_STOCKS = 2  # contracts with a stock at a time

report = structlog.get_logger()


@dataclass
class Stock:
    """Transfers that a worker holds. session: in which they were made; needs: with party 0 in QUERY's place."""

    session: bytes
    needs: Needs
    worker: Worker


class Stocks:
    """A node's stocks, and what is being made."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.making: dict[bytes, Worker] = {}  # by session: peers' connections are for these
        self._stocks: dict[bytes, Stock] = {}  # by contract
        self._asked: dict[bytes, Needs] = {}  # the most that questions of a contract needed

    def take(self, contract: Contract, plan: Plan) -> Stock | None:
        """The stock of a contract, if it covers a question; it is no longer there. What was needed is remembered."""
        needs = needs_by_party(plan)
        self._asked[contract.hash] = self._asked.get(contract.hash, Needs()) | needs
        stock = self._stocks.get(contract.hash)
        return self._stocks.pop(contract.hash) if stock and stock.needs.covers(needs) else None

    async def keep(self) -> None:
        """While the node serves: make what is missing, as the first party of its contracts; the second attends."""
        while True:
            await asyncio.sleep(PAUSE_S)
            for contract in self.node.contracts_of_two():
                wanted = await asyncio.to_thread(self._wanted, contract)
                try:
                    if self._is_idle() and self._is_missing(contract, wanted) and self.node.number_in(contract) == 0:
                        await self._make(contract, wanted)
                except GloveboxError as problem:
                    report.info("nothing was made ahead", contract=contract.name, code=problem.code)
                    await asyncio.sleep(RETRY_S)

    def _wanted(self, contract: Contract) -> Needs:
        """What the contract's usual questions need, and those that were asked; nothing where that is too much."""
        wanted = usual_needs(contract) | self._asked.get(contract.hash, Needs())
        return wanted if wanted.size <= self._most() else Needs()

    def _most(self) -> int:
        return self.node.settings.ahead_mib << 20

    def _is_idle(self) -> bool:
        return not self.node.participants and not self.node.asking and not self.making

    def _is_missing(self, contract: Contract, wanted: Needs) -> bool:
        stock = self._stocks.get(contract.hash)
        room = contract.hash in self._stocks or len(self._stocks) < MOST_STOCKS
        return wanted != Needs() and room and (stock is None or not stock.needs.covers(wanted))

    async def _make(self, contract: Contract, needs: Needs) -> None:
        """At the first party: offer it to the other, then make it."""
        check_standing(self.node.home, contract)
        other = contract.parties[1]
        session, worker = secrets.token_bytes(SESSION_BYTES), self.node.workers.new()
        link: ControlLink | None = None
        try:
            offer = await self._signed(contract, session, 0, worker, needs)
            settings = self.node.settings
            link = await open_control(self.node.key, other.key, other.name, other.address, settings.deadline_s)
            self.making[session] = worker
            await link.send(offer)
            reply = await link.receive(REPLY_S)
            answer: Struct = open_signed(reply, other.key, Ahead, Refusal)
            if not isinstance(answer, Ahead):
                raise Refused(f"{other.name} makes nothing ahead now", code="not_now", party=other.name)
            self._check(contract, answer, 1, session, needs)
            await self._finish(contract, worker, answer, needs, [offer, reply])
        except BaseException:
            await worker.end()
            raise
        finally:
            self.making.pop(session, None)
            if link:
                await link.close()

    async def attend(self, link: ControlLink, envelope: Signed, offer: Ahead) -> None:
        """At the second party: check the offer, and take part unless this node has something else to do."""
        contract = self.node.contract(offer.contract)
        first, needs = contract.parties[0], Needs(*offer.needs)
        open_signed(envelope, first.key, Ahead)
        check_standing(self.node.home, contract)
        if contract.protocol not in STRICT_ALONE or self.node.number_in(contract) != 1 or link.peer != first.key:
            raise IntegrityError("transfers are made for contracts of two parties, by the first of them", step="ahead")
        self._check(contract, offer, 0, offer.session, needs)
        if not self._is_idle() or needs.size > self._most() or not self._is_room(contract):
            raise Busy(f"{self.node.name} makes nothing ahead now", party=self.node.name)
        worker = self.making[offer.session] = self.node.workers.new()
        try:
            reply = await self._signed(contract, offer.session, 1, worker, needs)
            await link.send(reply)
            await self._finish(contract, worker, offer, needs, [envelope, reply])
        except BaseException:
            await worker.end()
            raise
        finally:
            self.making.pop(offer.session, None)

    def _is_room(self, contract: Contract) -> bool:
        return contract.hash in self._stocks or len(self._stocks) < MOST_STOCKS

    @staticmethod
    def _check(contract: Contract, message: Ahead, party: int, session: bytes, needs: Needs) -> None:
        said = (message.contract, message.party, message.session, Needs(*message.needs))
        if said != (contract.hash, party, session, needs) or len(session) != SESSION_BYTES or not any(session):
            raise IntegrityError("the offer and its answer are of different transfers", step="ahead")
        if needs.query_nibbles % 8 or needs.table_nibbles % 8:
            raise IntegrityError("the offer is of no whole number of bytes of transfers", step="ahead")

    async def _signed(self, contract: Contract, session: bytes, me: int, worker: Worker, needs: Needs) -> Signed:
        keys = await worker.prepare(session, me)
        nonce = secrets.token_bytes(NONCE_BYTES)
        offer = Ahead(contract.hash, session, me, nonce, keys.exchange, keys.certificate, needs.numbers)
        return signed(self.node.key, me, offer)

    async def _finish(
        self, contract: Contract, worker: Worker, other: Ahead, needs: Needs, envelopes: list[Signed]
    ) -> None:
        """Have the worker meet the other's and make the transfers; keep it in stock."""
        roles, settings = [(0, "query"), (1, "table")], self.node.settings
        transcript = session_transcript(
            contract.hash,
            "ahead",
            {"lpn": str(VERSION)},
            b"",
            other.session,
            roles,
            [encode(envelope) for envelope in envelopes],
        )
        stated = contract.parties[other.party]
        await worker.make_ahead(
            MakeAhead(
                other.party, (contract.parties[0].name, contract.parties[1].name), stated.address, other.certificate,
                other.exchange, transcript, needs.numbers, contract.protocol == LOW_TRAFFIC, settings.deadline_s,
                settings.session_s,
            )
        )  # fmt: skip
        while not isinstance(packet := await worker.receive(), MadeAhead):
            if isinstance(packet, Broke):
                raise error_of(packet)
            if not isinstance(packet, Alive):
                raise GloveboxError("the worker made nothing ahead", step="ahead")
        old = self._stocks.pop(contract.hash, None)
        self._stocks[contract.hash] = Stock(other.session, needs, worker)
        self.node.log.write("prepared", session=other.session.hex(), contract=contract.name)
        if old:
            await old.worker.end()

    async def end(self) -> None:
        """End the workers of all stocks."""
        for stock in self._stocks.values():
            with contextlib.suppress(GloveboxError):
                await stock.worker.end()
        self._stocks.clear()
