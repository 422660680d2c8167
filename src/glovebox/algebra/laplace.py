"""Integer noise in halves: any two independent halves add up to exactly one discrete Laplace.

With 0 < q < 1, a discrete Laplace (P(x) proportional to q^|x|) is the difference of two geometrics, and a geometric is
the sum of two negative binomials NB(1/2, q): a half is the difference of two NB(1/2, q). One of these is drawn from a
geometric g: it is where a fair walk of 2 g steps last stood at zero, divided by two (threats.md 3.3 B), for

    sum over g >= k of (1 - q) q^g u(k) u(g - k) = (1 - q)^(1/2) q^k u(k),    u(k) = C(2k, k) / 4^k.

Integers and uniform bits only. Where a chance is irrational, a uniform number is compared with it by as many bits as it
takes: floating point says which comparisons are clear by far, and decides none that is close.
"""

from __future__ import annotations

from collections.abc import Callable
from math import gcd
from typing import NamedTuple

import gmpy2
import numpy as np
from numpy.typing import NDArray

U64 = NDArray[np.uint64]
Draw = Callable[[int], bytes]
"""So many uniform bytes: `os.urandom`, and in tests a stream that can be repeated."""

MOST_SCALE = 1 << 46
"""Of 1 / -ln q. Numbers below t k with k <= 2^12 are drawn from 64 bits; the chance that k gets there is 1 / 2^12!."""

MOST_T = 1 << 50
REACH = 64  # a half is drawn again if it is beyond 64 scales, which has a chance below 2 e^-64 < 2^-91

TABLE = 32
CLOSE = (
    1e-9  # of a chance; the series below is off by less than 1e-11 from k = 32 on, and double arithmetic by less too
)


