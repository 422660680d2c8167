"""Scalar products over blocks of rows: of a vector of one party with bits of the other, or with its vector.

Functionality  product[j] = sum over the rows of block j of bit * vector, or of QUERY's vector * HELPER's
Parties        QUERY and HELPER bring vectors and bits, and receive shares; TABLE deals
Security       semi-honest, one corrupt party; perfect given the streams
Leakage        n and the shape of the jobs
Rounds         1 + E; E exchanges of at most 16 MiB a party; at most, if E > 1
Bytes          D + n V + K; `traffic`: D of choice bits, V of vectors a row, K of corrections
Source         Du, Atallah 2001 (scalar product with a commodity server), in the spirit of ABY3; psi.md 8
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from glovebox.algebra.bits import packed, unpacked
from glovebox.algebra.ring import RINGS, Ring, block_sums, kept, signed
from glovebox.algebra.streams import Stream
from glovebox.runtime.context import Context, Role

U8 = NDArray[np.uint8]
Result = TypeVar("Result")

# Both parties send a whole exchange before they read: it must fit what a link lets pile up (16 MiB unsent).
EXCHANGE_BYTES = 16 << 20

# Vectors of so many bytes are computed in one step: to begin one in another thread takes as long as 100 KiB of them.
STEP_BYTES = 1 << 20

OTHER = {Role.QUERY: Role.HELPER, Role.HELPER: Role.QUERY}


@dataclass(frozen=True)
class Job:
    """One scalar product, in blocks of rows.

    bits: of the ring. chooser: who brings bits, in this row of its bits, for a vector of the other; None: both bring
    vectors.
    """

    bits: int
    blocks: int
    chooser: Role | None
    row: int = 0

    @property
    def senders(self) -> tuple[Role, ...]:
        """Who sends a vector."""
        return (Role.QUERY, Role.HELPER) if self.chooser is None else (OTHER[self.chooser],)

    @property
    def corrected(self) -> Role:
        """Who gets TABLE's correction."""
        return self.chooser or Role.QUERY

    @property
    def ring(self) -> type[np.unsignedinteger[Any]]:
        """The ring of the vectors and the product."""
        return RINGS[self.bits]


