"""An oblivious key-value store: a table that decodes n keys to n values and is uniform whatever the keys (psi.md 5).

Three sparse slots a key in three neighbouring segments, the shape of a 3-wise binary fuse filter [GL22], whose graph
peels close to the orientability threshold [Walzer21]; 40 dense rows repair what peeling leaves [PRTY20, RR22].
Pseudonyms are the keys: x (uint64) places the sparse slots, the 40 bits of y choose the dense rows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glovebox.algebra.arrays import slots_of
from glovebox.algebra.kernels import Kernels

U8 = NDArray[np.uint8]
U64 = NDArray[np.uint64]

DENSE = 40  # c dependent sparse rows stay unsolved with probability at most (2**c - 1) 2**-40 (psi.md 5)
LEAST_KEYS = 1024  # smaller tables would need a larger margin than the size rule gives
MOST_CORE = 3000  # keys that elimination tries; at the operating point a core has 6 at most (psi.md 5)


class UnsolvableError(Exception):
    """The keys have no table. Says nothing about them: pseudonyms are random, the chance is under 2**-44."""


@dataclass(frozen=True)
class Layout:
    """Where a table's rows are: segments of 2**lb sparse slots, then the dense rows."""

    lb: int
    segments: int

    @property
    def slots(self) -> int:
        """Number of sparse slots."""
        return self.segments << self.lb

    @property
    def rows(self) -> int:
        """Rows of the whole table."""
        return self.slots + DENSE


def layout_of(keys: int) -> Layout:
    """The layout for so many keys, public. Expansion 1.10 + 0.25 (n / 10**4)**(-1/3): 11 sd from failing to peel."""
    n = max(keys, LEAST_KEYS)
    lb = min(15, math.floor(math.log(n) / math.log(3.33) + 1.75))
    expansion = 1.10 + 0.25 * (n / 10**4) ** (-1 / 3)
    return Layout(lb, max(3, math.ceil(math.ceil(expansion * n) / (1 << lb))))


def encode(kernels: Kernels, layout: Layout, x: U64, y: U8, values: U64, table: U64) -> None:
    """Change a uniform table so that it decodes each key to its value.

    x: (n,), y: (n, 5), values: (n, words); table: (layout.rows, words) of uniform words, changed in place: words that
    no key needs keep theirs, which is what makes the table uniform. Raises UnsolvableError.
    """
    first = starts(layout, x)
    order = np.argsort(first, kind="stable")  # neighbours in the table become neighbours in memory
    near, segments = x.take(order), first.take(order)
    peeling = kernels.peel(near, layout.lb, segments, layout.slots)
    if len(peeling.keys) < len(x):
        core = np.delete(order, peeling.keys)
        solve_core(layout, x[core], y[core], values[core], table)
    missing = kernels.without_dense(y, values, dense_sums(layout, table))
    kernels.assign(near, missing.take(order, axis=0), layout.lb, segments, peeling, table)


def decode(kernels: Kernels, layout: Layout, table: U64, x: U64, y: U8) -> U64:
    """The values of keys: (words, n) uint64; uniform for keys that the table was not made for."""
    return kernels.decode(x, y, layout.lb, dense_sums(layout, table), starts(layout, x), table)


def starts(layout: Layout, x: U64) -> NDArray[np.uint16]:
    """The first of a key's three segments, from the top 19 bits of x."""
    scaled = (x >> np.uint64(45)) * np.uint64(layout.segments - 2)
    return (scaled >> np.uint64(19)).astype(np.uint16)


def dense_sums(layout: Layout, table: U64) -> U64:
    """For each of the 5 bytes of y and its 256 values, the XOR of the dense rows it chooses: (5, 256, words)."""
    sums = np.zeros((5, 256, table.shape[1]), np.uint64)
    for byte in range(5):
        for bit in range(8):
            row = table[layout.slots + 8 * byte + bit]
            sums[byte, 1 << bit : 2 << bit] = sums[byte, : 1 << bit] ^ row
    return sums


def solve_core(layout: Layout, x: U64, y: U8, values: U64, table: U64) -> None:
    """Change the table so that it decodes keys which do not peel, by elimination over GF(2) on their slots.

    Unknowns without a pivot keep their words. Rows are Python integers: the core has a handful of keys.
    """
    if len(x) > MOST_CORE:
        raise UnsolvableError
    slots = slots_of(x, layout.lb, starts(layout, x))
    unknowns, columns = np.unique(slots, return_inverse=True)
    unknowns = np.concatenate([unknowns, np.arange(layout.slots, layout.rows)])
    dense_column = len(unknowns) - DENSE
    sums = dense_sums(layout, table)
    missing = values ^ np.bitwise_xor.reduce(table[slots], axis=0)
    missing ^= np.bitwise_xor.reduce(sums[np.arange(5), y], axis=1)
    pivots: dict[int, tuple[int, int]] = {}  # column -> (row of coefficients, words still missing)
    for key, places in enumerate(columns.reshape(3, -1).T.tolist()):
        row = sum(1 << place for place in places) | int.from_bytes(y[key].tobytes(), "little") << dense_column
        lacks = int.from_bytes(missing[key].tobytes(), "little")
        while row and (column := row.bit_length() - 1) in pivots:
            row, lacks = row ^ pivots[column][0], lacks ^ pivots[column][1]
        if row:
            pivots[row.bit_length() - 1] = row, lacks
        elif lacks:
            raise UnsolvableError
    _substitute(pivots, unknowns, table)


def _substitute(pivots: dict[int, tuple[int, int]], unknowns: NDArray[np.int64], table: U64) -> None:
    """Back substitution: every row's other unknowns lie below its pivot, and those without a pivot change by 0."""
    changes: dict[int, int] = {}
    words = table.shape[1]
    for column in sorted(pivots):
        row, lacks = pivots[column]
        for other, change in changes.items():
            if row >> other & 1:
                lacks ^= change
        changes[column] = lacks
        table[unknowns[column]] ^= np.frombuffer(lacks.to_bytes(8 * words, "little"), np.uint64)
