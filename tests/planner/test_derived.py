"""Sub-queries over one owner's table, joined with another owner's: over its real rows, beside DuckDB in the clear."""

import csv
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glovebox.errors import Refused
from glovebox.planner.question import plan_question

from .clear import answered
from .test_meaning import CONTRACT, QUICK, TYPES, conditions, in_the_clear, rows, same

MADE = "COUNT(*) AS n, SUM(x) AS s, MAX(y) AS top, COUNT(x) AS v, AVG(x) AS m"
OF_A = (f"(SELECT id, {MADE} FROM a{{}} GROUP BY id) q", f"(SELECT id, c AS c2, {MADE} FROM a{{}} GROUP BY id, c, y) q")
OF_D = "(SELECT id, COUNT(*) AS m, SUM(y) AS t, MIN(x) AS low, COUNT(y) FILTER (WHERE f) AS h FROM d{} GROUP BY id) r"
COLUMNS = (
    "COUNT(*) AS o", "SUM(q.s) AS o", "AVG(q.n) AS o", "SUM(q.n * b.x) AS o", "SUM(q.top) FILTER (WHERE b.x > 0) AS o",
    "COUNT(*) FILTER (WHERE q.s > 3) AS o", "SUM(CASE WHEN q.n > 1 THEN q.top ELSE 0 END) AS o", "STDDEV_POP(q.s) AS o",
    "ROUND(SUM(q.m), 3) AS o", "ROUND(CORR(q.m, b.x), 3) AS o", "COUNT(*) FILTER (WHERE q.m > 0.5) AS o",
    "COUNT(q.s) AS o", "COUNT(DISTINCT q.id) AS o",
)  # fmt: skip
KEYS = (
    "b.c",
    "CASE WHEN q.n > 2 THEN 'many' WHEN q.s < 0 THEN 'less' ELSE 'few' END",
    "q.n > 1",
    "floor(q.s / 10) * 10",
)


@st.composite
def questions(draw):
    where = draw(st.one_of(st.none(), conditions("a")))
    after = draw(st.sampled_from(["", " WHERE q.n < 4", " WHERE q.s IS NOT NULL AND b.x > -5"]))
    source = draw(st.sampled_from(OF_A)).format(f" WHERE {where}" if where else "")
    join = draw(st.sampled_from(["JOIN", "JOIN", "LEFT JOIN", "ANTI JOIN"]))
    keys = (*KEYS, "q.c2") if "c2" in source else KEYS
    column, key = draw(st.sampled_from(COLUMNS)), draw(st.one_of(st.none(), st.sampled_from(keys)))
    if join != "JOIN" and ("b." in column or "b." in (key or "") or "b." in after):
        join = "JOIN"
    groups = " GROUP BY 1 ORDER BY 1" if key else ""
    return f"SELECT {f'{key} AS k, ' if key else ''}{column} FROM {source} {join} b ON b.id = q.id{after}{groups}"


OF_BOTH = (
    "COUNT(*) AS o", "SUM(q.s * r.t) AS o", "SUM(r.t) / COUNT(*) AS o", "AVG(r.low) - AVG(q.top) AS o",
    "COUNT(*) FILTER (WHERE r.t > 1 AND q.n < 3) AS o", "STDDEV_SAMP(r.t) AS o", "COUNT(DISTINCT r.id) AS o",
    "1.0 * SUM(q.n) / NULLIF(SUM(r.h), 0) AS o", "SUM(q.n * r.m) AS o", "CORR(q.n, r.m) AS o",
)  # fmt: skip
KEYS_OF_BOTH = (
    "r.m > 1", "CASE WHEN r.t > 0 THEN 'plus' WHEN r.t IS NULL THEN 'none' END", "floor(q.s / 10) * 10, r.h = 0",
    "CASE WHEN q.n > 2 THEN 'many' ELSE 'few' END",
)  # fmt: skip
HAVING = ("", "", " HAVING COUNT(*) > 1", " HAVING SUM(q.n) BETWEEN 2 AND 9", " HAVING SUM(r.t) < 3 AND COUNT(*) >= 1")


