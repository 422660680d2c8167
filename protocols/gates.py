"""Gates on shared columns: products, choices, bits as numbers; what QUERY alone knows takes the cheaper form.

Functionality  z = f(x, y) row by row, f of the table; bits are shared by XOR, numbers in Z_2^l
Parties        QUERY and HELPER hold and receive shares; TABLE deals
Security       semi-honest, one corrupt party; perfect given the streams
Leakage        n and the gate
Rounds         1; of a sign see `comparison`, of a minimum 1 more
Bytes          n O + n D; O opened and D dealt, bytes a row, see the table; wires open once are not opened again
Source         Beaver, CRYPTO 1991; psi.md 17

gate                           O        D      l = 64, in proportion for fewer bits
multiplied, bits               1/2      1/8    O 1/4 with a bit that QUERY knows
multiplied, numbers            32       8      O 16 of a square, 16 with a number that QUERY knows
counted                        1/4      8      a bit as a number
chosen                         16 1/4   16     b p; a further p with the same b 16 and 8, a further b 1/4 and 16
chosen, b or p QUERY's         8 1/8    8
sign, nought                   see `comparison`; minimum is a sign and chosen
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from glovebox.algebra.bits import unpacked
from glovebox.algebra.ring import kept, signed
from glovebox.protocols.comparison import negative, zero
from glovebox.protocols.wires import Array, Dealt, Flight, Gate, Wire, part, plus, product, times
from glovebox.runtime.context import Role


class Column:
    """Bits or numbers in shares, with the wires that gates open, each made and opened once.

    share: this party's; packed bits (n / 8,) uint8, or numbers (n,) unsigned. known: to QUERY alone, zeros at HELPER.
    """

    def __init__(self, me: Role, share: Array, known: bool = False) -> None:
        self.me = me
        self.share = share
        self.known = known
        self._lifts: dict[np.dtype[Any], Dealt] = {}

    def __repr__(self) -> str:
        return f"<Column {self.share.dtype}{' that QUERY knows' if self.known else ''}>"

    @functools.cached_property
    def wire(self) -> Wire:
        """What both share."""
        return Wire(self.share)

    @functools.cached_property
    def of_query(self) -> Wire:
        """QUERY's share alone."""
        return part(self.me, Role.QUERY, self.share)

    @functools.cached_property
    def of_helper(self) -> Wire:
        """HELPER's share alone."""
        return part(self.me, Role.HELPER, self.share)

    def lift(self, ring: np.dtype[Any]) -> Dealt:
        """The mask of the wire's bits, as numbers."""
        return self._lifts.setdefault(ring, Dealt(lambda: numbers(self.wire.whole, ring)))


def numbers(bits: Array, ring: np.dtype[Any]) -> Array:
    """Packed bits as numbers 0 and 1: (.., n) from (.., n / 8)."""
    ones: Array = unpacked(bits).astype(ring)
    return ones


def multiplied(x: Column, y: Column) -> Gate[Column]:
    """x & y of bits, x y of numbers."""
    if y.known:
        x, y = y, x
    if y.known or not x.known:
        share = times(x.share, y.share) if y.known else (yield from product(x.me, x.wire, y.wire))
        return Column(x.me, share, y.known)
    cross = yield from product(x.me, x.of_query, y.of_helper)
    return Column(x.me, plus(cross, times(x.share, y.share)))  # HELPER's x is 0


def counted(bit: Column, ring: np.dtype[Any]) -> Gate[Column]:
    """A bit b = c ^ r as the number c + (1 - 2 c) r."""
    if bit.known:
        return Column(bit.me, numbers(bit.share, ring), known=True)
    yield Flight((bit.wire,), (bit.lift(ring),))
    opened = unpacked(bit.wire.value)
    share = signed(opened, bit.lift(ring).share)
    return Column(bit.me, share + opened if bit.me is Role.QUERY else share)


def chosen(bit: Column, number: Column) -> Gate[Column]:
    """b p: p where the bit is set, else 0."""
    me, p = bit.me, number.share
    if bit.known and number.known:
        return Column(me, kept(unpacked(bit.share), p), known=True)
    if bit.known:  # b p_Q + b p_S
        cross = yield from _chosen(me, bit.of_query, number.of_helper, None)
        return Column(me, kept(unpacked(bit.share), p) + cross)
    if number.known:  # b_Q v + b_S (1 - 2 b_Q) v
        mine = unpacked(bit.share)
        cross = yield from _chosen(me, bit.of_helper, part(me, Role.QUERY, signed(mine, p)), None)
        return Column(me, kept(mine, p) + cross)  # HELPER's v is 0
    return Column(me, (yield from _chosen(me, bit.wire, number.wire, bit.lift(p.dtype))))


def _chosen(me: Role, bit: Wire, number: Wire, lift: Dealt | None) -> Gate[Array]:
    """A share of b p = c p + (1 - 2 c) (P r + r a), with b = c ^ r and p = P + a; r is dealt, or all of it is here."""
    ring = number.share.dtype
    both = Dealt(lambda: numbers(bit.whole, ring) * number.whole)
    yield Flight((bit, number), (both, lift) if lift else (both,))
    opened, mask = unpacked(bit.value), lift.share if lift else numbers(bit.mask, ring)
    return kept(opened, number.share) + signed(opened, number.value * mask + both.share)


def sign(x: Column, bits: int) -> Gate[Column]:
    """[x < 0], where -2^(bits - 1) <= x < 2^(bits - 1)."""
    if x.known:
        return known_bits(x, x.share >> x.share.dtype.type(bits - 1) & x.share.dtype.type(1))
    return Column(x.me, (yield from negative(x.me, x.share, bits)))


def nought(x: Column, bits: int) -> Gate[Column]:
    """[x = 0], where |x| < 2^bits."""
    if x.known:
        return known_bits(x, x.share == 0)
    return Column(x.me, (yield from zero(x.me, x.share, bits)))


def known_bits(like: Column, rows: Array) -> Column:
    """Bits that QUERY knows, from a 0 or 1 a row, as many as another column's; zeros elsewhere."""
    bits = np.packbits(rows.astype(bool), axis=-1, bitorder="little")
    return Column(like.me, bits if like.me is Role.QUERY else np.zeros_like(bits), known=True)


def minimum(x: Column, y: Column, bits: int) -> Gate[Column]:
    """y + [x < y] (x - y), where |x - y| < 2^(bits - 1)."""
    less = Column(x.me, x.share - y.share, x.known and y.known)
    taken = yield from chosen((yield from sign(less, bits)), less)
    return Column(x.me, y.share + taken.share, less.known)
