"""The flights of gates on shared rows: wires are opened once under dealt masks, and products of masks are dealt along.

Functionality  the result of a gate on columns that QUERY and HELPER share, shared alike
Parties        QUERY and HELPER hold and receive shares; TABLE deals
Security       semi-honest, one corrupt party; perfect given the streams
Leakage        n and the gate
Rounds         F; flights that open something
Bytes          n O + n D; bytes a row that QUERY and HELPER open together O and TABLE deals D, see `cost_of`
Source         Beaver, CRYPTO 1991 (products from open inputs), STOC 1997 (a server that deals); psi.md 17

In a flight QUERY and HELPER send one frame each, their shares of all wires less their masks, and TABLE one to QUERY:
what is dealt less HELPER's shares of it, which are a stream. TABLE's frames are functions of the keys alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from glovebox.algebra.streams import Stream
from glovebox.protocols.wires import Array, Dealt, Flight, Gate, Wire, plus
from glovebox.runtime.context import Context, Role

U8 = NDArray[np.uint8]
Result = TypeVar("Result")

OTHER = {Role.QUERY: Role.HELPER, Role.HELPER: Role.QUERY}
ROW_BITS = 64  # n is a multiple: a plane of bits is whole words, and every array in a frame is aligned


@dataclass(frozen=True)
class Cost:
    """What a gate costs: flights that open something, and bytes a row.

    opened: by QUERY and HELPER together. dealt: by TABLE. frame: in the largest frame.
    """

    rounds: int
    opened: float
    dealt: float
    frame: float


async def evaluated(ctx: Context, gate: Gate[Result], n: int) -> Result:
    """Run a gate on n rows, a multiple of 64; its result at QUERY and HELPER, arrays without rows at TABLE."""
    if n % ROW_BITS:
        raise ValueError("gates work on a multiple of 64 rows")
    number = 0
    while True:
        asked: Flight | _End[Result] = await ctx.compute(_go_on, gate)
        if not isinstance(asked, Flight):
            return asked.result
        await _fly(ctx.narrow(f"flight{number}"), _fresh(asked), n)
        number += 1


def cost_of(gate: Gate[Any]) -> Cost:
    """Run a gate on columns without rows, and count bits."""
    rounds, opened, dealt, frame = 0, 0, 0, 0
    while isinstance(asked := _go_on(gate), Flight):
        wires, corrections = _fresh(asked)
        for wire in wires:
            wire.open(wire.share)
        shares = [one.whole() for one in corrections]
        for one, share in zip(corrections, shares, strict=True):
            one.give(share)
        sent = [sum(_row_bits(wire.share) for wire in _sent(wires, role)) for role in OTHER]
        given = sum(map(_row_bits, shares))
        rounds, opened, dealt = rounds + bool(wires), opened + sum(sent), dealt + given
        frame = max(frame, given, *sent)
    return Cost(rounds, opened / 8, dealt / 8, frame / 8)


@dataclass(frozen=True, repr=False)
class _End(Generic[Result]):
    """What a gate came to."""

    result: Result


def _go_on(gate: Gate[Result]) -> Flight | _End[Result]:
    """What the gate asks for next."""
    try:
        return next(gate)
    except StopIteration as end:
        return _End(end.value)


def _fresh(asked: Flight) -> Flight:
    """What is not there yet, each once, in the order in which it is asked for."""
    wires = dict.fromkeys(wire for wire in asked.wires if not wire.is_open)
    return Flight(tuple(wires), tuple(dict.fromkeys(one for one in asked.dealt if not one.is_given)))


async def _fly(ctx: Context, flight: Flight, n: int) -> None:
    match ctx.role:
        case Role.TABLE:
            masks = {role: ctx.stream(role, "m") for role in OTHER}
            corrections = await ctx.compute(_corrections, flight, masks, ctx.stream(Role.HELPER, "g"), n)
            if len(corrections):
                await ctx.send(Role.QUERY, corrections, "dealt")
        case Role.QUERY | Role.HELPER as me:
            mine = await ctx.compute(_masked, flight.wires, me, ctx.stream(Role.TABLE, "m"), n)
            if len(mine):
                await ctx.send(OTHER[me], mine, "opened")
            size = _size([wire.share for wire in _sent(flight.wires, OTHER[me])], n)
            theirs = await ctx.receive(OTHER[me], np.uint8, size, "opened") if size else mine[:0]
            await ctx.compute(_open, flight.wires, me, mine, theirs, n)
            await _take(ctx, me, flight.dealt, n)
        case None:
            raise ValueError("only QUERY, TABLE and HELPER take part")


async def _take(ctx: Context, me: Role, dealt: Sequence[Dealt], n: int) -> None:
    """What TABLE dealt: QUERY's shares in a frame, HELPER's from a stream."""
    shapes = [one.whole() for one in dealt]
    size = _size(shapes, n)
    if not size:
        return
    if me is Role.QUERY:
        shares = await ctx.receive(Role.TABLE, np.uint8, size, "dealt")
    else:
        shares = await ctx.compute(ctx.stream(Role.TABLE, "g").read, size, np.uint8)
    for one, share in zip(dealt, _views(shares, shapes, n), strict=True):
        one.give(share)


def _corrections(flight: Flight, streams: dict[Role, Stream], gamma: Stream, n: int) -> U8:
    """QUERY's shares of what is dealt, whole - g; g is HELPER's."""
    masks: dict[Role, Iterator[Array]] = {}
    for role, stream in streams.items():
        arrays = [wire.share for wire in _sent(flight.wires, role)]
        masks[role] = _views(stream.read(_size(arrays, n), np.uint8), arrays, n)
    for wire in flight.wires:
        parts = [next(masks[role]) for role in OTHER if wire.holder in (None, role)]
        wire.whole = plus(*parts) if wire.holder is None else parts[0]
        wire.open(wire.share)
    wholes = [one.whole() for one in flight.dealt]
    corrections = gamma.read(_size(wholes, n), np.uint8)
    for one, whole, place in zip(flight.dealt, wholes, _views(corrections, wholes, n), strict=True):
        _subtract(whole, place, place)
        one.give(whole[..., :0])
    return corrections


def _masked(wires: Sequence[Wire], me: Role, stream: Stream, n: int) -> U8:
    """This party's shares of the wires less its masks, in one frame; a wire of the other has no mask here."""
    sent = [wire.share for wire in _sent(wires, me)]
    masks = stream.read(_size(sent, n), np.uint8)
    frame = np.empty_like(masks)
    places = zip(_views(masks, sent, n), _views(frame, sent, n), strict=True)
    for wire in wires:
        if wire.holder in (None, me):
            wire.mask, place = next(places)
            _subtract(wire.share, wire.mask, place)
        else:
            wire.mask = np.broadcast_to(np.zeros((), wire.share.dtype), _shape(wire.share, n))
    return frame


