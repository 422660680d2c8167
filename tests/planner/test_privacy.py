"""What one person can change, by hand and by leaving people out of random tables; how far noise takes a number."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from glovebox.algebra.laplace import decay, halves
from glovebox.algebra.streams import Stream, derive
from glovebox.contract.model import parse_contract
from glovebox.errors import Refused
from glovebox.planner.answer import Bars, answer_of, parts_of
from glovebox.planner.explain import explanation, in_words
from glovebox.planner.privacy import bar, decays, error_bars
from glovebox.planner.question import plan_question
from glovebox.schema.answer import canonical_answer, read_answer

from .evaluation import totals_of
from .test_meaning import COLUMNS, HEAD, QUICK, questions, rows

NOISY = '"any"\n[privacy]\nepsilon_total = "6"\nepsilon_per_question = "0.5"\n'
CONTRACT = parse_contract((HEAD + "".join(
    f"[[table]]\nowner = {owner}\nname = '{name}'\nrows = 99\n{more}\n" + COLUMNS.replace("UNIQUE", unique)
    for owner, name, more, unique in [
        ("'p0'", "a", "rows_per_id = 3", ""), ("'p1'", "b", "", ", unique = true"),
        ("'p1'", "d", "rows_per_id = 2", ""),
        ("['p0', 'p1', 'p2']", "s", "person = 'row'", ""),
        ("['p0', 'p1', 'p2']", "z", "rows_per_id = 3\nsame_person_at_several = 'no'", ""),
    ]
) + f"""[rules]
join = [["a.id", "b.id"], ["a.id", "d.id"]]
ask = ["p0"]
receive = ["p0"]
groups_of_at_least = 2
questions = {NOISY}
""").encode())  # fmt: skip


def planned(question, contract=CONTRACT):
    return plan_question(contract, question, {}, 0)


def test_every_released_total_has_its_persons_bound_and_no_other_has():
    plan = planned("SELECT COUNT(*) AS n, SUM(a.x) AS s, AVG(a.y) AS m, SUM(a.x * d.y) AS p FROM a JOIN d USING (id)")
    people, pairs = 1, 3 * 2
    by_total = dict(zip(plan.totals, plan.noise.persons, strict=True))
    n, s, m, p = plan.outputs
    assert plan.noise.persons[plan.people] == people
    assert [plan.noise.persons[output.total] for output in (n, s, m, p)] == [
        pairs,
        9 * pairs,
        99 * pairs,
        9 * 99 * pairs,
    ]
    assert plan.noise.persons[m.over] == pairs
    assert sorted(by_total.values()).count(0) == len(plan.totals) - 5 - (m.over != n.total)


@pytest.mark.parametrize(("question", "bounds"), [
    ("SELECT COUNT(*) AS n FROM s", [1]),
    ("SELECT COUNT(*) AS n FROM z", [3]),
    ("SELECT COUNT(DISTINCT id) AS n FROM z", [1]),
    ("SELECT c, COUNT(*) AS n FROM s GROUP BY c", [1]),
    ("SELECT c, COUNT(*) AS n FROM z GROUP BY c", [3]),
    ("SELECT c, COUNT(DISTINCT id) AS n FROM z GROUP BY c", [3]),
    ("SELECT SUM(x) AS n FROM s", [9]),
    ("SELECT c, SUM(x) AS n FROM z GROUP BY c", [27]),
    ("SELECT SUM(y) AS n FROM z", [297]),
    ("SELECT SUM(x * x) AS n FROM s", [81]),
    ("SELECT SUM(CASE WHEN f THEN x ELSE 0 END) AS n FROM s", [9]),
    ("SELECT COUNT(*) FILTER (WHERE f) AS n FROM z", [3]),
    ("SELECT COUNT(DISTINCT a.id) AS n FROM a JOIN b USING (id)", [1]),
    ("SELECT COUNT(*) AS n FROM a JOIN b USING (id)", [3]),
    ("SELECT COUNT(*) AS n FROM a JOIN d USING (id)", [6]),
    ("SELECT SUM(b.x) AS n FROM a JOIN b USING (id)", [27]),
    ("SELECT SUM(a.x * b.x) AS n FROM a JOIN b USING (id)", [243]),
    ("SELECT COUNT(a.x) AS n FROM a JOIN d USING (id)", [6]),
    ("SELECT COUNT(*) FILTER (WHERE a.f) AS n FROM a JOIN d USING (id)", [6]),
    ("SELECT SUM(d.y) FILTER (WHERE a.f) AS n FROM a JOIN d USING (id)", [594]),
    ("SELECT a.c, COUNT(DISTINCT a.id) AS n FROM a JOIN d USING (id) GROUP BY a.c", [3]),
    ("SELECT d.c, COUNT(DISTINCT a.id) AS n FROM a JOIN d USING (id) GROUP BY d.c", [2]),
    ("SELECT a.c, d.c AS e, COUNT(DISTINCT a.id) AS n FROM a JOIN d USING (id) GROUP BY 1, 2", [6]),
    ("SELECT a.c, COUNT(*) AS n FROM a JOIN b USING (id) GROUP BY a.c", [3]),
    ("SELECT b.c, COUNT(DISTINCT a.id) AS n FROM a JOIN b USING (id) GROUP BY b.c", [1]),
])  # fmt: skip
def test_bounds_of_a_person_by_hand(question, bounds):
    plan = planned(question)
    outputs = [output for output in plan.outputs if output.kind != "group"]
    assert [plan.noise.persons[output.total] for output in outputs] == bounds


def within(held, most):
    """The rows without what is beyond so many of an id."""
    kept, count = [], {}
    for row in held:
        count[row["id"]] = count.get(row["id"], 0) + 1
        if row["id"] is None or count[row["id"]] <= most:
            kept.append(row)
    return kept


def check(question, tables, person):
    """Leaving one person out changes no total by more than its bound, over all groups together."""
    plan = planned(question)
    without = {party: [row for row in held if row is not person and row["id"] != person.get("id")] for party, held in
               tables.items()}  # fmt: skip
    for bound, one, other in zip(plan.noise.persons, totals_of(plan, tables), totals_of(plan, without), strict=True):
        assert bound == 0 or sum(abs(a - b) for a, b in zip(one, other, strict=True)) <= bound


PERSONS = st.integers(0, 6).map(lambda number: {"id": number})


@QUICK
@given(rows(), rows(unique=True), PERSONS, questions(("a", "b"), "a JOIN b USING (id)", True, noisy=True))
def test_a_person_of_a_join_with_a_unique_side(a, b, person, question):
    check(question, {0: within(a, 3), 1: b}, person)


@QUICK
@given(rows(), rows(), PERSONS, questions(("a", "d"), "a JOIN d ON d.id = a.id", True, noisy=True))
def test_a_person_of_a_join(a, d, person, question):
    check(question, {0: within(a, 3), 1: within(d, 2)}, person)


APART = ["a.day - b.day", "DATE_DIFF('month', b.day, a.day)", "a.x - b.y"]
CHOSEN = [
    "GREATEST(a.x, b.y)",
    "LEAST(b.x, a.x, 3)",
    "CASE WHEN a.x > b.x THEN a.y WHEN b.f THEN -9 END",
    "a.day - b.day",
]


@QUICK
@given(rows(), rows(unique=True), PERSONS, st.sampled_from(APART), st.sampled_from(["", " FILTER (WHERE a.f)"]))
def test_a_person_of_what_two_columns_differ_by(a, b, person, apart, keep):
    question = f"SELECT SUM({apart}){keep} AS s, AVG({apart}){keep} AS m FROM a JOIN b USING (id)"
    check(question, {0: within(a, 3), 1: b}, person)


@pytest.mark.parametrize("apart", [*APART, "a.x"])
def test_an_average_over_no_values_is_missing(apart):
    plan = planned(f"SELECT a.c, AVG({apart}) FILTER (WHERE a.f) AS m FROM a JOIN b USING (id) GROUP BY 1 ORDER BY 1")
    mean = plan.outputs[1]
    count = mean.arguments[1].total if mean.kind == "formula" else mean.over
    values = [[2, 0, -3] if part.total == count else [7 * part.total] * 3 for part in parts_of(plan)]
    rows = answer_of(plan, np.ones(3, bool), np.array(values, object)).rows
    assert [row[1] is None for row in rows] == [False, True, True]


@QUICK
@given(rows(), rows(unique=True), PERSONS, st.sampled_from(CHOSEN), st.sampled_from(["", " FILTER (WHERE a.y < b.y)"]))
def test_a_person_of_what_two_owners_columns_make(a, b, person, chosen, keep):
    question = f"SELECT SUM({chosen}){keep} AS s, AVG({chosen}){keep} AS m FROM a JOIN b USING (id)"
    check(question, {0: within(a, 3), 1: b}, person)


@QUICK
@given(rows(), rows(), rows(), PERSONS, questions(("z",), "z", False).map(lambda text: text.replace("s.c", "z.c")))
def test_a_person_of_a_stack(one, other, third, person, question):
    tables = {0: within(one, 3), 1: within(other, 3), 2: within(third, 3)}
    at = {}
    for party, held in tables.items():  # nobody is at two owners
        tables[party] = [{**row, "person": row["id"]} for row in held if at.setdefault(row["id"], party) == party]
    check(question, tables, person)


@QUICK
@given(rows(), rows(), rows(), st.data(), questions(("s",), "s", False))
def test_a_row_of_a_stack(one, other, third, data, question):
    one = [{**row, "id": number} for number, row in enumerate(one)]
    person = data.draw(st.sampled_from(one or [{"id": 0}]))
    check(question, {0: one, 1: [{**row, "id": -1} for row in other], 2: [{**row, "id": -2} for row in third]}, person)


def test_a_questions_epsilon_is_shared_by_its_totals():
    plan = planned("SELECT COUNT(*) AS n, SUM(x) AS s FROM z")
    shares = [
        Fraction(q.s, q.t) * person for q, person in zip(decays(plan.noise), plan.noise.persons, strict=True) if q
    ]
    assert shares == [Fraction(1, 6)] * 3  # people, rows, and the sum


@pytest.mark.parametrize("question", ["SELECT MIN(a.x) FROM a JOIN d USING (id)", "SELECT MAX(day) FROM s"])
def test_one_persons_value_is_refused(question):
    with pytest.raises(Refused) as caught:
        planned(question)
    assert caught.value.step == "privacy"
    assert "one person's value, which no noise hides" in caught.value.detail[-1]


@pytest.mark.parametrize(
    ("most", "question"),
    [(10**16, "SELECT SUM(x) AS s FROM s"), (10**9, "SELECT COUNT(*) AS n FROM s HAVING AVG(x) > 0.333333")],
)
def test_noise_that_does_not_fit_is_refused(most, question):
    text = HEAD + "[[table]]\nowner = ['p0', 'p1', 'p2']\nname = 's'\nrows = 99\nperson = 'row'\n" + (
        f"[table.columns]\nx = {{ type = 'integer', range = [0, {most}], may = ['sum'] }}\n"
        f"[rules]\nask = ['p0']\nreceive = ['p0']\ngroups_of_at_least = 2\nquestions = {NOISY}"
    )  # fmt: skip
    with pytest.raises(Refused, match="refused") as caught:
        plan_question(parse_contract(text.encode()), question, {}, 0)
    assert caught.value.step == "privacy"
    assert caught.value.hint
    assert "no noise that hides it fits" in caught.value.detail[-1]


@pytest.mark.parametrize("q", [decay(1, 1), decay(1, 2), decay(1, 10), decay(3, 400), decay(1, 10**6)], ids=str)
@pytest.mark.parametrize("count", [3, 4, 6])
@pytest.mark.parametrize("misses", [Fraction(1, 20), Fraction(1, 40)])
def test_noise_stays_within_its_bar_but_so_often(q, count, misses):
    draw = Stream(derive(bytes(32), "bars")).bytes
    noise = sum(halves(q, 20_000, draw) for _ in range(count))
    length = bar(q, count, misses)
    beyond, closer = (np.mean(np.abs(noise) > edge) for edge in (length, length * 0.97 - 1))
    spread = 4.9 * math.sqrt(misses / 20_000)
    assert beyond <= misses + spread
    assert closer >= misses - spread


def test_an_answer_with_noise_has_an_error_bar_for_every_number():
    plan = planned("SELECT c, COUNT(*) AS n, SUM(y) AS s, AVG(x) AS m FROM s GROUP BY c ORDER BY n DESC")
    parts = parts_of(plan)
    assert {part.kind for part in parts} == {"total"}
    n, s, m = plan.outputs[1:]
    opened = {n.total: (2000, 3000, 0), s.total: (7, -100, 0), m.total: (40_000, 10, 0), m.over: (1000, -5, 0)}
    values = np.array([opened[part.total] for part in parts], object)
    answer = answer_of(plan, np.array([True, True, False]), values)
    bars, both = error_bars(plan), error_bars(plan, Fraction(1, 40))
    assert answer.rows == (
        ("v", 3000, Decimal("-10"), None),
        ("u", 2000, Decimal("0.7"), Decimal("40.0000000000")),
        ("w", None, None, None),
    )
    assert answer.within[0] == (None, bars[n.total], Decimal(bars[s.total]) / 10, None)
    assert answer.within[2] == (None,) * 4
    least = (both[m.total] + 40 * both[m.over]) / Decimal(1000 - both[m.over])
    assert least <= answer.within[1][3] < least + Decimal("1e-9")
    assert read_answer(canonical_answer(answer)) == answer


@given(st.integers(-(10**6), 10**6), st.integers(1, 10**4), st.integers(-200, 200), st.integers(-20, 20))
def test_an_averages_bar_holds_whatever_the_noise_within_its_parts(total, count, a, b):
    plan = planned("SELECT AVG(y) AS m FROM s")
    (m,) = plan.outputs
    bars = Bars((0,) * len(plan.totals), tuple({m.total: 200, m.over: 20}.get(n, 0) for n in range(len(plan.totals))))
    far = bars.of_average(replace(m, scale=0), total, count)
    if far is None or count + b <= 0:
        assert count <= 20
    else:
        assert abs(Fraction(total, count) - Fraction(total + a, count + b)) <= Fraction(far)


def test_explain_tells_the_error_and_the_cost_beforehand():
    plan = planned("SELECT COUNT(*) AS n, AVG(y) AS m FROM s")
    told, words = explanation(plan, CONTRACT), in_words(plan, CONTRACT)
    assert told["epsilon"] == "0.5"
    assert told["epsilon_of"] == ["p0", "p1", "p2"]
    assert told["within"]["n"] == str(error_bars(plan)[plan.outputs[0].total])
    assert f"n: within {told['within']['n']}, 19 times in 20" in words
    assert "costs epsilon 0.5 of p0, p1, p2 each" in words
    assert "m over 1,000 values: within" in words
