"""The audit of noise in small: it is satisfied with the product, and finds every planted mistake.

`python -m benchmarks.audit` is the same at its full size, where the estimates are within a few hundredths.
"""

import pytest
from benchmarks.audit import BUGS, CASES, audited, with_bug


@pytest.mark.parametrize("name", CASES)
async def test_what_t_parties_see_tells_as_much_as_was_promised_and_not_more(name):
    found = await audited(CASES[name], 4000, seed=1)
    assert found.at_least <= 1
    assert found.estimate >= 0.8


@pytest.mark.parametrize("name", BUGS)
async def test_a_planted_mistake_is_found(name):
    assert (await with_bug(name, 5000, seed=1)).at_least > 1


async def test_two_questions_that_differ_by_a_person_tell_as_much_as_both_cost():
    """Each paid: as of two answers with noise of their own, epsilon is 2."""
    found = await with_bug("two answers are paid once", 5000, seed=1)
    assert 1 < found.at_least <= 2
