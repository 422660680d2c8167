"""Shamir shares on the wire, and recombination that checks."""

from __future__ import annotations

import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glovebox.errors import IntegrityError
from glovebox.runtime.engine import modulus
from glovebox.runtime.shares import decode, encode, recombined, width

P = modulus(64)


def split(values: list[int], m: int) -> dict[int, list[int]]:
    """Shares as the definition has them: a random polynomial of degree t at 1..m."""
    t = (m - 1) // 2
    polynomials = [[value % P, *(secrets.randbelow(P) for _ in range(t))] for value in values]
    return {i: [sum(c * (i + 1) ** k for k, c in enumerate(f)) % P for f in polynomials] for i in range(m)}


@given(st.lists(st.integers(0, P - 1)))
def test_shares_come_back_from_their_bytes(values):
    data = encode(values, P)
    assert len(data) == len(values) * width(P)
    assert decode(data, P, len(values)) == values


@pytest.mark.parametrize("bad", [[P], [-1], [True], [1.0], ["1"], [None], [b"1"], [[1]], [P - 1, 2**200]])
def test_only_field_integers_are_encoded(bad):
    with pytest.raises(ValueError, match="field integers"):
        encode(bad, P)


@pytest.mark.parametrize(
    "data", [b"", bytes(width(P) - 1), bytes(width(P) + 1), P.to_bytes(width(P), "little"), b"\xff" * width(P)]
)
def test_bytes_of_another_length_or_outside_the_field_are_refused(data):
    with pytest.raises(ValueError, match="sent"):
        decode(data, P, 1)


@given(st.lists(st.integers(-(2**63), 2**63), min_size=1, max_size=4), st.integers(3, 9))
def test_all_shares_give_the_secrets(values, m):
    assert recombined(split(values, m), P, (m - 1) // 2, "reveal") == values


@given(st.integers(3, 9), st.data())
def test_up_to_t_wrong_shares_are_noticed(m, data):
    shares = split([7, -3], m)
    wrong = data.draw(st.sets(st.integers(0, m - 1), min_size=1, max_size=(m - 1) // 2))
    for party in wrong:
        shares[party][1] = (shares[party][1] + data.draw(st.integers(1, P - 1))) % P
    with pytest.raises(IntegrityError) as caught:
        recombined(shares, P, (m - 1) // 2, "reveal")
    assert caught.value.lines() == ["the shares of an opening do not belong together (reveal)"]


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_fewer_shares_than_can_be_checked_are_refused(missing):
    shares = split([7], 3)
    del shares[missing]
    with pytest.raises(IntegrityError, match="missing"):
        recombined(shares, P, 1, "reveal")
