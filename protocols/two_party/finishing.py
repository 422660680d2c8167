"""From two parties' shares of totals to shares of what is opened: threshold, averages and selection in one circuit.

Functionality  as protocols/finishing.py: per group [shown], then each part times shown; out = query ^ table, bit by bit
Parties        QUERY evaluates, TABLE garbles; both hold and receive shares
Security       semi-honest; transfers; AES under a public key as an ideal permutation
Leakage        nothing but the shape
Rounds         2
Bytes          16 + 16.125 I + 32 A; I bits of one party's shares, A ANDs, of all groups
Source         Yao 1986; half gates [ZRE15] with free XOR [KS08]; averages as in `circuits.average`; psi.md 10

What TABLE receives: bits of QUERY's shares ^ random choices. What QUERY receives: labels of TABLE's bits, uniform; one
label more a bit of its own, of which it can unmask what leads to its bit; tables, which lead to one label a wire. Bits
of output labels are uniform to each party alone. Nothing is opened here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glovebox.algebra import circuits
from glovebox.algebra.bits import packed, unpacked
from glovebox.algebra.blocks import hashed
from glovebox.algebra.garbling import TABLE_WORDS, Counter, Evaluator, Garbler, Machine, lowest_bits
from glovebox.algebra.laplace import Decay, geometrics
from glovebox.algebra.streams import KEY_BYTES, Stream
from glovebox.errors import Refused
from glovebox.protocols.finishing import SALT, Finishing, Part, check_noise
from glovebox.protocols.having import Bound
from glovebox.protocols.two_party.correlations import tweaked
from glovebox.protocols.two_party.prepared import Needs, Prepared
from glovebox.protocols.two_party.totals import shifted
from glovebox.runtime.context import Context, Role

U8 = NDArray[np.uint8]
U64 = NDArray[np.uint64]


@dataclass(frozen=True)
class Ending:
    """The public shape: what is finished and opened, and the ring of each total, 32 or 64 bits."""

    finishing: Finishing
    rings: tuple[int, ...]

    @property
    def input_bits(self) -> int:
        """Of one party's shares."""
        return sum(self.rings) * self.finishing.groups

    @property
    def widths(self) -> tuple[int, ...]:
        """Bits of what is opened of a group: shown, then each part."""
        return (1, *map(self._width, self.finishing.parts))

    def _width(self, part: Part) -> int:
        if part.kind == "total":
            return self.rings[part.total]
        if part.kind == "band":
            return len(part.edges)  # a bit for each edge: how many are set says no more than the band
        return 1 if part.kind == "null" else circuits.average_bits(part.low, part.high)

    @property
    def gates(self) -> int:
        """ANDs of all groups."""
        counter = Counter()
        wires = [np.zeros((bits, 1, 2), np.uint64) for bits in self.rings]
        outputs(counter, self, wires, wires)
        return counter.gates * self.finishing.groups

    @property
    def share_bytes(self) -> int:
        """Of one party's shares of what is opened."""
        return -(-sum(self.widths) * self.finishing.groups // 8)

    @property
    def opening_bytes(self) -> int:
        """Of one party's opening."""
        return self.share_bytes + SALT

    def needs(self) -> Needs:
        """Transfers, to be prepared before."""
        return Needs(query_blocks=self.input_bits)

    def traffic(self) -> dict[str, float]:
        """The sizes of the card."""
        return {"I": self.input_bits, "A": self.gates}

    @property
    def largest_frame(self) -> int:
        """Bytes of the largest frame."""
        return max(8 * TABLE_WORDS * self.gates, 16 * self.input_bits, self.opening_bytes)


async def finish(ctx: Context, ending: Ending, prepared: Prepared, shares: U64) -> bytes:
    """This party's opening: its shares of what is opened, and its part of the salt. Nothing of it is sent.

    shares: (totals, groups) uint64, below 2^ring. The caller stores the opening, then gives it to `reveal.py`.
    """
    finishing = ending.finishing
    if finishing.nesting is not None:
        raise Refused("two parties suppress no groups beside the small ones", step="finishing")
    if finishing.threshold < 1 or shares.shape != (len(ending.rings), finishing.groups):
        raise Refused("a threshold of at least 1 and totals of the agreed shape are needed", step="finishing")
    if finishing.decays:
        check_noise(finishing)
    bits = np.concatenate([_bits(share, ring) for share, ring in zip(shares, ending.rings, strict=True)])
    part = _evaluate if ctx.role is Role.QUERY else _garble
    wires = await part(ctx, ending, prepared, bits)
    return packed(lowest_bits(wires).reshape(-1)).tobytes() + ctx.private("salt").bytes(SALT)


def noisy(ctx: Context, decays: tuple[Decay | None, ...], receivers: tuple[int, ...], shares: U64) -> U64:
    """Shares mod 2^64 with this party's noise, a whole discrete Laplace a total and group, if somebody else receives.

    Its own noise protects nothing from itself; so if both receive, both add theirs (two-party.md 2.6).
    """
    if all(receiver == ctx.party for receiver in receivers):
        return shares
    out, groups = shares.copy(), shares.shape[1]
    for number, decay in enumerate(decays):
        if decay is not None:
            out[number] += geometrics(decay, groups, ctx.entropy) - geometrics(decay, groups, ctx.entropy)
    return out


def outputs(m: Machine, ending: Ending, query: list[U64], table: list[U64]) -> U64:
    """All wires that are opened: (bits, lanes, 2). query, table: shares of each total, (ring, lanes, 2)."""
    finishing = ending.finishing
    totals: dict[int, U64] = {}
    for ring in sorted(set(ending.rings)):
        which = [index for index, bits in enumerate(ending.rings) if bits == ring]
        own, other = (np.stack([shares[index] for index in which], axis=1) for shares in (query, table))
        totals |= dict(zip(which, np.moveaxis(circuits.added(m, own, other), 1, 0), strict=True))
    people = totals[finishing.people]
    shown = circuits.at_least(m, circuits.widened(people, len(people) + 1, True), finishing.threshold)
    if finishing.zero_shown:
        shown = shown ^ circuits.zero(m, people)
    for bound in finishing.having:
        shown = m.both(shown, _meets(m, bound, totals))
    parts = []
    for part in finishing.parts:
        if part.kind == "total":
            parts.append(totals[part.total])
            continue
        if part.kind == "band":
            wide = circuits.widened(totals[part.total], len(totals[part.total]) + 1, True)
            parts.append(np.stack([circuits.at_least(m, wide, edge) for edge in part.edges]))
            continue
        count = totals[part.over][: max(1, finishing.most[part.over].bit_length())]
        if part.kind == "null":
            parts.append(circuits.zero(m, count)[None])
        else:
            parts.append(circuits.average(m, totals[part.total], count, part.low, part.high)[0])
    kept = m.both(shown[None], np.concatenate(parts)) if parts else np.empty((0, *shown.shape), np.uint64)
    return np.concatenate([shown[None], kept])


def _meets(m: Machine, bound: Bound, totals: dict[int, U64]) -> U64:
    """Whether a sum of totals, each times a factor, and a constant is at least zero: a wire."""
    most = [1 << (len(totals[total]) - 1) for total in range(len(totals))]
    first = totals[bound.terms[0][0]][0]
    number = circuits.constant(m, bound.constant, bound.bits(most), first)
    for total, factor in bound.terms:
        part = circuits.times(m, circuits.widened(totals[total], len(number), True), abs(factor))
        number = circuits.added(m, number, part) if factor > 0 else circuits.subtracted(m, number, part)
    return m.flipped(circuits.negative(number))


async def _evaluate(ctx: Context, ending: Ending, prepared: Prepared, bits: U8) -> U64:
    blocks = prepared.chosen_blocks(ending.input_bits)
    flat = bits.reshape(-1)
    await ctx.send(Role.TABLE, packed(flat) ^ blocks.bits, "choices")
    seed = (await ctx.receive(Role.TABLE, np.uint8, KEY_BYTES, "seed")).tobytes()
    masked = await ctx.receive(Role.TABLE, np.uint64, (len(flat), 2), "labels")
    tables = await ctx.receive(Role.TABLE, np.uint64, (ending.gates, TABLE_WORDS), "tables")
    own = hashed(tweaked(blocks.keys, blocks.first)) ^ (masked & np.negative(flat.astype(np.uint64))[:, None])
    theirs = Stream(seed).read((len(flat), 2), np.uint64)
    return await ctx.compute(_run, Evaluator(tables), ending, own, theirs)


async def _garble(ctx: Context, ending: Ending, prepared: Prepared, bits: U8) -> U64:
    (blocks,) = await shifted(ctx, [prepared.sent_blocks(ending.input_bits)], "choices")
    private = ctx.private("labels")
    seed, garbler = private.bytes(KEY_BYTES), Garbler(private.read(2, np.uint64))
    zero = hashed(tweaked(blocks.keys, blocks.first))
    one = hashed(tweaked(blocks.keys ^ blocks.difference, blocks.first))
    # the labels of its own bits are the evaluator's stream: those of bit 0 follow, and need not be sent
    active = Stream(seed).read((bits.size, 2), np.uint64)
    mine = active ^ (garbler.difference & np.negative(bits.reshape(-1, 1).astype(np.uint64)))
    wires = await ctx.compute(_run, garbler, ending, zero, mine)
    await ctx.send(Role.QUERY, np.frombuffer(seed, np.uint8), "seed")
    await ctx.send(Role.QUERY, zero ^ one ^ garbler.difference, "labels")
    await ctx.send(Role.QUERY, garbler.tables, "tables")
    return wires


def _run(m: Machine, ending: Ending, query: U64, table: U64) -> U64:
    groups, ends = ending.finishing.groups, np.cumsum(ending.rings)[:-1]
    both = [np.split(labels.reshape(-1, groups, 2), ends) for labels in (query, table)]
    return outputs(m, ending, *both)


def _bits(share: U64, ring: int) -> U8:
    """(ring, groups)."""
    return (share >> np.arange(ring, dtype=np.uint64)[:, None] & np.uint64(1)).astype(np.uint8)


def opened_numbers(ending: Ending, shares: U8) -> NDArray[np.object_]:
    """The numbers of all groups, shown first: (1 + parts, groups), from the XOR of both parties' share bytes."""
    groups = ending.finishing.groups
    bits = unpacked(shares)[: sum(ending.widths) * groups].reshape(-1, groups).astype(object)
    kinds, rows, at = ["shown", *(part.kind for part in ending.finishing.parts)], [], 0
    for kind, width in zip(kinds, ending.widths, strict=True):
        powers = np.array([[1 if kind == "band" else 1 << place] for place in range(width)], dtype=object)
        number = (bits[at : at + width] * powers).sum(axis=0)
        signed = kind in ("total", "quotient")
        rows.append(np.where(number >> (width - 1), number - (1 << width), number) if signed else number)
        at += width
    return np.stack(rows)
