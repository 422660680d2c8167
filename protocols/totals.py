"""Sums over matching rows, as additive shares: only totals of blocks of rows ever leave the bit domain.

Functionality  total[k, j] = sum over rows of a bit (b_Q ^ b_S) times a value of QUERY, a payload (p_Q + p_S) or both
Parties        QUERY and HELPER hold and receive shares; TABLE deals
Security       semi-honest, one corrupt party; perfect given the streams
Leakage        n and the shape of the totals
Rounds         1 + E; E exchanges of at most 16 MiB a party, 1 up to 2^18 rows and 8 jobs; at most, if E > 1
Bytes          0.125 n D + n V + 8 J k; `traffic`: D vectors of choice bits, V bytes of vectors a row, J jobs, k blocks
Source         Du, Atallah 2001 (scalar product with a commodity server), in the spirit of ABY3; psi.md 8
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from glovebox.algebra.bits import packed, unpacked
from glovebox.algebra.ring import RINGS, Ring, block_sums, kept, signed
from glovebox.algebra.streams import Stream
from glovebox.runtime.context import Context, Role

U8 = NDArray[np.uint8]
U64 = NDArray[np.uint64]

# Both parties send a whole exchange before they read: it must fit what a link lets pile up (16 MiB unsent).
EXCHANGE_BYTES = 16 << 20


class Total(NamedTuple):
    """What is summed where a bit is set: a value of QUERY times a payload of TABLE, None counts as 1.

    bits: of the ring, 32 or 64. choice: by which condition rows are chosen; it has a bit for every plane.
    outer: "left", with QUERY's rows that have no match, whose payload is 1; "anti", those alone. Of either only what
    depends on a match is summed here, times 1 or -1; QUERY adds the sum of all its rows.
    least: not the sum but the least is wanted, of numbers from the first to one less than the second, which stands for
    the least of nothing; see `least.py`.
    """

    value: int | None
    payload: int | None
    bits: int
    choice: int = 0
    outer: Literal["", "left", "anti"] = ""
    least: tuple[int, int] | None = None


class Kind(enum.Enum):
    """What a job adds to its total. With b = b_Q + b_S - 2 b_Q b_S and p = p_Q + p_S."""

    HELPER_CHOOSES = "b_S (1 - 2 b_Q) v p_Q"
    QUERY_CHOOSES = "b_Q (1 - 2 b_S) p_S"
    VALUE = "v (b_S p_S)"
    MATCHED_VALUE = "(b_Q v) ((1 - 2 b_S) p_S)"


INNER = (Kind.VALUE, Kind.MATCHED_VALUE)
OTHER = {Role.QUERY: Role.HELPER, Role.HELPER: Role.QUERY}


@dataclass(frozen=True)
class Job:
    """One scalar product of a vector of one party with bits (choose) or a vector (inner) of the other.

    total, plane: which total it adds to. row: of `Shares.bits`, by which rows are chosen.
    """

    number: int
    total: int
    plane: int
    row: int
    kind: Kind
    bits: int

    @property
    def chooser(self) -> Role | None:
        """Who holds the bits of a choose job; None for an inner one."""
        return {Kind.HELPER_CHOOSES: Role.HELPER, Kind.QUERY_CHOOSES: Role.QUERY}.get(self.kind)

    @property
    def senders(self) -> tuple[Role, ...]:
        """Who sends a vector."""
        if self.kind in INNER:
            return Role.QUERY, Role.HELPER
        return (Role.QUERY,) if self.kind is Kind.HELPER_CHOOSES else (Role.HELPER,)

    @property
    def corrected(self) -> Role:
        """Who gets TABLE's correction."""
        return Role.HELPER if self.kind is Kind.HELPER_CHOOSES else Role.QUERY

    @property
    def ring(self) -> type[np.unsignedinteger[Any]]:
        """The ring of the job's total."""
        return RINGS[self.bits]


