"""Trees of any depth whose nodes sum to one difference on each level: half the hashes and half the messages of `trees`.

Correlated trees of [GYWZXZ23]: the children of x are H(x) and x ^ H(x), so every level sums to what the first does, and
one 16-byte correction a level lets a party that holds one key of a correlated transfer know all leaves but one. Leaves
are hashed once more before use. Arrays: (trees, nodes, 2); a node's place is its path, the lowest bit first.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from glovebox.algebra.blocks import hashed, permuted

U16 = NDArray[np.uint16]
U64 = NDArray[np.uint64]

PUBLIC = b"glovebox/branch1"


def whole(roots: U64, difference: U64, keys: U64) -> tuple[U64, U64]:
    """Leaves, (trees, 2^depth, 2), and corrections, (trees, depth, 2).

    roots: (trees, 2) random. keys: (trees, depth, 2), of correlated transfers with the difference.
    """
    nodes = np.stack([roots, roots ^ difference], axis=1)
    corrections = np.empty_like(keys)
    depth = keys.shape[1]
    for level in range(depth):
        left = nodes[:, : 1 << level]
        corrections[:, level] = np.bitwise_xor.reduce(left, axis=1) ^ keys[:, level]
        nodes = _children(nodes) if level + 1 < depth else nodes
    return nodes, corrections


def punctured(missing: U16, keys: U64, corrections: U64) -> U64:
    """All leaves but leaf `missing` of each tree, which is noise.

    keys: (trees, depth, 2): of the transfers with choice bits of the sides that the path to the leaf does not take.
    """
    trees, depth = np.arange(len(missing)), keys.shape[1]
    nodes = np.zeros((len(missing), 2, 2), np.uint64)
    for level in range(depth):
        half = 1 << level
        path = missing & (half - 1)
        side = 1 - (missing >> level & 1)
        nodes[trees, path] = nodes[trees, path + half] = 0
        sums = np.bitwise_xor.reduce(nodes.reshape(-1, 2, half, 2), axis=2)[trees, side]
        nodes[trees, path + side * half] = keys[:, level] ^ corrections[:, level] ^ sums
        nodes = _children(nodes) if level + 1 < depth else nodes
    return nodes


def leaf_words(leaves: U64, count: int) -> U64:
    """`count` random words of each leaf: (count, trees, leaves)."""
    trees, places, _ = leaves.shape
    out = np.empty((count, trees * places), np.uint64)
    for word in range(0, count, 2):
        rows = leaves.reshape(-1, 2).copy()
        rows[:, 1] ^= np.uint64(word + 2)  # apart from the hashes that made the tree
        out[word : word + 2] = hashed(rows).T[: count - word]
    return out.reshape(count, trees, places)


def _children(nodes: U64) -> U64:
    """The children of all nodes: left ones, then right ones."""
    flat = np.ascontiguousarray(nodes).reshape(-1, 2)
    turned = np.stack([flat[:, 1], flat[:, 0] ^ flat[:, 1]], axis=1)  # sigma, a linear orthomorphism [GKWY20]
    left = (permuted(turned, PUBLIC) ^ turned).reshape(nodes.shape)
    return np.concatenate([left, left ^ nodes], axis=1)
