"""Ids put into bins by their owners, so that only ids in the same bin need comparing.

One owner has each id in one bin (cuckoo hashing with three hashes), the other each id in all its three bins; what
stands in a bin is a fingerprint of 60 bits. A bin of the second owner is filled up to a size that depends on the
number of ids only. [PSTY19] Pinkas, Schneider, Tkachenko, Yanai, Efficient Circuit-Based PSI with Linear
Communication, EUROCRYPT 2019.
"""

from __future__ import annotations

import hashlib
import math
import random

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

HASHES = 3
SPACE = 1.27  # bins an id, for three hashes and no stash [PSTY19, section 5]
LEAST = 1_000  # ids that there are bins for at least: a handful in as few bins do not fit now and then
EMPTY, FILLER = 1 << 60, (1 << 60) + 1  # of the first and the second owner: no fingerprint, and not equal
OVERFLOW = 2.0**-40


def bins_for(n: int) -> int:
    """How many bins, a multiple of three."""
    return HASHES * math.ceil(SPACE * max(n, LEAST) / HASHES)


def depth_for(n: int, bins: int) -> int:
    """The size to which a bin of the second owner is filled up; any overflows with at most 2^-40.

    A bin of one third gets Binomial(n, 3 / bins) ids, Poisson in the limit, whose tail is the larger.
    """
    mean = HASHES * n / bins
    term, depth = math.exp(-mean), 0
    while bins * term >= OVERFLOW / 2 or depth < 2 * mean:  # beyond twice the mean, the tail is under twice its first
        depth += 1
        term *= mean / depth
    return depth


def _hashed(ids: list[str], bins: int, key: bytes) -> tuple[Ints, Ints]:
    """Fingerprints (n,), and three bins each (n, 3): one in each third of the bins."""
    digests = b"".join(hashlib.blake2b(id_.encode(), digest_size=32, key=key).digest() for id_ in ids)
    words = np.frombuffer(digests, np.uint64).reshape(-1, 4)
    third = bins // HASHES
    places = (words[:, 1:] % np.uint64(third)).astype(np.int64) + third * np.arange(HASHES)
    return (words[:, 0] >> np.uint64(4)).astype(np.int64), places


def one_bin_each(ids: list[str], values: list[int], key: bytes) -> tuple[Ints, Ints]:
    """The first owner's bins: fingerprints (bins,), EMPTY where there is none, and the values beside them."""
    bins = bins_for(len(ids))
    fingerprints, places = _hashed(ids, bins, key)
    choices, holder = places.tolist(), [-1] * bins
    walk = random.Random(len(ids))
    for number in range(len(ids)):
        moved, avoid = number, -1
        for _ in range(1_000):
            free = next((place for place in choices[moved] if holder[place] < 0), None)
            place = free if free is not None else walk.choice([p for p in choices[moved] if p != avoid])
            moved, holder[place], avoid = holder[place], moved, place
            if moved < 0:
                break
        else:
            raise RuntimeError("the ids do not fit into their bins")
    held = np.array(holder)
    full = held >= 0
    chosen, beside = np.full(bins, EMPTY), np.zeros(bins, np.int64)
    chosen[full], beside[full] = fingerprints[held[full]], np.array(values)[held[full]]
    return chosen, beside


def all_bins_each(ids: list[str], key: bytes) -> Ints:
    """The second owner's bins: fingerprints (depth, bins), FILLER where there are fewer."""
    bins = bins_for(len(ids))
    fingerprints, places = _hashed(ids, bins, key)
    flat, repeated = places.reshape(-1), np.repeat(fingerprints, HASHES)
    order = np.argsort(flat, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(flat, minlength=bins))])[:-1]
    level = np.arange(len(flat)) - starts[flat[order]]
    table = np.full((depth_for(len(ids), bins), bins), FILLER)
    if level.size and level.max() >= len(table):
        raise RuntimeError("a bin overflows")
    table[level, flat[order]] = repeated[order]
    return table
