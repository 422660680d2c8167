"""Ids in bins: one of four places for each id of one owner, all four for each id of the other (two-party.md 2.2).

Function f has the f-th quarter of the bins for itself, so an id has four different places.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from glovebox.algebra.blocks import permuted
from glovebox.algebra.kernels import TransferKernels

U8 = NDArray[np.uint8]
U32 = NDArray[np.uint32]
U64 = NDArray[np.uint64]

FUNCTIONS = 4
LEAST_KEYS = 1024  # fewer keys get as many bins
ROUNDED = 256  # bins of a quarter are whole words of bits
FREE = 0xFFFFFFFF


class NoRoomError(Exception):
    """The ids have no places. Says nothing about them: places are random, the chance is under 2**-40."""


def bins_for(keys: int) -> int:
    """Public number of bins: 1.05 n + 3.5 sqrt(n).

    Placing is exact, so it fails only where no placement is. The largest load that can be placed was measured as 0.977
    (the threshold 0.9768 of 4 places) with a standard deviation of 0.16 / sqrt(bins): 0.0052 at 1020 bins, 0.0024 at
    4092, 0.00043 at 10**5. The load here is 0.80 at 1024 keys, 0.905 at 4096, 0.948 at 2**18: 22, 29 and 90 of them
    away. Small cores: 5 ids on 4 bins with n**5 / 120 (4 / bins)**16, 2**-88 at 1024 keys.
    """
    n = max(keys, LEAST_KEYS)
    return math.ceil((1.05 * n + 3.5 * math.sqrt(n)) / ROUNDED) * ROUNDED


def places(hashes: U64, key: bytes, bins: int) -> U32:
    """The four places of each id: (n, 4), the f-th in the f-th quarter. hashes: (n, 2), C-contiguous."""
    words = permuted(hashes, key).view(np.uint32)
    quarter = np.uint64(bins // FUNCTIONS)
    inside = (words.astype(np.uint64) * quarter >> np.uint64(32)).astype(np.uint32)
    inside += np.arange(FUNCTIONS, dtype=np.uint32) * np.uint32(quarter)
    return inside


def settled(kernels: TransferKernels, placed: U32, bins: int) -> U32:
    """The id in each bin: (bins,), FREE where there is none. Raises NoRoomError."""
    owners = kernels.settle(placed, bins)
    if len(owners) < bins:
        raise NoRoomError
    return owners


def mixed(hashes: U64, function: int | U64) -> U64:
    """Hashes of ids at one of their places: what differs by function is another key to everything that follows."""
    out = hashes.copy()
    out[:, 0] ^= np.asarray(function, np.uint64)
    return out
