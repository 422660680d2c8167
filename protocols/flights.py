"""What gates on shared rows are made of: columns opened once under dealt masks, and products of masks dealt along.

Functionality  the result of a gate on columns that QUERY and HELPER share; bits by XOR, numbers in Z_2^l by addition
Parties        QUERY and HELPER hold and receive shares; TABLE deals
Security       semi-honest, one corrupt party; perfect given the streams
Leakage        n and the gates
Rounds         F; flights that open something
Bytes          n O + n D; see `cost_of`: bytes a row that are opened by both together O, and dealt D
Source         Beaver, CRYPTO 1991 (products from opened inputs), STOC 1997 (a server that deals); psi.md 17

A gate is a generator that all three parties run alike, local work only: it yields a `Flight`, the wires to be open and
the products of masks to be dealt, and goes on with its shares of these. A column is an array whose last axis is rows:
packed bits (n // 8 bytes of uint8, shared by XOR) or numbers (n items of uint16, uint32 or uint64). TABLE's arrays have
no rows, so that it runs the same code on nothing and deals from the masks alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from glovebox.algebra.streams import Stream
from glovebox.runtime.context import Context, Role

Array = NDArray[Any]
U8 = NDArray[np.uint8]
Result = TypeVar("Result")

OTHER = {Role.QUERY: Role.HELPER, Role.HELPER: Role.QUERY}
ROW_BITS = 64  # n is a multiple: a plane of bits is whole words, and every array in a frame is aligned


class Wire:
    """A shared column that enters products, opened at most once, however many they are.

    share: this party's. holder: who alone has the column, whose share is the column then; None if both share it.
    Once opened: value is column - mask, public to QUERY and HELPER; mask this party's share of the mask; whole, at
    TABLE only, the mask.
    """

    __slots__ = ("holder", "mask", "share", "value", "whole")

    def __init__(self, share: Array, holder: Role | None = None) -> None:
        self.share = share
        self.holder = holder
        self.value: Array | None = None
        self.mask = self.whole = share[..., :0]

    def __repr__(self) -> str:
        return f"<Wire {self.share.dtype} {self.share.shape[:-1]}: {'shut' if self.value is None else 'open'}>"

    def __getitem__(self, planes: slice) -> Wire:
        """Some of the columns of an opened wire, along the axis before the rows."""
        return self._like(lambda column: column[..., planes, :])

    def __xor__(self, other: Wire) -> Wire:
        """The XOR of two opened wires is open: its mask is the XOR of theirs."""
        both = Wire(self.share ^ other.share)
        both.value, both.mask, both.whole = (
            opened(self) ^ opened(other),
            self.mask ^ other.mask,
            self.whole ^ other.whole,
        )
        return both

    def _like(self, change: Callable[[Array], Array]) -> Wire:
        wire = Wire(change(self.share), self.holder)
        wire.value, wire.mask, wire.whole = change(opened(self)), change(self.mask), change(self.whole)
        return wire


class Flight(NamedTuple):
    """What a gate asks for: wires to be open, and products of masks of which it wants shares.

    Each product is computed at TABLE from `whole` of wires, which are set by then; elsewhere on arrays without rows.
    """

    wires: tuple[Wire, ...]
    products: tuple[Callable[[], Array], ...] = ()


Gate = Generator[Flight, tuple[Array, ...], Result]


@dataclass(frozen=True)
class Cost:
    """What a gate costs: flights that open something, and bytes a row that QUERY and HELPER open and TABLE deals."""

    rounds: int
    opened: float
    dealt: float


@dataclass(frozen=True)
class Task:
    """A gate that starts when its inputs, results of earlier tasks by number, are there."""

    inputs: tuple[int, ...]
    start: Callable[..., Gate[Any]]


def part(me: Role, holder: Role, share: Array) -> Wire:
    """One party's share as a column of its own; where this is not the holder, only the shape counts."""
    return Wire(share if me is holder else np.broadcast_to(np.zeros((), share.dtype), share.shape), holder)


