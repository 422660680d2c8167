"""What is written of a formula's exact value."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from glovebox.planner.formulas import written
from glovebox.planner.plan import INEXACT, Output


@given(st.fractions(), st.integers(0, 700), st.integers(0, 18))
def test_values_of_any_size_are_written(value, zeros, digits):
    large = value * 10**zeros
    rounded = written(large, Output("f", "formula", scale=INEXACT, digits=digits))
    assert abs(Fraction(rounded) - large) <= Fraction(1, 2 * 10**digits)
    plain = written(large, Output("f", "formula", scale=INEXACT))
    assert abs(Fraction(plain) - large) <= max(abs(large) / 10**9, Fraction(1, 10**9))


def test_exact_decimals_keep_their_digits():
    assert str(written(Fraction(10**200 + 1, 100), Output("f", "formula", scale=2))) == f"1{'0' * 198}.01"
