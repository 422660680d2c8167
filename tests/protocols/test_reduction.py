"""Reductions by a key that QUERY knows: sums, or, minima; exact, priced, and of one shape whatever the keys.

What could a role tell? Steps are gates (`test_gates.py`) and a pick (`test_pick.py`), each under its own streams.
HELPER receives the places of the picked rows, distinct places of a random permutation whatever the keys, always as
many as the result has rows: neither how many keys there are nor how many rows each has. TABLE receives nothing.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glovebox.protocols import existence, extremes
from glovebox.protocols.existence import segment_any
from glovebox.protocols.extremes import minima
from glovebox.protocols.pick import picked
from glovebox.protocols.reduction import segment_sums
from glovebox.runtime.context import Context, Role
from glovebox.runtime.world import World

from .noise import assert_noise

QUERY, TABLE, HELPER = 0, 1, 2
SIZES = st.lists(st.integers(1, 9), max_size=20)


async def at_each(ctx: Context, mine, step, **arguments):
    """A protocol on QUERY's (columns, ends) and HELPER's columns."""
    columns, ends = mine if ctx.role is Role.QUERY else (mine, None)
    return await step(ctx, columns, ends, **arguments)


async def reduced(world: World, protocol, column: np.ndarray, ends: np.ndarray, **arguments) -> np.ndarray:
    top = 1 if protocol is segment_any else np.iinfo(column.dtype).max
    theirs = np.random.default_rng(9).integers(0, top, column.shape, column.dtype, endpoint=True)
    mine = column ^ theirs if protocol is segment_any else column - theirs
    got = await world.run(at_each, step=protocol, query=(mine, ends), helper=theirs, **arguments)
    assert got.table is None
    return got.query ^ got.helper if protocol is segment_any else got.query + got.helper


def laid_out(sizes: list[int], n: int, rng) -> tuple[np.ndarray, np.ndarray]:
    """The key of each row, -1 of padding rows, and each key's last row."""
    keys = np.repeat(np.arange(len(sizes)), sizes)
    return np.concatenate([keys, np.full(n - len(keys), -1)]), np.cumsum(sizes, dtype=np.int64) - 1


@given(sizes=SIZES, seed=st.integers(0, 99), ring=st.sampled_from([np.uint16, np.uint32, np.uint64]))
@settings(max_examples=25)
async def test_sums_by_key(sizes, seed, ring):
    rng = np.random.default_rng(seed)
    n, rows = 256, 21
    keys, ends = laid_out(sizes, n, rng)
    columns = rng.integers(0, np.iinfo(ring).max, (3, n), ring, endpoint=True) * (keys >= 0).astype(ring)
    async with World() as world:
        got = await reduced(world, segment_sums, columns, ends, count=3, n=n, rows=rows, ring=ring)
    assert world.matches_card(segment_sums, C=3, w=columns.itemsize, n=n, G=rows)
    expected = [[column[keys == key].sum(dtype=ring) for key in range(rows)] for column in columns]
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("most", [1, 9, 70_000])
@given(sizes=SIZES, seed=st.integers(0, 99))
@settings(max_examples=8)
async def test_any_by_key(sizes, seed, most):
    rng = np.random.default_rng(seed)
    sizes = [min(size, most) for size in sizes]
    n, rows = 256, 64
    keys, ends = laid_out(sizes, n, rng)
    bits = (rng.random(n) < 0.2).astype(np.uint8) * (keys >= 0).astype(np.uint8)
    async with World() as world:
        got = await reduced(world, segment_any, bits, ends, n=n, rows=rows, most=most)
    assert world.matches_card(segment_any, **existence.traffic(n, rows, most))
    np.testing.assert_array_equal(got, [bits[keys == key].any() for key in range(rows)])


@given(data=st.data(), seed=st.integers(0, 99), ring=st.sampled_from([np.uint32, np.uint64]))
@settings(max_examples=20)
async def test_minima_of_groups_in_blocks(data, seed, ring):
    """Whole blocks a group, rows that count for nothing above all others."""
    sizes = data.draw(st.lists(st.integers(1, 6), min_size=1, max_size=5))
    width, top = data.draw(st.integers(1, 9)), 1000
    groups = len(sizes) + data.draw(st.integers(0, 2))
    blocks = sum(sizes) + groups - len(sizes) + data.draw(st.integers(0, 3))
    rng = np.random.default_rng(seed)
    numbers = np.where(rng.random(blocks * width) < 0.3, top, rng.integers(-top, top, blocks * width))
    ends = np.cumsum(sizes, dtype=np.int64) - 1
    arguments = {"n": blocks * width, "blocks": blocks, "groups": groups, "most": max(sizes), "bits": 12, "ring": ring}
    async with World() as world:
        got = await reduced(world, minima, numbers.astype(np.int64).astype(ring), ends, **arguments)
    assert world.matches_card(minima, **extremes.traffic(**arguments))
    bounds = np.concatenate([[0], ends + 1]) * width
    expected = [numbers[low:high].min() for low, high in itertools.pairwise(bounds)]
    signed = got.astype(np.int32 if ring is np.uint32 else np.int64)
    np.testing.assert_array_equal(signed[: len(sizes)], expected)