@st.composite
def questions_of_two(draw):
    """What two owners' sub-queries, each of its own, come to together."""
    inner = [draw(st.one_of(st.none(), conditions(table))) for table in "ad"]
    sides = [of.format(f" WHERE {one}" if one else "") for of, one in zip((OF_A[0], OF_D), inner, strict=True)]
    columns = draw(st.lists(st.sampled_from(OF_BOTH), min_size=1, max_size=2, unique=True))
    columns = [column.replace(" AS o", f" AS o{number}") for number, column in enumerate(columns)]
    where = draw(st.sampled_from(["", " WHERE q.n < 4", " WHERE r.t IS NOT NULL AND q.s > -9 AND r.m < 5"]))
    key = draw(st.one_of(st.none(), st.sampled_from(KEYS_OF_BOTH)))
    keys = [f"{one} AS k{number}" for number, one in enumerate(key.split(", "))] if key else []
    places = ", ".join(str(number + 1) for number in range(len(keys)))
    having = draw(st.sampled_from(HAVING))
    return (
        f"SELECT {', '.join([*keys, *columns])} FROM {sides[0]} JOIN {sides[1]} ON r.id = q.id{where}"
        f"{f' GROUP BY {places}' if keys else ''}{having}{f' ORDER BY {places}' if keys else ''}"
    )


def computed(question, tables):
    """The answer over the rows as their owners' files. tables: rows by name."""
    with tempfile.TemporaryDirectory() as name:
        directory, files = Path(name), {}
        for party, table in (("p0", "a"), ("p1", "d" if "d" in tables else "b")):
            files[party, table] = directory / f"{table}.csv"
            write(files[party, table], tables[table])
        plan = plan_question(CONTRACT, question, {}, 0)
        return plan, answered(plan, CONTRACT, files, directory).rows


def write(path, rows):
    """Rows as their owner's file."""
    with path.open("w", newline="") as file:
        lines = [[row.get(column, 0) for column in (*TYPES, "z", "w")] for row in rows]
        csv.writer(file).writerows([(*TYPES, "z", "w"), *lines])


def check(question, tables):
    plan, found = computed(question, tables)
    wanted, keys = in_the_clear(question, tables), len(plan.order)
    if keys:
        there = [row[:keys] for row in wanted]
        found = [row for row in found if row[:keys] in there]
    assert len(found) == len(wanted)
    for row, other in zip(found, wanted, strict=True):
        assert all(map(same, row, other)), (row, other)


@QUICK
@given(rows(), rows(unique=True), questions())
def test_an_owners_own_sub_query_is_a_table(a, b, question):
    check(question, {"a": a, "b": b})


OF_DAYS = [
    "CAST(DATE_TRUNC('week', q.first) AS DATE) AS k, COUNT(*) AS n, SUM(b.x) AS s {} GROUP BY 1 ORDER BY 1",
    "q.last - q.first AS k, COUNT(*) AS n {} GROUP BY 1 ORDER BY 1",
    "COUNT(*) AS n, COUNT(q.last) AS m, SUM(b.y) AS s {} WHERE q.first < DATE '2026-01-09' OR q.last IS NULL",
    "COUNT(*) FILTER (WHERE q.last - q.first > 3) AS n {}",
]


@QUICK
@given(rows(), rows(unique=True), st.sampled_from(OF_DAYS))
def test_the_first_and_the_last_day_of_an_ids_rows(a, b, question):
    days = "MIN(day) AS first, MAX(day) FILTER (WHERE x > 0) AS last"
    source = f"FROM (SELECT id, {days} FROM a GROUP BY id) q JOIN b ON b.id = q.id"
    plan, found = computed(f"SELECT {question.format(source)}", {"a": a, "b": b})
    wanted = in_the_clear(f"SELECT {question.format(source)}", {"a": a, "b": b})
    if plan.order:
        wanted = [(str(row[0]), *row[1:]) for row in wanted]
        there = {row[0] for row in wanted}
        found = [row for row in ((str(row[0]), *row[1:]) for row in found) if row[0] in there]
    assert len(found) == len(wanted)
    for row, other in zip(found, wanted, strict=True):
        assert all(map(same, row, other)), (row, other)


