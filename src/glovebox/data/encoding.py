"""Ids as fixed-size rows of bytes: the id, 0x80 right after it, zeros (psi.md 4.1). No loop over rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from glovebox.data.arrays import integers, text_buffers
from glovebox.data.identifiers import INTEGER_BYTES
from glovebox.errors import DataError

MARK = 0x80
SLICE = 1 << 13  # rows: a slice of 32-byte rows stays in the cache between its passes


def encoded_bytes(w: int) -> int:
    """Bytes of a row for ids of at most w bytes: 16 (floor(w / 16) + 1)."""
    return 16 * (w // 16 + 1)


def encode_ids(keys: pa.Array[Any], w: int, out: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
    """Encode n keys without NULL, each of at most w bytes: (n, 16 (floor(w / 16) + 1)) uint8, in `out` if given.

    keys: Arrow string, binary (32- or 64-bit offsets) or int64; an integer is its 8 bytes, little-endian.
    """
    if keys.null_count:
        raise DataError("an id without a canonical form was about to be encoded")
    if out is None:
        out = np.empty((len(keys), encoded_bytes(w)), np.uint8)
    if pa.types.is_int64(keys.type):
        values, _ = integers(keys)
        out[:] = 0
        out[:, :INTEGER_BYTES] = values.astype("<i8").view(np.uint8).reshape(-1, INTEGER_BYTES)
        out[:, INTEGER_BYTES] = MARK
        return out
    offsets, data = text_buffers(keys)
    lengths = np.diff(offsets)
    if len(keys) and int(lengths.max()) > w:
        raise DataError("an id longer than its bound was about to be encoded")
    _gather(out, data, offsets[:-1], lengths, w)
    return out


def _gather(
    out: NDArray[np.uint8], data: NDArray[np.uint8], starts: NDArray[Any], lengths: NDArray[Any], w: int
) -> None:
    """Fill each row with the `width` bytes from its start on, then cut what lies behind its end with masks by length.

    The window of a row near the end of the data would leave it: such rows read from a copy of the tail with zeros.
    """
    n, width = out.shape
    behind = np.arange(width) - np.arange(w + 1)[:, None]
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


def repeated_ids(ids: NDArray[np.uint8]) -> int:
    """How many different ids stand in more than one row of an encoded (n, 16 blocks) array.

    Rows are first compared by a 64-bit hash without a key: whoever makes hashes collide makes this slow, not wrong.
    """
    words = ids.view(np.uint64)
    mixed = words[:, 0].copy()
    for column in range(1, words.shape[1]):
        mixed *= np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio: odd, and spreads low bits upwards
        mixed ^= mixed >> np.uint64(29)
        mixed += words[:, column]
    mixed *= np.uint64(0x9E3779B97F4A7C15)
    ordered = np.sort(mixed)
    twice = ordered[1:][ordered[1:] == ordered[:-1]]
    if not len(twice):
        return 0
    _, counts = np.unique(ids[np.isin(mixed, twice)], axis=0, return_counts=True)
    return int(np.count_nonzero(counts > 1))
