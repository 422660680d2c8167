import random

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glovebox.data import encoding
from glovebox.data.encoding import encode_ids, encoded_bytes, repeated_ids
from glovebox.data.identifiers import key_bytes
from glovebox.errors import DataError
from glovebox.schema.columns import Column


def encoded(key: bytes, w: int) -> bytes:
    """psi.md 4.1, one id."""
    size = 16 * (w // 16 + 1)
    return (key + b"\x80").ljust(size, b"\0")


@given(
    st.integers(1, 70).flatmap(lambda w: st.tuples(st.just(w), st.lists(st.binary(max_size=w), max_size=40))),
    st.sampled_from([pa.binary(), pa.large_binary()]),
    st.integers(0, 3),
)
def test_every_row_is_the_id_the_mark_and_zeros(given, type, skipped):
    w, keys = given
    rows = encode_ids(pa.array(keys, type)[skipped:], w)
    assert rows.shape == (max(0, len(keys) - skipped), encoded_bytes(w))
    assert [row.tobytes() for row in rows] == [encoded(key, w) for key in keys[skipped:]]


def test_text_is_encoded_as_its_utf8_bytes():
    keys = ["", "a", "\u00e9\u4e2d", "x" * 24]
    assert [row.tobytes() for row in encode_ids(pa.array(keys), 24)] == [encoded(key.encode(), 24) for key in keys]


def test_an_integer_is_eight_bytes_little_endian():
    keys = [0, 7, -1, 2**63 - 1, -(2**63)]
    rows = encode_ids(pa.array(keys, pa.int64())[1:], 8)
    assert [row.tobytes() for row in rows] == [encoded(key.to_bytes(8, "little", signed=True), 8) for key in keys[1:]]


def test_many_ids_across_slices():
    chosen = random.Random(5)
    keys = [chosen.randbytes(chosen.randrange(25)) for _ in range(20_000)]
    out = np.full((20_000, 32), 7, np.uint8)
    assert encode_ids(pa.array(keys, pa.binary()), 24, out) is out
    assert out.tobytes() == b"".join(encoded(key, 24) for key in keys)


def test_what_was_not_left_out_before_is_an_error():
    for keys, w in ((pa.array(["a", None]), 8), (pa.array(["abc"]), 2), (pa.array([1.5]), 8)):
        with pytest.raises(DataError):
            encode_ids(keys, w)


@pytest.mark.parametrize(
    ("column", "w", "width"),
    [
        (Column("x", "id", form="integer"), 8, 16),
        (Column("x", "id", form="integer", max_bytes=99), 8, 16),
        (Column("x", "id", form="email"), 32, 48),
        (Column("x", "id", form="email", max_bytes=15), 15, 16),
        (Column("x", "id", form="email", max_bytes=16), 16, 32),
        (Column("x", "id", form="exact", max_bytes=24), 24, 32),
    ],
)
def test_widths(column, w, width):
    assert (key_bytes(column), encoded_bytes(key_bytes(column))) == (w, width)


@given(st.lists(st.integers(0, 60), max_size=60))
def test_ids_in_more_than_one_row_are_counted(keys):
    rows = encode_ids(pa.array([f"id{key}" for key in keys], pa.string()), 24)
    assert repeated_ids(rows) == len({key for key in keys if keys.count(key) > 1})


def test_ids_that_only_seem_to_repeat_are_told_apart(monkeypatch):
    monkeypatch.setattr(encoding, "may_repeat", lambda words: True)
    rows = encode_ids(pa.array(["one", "other"], pa.string()), 24)
    assert repeated_ids(rows) == 0
    assert repeated_ids(np.concatenate([rows, rows[:1]])) == 1
