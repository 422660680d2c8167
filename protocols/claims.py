"""Many products as one claim, that two shared vectors have a shared number as their inner product; and made shorter.

Two fields, numbers modulo p and bits in GF(2^8), one way. That x_k y_k = z_k for all k becomes one claim under random
weights. A claim falls into parts, vectors of a fraction of the length. Polynomials through the parts have an inner
product that is a polynomial too; taken at a random point, they leave a claim of that fraction [BBCGI19, 4.2; GS20, 4].
`verified.py` has what is sent for it, and when weights and points are drawn.

What is called a share here is this party's, of degree t; inner products of shares have degree 2t.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from glovebox.algebra import gf256
from glovebox.algebra.gf2_56 import LANES, basis_at, beyond, coefficients, scaled, summed, times, weighed
from glovebox.algebra.primes import Rows, dot, further, lagrange
from glovebox.algebra.streams import Stream
from glovebox.runtime.noted import Dealt, Kind, Noted, Numbers
from glovebox.runtime.shamir import Shamir
from glovebox.runtime.shares import at_zero, decode, encode, recombined, split, width

U8 = NDArray[np.uint8]
MOST_PARTS = 1 << 7  # of bits: their polynomials are taken at twice as many bytes
PROOF_PARTS = 12  # of dealt bits: weights of `further` that add up to less than 2^30
ENDS = 4  # numbers of a claim that open: one of each vector, their product, what openings leave


def inner_of(bits: int) -> int:
    """Weights of so many bits are products of one of so many and one of the others: tables are made of these alone."""
    return 16 if bits < 1 << 14 else 64


class Claim(Protocol):
    """A claim in one field."""

    element: int
    """Bytes of an element."""

    def fall(self, parts: int) -> Any:
        """Fall into parts. Inner products (elements) that tell those of polynomials through them, of degree 2t."""

    def hide(self, mask: tuple[Any, Any]) -> None:
        """Put a random part before those to come, so that what opens of them says nothing."""

    def meet(self, products: Any, coin: Stream) -> None:
        """Become the claim at a random point. products: what `fall` gave, as shares."""

    def split(self, products: Any, private: Stream, t: int, m: int) -> list[bytes]:
        """Each party's shares of this one's part of what has degree 2t."""

    def joined(self, parts: Sequence[bytes]) -> Any:
        """Shares of what the first 2t + 1 parties have split. Raises ValueError for what is no element."""

    def ends(self) -> bytes:
        """Shares of what opens of a claim of one product."""

    def holds(self, ends: Sequence[bytes], t: int) -> bool:
        """Whether all parties' shares are of degree t, and the claim is true."""


