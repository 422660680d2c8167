"""Rows of a LEFT JOIN that have no match: counted, added up, and beside DuckDB."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glovebox.errors import GloveboxError
from glovebox.planner.question import plan_question

from .test_derived import check
from .test_meaning import CONTRACT, QUICK, conditions, rows

NONE = "d.id IS NULL"
COLUMNS = [
    f"COUNT(*) FILTER (WHERE {NONE}) AS n, SUM(a.x) FILTER (WHERE {NONE} AND KEEP) AS s",
    f"SUM(CASE WHEN {NONE} THEN 1 ELSE 0 END) AS n, SUM(CASE WHEN {NONE} THEN a.y ELSE 0 END) AS s",
    f"AVG(CASE WHEN {NONE} THEN 1.0 ELSE 0 END) AS m, SUM(CASE WHEN KEEP AND {NONE} THEN a.y END) AS s",
    f"COUNT(DISTINCT a.id) FILTER (WHERE {NONE}) AS n, COUNT(a.x) FILTER (WHERE {NONE}) AS k, COUNT(*) AS every",
    f"COUNT(CASE WHEN {NONE} THEN 1 END) AS n, 1.0 * COUNT(*) FILTER (WHERE {NONE}) / COUNT(*) AS share",
    f"AVG(a.y) FILTER (WHERE {NONE}) AS m, AVG(a.y) FILTER (WHERE d.id IS NOT NULL) AS k",
    f"SUM(CASE WHEN {NONE} THEN 1 ELSE 0 END) FILTER (WHERE KEEP) AS n, STDDEV_POP(a.y) FILTER (WHERE {NONE}) AS v",
]


@QUICK
@given(rows(), rows(), st.sampled_from(COLUMNS), st.sampled_from(["", "a.c, "]), st.data())
def test_what_rows_without_a_match_come_to(a, d, columns, key, data):
    keep, where = data.draw(conditions("a")), data.draw(st.one_of(st.none(), conditions("a")))
    having = " HAVING SUM(CASE WHEN d.id IS NULL THEN 1 ELSE 0 END) > 0" if key and data.draw(st.booleans()) else ""
    question = (
        f"SELECT {key}{columns.replace('KEEP', keep)} FROM a LEFT JOIN d ON d.id = a.id"
        f"{f' WHERE {where}' if where else ''}{f' GROUP BY a.c{having} ORDER BY a.c' if key else ''}"
    )
    check(question, {"a": a, "d": d})


@QUICK
@given(rows(), rows(unique=True), st.sampled_from(["IS NULL", "IS NOT NULL"]), st.data())
def test_a_condition_on_whether_there_is_a_match(a, b, said, data):
    keep, more = data.draw(conditions("b")), data.draw(conditions("a"))
    check(
        f"SELECT COUNT(*) AS n, SUM(a.y) AS s FROM a LEFT JOIN (SELECT id AS k, x FROM b WHERE {keep}) q ON q.k = a.id "
        f"WHERE {more} AND (q.k {said})",
        {"a": a, "b": b},
    )


@QUICK
@given(rows(), rows(), st.data())
def test_rows_whose_id_is_not_among_others_in_a_filter(a, d, data):
    held = {"a": a, "d": [row for row in d if row["id"] is not None]}
    keep = data.draw(conditions("d"))
    check(
        f"SELECT COUNT(*) FILTER (WHERE NOT EXISTS (SELECT 1 FROM d WHERE d.id = a.id AND {keep})) AS n, COUNT(*) AS k "
        "FROM a",
        held,
    )
    held["a"] = [row for row in a if row["id"] is not None]  # which is outside of nothing
    check("SELECT COUNT(*) FILTER (WHERE a.id NOT IN (SELECT id FROM d)) AS n FROM a", held)


LEFT = "FROM a LEFT JOIN d ON d.id = a.id"


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        (f"SELECT COUNT(*), SUM(d.x) {LEFT} WHERE d.id IS NULL", "WHERE drops the rows that have no match"),
        (f"SELECT MIN(a.x) FILTER (WHERE d.id IS NULL) {LEFT}", "without a match are counted and added up"),
        (f"SELECT SUM(d.x) FILTER (WHERE d.id IS NULL) {LEFT}", "has nothing of the other table"),
        (f"SELECT COUNT(*) FILTER (WHERE d.id IS NULL AND d.x > 1) {LEFT}", "has nothing of the other table"),
        (f"SELECT COUNT(DISTINCT d.id) FILTER (WHERE d.id IS NULL) {LEFT}", "has nothing of the other table"),
        (f"SELECT VAR_POP(d.x) FILTER (WHERE d.id IS NULL) {LEFT}", "has nothing of the other table"),
        (f"SELECT MEDIAN(a.x) FILTER (WHERE d.id IS NULL) {LEFT}", "without a match are counted and added up"),
        (f"SELECT COUNT(*) FILTER (WHERE d.id IS NULL OR a.x > 1) {LEFT}", "Both owners' columns meet here row by row"),
    ],
)
def test_what_is_not_told_of_rows_without_a_match(question, sentence):
    with pytest.raises(GloveboxError) as refused:
        plan_question(CONTRACT, question, {}, 0)
    assert sentence in refused.value.detail[-1], refused.value.lines()
