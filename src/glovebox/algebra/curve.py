"""Batches in the group ristretto255 [RFC 9496], every element times one scalar. Import through `kernels` only.

Formulas of field elements: `curve_programs` makes instructions of them, which `curve_loops` runs for 16 points at a
time. Points lie on -x^2 + y^2 = 1 + d x^2 y^2, in the coordinates of [HWCD08]: Hisil, Wong, Carter, Dawson, Twisted
Edwards Curves Revisited, ASIACRYPT 2008. Half of a product is made, then doubled as it is encoded: that takes no root,
and many points share an inversion.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from glovebox.algebra import curve_loops as machine
from glovebox.algebra import curve_programs as field
from glovebox.algebra import ristretto
from glovebox.algebra.curve_programs import FAILED, INVERSE, TABLE, D, Element, Mask, P, Program
from glovebox.algebra.kernels import U8, U32, U64

WINDOWS = 64  # of 4 bits
Code = NDArray[np.int64]


class Point(NamedTuple):
    """x = X / Z, y = Y / Z, x y = T / Z."""

    x: Element
    y: Element
    z: Element
    t: Element


class Completed(NamedTuple):
    """x = e / f, y = g / h."""

    e: Element
    f: Element
    g: Element
    h: Element

    def point(self) -> Point:
        """What is not used of it is not computed: T in all but one of four doublings."""
        return Point(self.e * self.h, self.g * self.f, self.f * self.h, self.e * self.g)


class Cached(NamedTuple):
    """Y - X, Y + X, 2 Z, 2 d T."""

    minus: Element
    plus: Element
    z2: Element
    t2d: Element


def all_times(factor: bytes, encodings: U8) -> U8:
    """See `kernels.CurveKernels`."""
    words = np.ascontiguousarray(encodings).view("<u8")
    if not _are_canonical(words):
        raise ValueError(ristretto.REFUSED)
    return _times(factor, words)


def hashed_times(factor: bytes, uniform: U8) -> U8:
    """See `kernels.CurveKernels`."""
    return _times(factor, np.ascontiguousarray(uniform).view("<u8"))


def _times(factor: bytes, words: U64) -> U8:
    """words: of encodings (n, 4), or uniform (n, 8)."""
    out, work, masks = np.empty((len(words), 4), np.uint64), field.registers(), windows(ristretto.halved(factor))
    opening = _opening(words.shape[1] == 8)
    groups = range(-(-len(words) // machine.LANES))
    for begin in groups[:: machine.GROUPS]:
        shared = groups[begin : begin + machine.GROUPS]
        for group in shared:
            machine.run(opening, words, masks, group, work, out)
        if work[FAILED].any():
            raise ValueError(ristretto.REFUSED)
        machine.run(_inversion(), words, masks, shared[-1], work, out)
        for group in reversed(shared):
            machine.run(_closing(), words, masks, group, work, out)
    return out.view(np.uint8)


def _are_canonical(words: U64) -> bool:
    """Whether all are even numbers below p (RFC 9496, 4.3.1); p and more has all bits from 64 to 254."""
    top = np.uint64(2**63 - 1)
    high = (words[:, 3] == top) & (words[:, 1:3] == 2**64 - 1).all(axis=1) & (words[:, 0] >= P % 2**64)
    return not (high | (words[:, 3] > top) | (words[:, 0] & 1).astype(bool)).any()


def windows(factor: bytes) -> U32:
    """The digits of a scalar from -8 to 7 in base 16, the highest first, as masks: which of 0 to 8 it is, and its sign.

    A scalar below 2^253 plus 8 in each place is below 2^256, and its digits are those and 8. Python adds all limbs of
    long integers, whatever they hold.
    """
    octets = np.frombuffer((int.from_bytes(factor, "little") + 8 * (2**256 // 15)).to_bytes(32, "little"), np.uint8)
    digits = np.stack([octets & 15, octets >> 4], axis=1).reshape(-1)[::-1].astype(np.int64) - 8
    chosen = np.abs(digits)[:, None] == np.arange(machine.ENTRIES)
    return np.concatenate([chosen, digits[:, None] < 0], axis=1).astype(np.uint32) * np.uint32(2**32 - 1)


@functools.cache
def _opening(uniform: bool) -> Code:
    """From rows to the doubled products, unencoded; and their running product, to be inverted."""
    m = Program()
    failed = Mask(m, m.fixed(FAILED))
    if uniform:
        point = added(mapped(m.read(0)), cached(mapped(m.read(1)))).point()
    else:
        point, none = decoded(m.read(0))
        failed |= none
    double = twice(multiplied(m, point))
    product = (double.e * double.g) * (double.f * double.h)
    for place, element in enumerate([*double, product, product * m.load(-1)]):
        m.save(place, element)
    m.put(FAILED, failed | product.is_zero())  # x = 0 or y = 0: one of the points that all stand for the identity
    return m.assembled()


@functools.cache
def _inversion() -> Code:
    """One over the product of some groups of rows: it to the power of p - 2 = 32 (2^250 - 1) + 11."""
    m = Program()
    whole = m.load(5)
    cube = whole.squared() * whole
    m.put(INVERSE, _chain(whole).squared(5) * (whole.squared(3) * cube))
    return m.assembled()


@functools.cache
def _closing() -> Code:
    """The encodings of a group of rows, from the last to the first [Montgomery, Math. Comp. 48, 1987, 10.3.1]."""
    m = Program()
    inverse = Element(m, m.fixed(INVERSE))
    m.write(encoded(Completed(m.load(0), m.load(1), m.load(2, 2), m.load(3)), inverse * m.load(-1)))
    m.put(INVERSE, inverse * m.load(4))
    return m.assembled()


def decoded(s: Element) -> tuple[Point, Mask]:
    """RFC 9496, 4.3.1, but for what `_are_canonical` looks at; and where there is no such point."""
    square = s.squared()
    u1, u2 = 1 - square, 1 + square
    u2_square = u2.squared()
    v = -(u1.squared() * D + u2_square)
    was_square, root = _square_root_of_ratio(s.program.element(1), v * u2_square)
    x_over = root * u2
    x = ((s + s) * x_over).absolute()
    y = u1 * (root * x_over * v)
    t = x * y
    return Point(x, y, s.program.element(1), t), ~was_square | t.is_negative() | y.is_zero()


def mapped(t: Element) -> Point:
    """The map of RFC 9496, 4.3.4: Elligator."""
    r = t.squared() * field.ROOT_M1
    u = (r + 1) * field.ONE_MINUS_D2
    v = -(r * D + 1) * (r + D)
    was_square, root = _square_root_of_ratio(u, v)
    s = was_square.choice(root, -(root * t).absolute())
    n = was_square.choice(-1, r) * (r - 1) * field.D_MINUS_ONE2 - v
    double = s * v
    square = s.squared()
    w0, w1, w2, w3 = double + double, n * field.ROOT_AD, 1 - square, 1 + square
    return Point(w0 * w3, w2 * w1, w1 * w3, w0 * w2)


def _square_root_of_ratio(u: Element, v: Element) -> tuple[Mask, Element]:
    """SQRT_RATIO_M1 of RFC 9496, 4.2: whether u / v is a square, and the root of it, or of i u / v."""
    cube = v.squared() * v
    seventh = cube.squared() * v
    raised = u * seventh
    root = u * cube * (_chain(raised).squared(2) * raised)  # to the power of (p - 5) / 8 = 4 (2^250 - 1) + 1
    check = v * root.squared()
    correct, flipped = (check - u).is_zero(), (check + u).is_zero()
    flipped_i = (check + u * field.ROOT_M1).is_zero()
    root = (flipped | flipped_i).choice(root * field.ROOT_M1, root)
    return correct | flipped, root.absolute()


def _chain(a: Element) -> Element:
    """To the power of 2^250 - 1: 2^k - 1 for k = 1, 2, 3, 5, 10, 20, 40, 50, 100, 200, 250."""
    two = a.squared() * a
    five = (two.squared() * a).squared(2) * two
    ten = five.squared(5) * five
    twenty = ten.squared(10) * ten
    fifty = (twenty.squared(20) * twenty).squared(10) * ten
    hundred = fifty.squared(50) * fifty
    return (hundred.squared(100) * hundred).squared(50) * fifty


def cached(p: Point) -> Cached:
    """Of a point, for additions."""
    return Cached(p.y - p.x, p.y + p.x, p.z + p.z, p.t * (2 * D % P))


def added(p: Point, q: Cached) -> Completed:
    """add-2008-hwcd-3 [HWCD08, 3.1]: holds for all points, for d is no square."""
    a, b = (p.y - p.x) * q.minus, (p.y + p.x) * q.plus
    c, d = p.t * q.t2d, p.z * q.z2
    return Completed(b - a, d + c, b + a, d - c)


def twice(p: Point) -> Completed:
    """dbl-2008-hwcd [HWCD08, 3.3], with both signs turned."""
    x2, y2, z2 = p.x.squared(), p.y.squared(), p.z.squared()
    g, f = y2 + x2, y2 - x2
    return Completed((p.x + p.y).squared() - g, f, g, z2 + z2 - f)


def multiplied(m: Program, point: Point) -> Point:
    """Times the scalar, 4 bits at a time; each time all of the table is read."""
    one, last = cached(point), point
    for entry in range(1, machine.ENTRIES):
        last = added(last, one).point() if entry > 1 else last
        for part, element in enumerate(cached(last)):
            m.put(TABLE + 4 * entry + part, element)
    last = Point(*map(m.element, (0, 1, 1, 0)))
    for window in range(WINDOWS):
        for _ in range(4 if window else 0):
            last = twice(last).point()
        minus, plus, z2, t2d = m.scanned(window)
        sign = m.sign(window)  # of minus the point, Y - X and Y + X change places, and T its sign
        chosen = Cached(sign.choice(plus, minus), sign.choice(minus, plus), z2, sign.choice(-t2d, t2d))
        last = added(last, chosen).point()
    return last


def encoded(p: Completed, inverse: Element) -> Element:
    """RFC 9496, 4.3.2 of a point that was made by doubling; inverse: 1 / (e f g h).

    X = e h, Y = f g, Z = f h, T = e g. Of the point (x, y) that was doubled, e = 2 x y, f = y^2 - x^2, g = y^2 + x^2,
    h = 2 - f, all scaled alike: h^2 - g^2 = (a - d) e^2, so Z^2 - Y^2 = (a - d) (e f)^2, and the inverse root of the
    RFC is 1 / sqrt(a - d), a constant, over e f X Y. There remains |(h - g) / e| times the constant, + g if e / f is
    negative; or, if T / Z is negative, |(f - i e) / g|, + i e if i g / h is negative.
    """
    e, f, g, h = p
    t = e * g
    over_z = t * inverse
    rotate = (t * over_z).is_negative()
    x, y, z = rotate.choice(g * field.ROOT_M1, e), rotate.choice(e * field.ROOT_M1, g), rotate.choice(f, h)
    y = (x * z * over_z).is_negative().choice(-y, y)
    over = rotate.choice(e, g) * (f * h) * inverse
    s = (z - y) * over
    return rotate.choice(s, s * field.INVERSE_ROOT_AD).absolute()