def traffic(jobs: Sequence[Job], n: int) -> dict[str, float]:
    """The sizes of the card: exchanges E, and bytes of choice bits D, of vectors a row V, of corrections K."""
    return {
        "E": len(list(_runs(jobs, range(len(jobs)), n, EXCHANGE_BYTES))),
        "D": sum(len(_rows(jobs, role)) for role in OTHER) * -(-n // 8),
        "V": sum(job.bits // 8 * len(job.senders) for job in jobs),
        "K": sum(job.bits // 8 * job.blocks for job in jobs),
    }


async def products(
    ctx: Context, jobs: Sequence[Job], n: int, bits: U8 | None = None, vector: Callable[[int], Ring] | None = None
) -> list[Ring] | None:
    """Shares of each job's product over each block of rows: (blocks,) in the job's ring; None at TABLE.

    n: rows, a multiple of each job's blocks. bits: (rows of bits, n) uint8 of 0 and 1, those that this party chooses
    by. vector: this party's, (n,) in the job's ring, by the number of a job in which it sends.
    """
    if ctx.role is Role.TABLE:
        await _deal(ctx, jobs, n)
        return None
    if bits is None or vector is None:
        raise ValueError("QUERY and HELPER bring bits and vectors")
    return await _evaluate(ctx, jobs, vector, await _exchange_choices(ctx, jobs, bits, n), n)


async def _deal(ctx: Context, jobs: Sequence[Job], n: int) -> None:
    """TABLE's part: one ring element a job and block, split so that nobody sees a sum of another's vector."""
    choices = {role: await _masks(ctx, jobs, role, role, n) for role in _choosers(jobs)}
    corrections: dict[Role, list[U8]] = {Role.HELPER: [], Role.QUERY: []}
    for run in _runs(jobs, range(len(jobs)), n, STEP_BYTES):
        steps = []
        for number in run:
            job, step = jobs[number], ctx.narrow(f"job{number}")
            masks = [step.stream(role, "vector") for role in job.senders]
            split = step.stream(OTHER[job.corrected], "split")
            steps.append(partial(_correction, job, _bits_of(choices, job), masks, split, n))
        for number, octets in zip(run, await ctx.compute(_every, steps), strict=True):
            corrections[jobs[number].corrected].append(octets)
    for receiver, parts in corrections.items():
        if parts:
            await ctx.send(receiver, np.concatenate(parts), "corrections")


def _every(steps: list[Callable[[], Result]]) -> list[Result]:
    return [step() for step in steps]


def _correction(job: Job, choices: U8 | None, masks: list[Stream], split: Stream, n: int) -> U8:
    vectors = [mask.read(n, job.ring) for mask in masks]
    dealt = vectors[0] * vectors[1] if choices is None else kept(choices, vectors[0])
    masked: Ring = block_sums(dealt, job.blocks) - split.read(job.blocks, job.ring)
    return masked.view(np.uint8)


Choices = dict[Role, dict[int, U8]]  # of each chooser, by the row of bits: (n,) of 0 and 1


def _bits_of(choices: Choices, job: Job) -> U8 | None:
    return choices[job.chooser][job.row] if job.chooser else None


async def _masks(ctx: Context, jobs: Sequence[Job], chooser: Role, shared_with: Role, n: int) -> dict[int, U8]:
    """The masks of a chooser's bits, by the row of bits that they mask."""
    rows = _rows(jobs, chooser)
    masks = await ctx.compute(_bits, ctx.stream(shared_with, "choices"), len(rows), n)
    return dict(zip(rows, masks, strict=True))


async def _exchange_choices(ctx: Context, jobs: Sequence[Job], bits: U8, n: int) -> Choices:
    """Open each chooser's masked bits, once for all its jobs. Returns its masks at the chooser, else those bits."""
    choices: Choices = {}
    choosers = _choosers(jobs)
    for chooser in choosers:
        if chooser is ctx.role:
            masks = choices[chooser] = await _masks(ctx, jobs, chooser, Role.TABLE, n)
            await ctx.send(OTHER[chooser], await ctx.compute(_masked, bits, masks), "choices")
    for chooser in choosers:
        if chooser is not ctx.role:
            rows = _rows(jobs, chooser)
            octets = await ctx.receive(chooser, np.uint8, (len(rows), -(-n // 8)), "choices")
            opened = (await ctx.compute(unpacked, octets))[:, :n]
            choices[chooser] = dict(zip(rows, opened, strict=True))
    return choices


def _masked(bits: U8, masks: dict[int, U8]) -> U8:
    return packed(np.stack([bits[row] ^ mask for row, mask in masks.items()]))


async def _evaluate(
    ctx: Context, jobs: Sequence[Job], vector: Callable[[int], Ring], choices: Choices, n: int
) -> list[Ring]:
    """This party's part of every job, exchange by exchange."""
    me = ctx.role or Role.QUERY
    other = OTHER[me]
    shares: list[Ring] = [np.zeros(job.blocks, job.ring) for job in jobs]
    steps = [ctx.narrow(f"job{number}") for number in range(len(jobs))]
    for exchange in _runs(jobs, range(len(jobs)), n, EXCHANGE_BYTES):
        factors: dict[int, Ring] = {}
        for run in _runs(jobs, [number for number in exchange if me in jobs[number].senders], n, STEP_BYTES):
            sending = []
            for number in run:
                job, step = jobs[number], steps[number]
                mask = step.stream(Role.TABLE, "vector")
                split = None if job.corrected is me else step.stream(Role.TABLE, "split")
                sending.append(partial(_sent, job, number, vector, me, _bits_of(choices, job), mask, split))
            for number, sent in zip(run, await ctx.compute(_every, sending), strict=True):
                shares[number] += sent.share
                factors[number] = sent.factor
                await steps[number].send(other, sent.masked, "vector")
        for run in _runs(jobs, [number for number in exchange if other in jobs[number].senders], n, STEP_BYTES):
            receiving = []
            for number in run:
                job = jobs[number]
                theirs = await steps[number].receive(other, job.ring, n, "vector")
                factor = choices[job.chooser][job.row] if job.chooser else factors[number]
                receiving.append(partial(_received, job, theirs, factor))
            for number, share in zip(run, await ctx.compute(_every, receiving), strict=True):
                shares[number] += share
    mine = [number for number, job in enumerate(jobs) if job.corrected is me]
    if mine:
        sizes = [jobs[number].bits // 8 * jobs[number].blocks for number in mine]
        octets = await ctx.receive(Role.TABLE, np.uint8, sum(sizes), "corrections")
        for number, own in zip(mine, np.split(octets, np.cumsum(sizes)[:-1]), strict=True):
            shares[number] += own.view(jobs[number].ring)
    return shares


class _Sent(NamedTuple):
    """A masked vector, the sender's share so far, and what it multiplies the other's vector with (of two vectors)."""

    masked: Ring
    share: Ring
    factor: Ring


def _sent(
    job: Job, number: int, vector: Callable[[int], Ring], me: Role, opened: U8 | None, mask: Stream,
    split: Stream | None,
) -> _Sent:  # fmt: skip
    """With bits b = e ^ m, of which e is open: b y = e y + m (1 - 2 e) y; the last factor is sent, masked."""
    own = vector(number)
    masks = mask.read(len(own), job.ring)
    share = np.zeros(job.blocks, job.ring) if split is None else split.read(job.blocks, job.ring)
    if opened is None:
        return _Sent(own - masks, share, own if me is Role.HELPER else masks)
    return _Sent(signed(opened, own) - masks, share + block_sums(kept(opened, own), job.blocks), masks)


def _received(job: Job, theirs: Ring, factor: Ring) -> Ring:
    return block_sums(kept(factor, theirs) if job.chooser else theirs * factor, job.blocks)


def _bits(stream: Stream, rows: int, n: int) -> U8:
    return unpacked(stream.read((rows, -(-n // 8)), np.uint8))[:, :n]


def _rows(jobs: Sequence[Job], chooser: Role) -> list[int]:
    """The rows of bits that a chooser opens, masked."""
    return sorted({job.row for job in jobs if job.chooser is chooser})


def _choosers(jobs: Sequence[Job]) -> list[Role]:
    return [role for role in (Role.QUERY, Role.HELPER) if _rows(jobs, role)]


def _runs(jobs: Sequence[Job], numbers: Sequence[int], n: int, most: int) -> Iterator[list[int]]:
    """The numbers of jobs in runs whose vectors are at most so many bytes together, or one job."""
    run: list[int] = []
    size = 0
    for number in numbers:
        size += (own := jobs[number].bits // 8 * n)
        if run and size > most:
            yield run
            run, size = [], own
        run.append(number)
    if run:
        yield run
