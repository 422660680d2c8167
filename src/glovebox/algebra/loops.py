"""The compiled form of the kernels: loops over keys that numpy cannot express. Import through `kernels` only."""

from __future__ import annotations

import functools
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from glovebox.algebra.kernels import MARK, U8, U16, U32, U64, Peeling

ONE = np.uint64(1 << 32)  # a cell is count << 32 | XOR of the keys that touch the slot
KEY = np.uint64((1 << 32) - 1)
READ_ONLY = functools.partial(numba.types.Array, layout="C", readonly=True)  # as arrays of received bytes are


def peel(x: U64, lb: int, starts: U16, slots_in_all: int) -> Peeling:
    """See `kernels.Kernels`."""
    keys, slots = np.empty(len(x), np.uint32), np.empty(len(x), np.uint32)
    stack = np.empty(3 * len(x) + 1, np.uint32)
    peeled = _peel(x, lb, starts, np.zeros(slots_in_all, np.uint64), stack, keys, slots)
    return Peeling(keys[:peeled], slots[:peeled], ())


def without_dense(y: U8, values: U64, sums: U64) -> U64:
    """See `kernels.Kernels`."""
    sparse = np.empty(values.shape, np.uint64)
    _without_dense(y, values, sums, sparse)
    return sparse


def assign(x: U64, sparse: U64, lb: int, starts: U16, peeling: Peeling, table: U64) -> None:
    """See `kernels.Kernels`."""
    _assign(x, sparse, lb, starts, peeling.keys, peeling.slots, table)


def decode(x: U64, y: U8, lb: int, sums: U64, starts: U16, table: U64) -> U64:
    """See `kernels.Kernels`."""
    out = np.empty((table.shape[1], len(x)), np.uint64)
    _decode(x, y, lb, sums, starts, table, out)
    return out


def may_repeat(rows: U64, odd: int) -> bool:
    """See `kernels.Kernels`."""
    bits = len(rows).bit_length() + 1  # a quarter to half of the places are taken
    return bool(_may_repeat(rows, np.uint64(odd), np.uint64(64 - bits), np.zeros(1 << bits, np.uint32)))


