"""Trees, the streams of their leaves, and the group of the base transfers."""

from __future__ import annotations

import numpy as np
import pytest

from glovebox.algebra import ristretto, trees
from glovebox.algebra.kernels import transfer_kernels
from glovebox.algebra.leaves import Leaves, corrected, vectors
from glovebox.algebra.ristretto import IDENTITY, base_times, is_element, minus, plus, scalar, times

ORDER = 2**252 + 27742317777372353535851937790883648493


def planted(seed: int = 0, depth: int = 4, count: int = 8):
    """Whole and punctured leaves of some trees."""
    rng = np.random.default_rng(seed)
    roots = rng.integers(0, 1 << 64, (count, 2), dtype=np.uint64)
    keys = rng.integers(0, 1 << 64, (count, depth, 2, 2), dtype=np.uint64)
    missing = rng.integers(0, 1 << depth, count).astype(np.uint8)
    seeds, corrections = trees.whole(roots, keys)
    sides = 1 - (missing[:, None] >> np.arange(depth) & 1)
    chosen = np.take_along_axis(keys, sides[:, :, None, None].astype(np.int64), axis=2)[:, :, 0]
    return missing, seeds, trees.punctured(missing, chosen, corrections)


@pytest.mark.parametrize("depth", [1, 4, 5])
def test_a_punctured_tree_has_all_leaves_but_one(depth):
    missing, seeds, known = planted(depth=depth)
    expected = seeds.copy()
    expected[np.arange(len(missing)), missing] = 0
    np.testing.assert_array_equal(known, expected)
    assert len(np.unique(seeds)) == seeds.size


@pytest.mark.parametrize(("words", "depth"), [(1, 4), (5000, 4), (70, 5)])
def test_vectors_differ_by_a_multiple_of_the_missing_place(words, depth):
    missing, seeds, known = planted(words, depth)
    whole, punctured = Leaves(seeds), Leaves(known, missing)
    for _ in range(2):  # streams go on where they were
        (v, u), (w, noise) = vectors(len(seeds), depth, words), vectors(len(seeds), depth, words)
        whole.read(transfer_kernels(), v, u)
        punctured.read(transfer_kernels(), w, noise)
        corrected(transfer_kernels(), w, missing, u)
        np.testing.assert_array_equal(v, w)
    assert len(np.unique(u)) == u.size


# RFC 9496, A.1: the first multiples of the generator
MULTIPLES = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "e2f2ae0a6abc4e71a884a961c500515f58e30b6aa582dd8db6a65945e08d2d76",
    "6a493210f7499cd17fecb510ae0cea23a110e8d5b901f8acadd3095c73a3b919",
    "94741f5d5d52755ece4f23f044ee27d5d1ea1e2bd196b462166b16152a9d0259",
]


def test_multiples_of_the_generator_are_those_of_the_rfc():
    for k in (1, 2, 3):
        assert base_times(k.to_bytes(32, "little")).hex() == MULTIPLES[k]
    one, two = (bytes.fromhex(MULTIPLES[k]) for k in (1, 2))
    assert plus(one, two).hex() == MULTIPLES[3]
    assert minus(two, one) == one
    assert times((3).to_bytes(32, "little"), one).hex() == MULTIPLES[3]


# RFC 9496, A.3: non-canonical, negative, and not on the curve
BAD = [
    MULTIPLES[0],
    "00ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "f3ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "01ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "ed57ffd8c914fb201471d1c3d245ce3c746fcbe63a3679d51b6a516ebebe0e20",
    "26948d35ca62e643e26a83177332e6b6afeb9d08e4268b650f1f5bbd8d81d371",
    "e2f2ae0a6abc4e71a884a961c500515f58e30b6aa582dd8db6a65945e08d2df6",  # the generator with bit 255
]


@pytest.mark.parametrize("encoding", BAD)
def test_an_encoding_that_is_no_element_is_told(encoding):
    assert not is_element(bytes.fromhex(encoding))
    with pytest.raises(ValueError, match="identity"):
        times((2).to_bytes(32, "little"), bytes.fromhex(encoding))


def test_a_product_that_is_the_identity_is_refused():
    with pytest.raises(ValueError, match="identity"):
        times(bytes(32), base_times((2).to_bytes(32, "little")))
    assert minus(base_times(bytes([2] + [0] * 31)), base_times(bytes([2] + [0] * 31))) == IDENTITY


def test_scalars_are_reduced_by_the_order():
    assert scalar(ORDER.to_bytes(64, "little")) == bytes(32)
    assert scalar((ORDER + 5).to_bytes(64, "little")) == (5).to_bytes(32, "little")


def test_the_library_leaves_no_file_behind(tmp_path):
    import subprocess
    import sys

    code = "from glovebox.algebra import ristretto; ristretto.base_times(bytes([1] + [0] * 31))"
    subprocess.run([sys.executable, "-c", code], check=True, env={"TMPDIR": str(tmp_path)})
    assert list(tmp_path.iterdir()) == []
    assert ristretto.ELEMENT_BYTES == 32
