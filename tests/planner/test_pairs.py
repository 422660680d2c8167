"""Rows that meet pair by pair, and the first of them: what is refused, and that a row's text is no other question's."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glovebox.contract.model import parse_contract
from glovebox.errors import GloveboxError
from glovebox.planner.explain import in_words
from glovebox.planner.question import plan_question
from glovebox.planner.shape import join_shape, totals_of_run
from glovebox.planner.statement import Statement

from .clear import answered
from .test_meaning import CONTRACT, FEW, HEAD, QUICK, RULES, TABLES, check, rows

LAST = (
    "SELECT c, COUNT(*) AS n FROM (SELECT d.c, a.x, ROW_NUMBER() OVER (PARTITION BY a.id, a.day ORDER BY d.day DESC) "
    "AS rn FROM a JOIN d ON a.id = d.id AND d.day <= a.day) t WHERE rn = 1 GROUP BY c"
)

THREE = "FROM a JOIN d USING (id) JOIN h USING (id)"
THREE_OWNERS = [
    f"SELECT COUNT(*) AS n, COUNT(DISTINCT a.id) AS people, SUM(d.x * h.y) AS s {THREE} "
    "WHERE a.day <= d.day AND h.x > a.x",
    f"SELECT d.c, COUNT(*) AS n, SUM(a.y) AS s {THREE} WHERE a.x + 1 >= h.x GROUP BY d.c ORDER BY d.c",
    f"SELECT COUNT(*) FILTER (WHERE a.c = h.c) AS n, AVG(a.x - d.x) AS s {THREE} WHERE d.f",
]


def test_qualify_takes_the_last_event_too():
    number = "ROW_NUMBER() OVER (PARTITION BY a.id, a.day ORDER BY d.day DESC)"
    plain = LAST.replace(f", {number} AS rn", "").replace(" WHERE rn = 1", "")
    qualified = plain.replace(") t", f" QUALIFY {number} = 1) t")
    assert plan_question(FEW, qualified, {}, 0).source == plan_question(FEW, LAST, {}, 0).source


def test_the_last_event_is_one_of_each_rows_pairs():
    plan = plan_question(FEW, LAST, {}, 0)
    owner = plan.source.owners[plan.source.first]
    assert (owner.table, owner.slots, owner.slots_by, owner.falling) == ("d", 2, "day", True)
    other = plan.source.owners[1 - plan.source.first]
    assert (other.table, other.told_apart) == ("a", ("day",))
    assert "its rows have 2 slots, by day" in in_words(plan, FEW)
    shape = join_shape(plan.source, plan.totals)
    assert len(shape.totals) == 3 + 3 * 2 * 2  # of each group, people once, and rows for each pair of slots


def test_what_is_taken_of_the_pairs_is_part_of_the_question():
    inner = "SELECT d.c, COUNT(*) AS n FROM a JOIN d ON a.id = d.id WHERE d.day <= a.day GROUP BY d.c"
    assert Statement(LAST).canonical != Statement(inner).canonical
    assert Statement(LAST).canonical != Statement(LAST.replace(" DESC", "")).canonical


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        (LAST.replace("rn = 1", "rn = 2"), "This numbering cannot be asked here"),
        (LAST.replace("DESC", "DESC NULLS FIRST"), "This numbering cannot be asked here"),
        (LAST.replace("rn = 1", "rn = 1 AND x > 0"), "This numbering cannot be asked here"),
        (LAST.replace("PARTITION BY a.id, a.day", "PARTITION BY a.id, d.x"), "for each row of one table"),
        (LAST.replace("PARTITION BY a.id, a.day", "PARTITION BY a.day"), "for each row of one table"),
        (LAST.replace("PARTITION BY a.id, a.day", "PARTITION BY a.id"), "for each row of one table"),
        (LAST.replace("ORDER BY d.day", "ORDER BY d.w"), "d.w may not be compared"),
        (LAST.replace("COUNT(*) AS n", "MAX(x) AS n"), "over pairs of rows"),
    ],
)
def test_what_is_no_last_event_is_refused(question, sentence):
    with pytest.raises(GloveboxError) as refused:
        plan_question(FEW, question, {}, 0)
    assert sentence in "".join(refused.value.detail), refused.value.lines()


def test_too_many_pairs_are_refused():
    with pytest.raises(GloveboxError) as refused:
        plan_question(CONTRACT, "SELECT COUNT(*) FROM a JOIN d USING (id) WHERE a.day < d.day", {}, 0)
    assert refused.value.step == "rows_per_id"
    assert "in up to 9801 pairs" in refused.value.detail[-1]


def test_a_bound_of_many_pairs_is_still_planned():
    text = (HEAD + "".join(TABLES).replace("rows_per_id = 99", "rows_per_id = 8") + RULES).encode()
    plan = plan_question(parse_contract(text), "SELECT COUNT(*) FROM a JOIN d USING (id) WHERE a.day < d.day", {}, 0)
    assert len(join_shape(plan.source, plan.totals).totals) == 1 + 64


@pytest.mark.parametrize(
    "question", [LAST, *THREE_OWNERS, "SELECT e.c, COUNT(*) FROM e JOIN b USING (id) GROUP BY e.c"]
)
def test_totals_are_counted_without_making_them(question):
    plan = plan_question(FEW, question, {}, 0)
    shape = join_shape(plan.source, plan.totals)
    assert totals_of_run(plan.source, plan.totals) == len(shape.totals) * shape.planes


def test_a_slot_without_a_row_adds_nothing_to_a_sum_of_both_owners(tmp_path):
    written = {}
    for (party, table), numbers in {
        ("p0", "a"): [(1, "1.5"), (2, "2.0")],
        ("p1", "d"): [(1, "4.0"), (1, "-0.5")],
    }.items():
        written[party, table] = tmp_path / f"{table}.csv"
        lines = [f"{one},,{y},,,,u,," for one, y in numbers]
        written[party, table].write_text("\n".join(["id,x,y,z,w,f,c,day,hour", *lines]))
    plan = plan_question(FEW, "SELECT SUM(a.y - d.y) AS s, COUNT(*) AS n FROM a JOIN d USING (id)", {}, 0)
    assert answered(plan, FEW, written, tmp_path).rows == ((Decimal("-0.5"), 2),)


@QUICK
@given(rows(), rows(), rows(), st.sampled_from(THREE_OWNERS))
def test_rows_of_three_owners_meet_three_by_three(a, d, h, question):
    check(question, {0: a, 1: d, 2: h}, {"a": a, "d": d, "h": h}, FEW)
