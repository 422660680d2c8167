"""A session's run in its worker: link, load, match, finish, reveal. What each party does is the plan's to say."""

from __future__ import annotations

import asyncio
import os
import resource
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from typing import Any

import msgspec

from glovebox.data.database import Database
from glovebox.data.loading import LoadedRows
from glovebox.errors import GloveboxError, OutOfMemory, PeerError
from glovebox.node import homomorphic, two_owners
from glovebox.node.channel import Channel, Close, Completed, Doing, Job, Opened, Packet, Reached, Store
from glovebox.node.local_part import LocalPart
from glovebox.node.messages import Acceptance, claimed, encode
from glovebox.node.process import limit_memory
from glovebox.node.quantiles import sums_and_quantiles
from glovebox.node.spines import spine_totals
from glovebox.node.star import star_join_totals
from glovebox.node.steps import (
    finishing_of,
    is_alone,
    is_homomorphic,
    join_shape,
    largest_frame,
    role_names,
    row_roles,
)
from glovebox.planner.answer import answer_of
from glovebox.planner.plan import Joined, Plan, Spines, Stacked, Star, members, plan_hash
from glovebox.planner.shape import by_group
from glovebox.protocols.conversion import secure_totals
from glovebox.protocols.finishing import finish
from glovebox.protocols.intersection import joined_totals
from glovebox.protocols.reveal import (
    all_keep_theirs,
    reveal_from_parties,
    reveal_to_receivers,
    shares_for_opening,
)
from glovebox.protocols.shards import Rows
from glovebox.protocols.two_party.prepared import Prepared
from glovebox.protocols.verified import verified
from glovebox.runtime.context import Context, Ground
from glovebox.runtime.keys import SessionKeys, session_transcript
from glovebox.runtime.linking import Arrivals, Peer, abort_links, close_links, open_session_links, wait_lost
from glovebox.runtime.links import SessionLink
from glovebox.runtime.shamir import open_shamir
from glovebox.schema.answer import canonical_answer

AT_ONCE = 1 << 20
"""Bytes of the largest frame of a session whose local steps take less than it takes to hand them to another thread; not
so of two owners alone, who make transfers by the hundred thousand for a few rows."""

FAILED = "worker_failed"
TOGETHER_S = 0.05  # events that come so soon one after the other are told at once
_plans: msgspec.msgpack.Decoder[Plan] = msgspec.msgpack.Decoder(Plan)  # made once, before workers are forked


