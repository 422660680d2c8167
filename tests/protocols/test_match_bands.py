"""Of a count that is told as a band, only the number of edges that it reaches opens.

Could a party tell anything beyond the leakage line? A band is a sum of the bits of `threshold.py`, whose openings
`test_threshold.py` looks at, and ends as a share fresh from a product like every other part.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glovebox.protocols.finishing import Finishing, Part

from .opening import comparing
from .test_finishing import run

EDGES = (10, 20, 50, 1000)
BAND = Part("band", 0, edges=EDGES)


@settings(max_examples=20)
@given(st.lists(st.sampled_from([0, 1, 4, 5, 9, 10, 19, 20, 49, 50, 999, 1000]), min_size=1, max_size=5))
async def test_a_band_is_the_number_of_edges_reached_and_zero_where_hidden(counts):
    lines, _ = await run([counts], Finishing(len(counts), (1000,), 0, 5, False, (BAND,)))
    shown = [int(count >= 5) for count in counts]
    assert lines == [
        shown,
        [sum(count >= edge for edge in EDGES) * one for count, one in zip(counts, shown, strict=True)],
    ]


@pytest.mark.parametrize("m", [3, 5])
async def test_the_bytes_are_those_of_as_many_thresholds(m):
    counts = [3, 1000, 0, 5, 7, 10, 20, 50]  # eight groups, so that bits of each edge's comparisons fill bytes
    _, meter = await run([counts], Finishing(8, (1000,), 0, 5, False, (BAND,)), m)
    _, alone = await run([counts], Finishing(8, (1000,), 0, 5, False, (Part("total", 0),)), m)
    assert meter.size - alone.size == comparing(m, 8 * len(EDGES), 11)  # 1000 < 2^10


async def test_traffic_is_the_same_whatever_the_band():
    finishing = Finishing(2, (1000,), 0, 5, False, (BAND,))
    shapes = [(await run([counts], finishing))[1].shape() for counts in ([0, 0], [7, 30], [1000, 1000])]
    assert shapes[0] == shapes[1] == shapes[2]
