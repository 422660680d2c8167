"""One row a person of several owners' rows, and questions over these: here, and in DuckDB in the clear."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glovebox.contract.model import parse_contract
from glovebox.errors import GloveboxError
from glovebox.planner.question import plan_question

from .test_counted_once import APART, CONTRACT, LAWS, OWNERS, STACK, check, union
from .test_meaning import HEAD, conditions, rows
from .test_stacks import FEW

ALL = " UNION ALL ".join(f"SELECT '{owner}' AS h, * FROM {owner}.s " for owner in OWNERS)
COLUMNS = {
    "n": "COUNT(*)", "s": "SUM(x)", "t": "SUM(y)", "k": "COUNT(x)", "owners": "COUNT(DISTINCT h)",
    "hit": "COUNT(DISTINCT h) FILTER (WHERE c = 'u')", "few": "SUM(x) FILTER (WHERE y > 0)", "least": "MIN(x)",
    "most": "MAX(y)", "last": "MAX(day)", "label": "MIN(c)", "f": "bool_or(f)", "u": "bool_or(c = 'u')",
    "ones": "SUM(CASE WHEN y > 2 THEN 1 ELSE 0 END)",
}  # fmt: skip
CONDITIONS = [
    "n >= 2", "s > 3", "s BETWEEN -2 AND 5", "t <= 1.5", "k = 0", "owners >= 2", "hit = 1", "few < 0", "least < -3",
    "most > 4.5", "last >= DATE '2026-01-09'", "label = 'v'", "label IN ('u', 'w')", "f", "NOT f", "u", "NOT u",
    "s IS NULL", "least IS NOT NULL", "s + n > 2 * t", "f AND NOT u", "u OR owners = 3", "f IS NULL",
    "CASE WHEN u THEN n ELSE s END > 1", "ones < n",
]  # fmt: skip
AGGREGATES = [
    "COUNT(*)", "SUM(s)", "AVG(t)", "SUM(n * 2 - k)", "SUM(CASE WHEN s > 3 THEN 1 ELSE 0 END)", "COUNT(least)",
    "SUM(most)", "COUNT(DISTINCT id)", "SUM(CASE WHEN f THEN s ELSE n END)", "AVG(n)", "COUNT(s)", "SUM(owners)",
    "COUNT(last)", "SUM(CASE WHEN u AND f THEN t END)", "SUM(few)", "SUM(1)",
]  # fmt: skip
KEYS = [
    "owners", "u", "f", "few > 1", "label", "hit + owners", "n >= 3",
    "CASE WHEN n = 1 THEN 'one' WHEN n <= 3 THEN 'few' ELSE 'many' END",
    "CASE WHEN s > 2 THEN 'high' WHEN s IS NULL THEN 'none' ELSE 'low' END",
]  # fmt: skip


def used(texts):
    """The columns that some texts read, at least one."""
    words = {word.strip("()") for text in texts for word in text.replace("(", " ").replace(")", " ").split()}
    return [f"{text} AS {name}" for name, text in COLUMNS.items() if name in words]


@FEW
@given(rows(), rows(), rows(), st.data())
def test_questions_over_persons(one, other, third, data):
    owners = data.draw(st.sampled_from([3, 2]))
    conditions_ = st.sampled_from(CONDITIONS)
    aggregates = data.draw(st.lists(st.sampled_from(AGGREGATES), min_size=1, max_size=3, unique=True))
    keeps = [data.draw(st.one_of(st.none(), conditions_)) for _ in aggregates]
    where, key = data.draw(st.one_of(st.none(), conditions_)), data.draw(st.one_of(st.none(), st.sampled_from(KEYS)))
    inner = data.draw(st.one_of(st.none(), conditions("u")))
    columns = used([*aggregates, *filter(None, keeps), where or "", key or ""])
    outer = [f"{text}{f' FILTER (WHERE {keep})' if keep else ''} AS o{number}"
             for number, (text, keep) in enumerate(zip(aggregates, keeps, strict=True))]  # fmt: skip
    parts = " UNION ALL ".join(ALL.split(" UNION ALL ")[:owners])
    persons = (
        f"SELECT {', '.join(['id', *columns])} FROM ({parts}) u WHERE id IS NOT NULL{f' AND {inner}' if inner else ''}"
    )
    check(
        f"SELECT {f'{key} AS g, ' if key else ''}{', '.join(outer)} FROM ({persons} GROUP BY id) p"
        f"{f' WHERE {where}' if where else ''}{' GROUP BY 1 ORDER BY 1' if key else ''}",
        (one, other, third)[:owners],
    )


@FEW
@given(rows(), rows())
def test_who_is_anywhere_at_all(one, other):
    parts = union("s", "id", OWNERS[:2])
    check(f"SELECT COUNT(*) AS n FROM (SELECT DISTINCT id FROM ({parts}) u WHERE id IS NOT NULL) p", (one, other))


@FEW
@given(rows(), rows(), rows(), st.sampled_from([
    "COUNT(DISTINCT h) >= 2", "n > 1 AND SUM(x) FILTER (WHERE c = 'u') > 2", "bool_or(f)", "MAX(y) < 5 OR COUNT(*) = 1",
    "COUNT(*) BETWEEN 2 AND 3 AND MIN(x) IS NOT NULL",
]))  # fmt: skip
def test_having_chooses_persons(one, other, third, having):
    check(
        f"SELECT COUNT(*) AS n, SUM(n) AS r FROM (SELECT id, COUNT(*) AS n FROM ({ALL}) u WHERE id IS NOT NULL "
        f"GROUP BY id HAVING {having}) p WHERE n < 5",
        (one, other, third),
    )


@FEW
@given(rows(unique=True), rows(unique=True), st.sampled_from(["a.id IS NULL", "b.f", "b.id IS NOT NULL AND a.s > 0"]))
def test_persons_of_two_owners_side_by_side(one, other, key):
    check(
        "WITH a AS (SELECT id, SUM(x) AS s, COUNT(*) AS n, MAX(y) AS m FROM p0.t WHERE id IS NOT NULL GROUP BY id), "
        "b AS (SELECT id, bool_or(f) AS f, MIN(x) AS s FROM p1.t WHERE x <> 3 AND id IS NOT NULL GROUP BY 1) "
        "SELECT COUNT(*) AS n, COUNT(*) FILTER (WHERE a.id IS NOT NULL AND b.id IS NOT NULL) AS both, "
        "COUNT(*) FILTER (WHERE b.id IS NULL) AS first, COUNT(b.id) AS second, SUM(a.s) AS s, SUM(b.s + n) AS t, "
        f"COUNT(DISTINCT id) AS ids, SUM(m) AS m, COUNT(*) FILTER (WHERE {key}) AS k, COUNT(*) FILTER (WHERE f) AS f "
        "FROM a FULL JOIN b USING (id)",
        (one, other),
        ("t",),
    )


@FEW
@given(rows(unique=True), rows(unique=True))
def test_groups_of_persons_of_either_side(one, other):
    sides = [f"(SELECT DISTINCT id FROM p{place}.t WHERE id IS NOT NULL) {'ab'[place]}" for place in range(2)]
    check(
        f"SELECT a.id IS NULL AS away, COUNT(*) AS n FROM {sides[0]} FULL JOIN {sides[1]} ON a.id = b.id "
        "GROUP BY a.id IS NULL ORDER BY 1",
        (one, other),
        ("t",),
    )


@pytest.mark.parametrize(
    ("persons", "sentence"),
    [
        (
            f"SELECT id, x, COUNT(*) AS n FROM ({ALL}) u GROUP BY id, x",
            "Rows of several owners become persons by one id",
        ),
        (f"SELECT c, COUNT(*) AS n FROM ({ALL}) u GROUP BY c", "Rows become persons by one id"),
        (f"SELECT id, COUNT(x) AS n, COUNT(*) FROM ({ALL}) u GROUP BY id", "needs a name"),
        (f"SELECT id, x AS n FROM ({ALL}) u GROUP BY id", "counts, sums, MIN, MAX and bool_or"),
        (f"SELECT id, COUNT(DISTINCT c) AS n FROM ({ALL}) u GROUP BY id", "only owners can be counted as distinct"),
        (f"SELECT id, AVG(x) AS n FROM ({ALL}) u GROUP BY id", "counts, sums, MIN, MAX and bool_or"),
        ("SELECT id, COUNT(*) AS n FROM p0.t GROUP BY id", "p0's alone"),
        ("SELECT 1 AS n GROUP BY n", "A question reads a table"),
        (f"SELECT id, COUNT(*) AS n FROM ({ALL}) u GROUP BY 1.5", "Rows become persons by an id"),
        (f"SELECT id, COUNT(*) AS n FROM ({ALL}) u GROUP BY id, '1'", "Rows become persons by an id"),
        (f"SELECT id, COUNT(*) AS n FROM ({ALL}) u GROUP BY 3", "Rows become persons by an id"),
        (f"SELECT id, SUM(z) AS n FROM ({ALL}) u GROUP BY id", "may not be"),
        (f"SELECT id, COUNT(CASE WHEN z > 1 THEN 1 END) AS n FROM ({ALL}) u GROUP BY id", "z may not be filtered by"),
        (f"SELECT id, SUM(CASE WHEN z > 1 THEN 1 END) AS n FROM ({ALL}) u GROUP BY id", "z may not be filtered by"),
    ],
)
def test_what_makes_no_persons_is_refused(persons, sentence):
    with pytest.raises(GloveboxError) as refused:
        plan_question(CONTRACT, f"SELECT COUNT(*), SUM(n) FROM ({persons}) p WHERE n > 1", {}, 0)
    assert sentence in refused.value.detail[-1]


def test_groups_of_what_a_person_comes_to_need_its_columns_to_be_filters():
    with pytest.raises(GloveboxError) as refused:
        persons = f"SELECT id, SUM(w) AS s FROM ({ALL}) u GROUP BY id"
        plan_question(CONTRACT, f"SELECT s, COUNT(*) FROM ({persons}) p GROUP BY s", {}, 0)
    assert "s may not be grouped by" in refused.value.detail[-1]


@pytest.mark.parametrize(("may", "wrong"), [
    ('["group"]', {"WHERE m > 1": "m may not be filtered by"}),
    ('["filter"]', {"GROUP BY m": "m may not be grouped by"}),
    ('["sum"]', {"WHERE m > 1": "w may not be filtered by", "GROUP BY m": "w may not be filtered by"}),
    ('["filter", "group"]', {}),
])  # fmt: skip
def test_a_persons_least_may_be_used_as_its_column_may(may, wrong):
    text = (HEAD + STACK + APART + LAWS).replace('may = ["sum"] }', f"may = {may} }}")
    persons = f"(SELECT id, MIN(w) AS m FROM ({ALL}) u GROUP BY id) p"
    for asked in ("WHERE m > 1", "GROUP BY m"):
        question = f"SELECT COUNT(*) FROM {persons} {asked}"
        if asked not in wrong:
            plan_question(parse_contract(text.encode()), question, {}, 0)
            continue
        with pytest.raises(GloveboxError) as refused:
            plan_question(parse_contract(text.encode()), question, {}, 0)
        assert wrong[asked] in refused.value.detail[-1]
