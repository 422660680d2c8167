"""From opened numbers to the answer: exact, rounded once, in the asked order, and the same bytes at every receiver."""

from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from glovebox.contract.model import parse_contract
from glovebox.errors import Refused
from glovebox.planner.answer import _extreme, answer_of, parts_of
from glovebox.planner.plan import Output
from glovebox.planner.question import plan_question
from glovebox.protocols.finishing import Part
from glovebox.schema.answer import Answer, canonical_answer, read_answer

from .test_meaning import HEAD

EXAMPLES = Path(__file__).parents[2] / "examples" / "contracts"
JOIN = "FROM invoices JOIN members USING (customer_id)"


def planned(name, statement):
    return plan_question(parse_contract((EXAMPLES / f"{name}.toml").read_bytes()), statement, {}, 0)


def answered(plan, shown, groups):
    """The answer; groups: a list of opened parts for each group."""
    parts = np.array([[int(part) for part in parts] for parts in groups], object).T
    return answer_of(plan, np.array(shown, bool), parts.reshape(len(parts_of(plan)), len(shown)))


def test_every_part_is_opened_once():
    statement = f"SELECT SUM(lines) AS s, AVG(lines) AS m, COUNT(lines) AS c, SUM(lines) AS again, COUNT(*) AS n {JOIN}"
    kinds = [part.kind for part in parts_of(planned("online-retail", statement))]
    assert kinds == ["total", "null", "total", "total"]


def test_a_hidden_average_opens_neither_sum_nor_count():
    plan = planned("three-hospitals", "by-ward")
    hidden = plan.outputs[3]
    parts = parts_of(plan)
    assert Part("total", total=hidden.total) not in parts
    assert Part("total", total=hidden.over) not in parts
    assert Part("quotient", hidden.total, hidden.over, 40, 300) in parts


def test_counts_sums_and_averages_are_exact():
    plan = planned("online-retail", f"SELECT COUNT(*) AS n, SUM(amount) AS s, AVG(amount) AS m {JOIN}")
    answer = answered(plan, [True], [(7595, 3275731961, False)])
    assert answer.rows == ((7595, Decimal("3275731.961"), Decimal("431.3011140224")),)
    assert answered(plan, [True], [(0, 0, True)]).rows == ((0, None, None),)


def test_a_suppressed_group_shows_its_labels_and_nothing_else():
    plan = planned("three-hospitals", "by-ward")
    opened = [(20, 900, 10**8 // 3, 0), (0, 0, 0, 0), (12, 0, 0, 1), (0, 0, 0, 0)]
    answer = answered(plan, [True, False, True, False], opened)
    assert answer.rows == (
        ("heart", 20, Decimal("45.0000000000"), Decimal("33.333333")),
        ("lung", None, None, None),
        ("skin", 12, Decimal("0.0000000000"), None),
        ("other", None, None, None),
    )
    assert answer.suppressed == (1, 3)


def test_rows_are_ordered_after_opening_and_what_is_missing_stands_last():
    plan = planned("three-hospitals", "by-hospital")
    groups = [(number, number) for number in range(6)]
    assert [row[:2] for row in answered(plan, [True] * 6, groups).rows] == [
        (hospital, sex) for hospital in ("north", "south", "west") for sex in "FM"
    ]
    plan = planned(
        "heart-hospitals", "SELECT sex, COUNT(*) AS n, SUM(age) AS s FROM patients GROUP BY 1 ORDER BY s DESC"
    )
    answer = answered(replace(plan, zero_shown=False), [True, False], [(3, 90, 0), (0, 0, 0)])
    assert [row[0] for row in answer.rows] == ["F", "M"]
    answer = answered(replace(plan, zero_shown=False), [False, True], [(0, 0, 0), (3, 90, 0)])
    assert [row[0] for row in answer.rows] == ["M", "F"]
    assert answer.suppressed == (1,)


@given(
    st.integers(-(2**62), 2**62), st.integers(1, 2**31), st.integers(0, 6), st.one_of(st.none(), st.integers(0, 12))
)  # fmt: skip
def test_an_average_is_rounded_once(total, count, scale, digits):
    plan = planned("online-retail", f"SELECT AVG(amount) AS m {JOIN}")
    output = Output("m", "average", total=1, over=2, scale=scale, digits=digits)
    ((cell,),) = answered(replace(plan, outputs=(output,)), [True], [(total, count)]).rows
    exact, step = Fraction(total, count * 10**scale), Fraction(1, 10 ** (10 if digits is None else digits))
    error = Fraction(cell) - exact
    assert abs(error) <= step / 2
    if abs(error) == step / 2 and digits is not None:  # a half goes away from zero
        assert abs(Fraction(cell)) > abs(exact)
    if abs(error) == step / 2 and digits is None:  # a half goes to even
        assert Fraction(cell) / step % 2 == 0


@pytest.mark.parametrize(("units", "digits", "text"), [(-125, 1, "-1.3"), (125, 1, "1.3"), (-124, 1, "-1.2")])
def test_round_goes_away_from_zero(units, digits, text):
    plan = planned("online-retail", f"SELECT ROUND(SUM(amount), {digits}) AS s {JOIN}")
    plan = replace(plan, outputs=(replace(plan.outputs[0], scale=2),))
    assert answered(plan, [True], [(units, 0)]).rows == ((Decimal(text),),)


CELLS = st.one_of(
    st.none(), st.integers(-(2**62), 2**62), st.text(max_size=5),
    st.decimals(allow_nan=False, allow_infinity=False, places=3).filter(lambda value: value.adjusted() < 30),
)  # fmt: skip


@given(st.lists(st.tuples(CELLS, CELLS), max_size=3))
def test_canonical_bytes_give_the_same_answer_back(rows):
    answer = Answer(("a", "b"), tuple(rows), (0,))
    again = read_answer(canonical_answer(answer))
    assert again == answer
    assert canonical_answer(again) == canonical_answer(answer)


def test_a_day_beyond_the_calendar_is_nothing_and_no_error():
    """Only a lie makes it, which would read off an error on which side of the calendar's end it came."""
    for unit in ("date", "timestamp"):
        assert _extreme(Output("m", "extreme", unit=unit), 10**30) is None
        assert _extreme(Output("m", "extreme", unit=unit), 0).startswith("1970-01-01")


AVERAGED = """
[[table]]
owner = "p0"
name = "a"
rows = 1000000
rows_per_id = LINES
[table.columns]
id = { type = "id", form = "integer" }
x = { type = "integer", range = [0, 1], may = ["avg"] }

[[table]]
owner = "p1"
name = "b"
rows = 1000000
rows_per_id = LINES
[table.columns]
id = { type = "id", form = "integer" }

[rules]
join = [["a.id", "b.id"]]
ask = ["p0"]
receive = ["p0"]
groups_of_at_least = 1
questions = "any"
exact = "everyone may see single persons"
"""


@pytest.mark.parametrize(("lines", "is_planned"), [("1000", True), ("30000", False)])
def test_an_average_of_more_rows_than_can_be_compared_is_refused_before_it_runs(lines, is_planned):
    contract = parse_contract((HEAD + AVERAGED.replace("LINES", lines)).encode())
    question = "SELECT AVG(a.x) AS m FROM a JOIN b USING (id)"
    if is_planned:
        assert plan_question(contract, question, {}, 0).outputs[0].kind == "quotient"
        return
    with pytest.raises(Refused) as refused:
        plan_question(contract, question, {}, 0)
    assert "So many rows" in refused.value.detail[-1]