def _open(wires: Sequence[Wire], me: Role, mine: U8, theirs: U8, n: int) -> None:
    own = _views(mine, [wire.share for wire in _sent(wires, me)], n)
    other = _views(theirs, [wire.share for wire in _sent(wires, OTHER[me])], n)
    for wire in wires:
        if wire.holder is None:
            wire.open(plus(next(own), next(other)))
        else:
            wire.open(next(own if wire.holder is me else other))


def _sent(wires: Sequence[Wire], sender: Role) -> list[Wire]:
    return [wire for wire in wires if wire.holder in (None, sender)]


def _shape(array: Array, n: int) -> tuple[int, ...]:
    return *array.shape[:-1], n // 8 if array.dtype == np.uint8 else n


def _size(arrays: Sequence[Array], n: int) -> int:
    return sum(math.prod(_shape(array, n)) * array.itemsize for array in arrays)


def _row_bits(array: Array) -> int:
    """Bits a row of a column or several."""
    return math.prod(array.shape[:-1]) * (1 if array.dtype == np.uint8 else 8 * array.itemsize)


def _views(frame: U8, arrays: Sequence[Array], n: int) -> Iterator[Array]:
    """A frame as arrays of these types and shapes, on n rows."""
    start = 0
    for array in arrays:
        end = start + _size([array], n)
        yield frame[start:end].view(array.dtype).reshape(_shape(array, n))
        start = end


def _subtract(x: Array, y: Array, out: Array) -> None:
    if x.dtype == np.uint8:
        np.bitwise_xor(x, y, out=out)
    else:
        np.subtract(x, y, out=out)
