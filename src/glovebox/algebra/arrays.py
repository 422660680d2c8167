"""The numpy form of the kernels: same tables, no compiler. Import through `kernels` only, or to test it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from glovebox.algebra.kernels import MARK, U8, U16, U32, U64, Peeling

SLICE = 1 << 13  # rows: a slice of 32-byte rows stays in the cache between its passes
ROWS = 1 << 15  # rows in a piece: what is gathered for them stays in cache


def peel(x: U64, lb: int, starts: U16, slots_in_all: int) -> Peeling:
    """Level by level: all slots that only one key touches, then again. Levels grow with the segments, not the work."""
    slots = slots_of(x, lb, starts)
    flat = slots.reshape(-1)
    count = np.bincount(flat, minlength=slots_in_all)
    mixed = np.zeros(slots_in_all, np.uint32)
    np.bitwise_xor.at(mixed, flat, np.tile(np.arange(len(x), dtype=np.uint32), 3))
    found_keys, found_slots, levels = [np.empty(0, np.uint32)], [np.empty(0, np.uint32)], [0]
    single = np.flatnonzero(count == 1)
    while len(single):
        keys, first = np.unique(mixed[single], return_index=True)  # a key may own several single slots
        found_keys.append(keys)
        found_slots.append(single[first].astype(np.uint32))
        levels.append(levels[-1] + len(keys))
        touched = slots[:, keys].reshape(-1)
        np.subtract.at(count, touched, 1)
        np.bitwise_xor.at(mixed, touched, np.tile(keys, 3))
        single = np.unique(touched[count[touched] == 1])
    return Peeling(np.concatenate(found_keys), np.concatenate(found_slots), tuple(levels))


def without_dense(y: U8, values: U64, sums: U64) -> U64:
    """See `kernels.Kernels`."""
    sparse: U64 = values ^ _dense(y, sums)
    return sparse


def assign(x: U64, sparse: U64, lb: int, starts: U16, peeling: Peeling, table: U64) -> None:
    """Level by level, the last first: keys of one level do not touch each other's slots."""
    for begin, end in reversed(list(zip(peeling.levels, peeling.levels[1:], strict=False))):
        keys, own = peeling.keys[begin:end], peeling.slots[begin:end]
        a, b, c = slots_of(x[keys], lb, starts[keys])
        table[own] ^= sparse[keys] ^ table[a] ^ table[b] ^ table[c]


def decode(x: U64, y: U8, lb: int, sums: U64, starts: U16, table: U64) -> U64:
    """The values of keys, a piece of rows at a time: (words, n)."""
    out = np.empty((table.shape[1], len(x)), np.uint64)
    for begin in range(0, len(x), ROWS):
        piece = slice(begin, begin + ROWS)
        a, b, c = slots_of(x[piece], lb, starts[piece])
        out[:, piece] = (table[a] ^ table[b] ^ table[c] ^ _dense(y[piece], sums)).T
    return out


def may_repeat(rows: U64, odd: int) -> bool:
    """Equal rows have equal hashes, which are neighbours when sorted."""
    mixed = np.zeros(len(rows), np.uint64)
    for word in range(rows.shape[1]):
        mixed = (mixed ^ rows[:, word]) * np.uint64(odd)
        mixed ^= mixed >> np.uint64(32)
    mixed.sort()
    return bool((mixed[1:] == mixed[:-1]).any())


def places(bins: U32, ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """The rows sorted by bin stand one behind the other."""
    order, counts = np.argsort(bins, kind="stable"), np.bincount(bins, minlength=len(ends))
    found = np.empty(len(bins), np.int64)
    found[order] = np.repeat(ends - (np.cumsum(counts) - counts), counts) + np.arange(len(bins))
    ends += counts
    return found


def put(rows: U64, places: NDArray[np.int64], out: U64) -> None:
    """See `kernels.Kernels`."""
    out[places] = rows


def mark_ends(data: U8, offsets: NDArray[np.integer[Any]], out: U8) -> None:
    """Fill each row with the `width` bytes from its start on, then cut what lies behind its end with masks by length.

    The window of a row near the end of the data would leave it: such rows read from a copy of the tail with zeros.
    """
    (n, width), starts, lengths = out.shape, offsets[:-1], np.diff(offsets)
    behind = np.arange(width) - np.arange(width)[:, None]
    inside = np.where(behind < 0, 0xFF, 0).astype(np.uint8).view(np.uint64)
    mark = np.where(behind == 0, MARK, 0).astype(np.uint8).view(np.uint64)
    whole = int(np.searchsorted(starts, len(data) - width, side="right"))  # starts never fall
    base = int(starts[whole]) if whole < n else len(data)
    tail = np.zeros(len(data) - base + width, np.uint8)
    tail[: len(data) - base] = data[base:]
    words = out.view(np.uint64)
    for begin, end, source, first in ((0, whole, data, 0), (whole, n, tail, base)):
        if begin == end:
            continue
        windows: NDArray[np.void] = np.ndarray(
            (len(source) - width + 1,), dtype=f"V{width}", buffer=source, strides=(1,)
        )
        for low in range(begin, end, SLICE):
            rows = slice(low, min(low + SLICE, end))
            found = windows[starts[rows] - first].view(np.uint64).reshape(-1, width // 8)
            np.bitwise_and(found, inside[lengths[rows]], out=found)
            np.bitwise_or(found, mark[lengths[rows]], out=words[rows])


def slots_of(x: U64, lb: int, starts: U16) -> NDArray[np.int64]:
    """The sparse slots of keys: (3, n)."""
    inside = np.uint64((1 << lb) - 1)
    segment = starts.astype(np.int64)
    return np.stack([((segment + i) << lb) + (x >> np.uint64(i * lb) & inside).astype(np.int64) for i in range(3)])


def _dense(y: U8, sums: U64) -> U64:
    """The XOR of the dense rows that y chooses: (n, words)."""
    value: U64 = np.zeros((len(y), sums.shape[2]), np.uint64)
    for byte in range(5):
        value ^= sums[byte][y[:, byte]]
    return value
