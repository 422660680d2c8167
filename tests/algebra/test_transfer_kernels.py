"""The kernels of oblivious transfer: both forms alike, and what each computes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glovebox.algebra import transfer_arrays
from glovebox.algebra.kernels import transfer_kernels

COMPILED = transfer_kernels()
FORMS = [COMPILED, transfer_arrays]
FREE = 0xFFFFFFFF


def words(rng, *shape):
    return rng.integers(0, 1 << 64, shape, dtype=np.uint64)


def octets(rng, *shape):
    return rng.integers(0, 256, shape, dtype=np.uint8)


def nibbles(packed):
    return np.stack([packed & 15, packed >> 4], axis=-1).reshape(-1).astype(np.uint16)


def bits(packed):
    return np.unpackbits(packed, bitorder="little").astype(np.uint16)


def test_the_compiled_form_is_there():
    assert COMPILED is not transfer_arrays, "numba's cache is not private here: only numpy was tested"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("n", "depth"), [(1, 4), (77, 4), (77, 5)])
def test_fold_sums_the_leaves_of_each_bit(form, n, depth):
    leaves = words(np.random.default_rng(n), 1 << depth, n)
    v, u = np.empty((depth, n), np.uint64), np.empty(n, np.uint64)
    form.fold(leaves, v, u)
    for bit in range(depth):
        chosen = leaves[[x for x in range(1 << depth) if x >> bit & 1]]
        np.testing.assert_array_equal(v[bit], np.bitwise_xor.reduce(chosen, axis=0))
    np.testing.assert_array_equal(u, np.bitwise_xor.reduce(leaves, axis=0))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shape", [(64, 1), (128, 9), (192, 8), (64, 20)])
def test_transposed_bits(form, shape):
    matrix = words(np.random.default_rng(1), *shape)
    single = np.unpackbits(matrix.view(np.uint8), axis=1, bitorder="little")
    turned = np.unpackbits(form.transposed(matrix).view(np.uint8), axis=1, bitorder="little")
    np.testing.assert_array_equal(turned, single.T)


@pytest.mark.parametrize("form", FORMS)
def test_keys_are_columns_with_their_numbers_and_the_difference(form):
    rng = np.random.default_rng(5)
    planes, difference = words(rng, 130, 13), words(rng, 2)
    rows = COMPILED.transposed(planes[:128])[64 * 3 : 64 * 12]
    rows[:, 0] ^= np.arange(7, 7 + len(rows), dtype=np.uint64)
    out = np.empty((2, len(rows), 2), np.uint64)
    form.keys(planes, 3, 7, None, out[:1])
    np.testing.assert_array_equal(out[0], rows)
    form.keys(planes, 3, 7, difference, out)
    np.testing.assert_array_equal(out, np.stack([rows, rows ^ difference]))


@pytest.mark.parametrize("form", FORMS)
def test_multiples_are_added(form):
    rng = np.random.default_rng(6)
    v, masks, u = words(rng, 4, 9), np.array([0, 2**64 - 1, 5, 0], np.uint64), words(rng, 2, 9)
    expected = v ^ masks[:, None] & np.repeat(u, 2, axis=0)
    form.add_multiples(v, masks, u)
    np.testing.assert_array_equal(v, expected)


@pytest.mark.parametrize("form", FORMS)
@given(seed=st.integers(0, 10**6))
@settings(max_examples=10)
def test_a_transfer_of_one_in_sixteen_bits_tells_whether_nibbles_are_equal(form, seed):
    """The chooser's 4 hashes and the sender's 8 make one bit alike; an offer of it shares [x = y]."""
    rng = np.random.default_rng(seed)
    n = 64
    hashes = words(rng, 2, 4 * n, 2)
    images = words(rng, 2, 4 * n, 2)
    tables = form.tables(hashes ^ images, images)
    random, x, y, r = octets(rng, n // 2), octets(rng, n // 2), octets(rng, n // 2), octets(rng, n // 8)
    y[: n // 4] = x[: n // 4]
    chosen = np.take_along_axis(hashes, bits(random)[None, :, None].astype(np.int64), axis=0)[0]
    own = np.ascontiguousarray(chosen)
    pads = form.pads(own ^ images[0], images[0], random)
    np.testing.assert_array_equal(tables >> nibbles(random) & 1, bits(pads))
    z = form.taken(form.offers(tables, random ^ x, y, r), x, pads)
    np.testing.assert_array_equal(bits(z) ^ bits(r), nibbles(x) == nibbles(y))


def test_masks_of_places_are_independent():
    """A mask's bits at the 16 places are not linear in each other: no XOR of some of them is always 0."""
    tables = COMPILED.tables(*words(np.random.default_rng(2), 2, 2, 4 * 4000, 2))
    basis = {}
    for row in tables.tolist():
        rest = row
        while rest and (top := rest.bit_length()) in basis:
            rest ^= basis[top]
        if rest:
            basis[rest.bit_length()] = rest
    assert len(basis) == 16