@QUICK
@given(rows(), rows(), questions_of_two())
def test_two_owners_sub_queries_meet(a, d, question):
    check(question, {"a": a, "d": d})


PUT_TOGETHER = "WITH p AS (SELECT id, COUNT(*) AS n, SUM(x) AS s FROM a GROUP BY id), "
CHAINS = [
    "q AS (SELECT * FROM p WHERE n > 1) SELECT COUNT(*) AS n, SUM(q.s) AS s FROM q JOIN d USING (id)",
    "q AS (SELECT id, n * 2 AS m FROM p AS z WHERE z.s > 0) SELECT SUM(q.m) AS s, COUNT(*) AS n FROM d JOIN q "
    "ON q.id = d.id WHERE q.m < 7",
    "q AS (SELECT id, s AS t FROM p WHERE s IS NULL OR s < 4), r AS (SELECT * FROM q WHERE t > -9) "
    "SELECT COUNT(*) AS n, AVG(r.t * d.x) AS m FROM r JOIN d ON d.id = r.id",
    "q AS (SELECT id, s FROM p WHERE n > 1) SELECT COUNT(*) AS n, COUNT(d.x) AS m, SUM(q.s) AS s FROM q LEFT JOIN d "
    "USING (id)",
    "q AS (SELECT id, s AS t, n FROM p) SELECT COUNT(*) AS n, COUNT(q.t) AS m, SUM(q.t) AS s, SUM(d.x) AS x FROM d "
    "LEFT JOIN q ON q.id = d.id",
    "q AS (SELECT id, n AS s, s AS n FROM p), r AS (SELECT * FROM q WHERE n > 0) SELECT SUM(r.n) AS t, SUM(r.s) AS u "
    "FROM r JOIN d USING (id)",
]


@QUICK
@given(rows(), rows(), st.sampled_from(CHAINS))
def test_a_query_that_chooses_of_one_that_puts_rows_together(a, d, chain):
    check(PUT_TOGETHER + chain, {"a": a, "d": d})


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("(SELECT id AS k, COUNT(*) AS n FROM a GROUP BY id) q JOIN b ON q.k = b.id", "by its own name"),
        ("(SELECT id, MAX(c) AS d FROM a GROUP BY id) q JOIN b USING (id)", "least or greatest numbers or dates"),
        ("(SELECT id, SUM(z) AS n FROM a GROUP BY id) q JOIN b USING (id)", "may not be summed"),
        ("(SELECT id, COUNT(*) AS n FROM a GROUP BY id) q", "who can ask its own database"),
        ("(SELECT id, COUNT(*) AS n FROM a GROUP BY id) q JOIN e USING (id)", "Two of these tables are one owner's"),
        (
            "(SELECT id, COUNT(*) AS n FROM a GROUP BY id HAVING COUNT(*) > 1) q JOIN b USING (id)",
            "HAVING has no place",
        ),
        ("(SELECT id, z, COUNT(*) AS n FROM a GROUP BY id, z) q JOIN b USING (id)", "may not be told apart by z"),
        ("(SELECT id, x + 1 AS k FROM a GROUP BY id, x + 1) q JOIN b USING (id)", "become persons by an id"),
    ],
)
def test_what_a_sub_query_cannot_be_is_refused(source, sentence):
    with pytest.raises(Refused) as refused:
        plan_question(CONTRACT, f"SELECT {'SUM(q.n)' if ' AS n ' in source else 'COUNT(*)'} FROM {source}", {}, 0)
    assert sentence in "".join(refused.value.detail), refused.value.lines()