@given(sizes=SIZES.filter(len), seed=st.integers(0, 99))
@settings(max_examples=10)
async def test_greatest_by_key_is_minus_the_least(sizes, seed):
    rng = np.random.default_rng(seed)
    n, rows = 256, 21
    keys, ends = laid_out(sizes, n, rng)
    numbers = rng.integers(-(1 << 40), 1 << 40, n)
    async with World() as world:
        arguments = {"n": n, "blocks": n, "groups": rows, "most": 9, "bits": 42}
        got = await reduced(world, minima, (-numbers).view(np.uint64), ends, **arguments)
    assert world.matches_card(minima, **extremes.traffic(**arguments))
    greatest = [numbers[keys == key].max() for key in range(len(sizes))]
    np.testing.assert_array_equal(-got.view(np.int64)[: len(sizes)], greatest)


@pytest.mark.parametrize("ends", [[3, 3], [5, 2], list(range(22)), [240], [-1, 4]])
async def test_keys_that_do_not_ascend_or_leave_no_padding_are_refused(ends):
    async with World() as world:
        with pytest.raises(ValueError, match="ascend"):
            await reduced(world, segment_sums, np.zeros((1, 256), np.uint64), np.array(ends), count=1, n=256, rows=21)


EVERY = {
    segment_sums: {"count": 1, "n": 256, "rows": 64},
    segment_any: {"n": 256, "rows": 64, "most": 5},
    minima: {"n": 256, "blocks": 128, "groups": 40, "most": 5, "bits": 10},
}


@pytest.mark.parametrize("protocol", EVERY)
async def test_traffic_has_one_shape_whatever_the_keys_and_the_data(protocol):
    shapes, dealt = [], []
    for sizes, value in (([], 0), ([1] * 40, 1), ([5, 1, 5], 0)):
        shape = (1, 256) if protocol is segment_sums else 256
        column = np.full(shape, value, np.uint8 if protocol is segment_any else np.uint64)
        async with World(seed=3, keep=True) as world:
            await reduced(world, protocol, column, np.cumsum(sizes, dtype=np.int64) - 1, **EVERY[protocol])
        shapes.append(world.meter.shape())
        dealt.append({frame: octets for frame, octets in world.meter.seen.items() if frame[0] == TABLE})
    assert shapes[0] == shapes[1] == shapes[2]
    assert dealt[0] == dealt[1] == dealt[2]
    assert not [frame for frame in world.meter.frames if frame.receiver == TABLE]


@pytest.mark.parametrize("ones", [False, True])
@pytest.mark.parametrize("protocol", EVERY)
async def test_every_frame_but_places_is_noise_to_its_receiver(protocol, ones):
    """Shares are constant here, so that a missing mask would show; places are tested in `test_pick.py`."""
    shape = (1, 256) if protocol is segment_sums else 256
    share = (
        np.full(shape, int(ones), np.uint8) if protocol is segment_any else np.full(shape, -int(ones)).view(np.uint64)
    )
    seen: dict = {}
    async with World(seed=5, keep=True) as world:
        for _ in range(40):
            got = await world.run(
                at_each, step=protocol, query=(share, np.array([3, 7])), helper=share, **EVERY[protocol]
            )
            frames = {f: octets for f, octets in world.meter.seen.items() if not f[2].endswith("places")}
            if protocol is not segment_any:  # bits in bytes
                frames |= {"query": got.query, "helper": got.helper}
            for frame, octets in frames.items():
                seen.setdefault(frame, []).append(np.frombuffer(octets, np.uint8))
    for frame, octets in seen.items():
        assert_noise(frame, np.stack(octets))


async def test_a_permutation_is_a_pick_of_all():
    rng = np.random.default_rng(1)
    column, order = rng.integers(0, 1 << 64, (1, 640), dtype=np.uint64), rng.permutation(640)

    async def permuted(ctx, columns, ends):
        return await picked(ctx, columns, ends, 1, 640, 640)

    async with World() as world:
        got = await reduced(world, permuted, column, order)
    np.testing.assert_array_equal(got[0], column[0][order])
    assert (world.meter.rounds, world.meter.size) == (1, 20 * 640)
