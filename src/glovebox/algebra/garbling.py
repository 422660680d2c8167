"""A circuit's gates on labels, for all lanes at once: as its garbler, as its evaluator, or only counted.

Half gates [ZRE15] with free XOR [KS08]. A wire is an array of 16-byte labels, (.., 2) uint64: the garbler holds those
of bit 0, and that of bit 1 is R more; the evaluator holds those of the bits, without knowing them. XOR is `^` for all.
The lowest bit of a label is the bit itself under a mask that the garbler knows: so an output is shared already.

A machine is used for one circuit, gate by gate in the same order at both parties.
"""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from glovebox.algebra.blocks import PUBLIC, permuted

U8 = NDArray[np.uint8]
U64 = NDArray[np.uint64]

TABLE_WORDS = 4  # of a gate: two labels
ONE = np.array([1, 0], np.uint64)


class Machine(Protocol):
    """What a circuit is built on."""

    def both(self, a: U64, b: U64) -> U64:
        """AND of wires, which are broadcast to one shape."""

    def flipped(self, a: U64) -> U64:
        """NOT."""


class Counter:
    """Counts the gates of a circuit of one lane."""

    def __init__(self) -> None:
        self.gates = 0

    def both(self, a: U64, b: U64) -> U64:
        """See `Machine`."""
        wires = np.bitwise_xor(a, b)
        self.gates += math.prod(wires.shape[:-1])
        return wires

    def flipped(self, a: U64) -> U64:
        """See `Machine`."""
        return a


class Garbler:
    """Makes the tables of the gates. difference: R, random, its lowest bit set."""

    def __init__(self, difference: U64) -> None:
        self._difference = difference | ONE
        self._tables: list[U64] = []
        self._gates = 0

    def __repr__(self) -> str:
        return f"<Garbler: {self._gates} gates>"

    @property
    def difference(self) -> U64:
        """R."""
        return self._difference

    @property
    def tables(self) -> U64:
        """Of all gates: (gates, TABLE_WORDS)."""
        return np.concatenate([np.empty((0, TABLE_WORDS), np.uint64), *self._tables])

    def both(self, a: U64, b: U64) -> U64:
        """See `Machine`. The garbler's half knows b's mask, the evaluator's half knows b under it [ZRE15, figure 2]."""
        a, b = np.broadcast_arrays(a, b)
        shape, r = a.shape, self._difference
        a, b = a.reshape(-1, 2), b.reshape(-1, 2)
        n = len(a)
        hashes = _hashes(np.concatenate([a, a ^ r]), np.concatenate([b, b ^ r]), n, self._gates)
        (a0, a1), (b0, b1) = hashes[0].reshape(2, n, 2), hashes[1].reshape(2, n, 2)
        mask_a, mask_b = _lowest(a), _lowest(b)
        ours = a0 ^ a1 ^ (mask_b & r)
        theirs = b0 ^ b1 ^ a
        self._tables.append(np.concatenate([ours, theirs], axis=1))
        self._gates += n
        out = a0 ^ (mask_a & ours) ^ b0 ^ (mask_b & (theirs ^ a))
        return out.reshape(shape)

    def flipped(self, a: U64) -> U64:
        """See `Machine`."""
        return a ^ self._difference


class Evaluator:
    """Follows one label a wire through the tables: (gates, TABLE_WORDS)."""

    def __init__(self, tables: U64) -> None:
        self._tables = tables
        self._gates = 0

    def __repr__(self) -> str:
        return f"<Evaluator: {self._gates} of {len(self._tables)} gates>"

    def both(self, a: U64, b: U64) -> U64:
        """See `Machine`."""
        a, b = np.broadcast_arrays(a, b)
        shape = a.shape
        a, b = a.reshape(-1, 2), b.reshape(-1, 2)
        table = self._tables[self._gates : self._gates + len(a)]
        of_a, of_b = _hashes(a, b, len(a), self._gates)
        self._gates += len(a)
        out = of_a ^ (_lowest(a) & table[:, :2]) ^ of_b ^ (_lowest(b) & (table[:, 2:] ^ a))
        return out.reshape(shape)

    def flipped(self, a: U64) -> U64:
        """See `Machine`."""
        return a


def lowest_bits(wires: U64) -> U8:
    """A party's shares of the wires' bits: (..,) uint8."""
    bits: U8 = (wires[..., 0] & np.uint64(1)).astype(np.uint8)
    return bits


def _lowest(labels: U64) -> U64:
    """The lowest bit of each label as a mask: (n, 1)."""
    masks: U64 = np.negative(labels[:, :1] & np.uint64(1))
    return masks


def _hashes(a: U64, b: U64, gates: int, first: int) -> tuple[U64, U64]:
    """pi(pi(x) ^ i) ^ pi(x), tweakable circular correlation robust [GKWY20, 7.4]; i is another for each half gate.

    a, b: (k gates, 2): k labels of each gate, the first of which is gate `first`.
    """
    images = permuted(np.concatenate([a, b]), PUBLIC)
    numbers = np.tile(np.arange(2 * first, 2 * (first + gates), 2, dtype=np.uint64), len(a) // gates)
    tweaked = images.copy()
    tweaked[: len(a), 0] ^= numbers
    tweaked[len(a) :, 0] ^= numbers | np.uint64(1)
    hashes: U64 = permuted(tweaked, PUBLIC) ^ images
    return hashes[: len(a)], hashes[len(a) :]
