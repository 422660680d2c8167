"""Expressions over aligned rows, of one owner's columns and another's: bits and numbers of each row, in shares.

Functionality  z[e, i] = expression e of row i; bits by XOR, numbers mod 2^64
Parties        QUERY and HELPER hold and receive shares, QUERY values besides; TABLE deals
Security       semi-honest, one corrupt party; perfect given the streams
Leakage        n and the expressions
Rounds         F; see `traffic`
Bytes          n O + n D; bytes a row opened O and dealt D, see `traffic`
Source         psi.md 17; products of Beaver, CRYPTO 1991, comparisons of Garay, Schoenmakers, Villegas, PKC 2007

Every part is evaluated once, as soon as its own parts are there; all that are under way share flights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glovebox.algebra.bits import packed, unpacked
from glovebox.protocols.comparison import window, window_bits
from glovebox.protocols.expression import (
    Constant,
    Expression,
    Kind,
    Match,
    Operation,
    Payload,
    Shared,
    Value,
    kind_of,
    parts_of,
)
from glovebox.protocols.flights import Cost, cost_of, evaluated
from glovebox.protocols.gates import Column, chosen, counted, known_bits, multiplied, nought, sign
from glovebox.protocols.wires import Array, Gate, Task, scheduled, together
from glovebox.runtime.context import Context, Role

U8 = NDArray[np.uint8]
U64 = NDArray[np.uint64]
Operand = Column | int  # a column, or a public number


@dataclass(frozen=True, repr=False)
class Aligned:
    """A party's part of n rows.

    matches: (n,) uint8 of 0 and 1 of each TABLE, XOR shares. payloads: (payloads, n) uint64 of each TABLE, shares.
    values: (k, n) int64 at QUERY, None at HELPER. columns: (columns, n) uint64, shares of what nobody knows.
    """

    matches: Sequence[U8]
    payloads: Sequence[U64]
    values: NDArray[np.int64] | None
    columns: U64 | None = None

    def __repr__(self) -> str:
        return f"<Aligned: {len(self.matches)} tables>"


async def expressed(
    ctx: Context, expressions: Sequence[Expression], rows: Aligned | None, n: int
) -> list[NDArray[Any]] | None:
    """Shares of each expression: (n,) uint8 of 0 and 1 of a bit, (n,) uint64 of a number; None at TABLE.

    rows: at QUERY and HELPER. n: public, a multiple of 64. A number or bit whose kind is noisy is so in such rows.
    """
    me = ctx.role or Role.TABLE
    columns = await evaluated(ctx, _evaluated(me, expressions, rows, n), n)
    if rows is None:
        return None
    return [unpacked(column) if column.dtype == np.uint8 else column for column in columns]


def traffic(expressions: Sequence[Expression]) -> dict[str, float]:
    """The sizes of the card: flights F, bytes a row opened O and dealt D, and most in a frame M."""
    cost = _cost(tuple(expressions))
    return {"F": cost.rounds, "O": cost.opened, "D": cost.dealt, "M": cost.frame}


@lru_cache(256)  # a plan is priced by whoever chooses roles, explains and runs it
def _cost(expressions: tuple[Expression, ...]) -> Cost:
    return cost_of(_evaluated(Role.TABLE, expressions, None, 0))


def _evaluated(me: Role, expressions: Sequence[Expression], rows: Aligned | None, n: int) -> Gate[list[Array]]:
    if any(isinstance(one, Constant) for one in expressions):
        raise ValueError("a constant is no column")
    parts = parts_of(expressions)
    numbers = {part: number for number, part in enumerate(parts)}
    kinds = {part: kind_of(part) for part in parts}
    tasks = [
        Task(tuple(numbers[one] for one in part.arguments), partial(_operation, me, part, kinds))
        if isinstance(part, Operation)
        else Task((), partial(_leaf, me, part, rows, n))
        for part in parts
    ]
    results = yield from scheduled(tasks)
    return [results[numbers[one]].share for one in expressions]


def _leaf(me: Role, part: Expression, rows: Aligned | None, n: int) -> Gate[Operand]:
    yield from ()
    match part:
        case Constant(number=number):
            return number
        case Value(index=index):
            if rows is None or rows.values is None:
                return Column(me, np.zeros(n if rows else 0, np.uint64), known=True)
            return Column(me, rows.values[index].view(np.uint64), known=True)
        case Payload(table=table, index=index):
            return Column(me, np.empty(0, np.uint64) if rows is None else rows.payloads[table][index])
        case Shared(index=index):
            shares = None if rows is None else rows.columns
            return Column(me, np.empty(0, np.uint64) if shares is None else shares[index])
        case Match(table=table):
            return Column(me, np.empty(0, np.uint8) if rows is None else packed(rows.matches[table]))
    raise ValueError("an operation is no leaf")


def _operation(me: Role, part: Operation, kinds: dict[Expression, Kind], *inputs: Any) -> Gate[Operand]:
    first = kinds[part.arguments[0]]
    match part.operator, inputs:
        case "add", (x, y):
            return _at_once(_sum(x, y))
        case "subtract", (x, y):
            return _at_once(_sum(x, _scaled(y, -1)))
        case "negate", (x,):
            return _at_once(_scaled(x, -1))
        case "multiply", (x, y):
            return multiplied(x, y) if isinstance(x, Column) and isinstance(y, Column) else _at_once(_scaled(x, y))
        case "less", (x, y):
            low, high = _difference(kinds, part)
            longest = max((end if end >= 0 else ~end).bit_length() for end in (low, high))
            return sign(_sum(x, _scaled(y, -1)), max(2, 1 + longest))
        case "equal", (x, y) if first.bit:
            return _at_once(_not(_xor(x, y)))
        case "equal", (x, y):
            low, high = _difference(kinds, part)
            return nought(_sum(x, _scaled(y, -1)), max(1, low.bit_length(), high.bit_length()))
        case "within", (x, low, high):
            return _within(x, first, low, high)
        case "and", _:
            return _all(inputs)
        case "or", _:
            return _any(inputs)
        case "not", (x,):
            return _at_once(_not(x))
        case _, (bit, x, y):
            return _select(bit, x, y)
    raise ValueError("an operation that nobody knows")


def _at_once(operand: Operand) -> Gate[Operand]:
    """A gate without a flight."""
    yield from ()
    return operand


def _sum(x: Operand, y: Operand) -> Column:
    if isinstance(x, int):
        x, y = y, x
    if isinstance(x, int):
        raise ValueError("an operation of constants is a constant")
    if isinstance(y, Column):
        return Column(x.me, x.share + y.share, x.known and y.known)
    return Column(x.me, x.share + _ring(y if x.me is Role.QUERY else 0), x.known)


def _scaled(x: Operand, factor: Operand) -> Operand:
    if isinstance(x, int):
        x, factor = factor, x
    if isinstance(factor, Column):
        raise ValueError("a factor is public")
    return x * factor if isinstance(x, int) else Column(x.me, x.share * _ring(factor), x.known)


def _ring(number: int) -> np.uint64:
    return np.uint64(number % (1 << 64))


def _difference(kinds: dict[Expression, Kind], part: Operation) -> tuple[int, int]:
    """The range of the first argument less the second."""
    x, y = (kinds[argument] for argument in part.arguments)
    return x.low - y.high, x.high - y.low


def _not(bit: Column) -> Column:
    return Column(bit.me, bit.share ^ np.uint8(0xFF if bit.me is Role.QUERY else 0), bit.known)


def _xor(x: Column, y: Column) -> Column:
    return Column(x.me, x.share ^ y.share, x.known and y.known)


def _all(bits: Sequence[Column]) -> Gate[Column]:
    """The AND of all, two by two; what QUERY knows costs nothing among itself."""
    level = sorted(bits, key=lambda bit: not bit.known)
    while len(level) > 1:
        odd = len(level) % 2
        pairs = zip(level[odd::2], level[odd + 1 :: 2], strict=True)
        level = [*level[:odd], *(yield from together(*(multiplied(x, y) for x, y in pairs)))]
    return level[0]


def _any(bits: Sequence[Column]) -> Gate[Column]:
    return _not((yield from _all([_not(bit) for bit in bits])))


def _select(bit: Column, x: Operand, y: Operand) -> Gate[Operand]:
    """y + b (x - y); of bits y ^ b & (x ^ y)."""
    if isinstance(x, int) and isinstance(y, int):
        return _sum(_scaled((yield from counted(bit, np.dtype(np.uint64))), x - y), y)
    if isinstance(x, Column) and isinstance(y, Column) and x.share.dtype == np.uint8:
        return _xor(y, (yield from multiplied(bit, _xor(x, y))))
    return _sum((yield from chosen(bit, _sum(x, _scaled(y, -1)))), y)


def _within(x: Column, kind: Kind, low: int, high: int) -> Gate[Operand]:
    low, high = max(low, kind.low), min(high, kind.high)
    if low > high or (low, high) == (kind.low, kind.high):
        return known_bits(x, np.broadcast_to(low <= high, x.share.shape))
    if x.known:
        numbers = x.share.view(np.int64)
        return known_bits(x, (low <= numbers) & (numbers <= high))
    inside = yield from window(x.me, x.share, window_bits(kind.low, kind.high, low, high), low, high)
    return Column(x.me, inside)