def opened(wire: Wire) -> Array:
    """The value of a wire that was opened."""
    if wire.value is None:
        raise RuntimeError("a wire is opened before it enters a product")
    return wire.value


def product(me: Role, x: Wire, y: Wire, dealt: Array) -> Array:
    """A share of x y (of bits: x & y) from both opened and a share of the product of their masks [Beaver91]."""
    if x.share.dtype == np.uint8:
        bits: Array = (opened(x) & y.mask) ^ (opened(y) & x.mask) ^ dealt
        return bits ^ (opened(x) & opened(y)) if me is Role.QUERY else bits
    share: Array = opened(x) * y.mask + opened(y) * x.mask + dealt
    return share + opened(x) * opened(y) if me is Role.QUERY else share


def scheduled(tasks: Sequence[Task]) -> Gate[list[Any]]:
    """The results of all tasks; those under way at a time share their flights."""
    results: dict[int, Any] = {}
    under_way: dict[int, tuple[Gate[Any], Flight]] = {}

    def go_on(number: int, gate: Gate[Any], dealt: tuple[Array, ...] | None) -> None:
        under_way.pop(number, None)
        try:
            under_way[number] = gate, gate.send(dealt) if dealt is not None else next(gate)
        except StopIteration as end:
            results[number] = end.value

    def start() -> None:
        for number, task in enumerate(tasks):
            if number not in under_way and number not in results and all(one in results for one in task.inputs):
                go_on(number, task.start(*(results[one] for one in task.inputs)), None)

    start()
    while under_way:
        asked = sorted(under_way.items())
        flights = [flight for _, (_, flight) in asked]
        dealt = iter((yield Flight(sum((f.wires for f in flights), ()), sum((f.products for f in flights), ()))))
        for number, (gate, flight) in asked:
            go_on(number, gate, tuple(islice(dealt, len(flight.products))))
        start()
    return [results[number] for number in range(len(tasks))]


def together(*gates: Gate[Any]) -> Gate[list[Any]]:
    """The results of independent gates, in shared flights."""
    return scheduled([Task((), lambda gate=gate: gate) for gate in gates])


def cost_of(gate: Gate[Any]) -> Cost:
    """Run a gate on columns without rows, and count."""
    rounds, opened_bits, dealt_bits = 0, 0, 0
    flight = _go_on(gate, None)
    while isinstance(flight, Flight):
        fresh = _fresh(flight)
        for wire in fresh:
            wire.value = wire.share
        dealt = tuple(one() for one in flight.products)
        rounds += bool(fresh)
        opened_bits += sum(_row_bits(wire.share) * (1 if wire.holder else 2) for wire in fresh)
        dealt_bits += sum(_row_bits(one) for one in dealt)
        flight = _go_on(gate, dealt)
    return Cost(rounds, opened_bits / 8, dealt_bits / 8)


async def evaluated(ctx: Context, gate: Gate[Result], n: int) -> Result:
    """Run a gate on n rows, a multiple of 64; its result at QUERY and HELPER, arrays without rows at TABLE."""
    if n % ROW_BITS:
        raise ValueError("gates work on a multiple of 64 rows")
    number, dealt = 0, None
    while True:
        asked: Flight | _End[Result] = await ctx.compute(_go_on, gate, dealt)
        if not isinstance(asked, Flight):
            return asked.result
        dealt = await _flown(ctx.narrow(f"flight{number}"), asked, n)
        number += 1


class _End(NamedTuple, Generic[Result]):
    """What a gate came to."""

    result: Result


def _go_on(gate: Gate[Result], dealt: tuple[Array, ...] | None) -> Flight | _End[Result]:
    """What the gate asks for next."""
    try:
        return next(gate) if dealt is None else gate.send(dealt)
    except StopIteration as end:
        return _End(end.value)


