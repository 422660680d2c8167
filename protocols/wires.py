"""The words of gates on shared rows: wires, what is dealt of their masks, flights, and gates that share them.

A column is an array whose last axis is rows: packed bits (n / 8 bytes of uint8, shared by XOR) or numbers (n items of
uint16, uint32 or uint64, shared by addition). A gate is a generator that all three parties run alike, local work only:
it yields a `Flight`, the wires it needs open and the shares it needs dealt, and goes on when both are there (psi.md
17). TABLE's columns have no rows, so it runs the same code on nothing, and deals from the masks alone. All three must
ask for the same: what a gate asks for, and which wires are one, never depends on the party or on a share.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from glovebox.runtime.context import Role

Array = NDArray[Any]
Result = TypeVar("Result")


class Wire:
    """A column that enters products, opened at most once, however many they are.

    share: this party's. holder: who alone has the column, with zeros elsewhere; None if QUERY and HELPER share it.
    mask: this party's share of the mask. whole: the mask, at TABLE; an array without rows elsewhere.
    """

    __slots__ = ("_value", "holder", "mask", "share", "whole")

    def __init__(self, share: Array, holder: Role | None = None) -> None:
        self.share = share
        self.holder = holder
        self.mask = self.whole = share[..., :0]
        self._value: Array | None = None

    def __repr__(self) -> str:
        return f"<Wire {self.share.dtype} {self.share.shape[:-1]}: {'open' if self.is_open else 'shut'}>"

    @property
    def is_open(self) -> bool:
        """Whether column - mask is known to QUERY and HELPER."""
        return self._value is not None

    @property
    def value(self) -> Array:
        """Column - mask."""
        if self._value is None:
            raise RuntimeError("a wire is opened before it enters a product")
        return self._value

    def open(self, value: Array) -> Wire:
        """Note column - mask, once."""
        if self._value is not None:
            raise RuntimeError("a wire is opened once")
        self._value = value
        return self

    def __getitem__(self, planes: slice) -> Wire:
        """Some of the columns of an open wire, along the axis before the rows."""
        wire = Wire(self.share[..., planes, :], self.holder)
        wire.mask, wire.whole = self.mask[..., planes, :], self.whole[..., planes, :]
        return wire.open(self.value[..., planes, :])

    def __xor__(self, other: Wire) -> Wire:
        """The XOR of two open wires is open: its mask is the XOR of theirs. It is not made to be opened: no share."""
        value = self.value ^ other.value
        wire = Wire(value[..., :0])
        wire.mask, wire.whole = self.mask ^ other.mask, self.whole ^ other.whole
        return wire.open(value)


class Dealt:
    """A function of masks of which TABLE deals shares, once.

    whole: computes it at TABLE from `whole` of open wires; elsewhere it gives an array without rows.
    """

    __slots__ = ("_share", "whole")

    def __init__(self, whole: Callable[[], Array]) -> None:
        self.whole = whole
        self._share: Array | None = None

    def __repr__(self) -> str:
        return f"<Dealt: {'given' if self.is_given else 'asked for'}>"

    @property
    def is_given(self) -> bool:
        """Whether this party has its share."""
        return self._share is not None

    @property
    def share(self) -> Array:
        """This party's share."""
        if self._share is None:
            raise RuntimeError("what is dealt is asked for in a flight")
        return self._share

    def give(self, share: Array) -> None:
        """Note this party's share."""
        self._share = share


class Flight(NamedTuple):
    """What a gate needs to go on: wires open, and shares dealt."""

    wires: tuple[Wire, ...]
    dealt: tuple[Dealt, ...] = ()


Gate = Generator[Flight, None, Result]


@dataclass(frozen=True)
class Task:
    """A gate that starts when its inputs, results of earlier tasks by number, are there."""

    inputs: tuple[int, ...]
    start: Callable[..., Gate[Any]]


def part(me: Role, holder: Role, share: Array) -> Wire:
    """One party's share as a column of its own; where this is not the holder, only the shape counts."""
    return Wire(share if me is holder else np.broadcast_to(np.zeros((), share.dtype), share.shape), holder)


def times(x: Array, y: Array) -> Array:
    """x & y of bits, x y of numbers."""
    both: Array = x & y if x.dtype == np.uint8 else x * y
    return both


def plus(x: Array, y: Array) -> Array:
    """x ^ y of bits, x + y of numbers."""
    total: Array = x ^ y if x.dtype == np.uint8 else x + y
    return total


def product(me: Role, x: Wire, y: Wire) -> Gate[Array]:
    """A share of x & y or x y: of masks it is dealt, the rest follows from what is open [Beaver91]."""
    masks = Dealt(lambda: times(x.whole, y.whole))
    yield Flight((x, y), (masks,))
    return completed(me, x, y, masks)


def completed(me: Role, x: Wire, y: Wire, masks: Dealt) -> Array:
    """X Y + X b + Y a + <a b> of open wires X + a and Y + b; terms of open values only are QUERY's."""
    share = times(x.value, plus(y.mask, y.value) if me is Role.QUERY else y.mask)
    for term in (times(y.value, x.mask), masks.share):
        (np.bitwise_xor if share.dtype == np.uint8 else np.add)(share, term, out=share)
    return share


def scheduled(tasks: Sequence[Task]) -> Gate[list[Any]]:
    """The results of all tasks; those under way at a time share their flights."""
    results: dict[int, Any] = {}
    under_way: dict[int, tuple[Gate[Any], Flight]] = {}
    lacking = [len(set(task.inputs)) for task in tasks]
    waiting: list[list[int]] = [[] for _ in tasks]  # those that a task's result is an input of
    for number, task in enumerate(tasks):
        for one in set(task.inputs):
            waiting[one].append(number)

    def go_on(gates: list[tuple[int, Gate[Any]]]) -> None:
        """Run gates to their next flights, and whatever can start when one of them ends."""
        while gates:
            number, gate = gates.pop()
            try:
                under_way[number] = gate, next(gate)
                continue
            except StopIteration as end:
                under_way.pop(number, None)
                results[number] = end.value
            for later in waiting[number]:
                lacking[later] -= 1
                if not lacking[later]:
                    gates.append((later, started(later)))

    def started(number: int) -> Gate[Any]:
        return tasks[number].start(*(results[one] for one in tasks[number].inputs))

    go_on([(number, started(number)) for number, lack in enumerate(lacking) if not lack])
    while under_way:
        asked = sorted(under_way.items())
        flights = [flight for _, (_, flight) in asked]
        wires = tuple(wire for flight in flights for wire in flight.wires)
        yield Flight(wires, tuple(dealt for flight in flights for dealt in flight.dealt))
        go_on([(number, gate) for number, (gate, _) in asked])
    return [results[number] for number in range(len(tasks))]


def together(*gates: Gate[Any]) -> Gate[list[Any]]:
    """The results of independent gates, in shared flights."""
    if len(gates) == 1:
        return [(yield from gates[0])]
    return (yield from scheduled([Task((), lambda gate=gate: gate) for gate in gates]))
