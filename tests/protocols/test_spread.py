"""Columns of distinct keys for rows with these keys; what roles receive is that of the one pick (`test_pick.py`)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glovebox.protocols.pick import picked
from glovebox.protocols.reduction import segment_sums
from glovebox.protocols.spread import spread
from glovebox.runtime.context import Context, Role
from glovebox.runtime.world import World


async def at_query(ctx: Context, mine, step, **arguments):
    """A step on QUERY's (columns, index) and HELPER's columns."""
    columns, index = mine if ctx.role is Role.QUERY else (mine, None)
    return await step(ctx, columns, index, **arguments)


def shares(columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    theirs = np.random.default_rng(8).integers(0, np.iinfo(columns.dtype).max, columns.shape, columns.dtype)
    return columns - theirs, theirs


@given(sizes=st.lists(st.integers(1, 5), min_size=1, max_size=20), seed=st.integers(0, 99))
@settings(max_examples=20)
@pytest.mark.parametrize("ring", [np.uint16, np.uint64])
async def test_rows_get_the_columns_of_their_source(sizes, seed, ring):
    m, sources = 24, np.repeat(np.arange(len(sizes)), sizes)
    columns = np.random.default_rng(seed).integers(0, np.iinfo(ring).max, (2, m), ring)
    mine, theirs = shares(columns)
    sizes_of = {"count": 2, "m": m, "n": len(sources), "ring": ring}
    async with World() as world:
        got = await world.run(at_query, step=spread, query=(mine, sources), helper=theirs, **sizes_of)
    assert world.matches_card(spread, w=columns.itemsize, C=2, m=m, n=len(sources))
    assert got.table is None
    np.testing.assert_array_equal(got.query + got.helper, columns[:, sources])


@pytest.mark.parametrize("sources", [[1, 1, 2], [0, 2, 2], [0, 1, 0], [0, 1, 2, 3], [0, 0]])
async def test_rows_out_of_order_are_refused(sources):
    mine, theirs = shares(np.zeros((1, 3), np.uint64))
    async with World() as world:
        with pytest.raises(ValueError, match="order of their sources"):
            await world.run(
                at_query,
                step=spread,
                query=(mine, np.array(sources)),
                helper=theirs,
                count=1,
                m=3,
                n=max(3, len(sources)),
            )


async def levels(ctx: Context, mine, m: int, n: int, rows: int):
    """Prices of distinct products to the lines that name them, in order of baskets, and summed by basket."""
    prices, (sources, order, ends) = mine if ctx.role is Role.QUERY else (mine, (None, None, None))
    by_product = await spread(ctx.narrow("spread"), prices, sources, 1, m, n)
    by_basket = await picked(ctx.narrow("order"), by_product, order, 1, n, n)
    return await segment_sums(ctx.narrow("sums"), by_basket, ends, 1, n, rows)


async def test_lines_take_their_products_prices_and_add_up_to_baskets():
    rng = np.random.default_rng(4)
    products, baskets, lines = 9, 12, 40
    prices = np.concatenate([rng.integers(1, 100, products), [0]]).astype(np.uint64)  # and a padding product
    product, basket = rng.integers(0, products, lines), rng.integers(0, baskets, lines)
    product[:products] = np.arange(products)
    n = lines + baskets
    product, basket = (
        np.concatenate([one, np.full(baskets, past)]) for one, past in ((product, products), (basket, 99))
    )
    by_product = np.argsort(product, kind="stable")
    order = np.argsort(basket[by_product], kind="stable")
    present = np.unique(basket)[:-1]
    ends = np.searchsorted(np.sort(basket), present, side="right") - 1
    mine, theirs = shares(prices[None])
    async with World() as world:
        got = await world.run(
            levels, query=(mine, (product[by_product], order, ends)), helper=theirs, m=products + 1, n=n, rows=baskets
        )
    assert world.meter.rounds == 3
    expected = [prices[product[basket == one]].sum() for one in present]
    np.testing.assert_array_equal((got.query + got.helper)[0, : len(present)], expected)
    assert not (got.query + got.helper)[0, len(present) :].any()
