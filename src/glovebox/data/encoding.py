"""Ids as fixed-size rows of bytes: the id, 0x80 right after it, zeros (psi.md 4.1). No loop over rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from glovebox.algebra.identifiers import may_repeat
from glovebox.algebra.kernels import MARK, kernels
from glovebox.data.arrays import integers, text_buffers
from glovebox.data.identifiers import INTEGER_BYTES
from glovebox.errors import DataError


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
    if len(keys) and int(np.diff(offsets).max()) > w:
        raise DataError("an id longer than its bound was about to be encoded")
    kernels().mark_ends(data, offsets, out)
    return out


def repeated_ids(ids: NDArray[np.uint8]) -> int:
    """How many different ids stand in more than one row of an encoded (n, 16 blocks) array."""
    if not may_repeat(ids.view(np.uint64)):
        return 0
    _, counts = np.unique(np.ascontiguousarray(ids).view(f"V{ids.shape[1]}"), return_counts=True)
    return int(np.count_nonzero(counts > 1))
