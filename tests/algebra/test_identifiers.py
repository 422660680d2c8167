from __future__ import annotations

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from glovebox.algebra import identifiers

KEY = bytes(range(16))


def some_ids(n: int, blocks: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, 16 * blocks), dtype=np.uint8)


def aes(block: bytes, key: bytes) -> bytes:
    return Cipher(algorithms.AES(key), modes.ECB()).encryptor().update(block)


@pytest.mark.parametrize("blocks", [1, 2, 3])
@pytest.mark.parametrize("n", [1, 5, 300])
def test_a_hash_is_the_last_block_of_cbc(monkeypatch, n, blocks):
    monkeypatch.setattr(identifiers, "PIECE_ROWS", 128)  # so that 300 rows are several pieces
    ids = some_ids(n, blocks)
    hashes = identifiers.hash_ids(ids, KEY)
    for row, encoded in zip(hashes, ids, strict=True):
        cbc = Cipher(algorithms.AES(KEY), modes.CBC(bytes(16))).encryptor().update(encoded.tobytes())
        assert row.tobytes() == cbc[-16:]


def test_pseudonyms_and_masks_are_aes_of_the_hash():
    hashes = identifiers.hash_ids(some_ids(9, 2), KEY)
    before = hashes.copy()
    keys = [bytes([i]) * 16 for i in range(3)]
    x, y = identifiers.pseudonyms(hashes, keys[0])
    masks = identifiers.masks(hashes, keys[1:], 3)
    np.testing.assert_array_equal(hashes, before)
    assert masks.shape == (3, 9)
    for row, block in enumerate(hashes):
        assert x[row].tobytes() + y[row].tobytes() == aes(block.tobytes(), keys[0])[:13]
        words = aes(block.tobytes(), keys[1]) + aes(block.tobytes(), keys[2])
        assert masks[:, row].tobytes() == words[:24]


def test_shards_are_even_and_follow_the_hash():
    hashes = identifiers.hash_ids(some_ids(8000, 1), KEY)
    shards = identifiers.shard_numbers(hashes, 5)
    assert shards[:50].tolist() == [(int(u) & 0xFFFFFFFF) * 5 >> 32 for u in hashes[:50, 0]]
    counts = np.bincount(shards, minlength=5)
    assert len(counts) == 5
    assert abs(counts - 1600).max() < 6 * 40


def test_repeats_are_counted_and_equal_hashes_alone_are_none():
    ids = some_ids(100, 2)
    hashes = np.arange(240, dtype=np.uint64).reshape(120, 2)
    assert identifiers.repeats(ids, hashes) == 0
    hashes[7] = hashes[3]  # two ids whose hashes collide
    assert identifiers.repeats(ids, hashes) == 0
    ids[7], ids[50], hashes[50] = ids[3], ids[3], hashes[3]
    assert identifiers.repeats(ids, hashes) == 2
