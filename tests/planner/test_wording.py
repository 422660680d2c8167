"""Other words for the same: each statement's plan means what DuckDB takes it to mean."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glovebox.errors import GloveboxError
from glovebox.planner.question import plan_question
from glovebox.planner.typed import is_like

from .spines import computed
from .test_derived import computed as of_files
from .test_meaning import CONTRACT, QUICK, check, conditions, in_the_clear, rows, same

LISTS = [", ".join([word] * 90) for word in "vx"]
AB, EB = "a JOIN b USING (id)", "e JOIN b USING (id)"
WORDS = [
    "SELECT COUNT(*) AS n, SUM(a.y) AS s FROM a, b WHERE a.id = b.id AND b.x > 0",
    "SELECT COUNT(*) AS n FROM a CROSS JOIN b WHERE (a.f AND b.id = a.id)",
    "SELECT COUNT(*) AS n, COUNT(b.x) AS there, SUM(b.y) AS s FROM b RIGHT OUTER JOIN a ON a.id = b.id",
    "SELECT COUNT(*) AS n FROM a q WHERE NOT EXISTS (SELECT * FROM b WHERE q.id = id) AND q.y > 0",
    "SELECT SUM(COALESCE(b.x, 0)) AS s, AVG(COALESCE(b.x, 0)) AS m, COUNT(*) AS n FROM a LEFT JOIN b USING (id)",
    "SELECT SUM(COALESCE(b.x, 0) * COALESCE(b.y, 0)) AS s, SUM(COALESCE(b.x, 0) * b.y) AS t "
    "FROM a LEFT JOIN b USING (id)",
    "SELECT AVG(CASE WHEN b.id IS NULL THEN 0 ELSE 1 END) AS s FROM a LEFT JOIN b USING (id)",
    f"SELECT SUM(COALESCE(a.x, 7)) AS s, SUM(b.x) AS t FROM {AB}",
    "SELECT COUNT(DISTINCT b.id) AS n, COUNT(DISTINCT a.id) AS m FROM a LEFT JOIN b ON b.id = a.id",
    f"SELECT SUM(CASE WHEN b.f THEN a.y ELSE 0 END) AS s, COUNT(*) AS n FROM {AB}",
    f"SELECT COUNT(DISTINCT CASE WHEN b.f THEN a.id END) AS n FROM {AB}",
    f"SELECT COUNT(DISTINCT CASE WHEN b.f THEN a.id ELSE NULL END) FILTER (WHERE a.f) AS n FROM {AB}",
    f"SELECT COUNT(*) AS n FROM {AB} WHERE a.c LIKE '_' AND b.c NOT LIKE 'u%' AND a.c ILIKE 'U%'",
    f"SELECT COUNT(*) FILTER (WHERE MONTH(a.day) = 1 AND EXTRACT(YEAR FROM b.day) = 2026) AS n FROM {AB}",
    f"SELECT COUNT(*) FILTER (WHERE YEAR(a.day) // 10 = 202 AND YEAR(a.day) % 4 = 2) AS n FROM {AB}",
    f"SELECT SUM(IF(a.x > 0, a.y, 0)) AS s, SUM(ABS(a.x)) AS t FROM {AB}",
    f"SELECT COUNT(*) AS n FROM {EB} WHERE ABS(e.x - b.x) <= 3 AND ABS(e.x) < 8",
    f"SELECT SUM(CASE WHEN e.f THEN b.x END), AVG(CASE WHEN e.x > b.x THEN b.y END) FILTER (WHERE e.y < b.y) AS m, "
    f"1.0 * SUM(CASE WHEN e.x <> b.x THEN 1 ELSE NULL END) / COUNT(*) AS share FROM {EB}",
    f"SELECT COUNT(*) FILTER (WHERE ABS(e.x - b.x) > 3) AS n, COUNT(*) FILTER (WHERE ABS(e.day - b.day) >= 4) AS m, "
    f"COUNT(*) FILTER (WHERE ABS(b.x - e.x) < 2) AS k, SUM(ABS(e.x)) FILTER (WHERE ABS(e.x) > 2) AS s FROM {EB}",
    f"SELECT COUNT(*) FILTER (WHERE COALESCE(e.f, FALSE)) AS n, COUNT(*) FILTER (WHERE NOT COALESCE(b.f, TRUE)) AS m, "
    f"COUNT(*) FILTER (WHERE COALESCE(e.x > 3, TRUE)) AS k FROM {EB}",
    f"SELECT SUM(CASE a.c WHEN 'u' THEN a.x WHEN 'v' THEN 2 END) AS s, AVG(CASE b.x WHEN 1 THEN b.y ELSE 1 END) AS m "
    f"FROM {AB}",
    f"SELECT CASE b.c WHEN 'u' THEN 'first' WHEN 'w' THEN 'last' END AS k, COUNT(*) AS n FROM {AB} "
    "GROUP BY 1 ORDER BY 1",
    "SELECT COUNT(*) AS n, SUM(b.y) AS s FROM a INNER JOIN b ON a.id = b.id AND (a.x > 0 OR a.f) AND b.y > -5 "
    "WHERE b.x < 5",
    f"SELECT COUNT(*) FILTER (WHERE e.f IS TRUE) AS n, COUNT(*) FILTER (WHERE b.f IS NOT FALSE) AS m FROM {EB}",
    f"SELECT a.c AS k, COUNT(*) AS n FROM {AB} GROUP BY ALL ORDER BY a.c",
    "WITH p AS (SELECT id, x AS v, c FROM a WHERE y > 0), q AS (SELECT * FROM b WHERE f) "
    "SELECT SUM(v * q.x) AS s, COUNT(*) AS n FROM p JOIN q USING (id) WHERE v > -5",
    "SELECT SUM(u) AS s, AVG(t.w) AS m FROM "
    "(SELECT e.x AS u, b.y + 1 AS w, b.f AS g FROM e JOIN b ON e.id = b.id WHERE e.f) t WHERE g",
    "SELECT k, COUNT(*) AS n FROM (SELECT id AS key, c AS k, x AS c FROM a) p JOIN b ON b.id = p.key "
    "GROUP BY k ORDER BY k",
    "SELECT COUNT(*) AS n FROM (SELECT id FROM a WHERE f) p LEFT JOIN (SELECT id, x FROM b) q ON q.id = p.id",
    f"SELECT SUM(GREATEST(a.x, 0)) AS s, SUM(LEAST(a.x, a.y, 3)) AS t, SUM(GREATEST(b.x, b.y)) AS m FROM {AB}",
    f"SELECT SUM(LEAST(GREATEST(a.x, 0), 5)) AS s, COUNT(*) FILTER (WHERE LEAST(a.y, GREATEST(a.x, 1)) > 0) AS n "
    f"FROM {AB}",
    f"SELECT SUM(GREATEST(e.x, b.y, 1)) AS s, AVG(LEAST(b.x, e.x)) AS m, SUM(GREATEST(e.day, b.day) - b.day) AS d "
    f"FROM {EB}",
    f"SELECT MIN(GREATEST(e.day, b.day)) AS m, MAX(LEAST(b.hour, e.hour)) FILTER (WHERE e.x <= b.x) AS t, "
    f"MAX(CASE WHEN e.f THEN b.day WHEN b.x > e.x THEN e.day END) AS c, MIN(e.day + b.x) AS d FROM {EB}",
    f"SELECT COUNT(*) AS n, SUM(CASE WHEN e.y > b.y THEN e.x WHEN b.f THEN b.y END) AS s FROM {EB} "
    "WHERE LEAST(e.day, b.day) >= DATE '2026-01-05'",
    f"SELECT SUM(POWER(a.x, 2)) AS s, SUM(CEIL(a.x / 4)) AS t FROM {AB}",
    "WITH p AS (SELECT id, x FROM a WHERE f), q AS (SELECT id, x + 1 AS x FROM p) "
    "SELECT SUM(q.x) AS s FROM q JOIN b USING (id)",
]


@pytest.mark.parametrize("question", WORDS)
@QUICK
@given(a=rows(), b=rows(unique=True), e=rows(unique=True))
def test_other_words_mean_the_same(question, a, b, e):
    own = {"a": a, "e": e}
    read = "e" if " e JOIN" in question else "a"
    check(question, {0: own[read], 1: b}, {read: own[read], "b": b})


@QUICK
@given(rows(), rows(unique=True), st.sampled_from(["", "NOT "]))
def test_rows_for_which_others_exist(a, b, negated):
    question = (
        f"SELECT COUNT(*) AS n, SUM(y) AS s FROM a WHERE {negated}EXISTS (SELECT 1 FROM b WHERE a.id = b.id AND x > 0) "
        "AND c <> 'u'"
    )
    _, found = of_files(question, {"a": a, "b": b})
    assert all(map(same, found[0], in_the_clear(question, {"a": a, "b": b})[0])), found


CHOSEN = [
    "(SELECT id, x, y, f FROM b WHERE KEEP) q USING (id)",
    "(SELECT id AS k, x, y, f FROM b AS t WHERE KEEP) q ON a.id = q.k",
    "(SELECT * FROM b WHERE KEEP) q USING (id)",
    "b AS q ON a.id = q.id AND (KEEP)",
]
OF_CHOSEN = [
    "COUNT(*) AS n, SUM(q.x) AS s, COUNT(q.y) AS t, AVG(q.y) AS m",
    "SUM(a.y * q.x) AS s, COUNT(DISTINCT a.id) AS n, SUM(COALESCE(q.y, 0)) AS t",
    "COUNT(*) FILTER (WHERE q.f) AS n, SUM(a.x) FILTER (WHERE q.x > 0) AS s, "
    "AVG(CASE WHEN q.y IS NULL THEN 0 ELSE 1 END) AS m",
]


@QUICK
@given(rows(), rows(), st.sampled_from(CHOSEN), st.sampled_from(OF_CHOSEN), st.sampled_from("bd"), st.data())
def test_rows_that_are_chosen_before_they_are_joined(a, b, source, columns, name, data):
    keep = data.draw(conditions("q"))
    source = source.replace("KEEP", keep if "b AS q" in source else keep.replace("q.", ""))
    b = {row["id"]: row for row in b}.values() if name == "b" else b
    question = f"SELECT {columns} FROM a LEFT JOIN {f' {source}'.replace(' b ', f' {name} ')}"
    try:
        _, found = of_files(question, {"a": a, name: list(b)})
    except GloveboxError as refused:
        assert "Rows without a match have a value" in refused.detail[-1], refused.lines()
        return
    assert all(map(same, found[0], in_the_clear(question, {"a": a, name: b})[0])), found


@QUICK
@given(rows(), rows(unique=True), st.sampled_from(["SEMI", "ANTI"]), st.data())
def test_rows_that_are_chosen_to_be_a_match_at_all(a, b, kind, data):
    keep = data.draw(conditions("q"))
    question = f"SELECT COUNT(*) AS n, SUM(a.y) AS s FROM a {kind} JOIN b AS q ON a.id = q.id AND ({keep})"
    _, found = of_files(question, {"a": a, "b": b})
    assert all(map(same, found[0], in_the_clear(question, {"a": a, "b": b})[0])), found


MADE = "(SELECT id, COALESCE(x, 0) AS v, y + 1 AS u, x > 2 AS g, 1 AS one FROM b WHERE f) q"


@QUICK
@given(rows(), rows(unique=True))
def test_what_is_made_before_it_is_joined_is_missing_without_a_match(a, b):
    question = (
        "SELECT COUNT(q.v) AS n, SUM(q.u) AS s, COUNT(*) FILTER (WHERE q.g) AS g, SUM(a.x * q.v) AS t, "
        f"COUNT(q.one) AS one FROM a LEFT JOIN {MADE} USING (id)"
    )
    _, found = of_files(question, {"a": a, "b": b})
    assert all(map(same, found[0], in_the_clear(question, {"a": a, "b": b})[0])), found


@QUICK
@given(rows(), rows())
def test_ids_of_matches_are_counted_once_where_they_repeat(a, d):
    question = (
        "SELECT COUNT(DISTINCT d.id) AS n, COUNT(DISTINCT d.id) FILTER (WHERE d.f) AS m FROM a LEFT JOIN d USING (id)"
    )
    check(question, {0: a, 1: d}, {"a": a, "d": d})


SETS = [
    "SELECT COUNT(id) AS n FROM (SELECT id FROM a WHERE f INTERSECT SELECT id FROM b WHERE x > 0) u",
    "SELECT COUNT(*) AS n FROM (SELECT id FROM a WHERE x > 0 EXCEPT SELECT id FROM b WHERE f) u",
]


@pytest.mark.parametrize("question", SETS)
@QUICK
@given(a=rows(), b=rows(unique=True))
def test_ids_of_one_and_of_another_or_not(question, a, b):
    b = [row for row in b if row["id"] is not None]  # ids that are missing are left out, and not told apart
    _, found = of_files(question, {"a": a, "b": b})
    assert all(map(same, found[0], in_the_clear(question, {"a": a, "b": b})[0])), found


@QUICK
@given(rows(), rows(unique=True), st.sampled_from(["UNION", "UNION DISTINCT"]))
def test_a_union_has_each_of_its_rows_once(a, b, union):
    question = f"SELECT COUNT(id) AS n FROM (SELECT id FROM a {union} SELECT id FROM b) u"
    found = computed(plan_question(CONTRACT, question, {}, 0), {0: a, 1: b})
    assert [tuple(row) for row in found] == [tuple(row) for row in in_the_clear(question, {"a": a, "b": b})]


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ("SELECT COUNT(*) FROM a, b", "This join cannot be asked|Tables are joined on ids being equal"),
        ("SELECT COUNT(*) FROM a WHERE EXISTS (SELECT 1 FROM b WHERE b.x > 0)", "EXISTS compares one id"),
        ("SELECT COUNT(*) FROM a WHERE EXISTS (SELECT 1 FROM b)", "EXISTS takes rows of one table"),
        ("SELECT COUNT(*) FROM a WHERE EXISTS (SELECT 1 FROM b WHERE b.id = a.id AND b.x > a.x)", "and nothing else"),
        (f"SELECT COUNT(*) FROM {AB} WHERE a.c LIKE 'x%'", "no value like this"),
        (f"SELECT COUNT(*) FROM {AB} WHERE a.x LIKE 'x%'", "between a category and a constant"),
        (f"SELECT COUNT(*) FROM {AB} WHERE a.x // 2 = 1", "cannot be negative"),
        (f"SELECT COUNT(*) FROM {AB} WHERE YEAR(a.day) // a.x = 1", "a positive constant"),
        ("SELECT COUNT(*) FROM a LEFT JOIN (SELECT x + 1 AS id FROM b) q USING (id)", "sub-query cannot be joined"),
        ("SELECT COUNT(q.y) FROM a LEFT JOIN (SELECT id, x AS y, y + 1 AS x FROM b) q USING (id)", "cannot be joined"),
        ("SELECT COUNT(*) FROM a WHERE EXISTS (SELECT COUNT(*) FROM b WHERE b.id = a.id)", "it always exists"),
        (
            f"SELECT COUNT(*) FILTER (WHERE v IN ({LISTS[0]})) AS n FROM (SELECT id, x IN ({LISTS[1]}) AS v FROM a) q "
            "JOIN b USING (id)",
            "too long with what it names",
        ),
        ("SELECT COUNT(*) FROM a NATURAL JOIN b", "NATURAL JOIN is on all columns of one name: id, x"),
        ("SELECT COUNT(*) FROM a ASOF JOIN b ON a.id = b.id AND a.day >= b.day", "This kind of join"),
        ("SELECT COUNT(*) FROM (SELECT id, x FROM a INTERSECT SELECT id, x FROM b) u", "INTERSECT is of ids alone"),
        ("SELECT COUNT(*) FROM (SELECT id FROM a EXCEPT ALL SELECT id FROM b) u", "EXCEPT is of ids alone, each once"),
        (
            f"SELECT COUNT(*) FROM {AB} QUALIFY ROW_NUMBER() OVER (PARTITION BY a.id ORDER BY a.day) = 1",
            "QUALIFY takes the first of rows, in a sub-query",
        ),
        (f"SELECT GREATEST(SUM(a.x), 0) FROM {AB}", "GREATEST is of two to 5 values of a row"),
        (f"SELECT SUM(GREATEST(a.x, 1, 2, 3, 4, 5)) FROM {AB}", "GREATEST is of two to 5 values of a row"),
        (
            f"SELECT COUNT(*) FROM {AB} WHERE GREATEST(a.day, a.hour) > '2026-01-04'",
            "A date cannot be compared|or days",
        ),
        (f"SELECT SUM(GREATEST(e.w, b.x)) FROM {EB}", "e.w may not be filtered by"),
        ("SELECT SUM(LEAST(e.x, b.x)) FROM e LEFT JOIN b USING (id)", "Rows without a match have a value"),
        (f"SELECT SUM(COALESCE(a.x, a.x, 0)) FROM {AB}", "COALESCE takes two values"),
        ("SELECT SUM(COALESCE(b.x, 1)) FROM a LEFT JOIN b USING (id)", "Rows without a match have a value"),
    ],
)
def test_words_that_are_refused(question, sentence):
    with pytest.raises(GloveboxError) as refused:
        plan_question(CONTRACT, question, {}, 0)
    assert any(one in "".join(refused.value.detail) for one in sentence.split("|")), refused.value.lines()


LETTERS = st.text("ab%_", max_size=8)


@given(LETTERS, LETTERS)
def test_like_is_what_a_pattern_says(text, pattern):
    words = "".join({"%": ".*", "_": "."}.get(letter, letter) for letter in pattern)
    assert is_like(text, pattern) == bool(re.fullmatch(words, text))


def test_no_pattern_takes_long():
    assert not is_like("a" * 200, "%a" * 99 + "%b")