@pytest.mark.parametrize("form", FORMS)
def test_lookups_add_up(form):
    rng = np.random.default_rng(4)
    tables, places = words(rng, 5, 256, 2), octets(rng, 128, 5)
    expected = np.bitwise_xor.reduce(tables[np.arange(5), places], axis=1)
    np.testing.assert_array_equal(form.lookup_sums(tables, places), expected)
    sums = np.zeros((128, 2), np.uint64)
    for index in range(5):
        single = np.unpackbits(places[:, index : index + 1], axis=1, bitorder="little")
        planes = np.packbits(np.ascontiguousarray(single.T), axis=1, bitorder="little")
        form.add_lookups(tables[index], planes.view(np.uint64), sums)
    np.testing.assert_array_equal(sums, expected)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("n", "slots"), [(1, 8), (1000, 1280), (3000, 3600)])
def test_every_key_gets_one_of_its_places(form, n, slots):
    rng = np.random.default_rng(n)
    places = (rng.integers(0, slots // 4, (n, 4)) + np.arange(4) * (slots // 4)).astype(np.uint32)
    owners = form.settle(places, slots)
    taken = np.flatnonzero(owners != FREE)
    assert sorted(owners[taken].tolist()) == list(range(n))
    assert (places[owners[taken]] == taken[:, None]).any(axis=1).all()


def test_keys_without_room_are_told(monkeypatch):
    monkeypatch.setattr(transfer_arrays, "ROUNDS", 50)
    places = np.tile(np.arange(4, dtype=np.uint32), (5, 1))
    for form in FORMS:
        assert len(form.settle(places, 8)) == 0


@pytest.mark.parametrize("form", FORMS)
def test_children_are_two_hashes_that_sum_to_their_node(form):
    rng = np.random.default_rng(4)
    nodes, images = words(rng, 3, 5, 2), words(rng, 15, 2)
    turned = form.turned(nodes.reshape(-1, 2))
    np.testing.assert_array_equal(turned[:, 0], nodes.reshape(-1, 2)[:, 1])
    np.testing.assert_array_equal(turned[:, 1], np.bitwise_xor.reduce(nodes.reshape(-1, 2), axis=1))
    out, sums = np.empty((3, 10, 2), np.uint64), np.empty((3, 2, 2), np.uint64)
    form.branched(nodes, turned, images, out, sums)
    np.testing.assert_array_equal(out[:, :5], (turned ^ images).reshape(3, 5, 2))
    np.testing.assert_array_equal(out[:, :5] ^ out[:, 5:], nodes)
    np.testing.assert_array_equal(sums, np.bitwise_xor.reduce(out.reshape(3, 2, 5, 2), axis=2))


@pytest.mark.parametrize("form", FORMS)
def test_chosen_rows_are_added(form):
    rng = np.random.default_rng(5)
    short, before = words(rng, 64, 2), words(rng, 100, 2)
    places, out = rng.integers(0, 64, (100, 10)).astype(np.uint32), before.copy()
    form.add_chosen(short, places, out)
    np.testing.assert_array_equal(out, before ^ np.bitwise_xor.reduce(short[places], axis=1))
