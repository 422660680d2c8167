from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glovebox.algebra import arrays, okvs
from glovebox.algebra.kernels import kernels

COMPILED = kernels()
FORMS = [COMPILED, arrays]


def some_keys(n: int, words: int = 2, seed: int = 0):
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 1 << 64, n, dtype=np.uint64)
    y = rng.integers(0, 256, (n, 5), dtype=np.uint8)
    return x, y, rng.integers(0, 1 << 64, (n, words), dtype=np.uint64)


def table_of(form, n, x, y, values, seed: int = 1):
    layout = okvs.layout_of(n)
    table = np.random.default_rng(seed).integers(0, 1 << 64, (layout.rows, values.shape[1]), dtype=np.uint64)
    okvs.encode(form, layout, x, y, values, table)
    return layout, table


def test_the_compiled_form_is_there():
    assert COMPILED is not arrays, "numba's cache is not private here: only numpy was tested"


@pytest.mark.parametrize(
    ("n", "lb", "segments"),
    [(1, 7, 14), (1024, 7, 14), (4096, 8, 23), (16384, 9, 42), (10**5, 11, 60), (10**6, 13, 141), (10**7, 15, 344)],
)
def test_sizes_are_those_of_the_specification(n, lb, segments):
    assert okvs.layout_of(n) == okvs.Layout(lb, segments)


@given(n=st.integers(1, 3000), words=st.integers(1, 4), seed=st.integers(0, 10**6))
@settings(max_examples=25)
def test_both_forms_decode_each_others_tables(n, words, seed):
    x, y, values = some_keys(n, words, seed)
    for encoder in FORMS:
        layout, table = table_of(encoder, n, x, y, values)
        for decoder in FORMS:
            np.testing.assert_array_equal(okvs.decode(decoder, layout, table, x, y), values.T)


@pytest.mark.parametrize("form", FORMS)
def test_decoding_is_the_formula(form):
    x, y, values = some_keys(50)
    layout, table = table_of(form, 50, x, y, values)
    for key in range(50):
        start = ((int(x[key]) >> 45) * (layout.segments - 2)) >> 19
        inside = (1 << layout.lb) - 1
        word = np.zeros(2, np.uint64)
        for i in range(3):
            word ^= table[(start + i << layout.lb) + (int(x[key]) >> i * layout.lb & inside)]
        for j in range(40):
            if y[key, j // 8] >> j % 8 & 1:
                word ^= table[layout.slots + j]
        assert word.tolist() == values[key].tolist()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("copies", [2, 5, 30])
def test_keys_with_the_same_slots_are_solved_by_dense_rows(form, copies):
    x, y, values = some_keys(1000)
    x[:copies] = x[0]
    layout, table = table_of(form, 1000, x, y, values)
    np.testing.assert_array_equal(okvs.decode(form, layout, table, x, y), values.T)


@pytest.mark.parametrize("form", FORMS)
def test_equal_keys_with_different_values_have_no_table(form):
    x, y, values = some_keys(100)
    x[1], y[1] = x[0], y[0]
    with pytest.raises(okvs.UnsolvableError) as caught:
        table_of(form, 100, x, y, values)
    assert str(caught.value) == ""


def test_more_keys_with_the_same_slots_than_dense_rows_have_no_table():
    x, y, values = some_keys(100)
    x[:60] = x[0]
    with pytest.raises(okvs.UnsolvableError):
        table_of(COMPILED, 100, x, y, values)


def test_a_core_that_is_too_large_is_not_tried():
    n = okvs.MOST_CORE + 100
    x, y, values = some_keys(n)
    x %= np.uint64(4)
    with pytest.raises(okvs.UnsolvableError):
        table_of(COMPILED, n, x, y, values)


@pytest.mark.parametrize("n", [1, 1024])
def test_a_table_of_uniform_values_is_uniform(n):
    x, y, values = some_keys(n)
    _, table = table_of(COMPILED, n, x, y, values)
    counts = np.bincount(table.reshape(-1).view(np.uint8), minlength=256)
    expected = table.nbytes / 256
    statistic = ((counts - expected) ** 2 / expected).sum()
    assert abs(statistic - 255) < 5 * (2 * 255) ** 0.5


def test_what_no_key_needs_keeps_its_random_word():
    x, y, values = some_keys(10)
    _, table = table_of(COMPILED, 10, x, y, values)
    before = np.random.default_rng(1).integers(0, 1 << 64, table.shape, dtype=np.uint64)
    assert (table != before).any(axis=1).sum() == 10


def test_keys_that_are_not_in_a_table_decode_to_noise():
    x, y, values = some_keys(2000)
    layout, table = table_of(COMPILED, 2000, x, y, values)
    others = some_keys(4000, seed=9)
    bits = np.unpackbits(okvs.decode(COMPILED, layout, table, *others[:2]).view(np.uint8))
    assert abs(bits.mean() - 0.5) < 5 * 0.5 / len(bits) ** 0.5