class Decay(NamedTuple):
    """q = exp(-s / t), s and t positive integers, t <= MOST_T."""

    s: int
    t: int

    @property
    def reach(self) -> int:
        """A power of two beyond which no half lies: at least 64 scales."""
        return 1 << (REACH * self.t // self.s).bit_length()


def decay(s: int, t: int) -> Decay:
    """The decay of exp(-s / t), or the next slower one whose t is not too large. ValueError above MOST_SCALE."""
    s, t = s // gcd(s, t), t // gcd(s, t)
    if t > MOST_SCALE * s:
        raise ValueError("noise of this scale does not fit")
    if t > MOST_T:
        coarse = MOST_T // -(-t // s)
        s, t = coarse, -(-t * coarse // s)  # 1 / q is rounded down by less than 2^-45 of its logarithm
    return Decay(s, t)


def halves(q: Decay, count: int, draw: Draw) -> NDArray[np.int64]:
    """`count` independent halves, each in [-q.reach, q.reach)."""
    out = np.zeros(count, np.int64)
    missing = np.arange(count)
    while len(missing):
        ends = half_geometrics(q, 2 * len(missing), draw).astype(np.int64)
        out[missing] = ends[::2] - ends[1::2]
        missing = missing[(out[missing] < -q.reach) | (out[missing] >= q.reach)]
    return out


def half_geometrics(q: Decay, count: int, draw: Draw) -> U64:
    """`count` draws of NB(1/2, q)."""
    return last_zeros(geometrics(q, count, draw), draw)


def geometrics(q: Decay, count: int, draw: Draw) -> U64:
    """`count` numbers x >= 0 with chance (1 - q) q^x [CKS20, algorithm 2]."""
    t = np.full(count, q.t, np.uint64)
    low = np.zeros(count, np.uint64)
    missing = np.arange(count)
    while len(missing):
        low[missing] = below(t[missing], draw)
        missing = missing[~fair_exp(low[missing], t[missing], draw)]
    high = np.zeros(count, np.uint64)
    going = np.arange(count)
    while len(going):
        going = going[fair_exp(np.ones(len(going), np.uint64), np.ones(len(going), np.uint64), draw)]
        high[going] += np.uint64(1)
    return (low + t * high) // np.uint64(q.s)


def fair_exp(over: U64, under: U64, draw: Draw) -> NDArray[np.bool_]:
    """True with chance exp(-over / under), for over <= under [CKS20, algorithm 1]: the parity of a run."""
    run = np.ones(len(over), np.uint64)
    going = np.arange(len(over))
    while len(going):
        going = going[below(under[going] * run[going], draw) < over[going]]
        run[going] += np.uint64(1)
    odd: NDArray[np.bool_] = run % np.uint64(2) == 1
    return odd


def below(bounds: U64, draw: Draw) -> U64:
    """A uniform number under each bound, 1 <= bound < 2^63."""
    bits = np.frexp((bounds - np.uint64(1)).astype(float))[1].astype(np.uint64)  # or one more, where that rounds up
    mask: U64 = (np.uint64(1) << bits) - np.uint64(1)
    out = _words(len(bounds), draw) & mask
    high = np.flatnonzero(out >= bounds)
    while len(high):
        out[high] = _words(len(high), draw) & mask[high]
        high = high[out[high] >= bounds[high]]
    return out


def last_zeros(n: U64, draw: Draw) -> U64:
    """For each n, half the time at which a fair walk of 2 n steps is last at zero: k with chance u(k) u(n - k).

    A side is chosen, for k and n - k have one chance; then 0 <= k <= n / 2, by rejection: m is uniform under some M and
    k uniform in m^2 .. (m + 1)^2 - 1, so k has chance 1 / (M (2 m + 1)), and is kept with chance
    2/3 (2 m + 1) u(k) u(n - k) / u(n - n // 2). That is at most 1, for u falls, and (2 m + 1) u(m^2) is 3/2 at most,
    at m = 1.
    """
    half = n // np.uint64(2)
    rooms = _root(half) + np.uint64(1)
    out = np.zeros_like(n)
    missing = np.arange(len(n))
    while len(missing):
        m = below(rooms[missing], draw)
        k = m * m + below(np.uint64(2) * m + np.uint64(1), draw)
        mirrored = below(np.full(len(missing), 2, np.uint64), draw) == 1
        inside = (k <= half[missing]) & ~(mirrored & (np.uint64(2) * k == n[missing]))  # the middle is on one side only
        kept = np.zeros(len(missing), np.bool_)
        kept[inside] = _kept(n[missing][inside], m[inside], k[inside], draw)
        out[missing] = np.where(mirrored, n[missing] - k, k)
        missing = missing[~kept]
    return out


def _kept(n: U64, m: U64, k: U64, draw: Draw) -> NDArray[np.bool_]:
    """True with the chance that `last_zeros` keeps k."""
    words = _words(len(n), draw)
    shorter = n - n // np.uint64(2)
    chance = (2 * m.astype(float) + 1) / 1.5 * np.exp(_log_u(k) + _log_u(n - k) - _log_u(shorter))
    uniform = words / 2.0**64
    kept: NDArray[np.bool_] = uniform < chance
    for index in np.flatnonzero(np.abs(uniform - chance) <= CLOSE):
        kept[index] = _decided(int(words[index]), int(n[index]), int(m[index]), int(k[index]), draw)
    return kept


def _log_u(k: U64) -> NDArray[np.float64]:
    """ln u(k): a table, then Stirling's series, whose error is below its next term, 17 / 14336 k^-7."""
    x = np.maximum(k, np.uint64(TABLE)).astype(float)
    series = -np.log(np.pi * x) / 2 - (1 / 8 - (1 / 192 - 1 / 640 / x**2) / x**2) / x
    return np.where(k < TABLE, _SMALL[np.minimum(k, np.uint64(TABLE - 1))], series)


_SMALL = np.log([float(gmpy2.mpq(gmpy2.bincoef(2 * k, k), 4**k)) for k in range(TABLE)])


def _decided(word: int, n: int, m: int, k: int, draw: Draw) -> bool:
    """Whether a uniform number, of which 64 bits are given, is below the chance to keep k, by as many as needed."""
    bits = 64
    while True:
        low, high = _bounds(n, m, k, bits)
        if word + 1 <= low:
            return True
        if word >= high:
            return False
        word, bits = word << 64 | int.from_bytes(draw(8), "little"), bits + 64


def _bounds(n: int, m: int, k: int, bits: int) -> tuple[int, int]:
    """Integers that the chance to keep k, times 2^bits, lies between.

    Logarithms of the gamma function here are below 2^62, as n < 2^56, and each is right in the last of bits + 128
    bits; so the sum is off by less than 2^-(bits + 56).
    """
    with gmpy2.context(precision=bits + 128) as context:
        context.round = gmpy2.RoundToNearest

        def log_u(j: int) -> gmpy2.mpfr:
            return gmpy2.lgamma(gmpy2.mpfr(2 * j + 1) / 2)[0] - gmpy2.lgamma(gmpy2.mpfr(j + 1))[0]

        log = log_u(k) + log_u(n - k) - log_u(n - n // 2) - gmpy2.log(gmpy2.const_pi()) / 2
        chance = gmpy2.exp(log) * (2 * m + 1) * 2 / 3
        scaled = int(gmpy2.floor(chance * gmpy2.mpfr(2) ** bits))
    return scaled - 1, scaled + 2


def _root(n: U64) -> U64:
    """The integer square root, n < 2^56: a double's is one off at most."""
    root: U64 = np.sqrt(n.astype(float)).astype(np.uint64)
    root -= (root * root > n).astype(np.uint64)
    root += ((root + np.uint64(1)) * (root + np.uint64(1)) <= n).astype(np.uint64)
    return root


def _words(count: int, draw: Draw) -> U64:
    return np.frombuffer(draw(8 * count), np.uint64)
