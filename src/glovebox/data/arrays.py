"""Columns of Arrow batches as numpy arrays, without a copy where the bytes allow it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from glovebox.errors import DataError

Valid = NDArray[np.bool_] | None
"""Which rows are not NULL; None: all."""


def integers(array: pa.Array[Any]) -> tuple[NDArray[np.int64], Valid]:
    """A column's values as integers, zero where NULL: units of a decimal's scale, days, microseconds, 0 and 1.

    Returns (n,) int64. Raises DataError for a decimal of more than 64 bits.
    """
    type, valid = array.type, validity(array)
    if pa.types.is_boolean(type):
        values = booleans(array).astype(np.int64)
    elif pa.types.is_int64(type) or pa.types.is_timestamp(type):
        values = _buffer(array, 1, np.dtype(np.int64), len(array))
    elif pa.types.is_int32(type) or pa.types.is_date32(type):
        values = _buffer(array, 1, np.dtype(np.int32), len(array)).astype(np.int64)
    elif pa.types.is_decimal128(type):
        words = _buffer(array, 1, np.dtype(np.int64), len(array), words=2).reshape(-1, 2)  # low, high
        wide = words[:, 1] != words[:, 0] >> 63
        if np.any(wide if valid is None else wide & valid):
            raise DataError("a number of a row or a sum of an id needs more than 64 bits")
        values = words[:, 0]
    else:
        raise DataError("numbers were expected where the local database gave another type")
    return (values if valid is None else np.where(valid, values, 0)), valid


def booleans(array: pa.Array[Any]) -> NDArray[np.bool_]:
    """A boolean column as (n,) bool, False where NULL."""
    return np.asarray(array.fill_null(False).to_numpy(zero_copy_only=False), np.bool_)


def validity(array: pa.Array[Any]) -> Valid:
    """Which rows are not NULL, (n,) bool; None if all."""
    return np.asarray(array.is_valid().to_numpy(zero_copy_only=False), np.bool_) if array.null_count else None


def text_buffers(array: pa.Array[Any]) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """Offsets (n + 1) and bytes of a string or binary array: row i is bytes offsets[i]:offsets[i + 1]."""
    wide = pa.types.is_large_string(array.type) or pa.types.is_large_binary(array.type)
    if not (wide or pa.types.is_string(array.type) or pa.types.is_binary(array.type)):
        raise DataError("text was expected where the local database gave another type")
    dtype: np.dtype[Any] = np.dtype(np.int64 if wide else np.int32)
    offsets = _buffer(array, 1, dtype, len(array) + 1) if len(array) else np.zeros(1, dtype)
    data: Any = array.buffers()[2]
    text = np.empty(0, np.uint8) if data is None else np.frombuffer(data, np.uint8)
    return offsets, text[: int(offsets[-1])]


def _buffer(array: pa.Array[Any], which: int, dtype: np.dtype[Any], count: int, words: int = 1) -> NDArray[Any]:
    data: Any = array.buffers()[which]
    if data is None:
        return np.empty(0, dtype)
    return np.frombuffer(data, dtype, count * words, array.offset * words * dtype.itemsize)