@dataclass(frozen=True, repr=False)
class Shares:
    """What a party brings.

    bits: (choices planes, n) uint8 of 0 and 1, the planes of a choice next to each other; words: (words, n), shares of
    the tag and the payloads; values: (k, n) at QUERY.
    """

    bits: U8
    words: U64
    values: NDArray[np.int64] | None

    def __repr__(self) -> str:
        return f"<Shares of {self.bits.shape[1]} rows>"


def jobs_of(totals: Sequence[Total], planes: int = 1) -> list[Job]:
    """The jobs of all totals, in the public order: by plane, then totals in order, and within one as in psi.md 8."""
    kinds = {
        (False, False): (Kind.HELPER_CHOOSES,),
        (True, False): (Kind.HELPER_CHOOSES,),
        (False, True): (Kind.HELPER_CHOOSES, Kind.QUERY_CHOOSES),
        (True, True): (Kind.HELPER_CHOOSES, Kind.VALUE, Kind.MATCHED_VALUE),
    }
    wanted = [
        (index, plane, total.choice * planes + plane, kind, total.bits)
        for plane in range(planes)
        for index, total in enumerate(totals)
        if not (total.outer == "left" and total.payload is None)  # a match changes nothing
        for kind in kinds[total.value is not None, total.payload is not None]
    ]
    return [Job(number, *job) for number, job in enumerate(wanted)]