class Run:
    """One party's run of one job. stored: set when the node has the opening shares on disk.

    kernels: one thread for what takes long. unused: a database for its local part. made: transfers that both parties
    made before.
    """

    def __init__(
        self,
        job: Job,
        keys: SessionKeys,
        arrivals: Arrivals,
        channel: Channel,
        stored: asyncio.Event,
        kernels: ThreadPoolExecutor,
        unused: Database,
        made: Prepared | None = None,
    ) -> None:
        self.job, self.channel = job, channel
        self._keys, self._arrivals, self._stored = keys, arrivals, stored
        self.plan = _plans.decode(job.plan)
        self._executor = kernels
        self._links: dict[int, SessionLink] = {}
        self._alone, self._homomorphic = is_alone(self.plan), is_homomorphic(self.plan)
        self._transfers = made
        self._last = "started"  # the last event that this worker reached
        self._untold: tuple[str, ...] = ()
        self._telling: asyncio.Task[None] | None = None
        self.doing = Doing("loading")  # set by the kernels' thread too
        self._starved = False  # whether a link had no memory
        self._local = LocalPart(job, self.plan, unused, partial(self._does, "loading"))

    async def to_the_end(self) -> None:
        """From the first connection to the goodbye. An error ends all links, which tell the others whom it blames."""
        asyncio.get_running_loop().set_exception_handler(self._note)
        try:
            loading = asyncio.ensure_future(self._load() if self.job.opening is None else _nothing())
            self._links = await self._link()
            await self._reached("linked")
            await self._unless_lost(self._work(loading))
            await close_links(self._links.values())
        except Exception as problem:
            error = self._cause(problem)
            error.step = error.step or self._last
            await abort_links(self._links.values(), error)
            raise error from problem
        sent = sum(link.bytes_sent for link in self._links.values())
        peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
        await self._tell(Completed(sent, peak_mib))

    def _cause(self, problem: Exception) -> GloveboxError:
        """Why a run fell over: memory; a link that had failed, whose loss is met in many ways; a fault of this node."""
        starved = self._starved or isinstance(problem, MemoryError) or "start new thread" in str(problem)
        if starved or (isinstance(problem, GloveboxError) and problem.code == OutOfMemory.code):
            return self._out_of_memory()
        if isinstance(problem, GloveboxError):
            return problem
        lost = [link.lost.result() for link in self._links.values() if link.lost.done()]
        return lost[0] if lost else GloveboxError(f"the worker failed with {type(problem).__name__}", code=FAILED)

    def _out_of_memory(self) -> OutOfMemory:
        """The error for a run that needed more than the plan said. It blames this party."""
        own, most = self.job.names[self.job.party], self.job.memory_mib
        limit_memory(most, spent=True)
        return OutOfMemory(
            f"the worker of {own} needed more than the {most:,} MiB of memory that its node gives a session",
            party=own,
            step=self.doing.step,
            hint=f"a larger memory_mib in the node.toml of {own}",
        )

    def _note(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """What asyncio tells of its own parts: TLS without memory for a record drops the link, as if it were lost."""
        if isinstance(context.get("exception"), MemoryError):
            self._starved = True
        else:
            loop.default_exception_handler(context)

    async def _unless_lost(self, work: Coroutine[Any, Any, None]) -> None:
        """Do the work, unless a link fails meanwhile: then that is the error, whoever was waited for.

        A peer whose heart beats and who sends nothing else is waited for until the session's time is over.
        """
        working, lost = asyncio.ensure_future(work), asyncio.ensure_future(wait_lost(self._links.values()))
        for each in (working, lost):  # one that nobody waits for any more has failed for the same cause
            each.add_done_callback(lambda done: done.cancelled() or done.exception())
        await asyncio.wait([working, lost], timeout=self.job.session_s, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            lost.cancel()
            return working.result()
        late = self._late()  # before the work is cancelled, and waits for nobody
        working.cancel()
        if not lost.done():
            lost.cancel()
            raise late
        return lost.result()

    def _late(self) -> PeerError:
        """The error for a session that takes too long. It blames nobody: who is waited for may itself wait."""
        waited = {link.name: link.waits_for for link in self._links.values() if link.waits_for}
        own, names = self.job.names[self.job.party], " and ".join(waited) or "nobody"
        return PeerError(
            f"the session did not end within {self.job.session_s:g} s; {own} waits for {names}",
            code="too_long",
            step=next(iter(waited.values()), ""),
            hint="a higher session_s in node.toml, if the tables are large",
        )

    async def _work(self, loading: asyncio.Future[Any]) -> None:
        ctx = await self._context()
        if self._alone and not self._homomorphic and self.job.opening is None and self._transfers is None:
            self._transfers = await two_owners.transfers(ctx, self.plan)
        own = await loading
        if self.job.party not in self.plan.computing:
            opened = await reveal_from_parties(
                ctx.narrow("reveal"), finishing_of(self.plan), self.plan.computing, self.plan.clause
            )
            await self._receive(opened)
        elif self.job.opening is None:
            await self._reveal(ctx, await self._compute(ctx, own))
        else:
            await self._reached("revealing")
            await self._reveal(ctx, self.job.opening)

    async def _load(self) -> Any:
        """This party's own part, in its own database, beside the linking; where it may have several, by place."""
        if not self.job.bound:
            return None
        loaded = await asyncio.get_running_loop().run_in_executor(self._executor, self._local.read)
        if self._local.near:
            await self._tell(Close(self._local.near))
        await self._reached("loaded")
        return loaded if isinstance(self.plan.source, Star | Spines) else next(iter(loaded.values()))

    async def _link(self) -> dict[int, SessionLink]:
        """Links to the parties that this one talks to."""
        computing, me = self.plan.computing, self.job.party
        accepted = {envelope.party: claimed(envelope, Acceptance) for envelope in self.job.acceptances}
        talks_to = members(self.plan) if me in computing else computing
        peers = [
            Peer(
                party,
                self.job.names[party],
                self.job.addresses[party],
                party in self.job.dialled,
                accepted[party].certificate,
                self._keys.pair_secret(party, accepted[party].exchange, self._transcript, self.job.names[party]),
            )
            for party in talks_to
            if party != me
        ]
        self._secrets = {peer.number: peer.secret for peer in peers}
        self._largest = largest_frame(self.plan)
        return await open_session_links(
            self._keys, peers, self._arrivals, largest=self._largest, silence_s=self.job.deadline_s
        )

    @cached_property
    def _transcript(self) -> bytes:
        job = self.job
        return session_transcript(
            job.contract,
            job.statement,
            job.parameters,
            plan_hash(self.plan),
            job.session,
            role_names(self.plan),
            [encode(envelope) for envelope in job.acceptances],
        )

    async def _context(self) -> Context:
        plan, me = self.plan, self.job.party
        shamir = None
        if me in plan.computing and self.job.opening is None and not self._alone:
            links = {index: self._links[party] for index, party in enumerate(plan.computing) if party != me}
            names = {index: self.job.names[party] for index, party in enumerate(plan.computing)}
            shamir = await open_shamir(plan.computing.index(me), links, self._transcript, names)
        return Context(
            Ground(
                party=me,
                parties=plan.computing,
                names=dict(enumerate(self.job.names)),
                links=self._links,
                secrets=self._secrets,
                seed=os.urandom(32),
                executor=self._executor if self._alone or self._largest > AT_ONCE else None,
                roles=row_roles(plan),
                shamir=shamir,
                progress=lambda path, done, of: self._does("matching", done, of),
            )
        )

    async def _compute(self, ctx: Context, own: Any) -> bytes:
        """The joint part: totals on shares, finished; this party's shares of the opening, kept by every party."""
        if own is not None:  # who has no table waits for the others' first rows, which says that theirs are loaded
            self._does("matching")
        opening = await (self._finished_by_two(ctx, own) if self._alone else self._finished(ctx, own))
        await self._reached("finished")
        await self._tell(Store(opening))
        await self._stored.wait()
        await all_keep_theirs(ctx.narrow("kept"))
        return opening

    async def _finished(self, ctx: Context, own: Any) -> bytes:
        finishing, totals = finishing_of(self.plan), await self._totals(ctx, own)
        self._does("finishing")
        await self._reached("matched")
        finished = await finish(ctx.narrow("finish"), finishing, totals)
        await verified(ctx.narrow("verified"))
        return await shares_for_opening(ctx.narrow("opening"), finishing, finished)

    async def _finished_by_two(self, ctx: Context, own: LoadedRows) -> bytes:
        await self._reached("encoded")
        if self._homomorphic:
            rows = Rows(own.ids, own.values, own.groups)
            return await homomorphic.halves_for_opening(ctx, self.plan, rows, self._reached)
        made, self._transfers = self._transfers, None  # used once
        if made is None:
            raise GloveboxError("no transfers were made for this session", code="worker_failed")
        rows = Rows(own.ids, own.values, own.groups)
        return await two_owners.joint_opening(ctx, self.plan, made, rows, self._reached)

    async def _reveal(self, ctx: Context, opening: bytes) -> None:
        """Send this party's shares to the receivers, now or again."""
        plan, finishing, step = self.plan, finishing_of(self.plan), ctx.narrow("reveal")
        if self._homomorphic:
            opened = await homomorphic.reveal(step, plan, opening)
        elif self._alone:
            opened = await two_owners.reveal(step, plan, opening)
        else:
            opened = await reveal_to_receivers(step, finishing, opening, plan.receivers, plan.clause)
        if opened is not None:
            await self._receive(opened)

    async def _totals(self, ctx: Context, own: Any) -> Any:
        plan, finishing = self.plan, finishing_of(self.plan)
        rings = tuple(total.bits for total in plan.totals)
        match plan.source:
            case Joined(query=query, helper=int(helper)) as joined:
                rows = None if own is None else Rows(own.ids, own.values, own.groups, own.room)
                await self._reached("encoded")
                shares = await joined_totals(ctx.narrow("join"), join_shape(plan), rows)
                held = None if shares is None else by_group(joined, plan.totals, shares)
                return await secure_totals(
                    ctx.narrow("conversion"),
                    finishing.bits,
                    rings,
                    finishing.most,
                    finishing.groups,
                    query.party,
                    helper,
                    held,
                )
            case Joined():
                raise TypeError("two owners alone have no helper")
            case Spines():
                await self._reached("encoded")
                return await spine_totals(ctx, plan, own or {})
            case Star():
                await self._reached("encoded")
                return await star_join_totals(ctx, plan, own or {})
            case Stacked():
                await self._reached("encoded")
                return await sums_and_quantiles(ctx, plan, own)

    async def _receive(self, opened: Any) -> None:
        answer = answer_of(self.plan, opened.shown, opened.parts)
        await self._tell(Opened(canonical_answer(answer), opened.salt))

    def _does(self, step: str, done: int = 0, of: int = 1) -> None:
        self.doing = Doing(step, done, of)

    async def _reached(self, event: str) -> None:
        self._last = event
        self._untold += (event,)
        self._telling = self._telling or asyncio.create_task(self._tell_later())

    async def _tell_later(self) -> None:
        await asyncio.sleep(TOGETHER_S)
        self._telling = None
        await self._tell()

    async def _tell(self, *packets: Packet) -> None:
        """Send packets to the node, behind the events that came before them."""
        names, self._untold = self._untold, ()
        for packet in (*([Reached(names)] if names else []), *packets):
            await self.channel.send(packet)


async def _nothing() -> None:
    """What is loaded of a question whose answer is kept."""