async def _flown(ctx: Context, flight: Flight, n: int) -> tuple[Array, ...]:
    """Open the wires that are not open yet, each party's in one frame, and share the products."""
    wires = _fresh(flight)
    match ctx.role:
        case Role.TABLE:
            masks = {role: ctx.stream(role, "m") for role in OTHER}
            dealt = await ctx.compute(_dealt, flight, wires, masks, ctx.stream(Role.HELPER, "g"), n)
            if len(dealt):
                await ctx.send(Role.QUERY, dealt, "dealt")
            return tuple(one()[..., :0] for one in flight.products)
        case Role.QUERY | Role.HELPER as me:
            mine = await ctx.compute(_masked, wires, me, ctx.stream(Role.TABLE, "m"), n)
            if len(mine):
                await ctx.send(OTHER[me], mine, "opened")
            size = _size([wire.share for wire in _sent(wires, OTHER[me])], n)
            theirs = await ctx.receive(OTHER[me], np.uint8, size, "opened") if size else mine[:0]
            await ctx.compute(_open, wires, me, mine, theirs, n)
            products = [one() for one in flight.products]
            return tuple(_views(await _shares(ctx, me, _size(products, n)), products, n))
        case _:
            raise ValueError("gates are run by QUERY, TABLE and HELPER")


async def _shares(ctx: Context, me: Role, size: int) -> U8:
    """What TABLE dealt: to QUERY in a frame, to HELPER as a stream."""
    if me is Role.HELPER:
        return await ctx.compute(ctx.stream(Role.TABLE, "g").read, size, np.uint8)
    return await ctx.receive(Role.TABLE, np.uint8, size, "dealt") if size else np.empty(0, np.uint8)


def _dealt(flight: Flight, wires: list[Wire], streams: dict[Role, Stream], gamma: Stream, n: int) -> U8:
    """QUERY's shares of the products, product - g; g is HELPER's."""
    masks: dict[Role, Iterator[Array]] = {}
    for role, stream in streams.items():
        arrays = [wire.share for wire in _sent(wires, role)]
        masks[role] = _views(stream.read(_size(arrays, n), np.uint8), arrays, n)
    for wire in wires:
        parts = [next(masks[role]) for role in OTHER if wire.holder in (None, role)]
        wire.value, wire.whole = wire.share, _plus(*parts) if len(parts) > 1 else parts[0]
    products = [one() for one in flight.products]
    dealt = gamma.read(_size(products, n), np.uint8)
    for whole, place in zip(products, _views(dealt, products, n), strict=True):
        _minus(whole, place, place)
    return dealt


def _masked(wires: list[Wire], me: Role, stream: Stream, n: int) -> U8:
    """This party's shares of the wires less its masks, in one frame; a wire of the other has no mask here."""
    sent = [wire.share for wire in _sent(wires, me)]
    masks = stream.read(_size(sent, n), np.uint8)
    frame = np.empty_like(masks)
    places = zip(_views(masks, sent, n), _views(frame, sent, n), strict=True)
    for wire in wires:
        if wire.holder in (None, me):
            wire.mask, place = next(places)
            _minus(wire.share, wire.mask, place)
        else:
            wire.mask = np.broadcast_to(np.zeros((), wire.share.dtype), _shape(wire.share, n))
    return frame


def _open(wires: list[Wire], me: Role, mine: U8, theirs: U8, n: int) -> None:
    own = _views(mine, [wire.share for wire in _sent(wires, me)], n)
    other = _views(theirs, [wire.share for wire in _sent(wires, OTHER[me])], n)
    for wire in wires:
        if wire.holder is None:
            wire.value = _plus(next(own), next(other))
        else:
            wire.value = next(own if wire.holder is me else other)


def _fresh(flight: Flight) -> list[Wire]:
    """The wires to open, each once, in the order in which they are asked for."""
    return [wire for wire in dict.fromkeys(flight.wires) if wire.value is None]


def _sent(wires: list[Wire], sender: Role) -> list[Wire]:
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


def _plus(x: Array, y: Array) -> Array:
    total: Array = x ^ y if x.dtype == np.uint8 else x + y
    return total


def _minus(x: Array, y: Array, out: Array) -> None:
    if x.dtype == np.uint8:
        np.bitwise_xor(x, y, out=out)
    else:
        np.subtract(x, y, out=out)
