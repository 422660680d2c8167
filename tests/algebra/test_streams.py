from __future__ import annotations

import hashlib
import hmac

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

from glovebox.algebra import streams
from glovebox.algebra.streams import Stream, derive

SECRET = bytes(range(32))


def test_a_key_is_the_one_of_the_specification():
    expected = hmac.new(SECRET, b"psi/1/join/shard0/and3/d", hashlib.sha256).digest()[:16]
    assert derive(SECRET, "join/shard0/and3/d") == expected
    assert derive(SECRET, "join/shard0/and3/c") != expected


@given(st.lists(st.integers(0, 5000), min_size=1, max_size=8))
def test_a_stream_read_in_pieces_is_the_keystream(sizes):
    key = derive(SECRET, "x")
    whole = Cipher(algorithms.AES(key), modes.CTR(bytes(16))).encryptor().update(bytes(sum(sizes)))
    stream = Stream(key)
    assert b"".join(stream.bytes(size) for size in sizes) == whole


def test_a_long_read_crosses_slices(monkeypatch):
    whole = Stream(derive(SECRET, "x")).read((70, 3), np.uint64)
    monkeypatch.setattr(streams, "SLICE_BYTES", 100)
    np.testing.assert_array_equal(Stream(derive(SECRET, "x")).read((70, 3), np.uint64), whole)
