"""Batches in ristretto255 by libsodium, one element after the other: what `curve` computes, slower."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from glovebox.algebra import ristretto
from glovebox.algebra.kernels import U8


def all_times(factor: bytes, encodings: U8) -> U8:
    """See `kernels.CurveKernels`."""
    return _rows(ristretto.times(factor, row.tobytes()) for row in encodings)


def hashed_times(factor: bytes, uniform: U8) -> U8:
    """See `kernels.CurveKernels`."""
    return _rows(ristretto.times(factor, ristretto.hashed(row.tobytes())) for row in uniform)


def _rows(encodings: Iterable[bytes]) -> U8:
    return np.frombuffer(b"".join(encodings), np.uint8).reshape(-1, ristretto.ELEMENT_BYTES)