def places(bins: U32, ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """See `kernels.Kernels`."""
    found = np.empty(len(bins), np.int64)
    _places(bins, ends, found)
    return found


def put(rows: U64, places: NDArray[np.int64], out: U64) -> None:
    """See `kernels.Kernels`."""
    _put(np.ascontiguousarray(rows), places, out)


def mark_ends(data: U8, offsets: NDArray[np.integer[Any]], out: U8) -> None:
    """See `kernels.Kernels`."""
    _mark_ends(data, offsets.astype(np.uint64), out.view(np.uint64))


@numba.njit("uint64(uint64, int64, uint64, int64)", nogil=True, cache=True, inline="always")
def _slot(x: np.uint64, lb: int, start: np.uint64, i: int) -> np.uint64:
    inside = (np.uint64(1) << np.uint64(lb)) - np.uint64(1)
    return ((start + np.uint64(i)) << np.uint64(lb)) + ((x >> np.uint64(i * lb)) & inside)


@numba.njit(
    "int64(uint64[::1], int64, uint16[::1], uint64[::1], uint32[::1], uint32[::1], uint32[::1])", nogil=True, cache=True
)
def _peel(
    x: U64, lb: int, starts: U16, cells: U64, stack: NDArray[np.uint32], keys: NDArray[np.uint32],
    slots: NDArray[np.uint32],
) -> int:  # fmt: skip
    for key in range(len(x)):
        start = np.uint64(starts[key])
        for i in range(3):
            slot = _slot(x[key], lb, start, i)
            cells[slot] = (cells[slot] + ONE) ^ np.uint64(key)
    peeled = 0
    for first in range(len(cells)):
        stack[0] = first
        height = 1
        while height:
            height -= 1
            own = stack[height]
            if cells[own] >> np.uint64(32) != 1:
                continue
            one = cells[own] & KEY
            keys[peeled] = one
            slots[peeled] = own
            peeled += 1
            start = np.uint64(starts[one])
            for i in range(3):
                slot = _slot(x[one], lb, start, i)
                cells[slot] = (cells[slot] - ONE) ^ one
                if cells[slot] >> np.uint64(32) == 1:
                    stack[height] = slot
                    height += 1
    return peeled


@numba.njit("void(uint8[:, ::1], uint64[:, ::1], uint64[:, :, ::1], uint64[:, ::1])", nogil=True, cache=True)
def _without_dense(y: U8, values: U64, sums: U64, sparse: U64) -> None:
    for key in range(len(values)):
        for word in range(values.shape[1]):
            rest = values[key, word]
            for byte in range(5):
                rest ^= sums[byte, y[key, byte], word]
            sparse[key, word] = rest


@numba.njit(
    "void(uint64[::1], uint64[:, ::1], int64, uint16[::1], uint32[::1], uint32[::1], uint64[:, ::1])",
    nogil=True,
    cache=True,
)
def _assign(
    x: U64, sparse: U64, lb: int, starts: U16, keys: NDArray[np.uint32], slots: NDArray[np.uint32], table: U64
) -> None:
    for turn in range(len(keys) - 1, -1, -1):
        key = keys[turn]
        start = np.uint64(starts[key])
        a, b, c = _slot(x[key], lb, start, 0), _slot(x[key], lb, start, 1), _slot(x[key], lb, start, 2)
        for word in range(table.shape[1]):
            table[slots[turn], word] ^= sparse[key, word] ^ table[a, word] ^ table[b, word] ^ table[c, word]


@numba.njit(
    numba.void(
        READ_ONLY(numba.uint64, 1), READ_ONLY(numba.uint8, 2), numba.int64, READ_ONLY(numba.uint64, 3),
        READ_ONLY(numba.uint16, 1), READ_ONLY(numba.uint64, 2), numba.uint64[:, ::1],
    ),
    nogil=True,
    cache=True,
)  # fmt: skip
def _decode(x: U64, y: U8, lb: int, sums: U64, starts: U16, table: U64, out: U64) -> None:
    for key in range(len(x)):
        start = np.uint64(starts[key])
        a, b, c = _slot(x[key], lb, start, 0), _slot(x[key], lb, start, 1), _slot(x[key], lb, start, 2)
        for word in range(table.shape[1]):
            value = table[a, word] ^ table[b, word] ^ table[c, word]
            for byte in range(5):
                value ^= sums[byte, y[key, byte], word]
            out[word, key] = value


@numba.njit(
    numba.boolean(READ_ONLY(numba.uint64, 2), numba.uint64, numba.uint64, numba.uint32[::1]), nogil=True, cache=True
)
def _may_repeat(rows: U64, odd: np.uint64, shift: np.uint64, marks: NDArray[np.uint32]) -> bool:
    last = np.uint64(len(marks) - 1)
    for row in range(len(rows)):
        mixed = np.uint64(0)
        for word in range(rows.shape[1]):
            mixed = (mixed ^ rows[row, word]) * odd
            mixed ^= mixed >> np.uint64(32)
        mixed *= odd
        place, mark = mixed >> shift, np.uint32(mixed) | np.uint32(1)  # 0 is a free place
        while marks[place] != 0:
            if marks[place] == mark:
                return True
            place = (place + np.uint64(1)) & last
        marks[place] = mark
    return False


@numba.njit(numba.void(READ_ONLY(numba.uint32, 1), numba.int64[::1], numba.int64[::1]), nogil=True, cache=True)
def _places(bins: U32, ends: NDArray[np.int64], found: NDArray[np.int64]) -> None:
    for row in range(len(bins)):
        found[row] = ends[bins[row]]
        ends[bins[row]] += 1


@numba.njit(
    numba.void(READ_ONLY(numba.uint64, 2), READ_ONLY(numba.int64, 1), numba.uint64[:, ::1]), nogil=True, cache=True
)
def _put(rows: U64, places: NDArray[np.int64], out: U64) -> None:
    for row in range(len(rows)):
        place = places[row]
        for word in range(rows.shape[1]):
            out[place, word] = rows[row, word]


@numba.njit(
    numba.void(READ_ONLY(numba.uint8, 1), READ_ONLY(numba.uint64, 1), numba.uint64[:, ::1]), nogil=True, cache=True
)
def _mark_ends(data: U8, offsets: U64, out: U64) -> None:
    """Word by word: unsigned places are not checked for being negative, and eight bytes in a row become one load."""
    for row in range(len(out)):
        end = offsets[row + 1]
        for word in range(out.shape[1]):
            place = offsets[row] + np.uint64(8 * word)
            found = np.uint64(0)
            if place + np.uint64(8) <= end:
                for i in range(8):
                    found |= np.uint64(data[place + np.uint64(i)]) << np.uint64(8 * i)
            elif place <= end:
                found = np.uint64(MARK) << np.uint64(8) * (end - place)
                for i in range(end - place):
                    found |= np.uint64(data[place + np.uint64(i)]) << np.uint64(8 * i)
            out[row, word] = found
