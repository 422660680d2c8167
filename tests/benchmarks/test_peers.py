"""Other systems are measured beside only with what they reveal; and what we wrote for them ourselves is right."""

import numpy as np
import pytest
from benchmarks.peers.bins import EMPTY, all_bins_each, bins_for, depth_for, one_bin_each
from benchmarks.run import notes, table
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import beside


@pytest.mark.parametrize("peer", beside.PEERS)
@pytest.mark.parametrize("work", ["count", "join"])
def test_a_peer_says_what_it_guarantees_and_reveals(peer, work):
    says = beside.about(peer)
    assert says["security"].startswith("semi-honest")
    assert "row counts" in says["reveals"][work]
    assert says["reveals_more"][work] == ("WHICH" in says["reveals"][work])
    assert says["reveals_more"][work] or "nothing but" in says["reveals"][work] or "how many" in says["reveals"][work]


def test_a_peer_that_is_not_there_is_reported(monkeypatch):
    monkeypatch.setattr(beside, "INTERPRETERS", ("/nowhere/python",))
    figures = beside.measured("spu_psi", "join", 100, 1)
    assert figures["absent"] == "spu is not installed (make peers)"
    assert "seconds" not in figures


def test_plain_mpyc_gives_the_right_answer():
    figures = beside.measured("plain_mpyc", "join", 40, 1)
    assert figures.get("equal"), figures
    assert figures["bytes_per_row"] > 1_000
    assert len(figures["spread_seconds"]) == 2
    assert not figures["reveals_more"]
    assert set(figures["versions"]) == {"mpyc"}


def test_a_party_that_fails_ends_the_others(monkeypatch):
    monkeypatch.setattr(beside, "_write", lambda directory, rows: [])  # so that no party finds its table
    assert beside.measured("plain_mpyc", "join", 40, 1)["absent"] == "it failed: a party failed"


def test_what_reveals_more_is_marked_in_the_table():
    one = {
        "workload": "join", "rows": 10, "line": "loopback", "seconds": 1.0, "spread_seconds": [1.0, 1.0],
        "equal": True, "marks": [], "security": "semi-honest", "reveals": "all",
    }  # fmt: skip
    found = [{"system": "open", "reveals_more": True, **one}, {"system": "closed", "reveals_more": False, **one}]
    assert list(table(found).columns[0].cells) == ["open *", "closed"]
    assert any("open" in note and "reveals: all" in note for note in notes(found))


ids = st.lists(st.uuids().map(str), min_size=1, max_size=60, unique=True)


@settings(max_examples=30)
@given(ids, st.data())
def test_ids_meet_in_exactly_one_bin(ids, data):
    shift = data.draw(st.integers(0, len(ids)))
    others = ids[shift:] + [f"other {number}" for number in range(shift)]
    values = list(range(1, len(ids) + 1))
    chosen, beside_them = one_bin_each(ids, values, b"key")
    table = all_bins_each(others, b"key")
    assert table.shape == (depth_for(len(ids), bins_for(len(ids))), len(chosen))
    matched = (table == chosen).sum(axis=0)
    assert matched.max() <= 1
    assert matched.sum() == len(ids) - shift
    assert (matched * beside_them).sum() == sum(values[shift:])
    assert np.count_nonzero(chosen != EMPTY) == len(ids)


def test_bins_are_as_deep_as_the_tail_asks():
    """Against the exact binomial tail of one bin, all bins together."""
    from fractions import Fraction
    from math import comb

    n = 1_000
    bins = bins_for(n)
    chance = Fraction(3, bins)

    def over(depth):
        ways = (comb(n, k) * chance**k * (1 - chance) ** (n - k) for k in range(depth + 1, depth + 25))
        return float(bins * sum(ways))

    depth = depth_for(n, bins)
    assert over(depth) < 2**-40
    assert over(depth - 3) > 2**-40
