"""Which answers of a contract tell totals of another's groups, and what is hidden because of it."""

from __future__ import annotations

import pytest

from glovebox.contract.model import parse_contract
from glovebox.planner.explain import in_words
from glovebox.planner.plan import Nested
from glovebox.planner.question import plan_question
from glovebox.planner.suppression import nesting_of

from .test_meaning import HEAD

TABLES = """
[[table]]
owner = ["p0", "p1", "p2"]
name = "t"
rows = 500
TABLE
[table.columns]
id = { type = "id", form = "integer" }
a = { type = "category", values = ["u", "v"], may = ["group", "filter"] }
b = { type = "category", values = ["x", "y", "z"], may = ["group", "filter"] }
n = { type = "integer", range = [0, 9], may = ["sum", "filter", "group"] }

[rules]
ask = ["p0"]
receive = ["p0"]
groups_of_at_least = 5
questions = QUESTIONS
"""
APART = 'rows_per_id = 1\nsame_person_at_several = "no"'
SEVERAL = 'rows_per_id = 3\nsame_person_at_several = "no"'


def agreed(*questions, table=APART, rules='"approved"'):
    """A contract of approved questions."""
    text = HEAD + TABLES.replace("TABLE", table).replace("QUESTIONS", rules)
    for number, sql in enumerate(questions):
        text += f'\n[[question]]\nname = "q{number}"\nsql = "SELECT {sql}"\n'
    return parse_contract(text.encode())


def planned(*questions, **terms):
    """The plan of the first of a contract's approved questions."""
    return plan_question(agreed(*questions, **terms), "q0", {}, 0)


BOTH, A, B = (f"{keys}, COUNT(*) AS n FROM t GROUP BY {keys}" for keys in ("b, a", "a", "b"))
ALL = "COUNT(*) AS n, SUM(n) AS s FROM t"
COUNTED = "COUNT(*) AS m FROM t GROUP BY 1, 2"


@pytest.mark.parametrize(("asked", "others", "table", "levels"), [
    (ALL, [BOTH, A], APART, None),
    (A, [B, BOTH], APART, Nested(((),))),
    (A, ["b, COUNT(*) FROM t WHERE n > 3 GROUP BY b"], APART, None),
    (BOTH, ["b, n, COUNT(*) FROM t GROUP BY b, n"], APART, Nested(((0,),))),
    (f"b, n > 3 AS big, {COUNTED}", [f"n > 5 AS big, {COUNTED.replace('1, 2', '1')}"], APART, Nested(())),
    (A, [ALL], APART, Nested(((),))),
    (A, [ALL], SEVERAL, Nested(((),), several=True)),
    (BOTH, [ALL, A], APART, Nested(((), (1,)))),
    (BOTH, [B], APART, Nested(((0,),))),
    (BOTH, [B, A], APART, Nested(())),
    (BOTH, [ALL, A], SEVERAL, Nested(())),
    (A, [f"{ALL} WHERE n > 3"], APART, None),
    ("a, COUNT(*) FROM t WHERE n > 3 AND b = 'x' GROUP BY a", [f"{ALL} where t.b = 'x' and (t.n > 3)"], APART,
     Nested(((),))),
])  # fmt: skip
def test_questions_of_the_same_rows_tell_totals_by_the_columns_in_common(asked, others, table, levels):
    assert planned(asked, *others, table=table).nested == levels


ONCE = 'rows_per_id = 3\nsame_person_at_several = "yes"'
PERSONS = "(SELECT id, COUNT(*) AS n, SUM(n) AS s FROM t WHERE b = 'x' GROUP BY id) p"
BANDS = (
    f"n, CASE WHEN s > 5 THEN 'high' ELSE 'low' END AS height, COUNT(*) AS m FROM {PERSONS} WHERE s > 1 GROUP BY 1, 2"
)
LABELS, PLAIN = (" UNION ALL ".join(f"SELECT {what} FROM p{number}.t WHERE b = :b" for number in range(3))
                 for what in ("'h' AS h, *", "*"))  # fmt: skip


