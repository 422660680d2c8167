"""From a plan's source to the shape of its run."""

import pytest
from msgspec.structs import replace

from glovebox.planner.plan import Total
from glovebox.planner.shape import join_shape
from glovebox.protocols.expression import Constant, Match, Operation, Payload

from .test_plans import PLANS, plan_of

JOINED = plan_of(next(path for path in PLANS if path.stem == "product-of-owners"))[0]


@pytest.mark.parametrize(
    ("choice", "column", "total"),
    [
        (Operation("not", (Match(0),)), None, Total(None, 0, 64, 0, 9)),
        (Operation("less", (Payload(0, 0, 0, 9), Constant(5))), None, Total(0, None, 64, 0, 9)),
        (Operation("not", (Match(0),)), Payload(0, 0, 0, 9), Total(None, None, 64, 0, 9, column=0)),
    ],
)
def test_no_total_counts_what_is_noise_without_a_match(choice, column, total):
    source = replace(JOINED.source, choices=(choice,), columns=() if column is None else (column,))
    with pytest.raises(ValueError, match="without a match"):
        join_shape(source, [total])
    matched = Operation("and", (choice, Match(0)))
    assert join_shape(replace(source, choices=(matched,)), [total]).choices == (matched,)
