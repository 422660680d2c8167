"""Trees of pseudorandom leaves [GGM86], known whole to one party and all but one leaf to the other.

Leaf x of a tree lies at the path of x's bits, the lowest first. Nodes of one level stand as left children first, then
right ones, so that a node's place is its path. A node's children are two hashes of it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from glovebox.algebra.blocks import permuted

U8 = NDArray[np.uint8]
U64 = NDArray[np.uint64]

SIDES = (b"glovebox/left/1.", b"glovebox/right/1")  # public keys of two fixed permutations


def whole(roots: U64, keys: U64) -> tuple[U64, U64]:
    """All leaves of each tree, and what the other party needs to get all but one.

    roots: (trees, 2); keys: (trees, depth, 2, 2) random 16-byte keys, two a level.
    Returns leaves (trees, 2^depth, 2) and corrections (trees, depth, 2, 2): the sum of the left children of a level
    under its first key, that of the right ones under its second.
    """
    nodes = roots[:, None, :]
    corrections = np.empty_like(keys)
    for level in range(keys.shape[1]):
        children = _children(nodes)
        corrections[:, level] = np.bitwise_xor.reduce(children, axis=2) ^ keys[:, level]
        nodes = children.reshape(len(roots), -1, 2)
    return nodes, corrections


def punctured(missing: U8, chosen: U64, corrections: U64) -> U64:
    """All leaves of each tree but leaf `missing`, which is zeros: (trees, 2^depth, 2).

    missing: (trees,) below 2^depth. chosen: (trees, depth, 2), at each level the key of the side that the path to the
    missing leaf does not take.
    """
    trees = np.arange(len(missing))
    nodes = np.zeros((len(missing), 1, 2), np.uint64)
    for level in range(chosen.shape[1]):
        children = _children(nodes)
        path = missing & ((1 << level) - 1)
        side = 1 - (missing >> level & 1)
        children[trees, :, path] = 0  # hashes of a node that is not known
        total = np.bitwise_xor.reduce(children[trees, side], axis=1)
        children[trees, side, path] = total ^ chosen[:, level] ^ corrections[trees, level, side]
        nodes = children.reshape(len(missing), -1, 2)
    return nodes


def _children(nodes: U64) -> U64:
    """(trees, 2, nodes, 2): left children, right children."""
    trees, count, _ = nodes.shape
    flat = np.ascontiguousarray(nodes).reshape(-1, 2)
    both = np.stack([(permuted(flat, side) ^ flat).reshape(trees, count, 2) for side in SIDES], axis=1)
    return np.ascontiguousarray(both)
