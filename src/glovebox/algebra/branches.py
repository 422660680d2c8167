"""Trees of any depth whose nodes sum to one difference on each level: half the hashes and half the messages of `trees`.

Correlated trees of [GYWZXZ23]: the children of x are H(x) and x ^ H(x), so every level sums to what the first does, and
one 16-byte correction a level lets a party that holds one key of a correlated transfer know all leaves but one. Leaves
are sums of that difference too: who uses them as keys hashes them first. Arrays: (trees, nodes, 2); a node's place is
its path, the lowest bit first.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from glovebox.algebra.blocks import hashed, permuted
from glovebox.algebra.kernels import transfer_kernels

U16 = NDArray[np.uint16]
U64 = NDArray[np.uint64]

PUBLIC = b"glovebox/branch1"


def whole(roots: U64, difference: U64, keys: U64) -> tuple[U64, U64]:
    """Leaves, (trees, 2^depth, 2), and corrections, (trees, depth, 2).

    roots: (trees, 2) random. keys: (trees, depth, 2), of correlated transfers with the difference.
    """
    nodes, left = np.stack([roots, roots ^ difference], axis=1), roots
    corrections = np.empty_like(keys)
    depth = keys.shape[1]
    for level in range(depth):
        corrections[:, level] = left ^ keys[:, level]
        if level + 1 < depth:
            nodes, sums = _children(nodes)
            left = sums[:, 0]
    return nodes, corrections


def punctured(missing: U16, keys: U64, corrections: U64) -> U64:
    """All leaves but leaf `missing` of each tree, which is zeros.

    keys: (trees, depth, 2): of the transfers with choice bits of the sides that the path to the leaf does not take.
    """
    trees, depth = np.arange(len(missing)), keys.shape[1]
    nodes, sums = np.zeros((len(missing), 2, 2), np.uint64), np.zeros((len(missing), 2, 2), np.uint64)
    for level in range(depth):
        half = 1 << level
        path = missing & (half - 1)
        side = 1 - (missing >> level & 1)
        place = path + side * half
        others = sums[trees, side] ^ nodes[trees, place]  # the children of a node that is not known are noise
        nodes[trees, place] = keys[:, level] ^ corrections[:, level] ^ others
        nodes[trees, path + (1 - side) * half] = 0
        if level + 1 < depth:
            nodes, sums = _children(nodes)
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


def _children(nodes: U64) -> tuple[U64, U64]:
    """The children of all nodes, left ones, then right ones; and the sums of a tree's left and right ones."""
    kernels, (trees, count, _) = transfer_kernels(), nodes.shape
    turned = kernels.turned(nodes.reshape(-1, 2))
    out, sums = np.empty((trees, 2 * count, 2), np.uint64), np.empty((trees, 2, 2), np.uint64)
    kernels.branched(nodes, turned, permuted(turned, PUBLIC), out, sums)
    return out, sums