def mask_of_numbers(shamir: Shamir, label: str, p: int) -> tuple[int, int]:
    """Shares of two random numbers that no t parties know."""
    x = y = 0
    for subset, stream in shamir.sets(label):
        if stream is not None:
            weight, words = shamir.weight(subset, p), -(-p.bit_length() // 64) + 1
            one, other = stream.bytes(8 * words), stream.bytes(8 * words)
            x = (x + int.from_bytes(one, "little") * weight) % p
            y = (y + int.from_bytes(other, "little") * weight) % p
    return x, y


def mask_of_bits(shamir: Shamir, label: str) -> tuple[U8, U8]:
    """The same of elements of GF(2^56)."""
    mask = np.zeros((2, LANES), np.uint8)
    for subset, stream in shamir.sets(label):
        if stream is not None:
            weight = gf256.of_set(shamir.index, subset, shamir.m)
            mask ^= gf256.TIMES[weight][stream.read(mask.shape, np.uint8)]
    return mask[0], mask[1]


class NumbersClaim:
    """A claim modulo p. An error stays unseen with a chance of 2^-64, and 2 parts / p each time it falls."""

    def __init__(self, noted: Noted, coin: Stream) -> None:
        products, openings = noted.numbers.every(object)
        self.p = p = noted.modulus
        self.element = width(p)
        weights = coin.read(len(products.x), np.uint64).astype(object)
        self._u = (weights * products.x % p).tolist() or [0]
        self._v = (products.y % p).tolist() or [0]
        self._product = int((weights * products.z).sum()) % p
        weights = coin.read(len(openings.share), np.uint64).astype(object)
        self._linear = int((weights * (openings.share - openings.value)).sum()) % p
        self._dealt = [_DealtBits(one, p, coin) for one in noted.dealt_bits]
        self._hidden = False

    def __repr__(self) -> str:
        return f"<NumbersClaim of {len(self._u)}>"

    def hide(self, mask: tuple[int, int]) -> None:
        self._u.insert(0, mask[0])
        self._v.insert(0, mask[1])
        self._hidden = True

    def proofs(self) -> Numbers:
        """What this party deals of the bits that it dealt, before the first point is drawn."""
        return np.array([value for one in self._dealt for value in one.proof()], object)

    def prove(self, proofs: Sequence[Numbers]) -> None:
        """Take this party's shares of all that was dealt so, by the label of the bits."""
        for one, proof in zip(self._dealt, proofs, strict=True):
            one.proved = proof.tolist()

    def fall(self, parts: int) -> Numbers:
        self._rows = Rows(self._u, parts, self.p), Rows(self._v, parts, self.p)
        u, v = self._rows
        products = [dot(one, other, self.p) for one, other in zip(u.rows[:-1], v.rows[:-1], strict=True)]
        products += [dot(u.weighed(weights), v.weighed(weights), self.p) for weights in further(parts)]
        return np.array(products, object)

    def meet(self, products: Numbers, coin: Stream) -> None:
        u, v = self._rows
        parts = len(u.rows)
        first, rest = products[: parts - 1].tolist(), products[parts - 1 :].tolist()
        last = self._product - sum(first[1:] if self._hidden else first)  # the parts' products add up to the claim's
        point = int.from_bytes(coin.bytes(self.element + 8), "little") % self.p
        self._u, self._v = u.at(point), v.at(point)
        self._product = dot(lagrange(point, 2 * parts - 1, self.p), [*first, last, *rest], self.p)
        for one in self._dealt:
            one.join(point, self._u, self._v)
            self._product += dot(lagrange(point, 2 * PROOF_PARTS - 1, self.p)[PROOF_PARTS:], one.proved, self.p)
        self._dealt = []

    def split(self, products: Numbers, private: Stream, t: int, m: int) -> list[bytes]:
        return [encode(shares.tolist(), self.p) for shares in split(products, self.p, t, m)]

    def joined(self, parts: Sequence[bytes]) -> Numbers:
        lines = [np.array(decode(one, self.p, len(one) // self.element), object) for one in parts]
        weights = at_zero(tuple(range(len(parts))), self.p)
        joined: Numbers = np.array(weights, object) @ np.stack(lines) % self.p
        return joined

    def ends(self) -> bytes:
        return encode([*self._u, *self._v, self._product, self._linear], self.p)

    def holds(self, ends: Sequence[bytes], t: int) -> bool:
        shares = {party: decode(one, self.p, ENDS) for party, one in enumerate(ends)}
        u, v, product, linear = recombined(shares, self.p, t, "claims")
        return (u * v - product) % self.p == 0 and not linear


class _DealtBits:
    """That what one party dealt are bits: b (b - 1) = 0, in parts from the start.

    Polynomials through the parts give inner products that are 0 at all parts. Those beyond the party that dealt the
    bits works out of them as they are, and deals; a coin then tells a point, where all hold the polynomials' shares.
    """

    def __init__(self, dealt: Dealt, p: int, coin: Stream) -> None:
        self._p, self._own = p, dealt.own
        self._rows = Rows(dealt.share.tolist(), PROOF_PARTS, p)
        self._weights = coin.read(self._rows.width, np.uint64).astype(object)
        self.proved: list[int] = []

    def __repr__(self) -> str:
        return f"<_DealtBits: {self._rows!r}>"

    def proof(self) -> list[int]:
        """Of the party that dealt the bits: the inner products beyond."""
        if self._own is None:
            return []
        own = np.zeros((PROOF_PARTS, self._rows.width), np.int64)
        own.reshape(-1)[: len(self._own)] = self._own
        values = np.array(further(PROOF_PARTS), np.int64) @ own  # below 2^30, and their products below 2^61
        proof: list[int] = ((values * (values - 1)).astype(object) @ self._weights % self._p).tolist()
        return proof

    def join(self, point: int, u: list[int], v: list[int]) -> None:
        """Put what the polynomials are at a point into vectors."""
        values = self._rows.at(point)
        u += [weight * value % self._p for weight, value in zip(self._weights, values, strict=True)]
        v += [(value - 1) % self._p for value in values]


class BitsClaim:
    """A claim in GF(2^56), over the field of the bits; an error stays unseen with 2^-56 and 2 parts / 2^56 each time.

    At first it is a claim for each part, so that all that is of the full length are bytes: the weights are of columns.
    once: whether it is to fall only once; then weights are of products from the start.
    """

    element = LANES

    def __init__(self, noted: Kind, coin: Stream, *, once: bool) -> None:
        products, openings = noted.every(np.uint8)
        self._linear = summed(
            scaled(openings.share ^ openings.value, coin.read((len(openings.share), LANES), np.uint8))
        )
        self._first, self._hidden = not once, False
        if once:
            weights = coin.read((len(products.x), LANES), np.uint8)
            self._u, self._product = scaled(products.x, weights), summed(scaled(products.z, weights))
            self._v = np.zeros_like(self._u)
            self._v[:, 0] = products.y
        else:
            self._products, self._coin = products, coin

    def __repr__(self) -> str:
        return f"<BitsClaim of {len(self._products.x) if self._first else len(self._u)}>"

    def hide(self, mask: tuple[U8, U8]) -> None:
        self._mask, self._hidden = mask, True

    def fall(self, parts: int) -> U8:
        if self._first:
            return self._fall_first(parts)
        one, other = (
            _in_rows(x, parts, self._mask[i] if self._hidden else None) for i, x in enumerate((self._u, self._v))
        )
        self._u, self._v = coefficients(one.reshape(parts, -1)), coefficients(other.reshape(parts, -1))
        further_ = times(beyond(self._u).reshape(one.shape), beyond(self._v).reshape(one.shape))
        return np.concatenate([summed(times(one, other)[:-1], axis=1), summed(further_, axis=1)])

    def _fall_first(self, parts: int) -> U8:
        inner = inner_of(len(self._products.x))
        x, y, z = (_in_rows(each[:, None], parts, inner=inner)[..., 0] for each in self._products)
        del self._products
        self._inner = self._coin.read((inner, LANES), np.uint8)
        self._outer = self._coin.read((x.shape[1] // inner, LANES), np.uint8)
        self._claimed = self._weighed(z)
        self._u, self._v = coefficients(x), coefficients(y)
        return self._weighed(gf256.times(beyond(self._u), beyond(self._v)))

    def _weighed(self, rows: U8) -> U8:
        """Rows (parts, columns), each times weights and added up: (parts, 7)."""
        inner = weighed(rows.reshape(-1, len(self._inner)), self._inner).reshape(len(rows), -1, LANES)
        return summed(times(inner, self._outer), 1)

    def meet(self, products: U8, coin: Stream) -> None:
        parts = len(self._u)
        if self._first:
            values = np.concatenate([self._claimed, products])
        else:
            first = products[: parts - 1]
            last = self._product ^ summed(first[1:] if self._hidden else first)
            values = np.concatenate([first, last[None], products[parts - 1 :]])
        basis = basis_at(_point(coin), parts.bit_length())
        self._product = summed(times(coefficients(values), basis))
        u, v = (_at(rows, basis[:parts], self._first) for rows in (self._u, self._v))
        if self._first:
            weights = times(self._inner, self._outer[:, None])
            u = times(u, weights.reshape(-1, LANES))
        self._u, self._v, self._first = u, v, False

    def split(self, products: U8, private: Stream, t: int, m: int) -> list[bytes]:
        shares = gf256.split(products, private.read((t, *products.shape), np.uint8), m)
        return [share.tobytes() for share in shares]

    def joined(self, parts: Sequence[bytes]) -> U8:
        shares = [np.frombuffer(one, np.uint8).reshape(-1, LANES) for one in parts]
        return gf256.combined(shares, tuple(range(len(parts))))

    def ends(self) -> bytes:
        return np.concatenate([self._u.reshape(-1), self._v.reshape(-1), self._product, self._linear]).tobytes()

    def holds(self, ends: Sequence[bytes], t: int) -> bool:
        shares = [np.frombuffer(one, np.uint8).reshape(ENDS, LANES) for one in ends]
        if not gf256.belong_together(shares, t):
            return False
        u, v, product, linear = gf256.combined(shares[: t + 1], tuple(range(t + 1)))
        return bool((times(u, v) == product).all() and not linear.any())


def _point(coin: Stream) -> U8:
    """A random element that is no byte: at a byte, where a part stands, the random one would be missing."""
    point = coin.read(LANES, np.uint8)
    return point if point[1:].any() else _point(coin)


def _in_rows(elements: U8, parts: int, before: U8 | None = None, inner: int = 1) -> U8:
    """Elements (n, bytes) in rows of one length, filled up with zeros; before them another, and then the zeros.

    inner: what the length is a multiple of.
    """
    mask = elements[:0] if before is None else before[None]
    columns = max(1, -(-(len(mask) + len(elements)) // (parts * inner))) * inner
    zeros = np.zeros((parts * columns - len(mask) - len(elements), elements.shape[1]), np.uint8)
    pieces = [elements, zeros] if before is None else [mask, zeros, elements]
    return np.concatenate(pieces).reshape(parts, columns, -1)


def _at(rows: U8, basis: U8, are_bytes: bool) -> U8:
    """Polynomials of coefficients (parts, columns of one or seven bytes) at the point of a basis: (columns, 7)."""
    if are_bytes:
        return weighed(np.ascontiguousarray(rows.T), basis)
    each = rows.reshape(len(rows), -1, LANES)
    return summed(times(each, basis[:, None]))