def traffic(totals: Sequence[Total], n: int, planes: int = 1, blocks: int = 1) -> dict[str, float]:
    """The sizes of the card: exchanges E, vectors of choice bits D, bytes of vectors a row V, jobs J, blocks k."""
    jobs = jobs_of(totals, planes)
    return {
        "E": len(list(_exchanges(jobs, n))),
        "D": sum(len(_chosen(jobs, role)) for role in (Role.QUERY, Role.HELPER)),
        "V": sum(job.bits // 8 * len(job.senders) for job in jobs),
        "J": len(jobs),
        "k": blocks,
    }


async def matched_totals(
    ctx: Context, totals: Sequence[Total], shares: Shares | None, n: int, blocks: int = 1, planes: int = 1
) -> U64 | None:
    """Shares of each total of each plane over each block of rows.

    n: rows, a multiple of 8 and of the blocks. planes: bits a row of each choice, such as one for each group of TABLE.
    Returns (totals, planes, blocks) uint64 at QUERY and HELPER, None at TABLE. Totals in Z_2^32 are widened: add them
    mod 2^64, reduce mod 2^32 at the end.
    """
    jobs = jobs_of(totals, planes)
    if ctx.role is Role.TABLE:
        await _deal(ctx, jobs, n, blocks)
        return None
    if shares is None or ctx.role is None:
        raise ValueError("QUERY and HELPER need shares")
    choices = await _exchange_choices(ctx, jobs, shares.bits, n)
    return await _evaluate(ctx, jobs, totals, shares, choices, (planes, blocks))


async def _deal(ctx: Context, jobs: list[Job], n: int, blocks: int) -> None:
    """TABLE's part: one ring element a job and block, split so that nobody sees a sum of another's vector."""
    choices = {role: await _masks(ctx, jobs, role, role, n) for role in _choosers(jobs)}
    corrections: dict[Role, list[U64]] = {Role.HELPER: [], Role.QUERY: []}
    for job in jobs:
        step = ctx.narrow(f"job{job.number}")
        masks = [step.stream(role, "vector") for role in job.senders]
        split = step.stream(OTHER[job.corrected], "split")
        chosen = choices[job.chooser][job.row] if job.chooser else None
        corrections[job.corrected].append(await ctx.compute(_correction, job, chosen, masks, split, n, blocks))
    for receiver, rows in corrections.items():
        if rows:
            await ctx.send(receiver, np.stack(rows), "corrections")


def _correction(job: Job, choices: U8 | None, masks: list[Stream], split: Stream, n: int, blocks: int) -> U64:
    vectors = [mask.read(n, job.ring) for mask in masks]
    products = vectors[0] * vectors[1] if choices is None else kept(choices, vectors[0])
    masked: Ring = block_sums(products, blocks) - split.read(blocks, job.ring)
    return masked.astype(np.uint64)


Choices = dict[Role, dict[int, U8]]  # of each chooser, by the row of bits: (n,) of 0 and 1


async def _masks(ctx: Context, jobs: list[Job], chooser: Role, shared_with: Role, n: int) -> dict[int, U8]:
    """The masks of a chooser's bits, by the row of bits that they mask."""
    rows = _chosen(jobs, chooser)
    masks = await ctx.compute(_bits, ctx.stream(shared_with, "choices"), len(rows), n)
    return dict(zip(rows, masks, strict=True))


async def _exchange_choices(ctx: Context, jobs: list[Job], bits: U8, n: int) -> Choices:
    """Open each chooser's masked bits, once for all its jobs. Returns its masks at the chooser, else those bits."""
    choices: Choices = {}
    choosers = _choosers(jobs)
    for chooser in choosers:
        if chooser is ctx.role:
            masks = choices[chooser] = await _masks(ctx, jobs, chooser, Role.TABLE, n)
            await ctx.send(OTHER[chooser], await ctx.compute(_masked, bits, masks), "choices")
    for chooser in choosers:
        if chooser is not ctx.role:
            rows = _chosen(jobs, chooser)
            octets = await ctx.receive(chooser, np.uint8, (len(rows), n // 8), "choices")
            choices[chooser] = dict(zip(rows, await ctx.compute(unpacked, octets), strict=True))
    return choices


def _masked(bits: U8, masks: dict[int, U8]) -> U8:
    return packed(np.stack([bits[row] ^ mask for row, mask in masks.items()]))


async def _evaluate(
    ctx: Context, jobs: list[Job], totals: Sequence[Total], shares: Shares, choices: Choices, shape: tuple[int, int]
) -> U64:
    """What this party sums alone, and its part of every job. shape: planes and blocks."""
    me = ctx.role or Role.QUERY
    other, n, blocks = OTHER[me], shares.bits.shape[1], shape[1]
    sums = await ctx.compute(_own_sums, totals, me, shares, *shape)
    steps = [ctx.narrow(f"job{job.number}") for job in jobs]
    for exchange in _exchanges(jobs, n):
        factors: dict[int, Ring] = {}
        for job in exchange:
            if me in job.senders:
                step = steps[job.number]
                mask = step.stream(Role.TABLE, "vector")
                split = None if job.corrected is me else step.stream(Role.TABLE, "split")
                opened = choices[job.chooser][job.row] if job.chooser else None
                sent = await ctx.compute(_sent, job, totals[job.total], me, shares, opened, mask, split, blocks)
                sums[job.total, job.plane] += sent.share
                factors[job.number] = sent.factor
                await step.send(other, sent.masked, "vector")
        for job in exchange:
            if other in job.senders:
                vector = await steps[job.number].receive(other, job.ring, n, "vector")
                factor = choices[job.chooser][job.row] if job.chooser else factors[job.number]
                sums[job.total, job.plane] += await ctx.compute(_received, job, vector, factor, blocks)
    mine = [job for job in jobs if job.corrected is me]
    if mine:
        corrections = await ctx.receive(Role.TABLE, np.uint64, (len(mine), blocks), "corrections")
        for job, correction in zip(mine, corrections, strict=True):
            sums[job.total, job.plane] += correction
    return sums


class _Sent(NamedTuple):
    """A masked vector, the sender's share so far, and what it multiplies the other's vector with (inner jobs)."""

    masked: Ring
    share: U64
    factor: Ring


def _sent(
    job: Job, total: Total, me: Role, shares: Shares, opened: U8 | None, mask: Stream, split: Stream | None, blocks: int
) -> _Sent:
    vector = _vector(job, total, me, shares)
    masks = mask.read(len(vector), job.ring)
    share = np.zeros(blocks, job.ring) if split is None else split.read(blocks, job.ring)
    if opened is None:
        factor = vector if me is Role.HELPER else masks
        return _Sent(vector - masks, share.astype(np.uint64), factor)
    share += block_sums(kept(opened, vector), blocks)
    return _Sent(signed(opened, vector) - masks, share.astype(np.uint64), masks)


def _received(job: Job, vector: Ring, factor: Ring, blocks: int) -> U64:
    products = kept(factor, vector) if job.chooser else vector * factor
    return block_sums(products, blocks).astype(np.uint64)


def _vector(job: Job, total: Total, me: Role, shares: Shares) -> Ring:
    """A party's vector of a job, as `Kind` writes it."""
    bits = shares.bits[job.row]
    match job.kind, me:
        case Kind.HELPER_CHOOSES, _:
            return signed(bits, _weight(total, shares))
        case Kind.VALUE, Role.QUERY:
            return _value(total, shares)
        case Kind.MATCHED_VALUE, Role.QUERY:
            return kept(bits, _value(total, shares))
        case Kind.VALUE, _:
            return kept(bits, _payload(total, shares))
        case _:
            return signed(bits, _payload(total, shares))


def _own_sums(totals: Sequence[Total], me: Role, shares: Shares, planes: int, blocks: int) -> U64:
    """QUERY: sum b_Q v p_Q. HELPER: sum b_S p_S of a payload alone; with a value it is in the jobs."""
    sums = np.zeros((len(totals), planes, blocks), np.uint64)
    for index, total in enumerate(totals):
        if total.outer == "left" and total.payload is None:
            continue
        if me is Role.QUERY:
            weight = _weight(total, shares)
        elif total.value is None and total.payload is not None:
            weight = _payload(total, shares)
        else:
            continue
        for plane, bits in enumerate(shares.bits[total.choice * planes :][:planes]):
            sums[index, plane] = block_sums(kept(bits, weight), blocks)
    return sums


def _weight(total: Total, shares: Shares) -> Ring:
    """QUERY's v p_Q; what is missing counts as 1."""
    if total.value is None and total.payload is None:
        return np.ones(shares.bits.shape[1], RINGS[total.bits])
    if total.payload is None:
        return _value(total, shares)
    return _payload(total, shares) if total.value is None else _payload(total, shares) * _value(total, shares)


def _value(total: Total, shares: Shares) -> Ring:
    if shares.values is None or total.value is None:
        raise ValueError("a total of values needs QUERY's values")
    vector: Ring = shares.values[total.value].view(np.uint64).astype(RINGS[total.bits], copy=False)
    return vector


def _payload(total: Total, shares: Shares) -> Ring:
    if total.payload is None:
        raise ValueError("a total without a payload has no vector of payloads")
    vector: Ring = shares.words[1 + total.payload].astype(RINGS[total.bits], copy=False)
    if total.outer and shares.values is not None:  # at QUERY: sum v + sum b v (p - 1)
        vector = vector - RINGS[total.bits](1)
    return vector


def _bits(stream: Stream, rows: int, n: int) -> U8:
    return unpacked(stream.read((rows, n // 8), np.uint8))


def _chosen(jobs: list[Job], chooser: Role) -> list[int]:
    """The rows of bits that a chooser opens, masked."""
    return sorted({job.row for job in jobs if job.chooser is chooser})


def _choosers(jobs: list[Job]) -> list[Role]:
    return [role for role in (Role.QUERY, Role.HELPER) if _chosen(jobs, role)]


def _exchanges(jobs: list[Job], n: int) -> Iterator[list[Job]]:
    """The jobs in runs whose vectors fit one exchange, at least one job each."""
    exchange: list[Job] = []
    for job in jobs:
        if exchange and sum(one.bits // 8 * n for one in [*exchange, job]) > EXCHANGE_BYTES:
            yield exchange
            exchange = []
        exchange.append(job)
    yield exchange
