"""Sums of encrypted numbers at places that the encryptor does not learn: RLWE with one ciphertext for 8192 of them.

Ring Z_q[X] / (X^8192 + 1), q the product of five primes. Elements are residues (.., 5, 8192) after the negacyclic
number-theoretic transform (NTT), where products are by place. Plaintexts are integers modulo 2^64 (two-party.md 1.4).
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from glovebox.algebra.streams import Stream

U64 = NDArray[np.uint64]

N = 8192
PRIMES = (1073692673, 1073643521, 1073479681, 1073430529, 1073299457)  # each 1 mod 2 N, under 2^30
Q = functools.reduce(lambda a, b: a * b, PRIMES)  # 150 bits; 218 would do for 128 bits of security at this N
ERROR_BITS = np.uint64(21)  # of a centred binomial: a standard deviation of 3.2
FLOOD = 1 << 82  # beyond every error of 2^24 rows by 2^53, and under q / 2^66
P = np.array(PRIMES, np.uint64)[:, None]


class Key(NamedTuple):
    """The encryptor's secret, ternary, and an encryption of 0 for the other to hide its selections with."""

    secret: U64
    public: tuple[U64, U64]


def key(random: Stream, mask: U64) -> Key:
    """A fresh key. mask: (5, N), public."""
    secret = ntt(_residues(_ternary(random)))
    return Key(secret, (mask, _plus(_times(mask, secret), ntt(_residues(_error(random, 1)[0])))))


def encrypted(secret: U64, masks: U64, numbers: NDArray[np.int64], random: Stream) -> U64:
    """The second halves b of ciphertexts (k, 5, N) of numbers (k, N); the first halves are the masks, public."""
    noise = _residues(_error(random, len(numbers)))
    return _plus(_times(masks, secret), ntt(_plus(noise, _scaled_up(numbers.view(np.uint64)))))


def selected(
    masks: U64, bodies: U64, places: NDArray[np.bool_], public: tuple[U64, U64], random: Stream
) -> tuple[U64, int]:
    """What the sum of the numbers at some places is encrypted in: for the encryptor, hidden; and for oneself.

    masks, bodies: (k, 5, N); places (k, N). Returns (5, N), which is uniform to the encryptor, and a number below q.
    """
    turned = np.zeros(places.shape, np.int64)
    turned[:, 0] = places[:, 0]
    turned[:, 1:] = -places[:, :0:-1].astype(np.int64)  # X^-i is -X^(N - i)
    selectors = ntt(_residues(turned))
    hiding = ntt(_residues(_ternary(random)))
    asked = _plus(_sum(_times(masks, selectors)), _times(public[0], hiding))
    asked = _plus(asked, ntt(_residues(_error(random, 1)[0])))
    body = _plus(_sum(_times(bodies, selectors)), _times(public[1], hiding))
    return asked, constant_term(body)


def answered(asked: U64, secret: U64, noise: int, random: Stream) -> int:
    """The encryptor's answer, below q: with the asker's own number it says the sum and `noise`, and no more."""
    flood = int.from_bytes(random.bytes(16), "little") % (2 * FLOOD) - FLOOD
    return (constant_term(_times(asked, secret)) + flood - _round(Q * noise, 1 << 64)) % Q


def opened(own: int, answer: int) -> int:
    """The sum and the noise, as a signed integer of 64 bits."""
    number = _round(((own - answer) % Q) << 64, Q) % (1 << 64)
    return number - (1 << 64) if number >> 63 else number


def uniform(random: Stream, count: int) -> U64:
    """Uniform elements (count, 5, N): words of 30 bits, those that are no residue left out."""
    out = np.empty((count, len(PRIMES), N), np.uint64)
    for element in out:
        for place, prime in enumerate(PRIMES):
            found = np.empty(0, np.uint32)
            while len(found) < N:
                words = random.read(N + 64, np.uint32) & np.uint32((1 << 30) - 1)
                found = np.concatenate([found, words[words < prime]])
            element[place] = found[:N]
    return out