@pytest.mark.parametrize(("asked", "others", "levels"), [
    (BANDS, [f"COUNT(*) AS m FROM {PERSONS} WHERE 1 < s"], None),
    (BANDS, [f"COUNT(*) AS m FROM {PERSONS} WHERE s > 1"], Nested(((),))),
    (BANDS, [f"COUNT(*) AS m FROM {PERSONS.replace('BY id', 'BY id HAVING COUNT(*) > 1')} WHERE s > 1"], None),
    (BANDS, [f"COUNT(*) AS m FROM {PERSONS.replace('BY id', 'BY id HAVING SUM(n) > 1')}"], Nested(((),))),
    (BANDS, ["COUNT(DISTINCT id) AS m FROM t WHERE b = 'x'"], None),
    (BANDS.replace(" WHERE s > 1", ""), ["COUNT(DISTINCT id) AS m FROM t WHERE b = 'x'"], Nested(((),))),
    (BANDS, [f"k, COUNT(*) AS m FROM {PERSONS.replace('AS n', 'AS k')} WHERE s > 1 GROUP BY k"], Nested(((0,),))),
    (BANDS, [BANDS.replace("n, CASE", "CASE").replace("1, 2", "1")], Nested(((1,),))),
])  # fmt: skip
def test_bands_of_persons_stand_under_totals_too(asked, others, levels):
    assert planned(asked, *others, table=ONCE).nested == levels


def test_neither_labels_of_the_parts_nor_parameters_hide_that_rows_are_the_same():
    questions = [f"h, COUNT(*) AS n FROM ({LABELS}) u GROUP BY h", f"COUNT(*) AS n FROM ({PLAIN}) u"]
    text = HEAD + TABLES.replace("TABLE", APART).replace("QUESTIONS", '"approved"')
    for number, sql in enumerate(questions):
        text += f'\n[[question]]\nname = "q{number}"\nsql = "SELECT {sql}"\nparameters = {{ b = "category" }}\n'
    assert plan_question(parse_contract(text.encode()), "q0", {"b": "y"}, 0).nested == Nested(((),))


def test_with_noise_totals_tell_nothing_that_is_not_paid_for():
    noisy = '"approved"\n[privacy]\nepsilon_total = "6"\nepsilon_per_question = "0.5"\n'
    assert planned(A, ALL, rules=noisy).nested is None


def test_groups_under_one_total_stand_side_by_side_for_the_protocol():
    nesting = nesting_of(planned(BOTH, ALL, A))
    assert nesting.order == (0, 2, 4, 1, 3, 5)  # all of b where a is u, then where it is v
    assert nesting.sizes == (1, 2)


@pytest.mark.parametrize(("others", "said"), [
    ([ALL], "the last group that shows is suppressed, too"), ([A, B], "if one is suppressed, all are"),
])  # fmt: skip
def test_explain_says_what_more_is_hidden(others, said):
    assert said in in_words(planned(BOTH, *others), agreed(BOTH, *others))


MATCHED = """
[[table]]
owner = "p0"
name = "e"
rows = 500
[table.columns]
id = { type = "id", form = "integer", unique = true }
a = { type = "category", values = ["u", "v"], may = ["group"] }

[[table]]
owner = "p1"
name = "d"
rows = 500
[table.columns]
id = { type = "id", form = "integer", unique = true }
c = { type = "category", values = ["x", "y"], may = ["group"] }

[rules]
join = [["e.id", "d.id"]]
ask = ["p2"]
receive = ["p2"]
groups_of_at_least = 5
questions = "approved"

[[question]]
name = "q0"
sql = "SELECT WHAT, COUNT(*) AS n FROM e LEFT JOIN d ON d.id = e.id GROUP BY 1"
"""


@pytest.mark.parametrize(("what", "hidden"), [
    ("NOT d.id IS NULL AS found", Nested(())), ("e.id IN (SELECT id FROM d) AS found", Nested(())),
    ("d.c", Nested(())), ("e.a", None),
])  # fmt: skip
def test_of_rows_with_and_without_a_match_their_owner_knows_the_sum(what, hidden):
    text = MATCHED.replace("WHAT", what)
    text = text if "IN (" not in what else text.replace(" LEFT JOIN d ON d.id = e.id", "")
    assert plan_question(parse_contract((HEAD + text).encode()), "q0", {}, 2).nested == hidden