def constant_term(element: U64) -> int:
    """The coefficient of X^0, below q: the mean of the transform's values."""
    residues = (element.sum(axis=1) % P[:, 0]).tolist()
    number = 0
    for residue, prime in zip(residues, PRIMES, strict=True):
        other = Q // prime
        number += residue * pow(N, -1, prime) % prime * other * pow(other, -1, prime)
    return number % Q


def ntt(coefficients: U64) -> U64:
    """The negacyclic transform of residues (.., 5, N), as a new array; places are in an order of its own."""
    out = coefficients.copy()
    half = N // 2
    while half:
        pairs = out.reshape(*out.shape[:-1], N // (2 * half), 2, half)
        low, high = pairs[..., 0, :], pairs[..., 1, :]
        twisted = high * _powers()[:, N // (2 * half) : N // half, None] % P[..., None]
        total, difference = low + twisted, low + P[..., None] - twisted
        pairs[..., 0, :], pairs[..., 1, :] = total % P[..., None], difference % P[..., None]
        half //= 2
    return out


@functools.cache
def _powers() -> U64:
    """Powers of a 2 N-th root of 1 in bit-reversed order: (5, N)."""
    bits = N.bit_length() - 1
    order = [int(f"{place:0{bits}b}"[::-1], 2) for place in range(N)]
    table = np.empty((len(PRIMES), N), np.uint64)
    for row, prime in zip(table, PRIMES, strict=True):
        root = next(
            root for x in range(2, 100) if pow(root := pow(x, (prime - 1) // (2 * N), prime), N, prime) == prime - 1
        )
        powers = [1]
        for _ in range(N - 1):
            powers.append(powers[-1] * root % prime)
        row[:] = [powers[place] for place in order]
    return table


def _times(a: U64, b: U64) -> U64:
    product: U64 = a * b % P
    return product


def _plus(a: U64, b: U64) -> U64:
    total: U64 = (a + b) % P
    return total


def _sum(elements: U64) -> U64:
    """Over the first axis; up to 2^34 elements do not overflow."""
    total: U64 = elements.sum(axis=0, dtype=np.uint64) % P
    return total


def _residues(numbers: NDArray[np.int64]) -> U64:
    """Small signed numbers (.., N) as residues (.., 5, N)."""
    return (numbers[..., None, :] % P.astype(np.int64)).astype(np.uint64)


def _scaled_up(words: U64) -> U64:
    """round(q m / 2^64) as residues: with w = (q m + 2^63) mod 2^64 it is (2^63 - w) / 2^64 modulo a factor of q."""
    rest = words * np.uint64(Q % (1 << 64)) + np.uint64(1 << 63)
    inverses = np.array([pow(1 << 64, -1, prime) for prime in PRIMES], np.uint64)[:, None]
    halves = np.array([(1 << 63) % prime for prime in PRIMES], np.uint64)[:, None]
    scaled: U64 = (halves + P - rest[..., None, :] % P) % P * inverses % P
    return scaled


def _ternary(random: Stream) -> NDArray[np.int64]:
    octets = np.empty(0, np.uint8)
    while len(octets) < N:
        more = random.read(N + N // 16, np.uint8)
        octets = np.concatenate([octets, more[more < 255]])
    return (octets[:N] % 3).astype(np.int64) - 1


def _error(random: Stream, count: int) -> NDArray[np.int64]:
    words = random.read((count, N), np.uint64)
    mask = (np.uint64(1) << ERROR_BITS) - np.uint64(1)
    ones, others = (np.bitwise_count(one).astype(np.int64) for one in (words & mask, words >> ERROR_BITS & mask))
    difference: NDArray[np.int64] = ones - others
    return difference


def _round(numerator: int, denominator: int) -> int:
    return (2 * numerator + denominator) // (2 * denominator)
