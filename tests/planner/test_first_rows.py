"""The first of an id's rows at one owner, joined with another owner's: over real rows, beside DuckDB in the clear."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glovebox.contract.model import parse_contract
from glovebox.data.database import open_database
from glovebox.data.loading import load_rows
from glovebox.data.sources import source_at
from glovebox.errors import Refused
from glovebox.planner.explain import in_words
from glovebox.planner.plan import local_queries
from glovebox.planner.question import plan_question

from .clear import SALT, joined_totals
from .test_derived import check, write
from .test_meaning import COLUMNS, CONTRACT, HEAD, QUICK, ROW, RULES, TABLES, conditions, rows
from .test_privacy import CONTRACT as NOISY
from .test_privacy import PERSONS, within

ORDERS = [
    "day, x", "day DESC, x", "x DESC NULLS FIRST, day", "day NULLS FIRST, x DESC", "c, day, x DESC", "f DESC, x, day",
    "y, hour DESC, day, x", "x + y DESC, day, x", "CASE WHEN c = 'u' THEN 0 ELSE 1 END, x, day NULLS LAST",
]  # fmt: skip
"""None of these leaves two rows of an id equal: which of such is the first, DuckDB says as it likes."""
NUMBER = "ROW_NUMBER() OVER (PARTITION BY id ORDER BY {order})"
MADE = "id, x, y, c, f, day, x * 2 AS v"
FORMS = [
    f"(SELECT {MADE}, {NUMBER} AS n FROM {{table}}{{where}}) {{name}}",
    f"(SELECT *, {NUMBER} AS n FROM {{table}}{{where}}) {{name}}",
    f"(SELECT {MADE} FROM {{table}}{{where}} QUALIFY {NUMBER} = 1) {{name}}",
    f"(SELECT {MADE}, {NUMBER} AS k{{name}} FROM {{table}}{{where}} QUALIFY k{{name}} = 1) {{name}}",
    f"(SELECT * FROM (SELECT {MADE}, {NUMBER} AS k FROM {{table}} t{{where}}) p WHERE 1 = p.k) {{name}}",
]


def numbered():
    """Rows of which an id has no two that are equal in what they are ordered by."""
    return st.lists(ROW, max_size=14, unique_by=lambda row: (row["id"], row["day"], row["x"]))


@st.composite
def sources(draw, table, name):
    """A sub-query of an owner's first rows, and what the question says besides."""
    where, form = draw(st.one_of(st.none(), conditions(table))), draw(st.sampled_from(FORMS))
    where = f" WHERE {where.replace(f'{table}.', '')}" if where else ""
    made = form.format(table=table, name=name, where=where, order=draw(st.sampled_from(ORDERS)))
    return made, f"{name}.n = 1" if " AS n" in form else ""


OF_EITHER = [
    "COUNT(*) AS o", "SUM(q.x) AS o", "AVG(q.y) AS o", "SUM(q.x * o.y) AS o", "SUM(q.v) AS o", "COUNT(q.day) AS o",
    "COUNT(DISTINCT q.id) AS o", "COUNT(*) FILTER (WHERE q.c = 'u' AND o.f) AS o", "STDDEV_POP(q.y) AS o",
    "SUM(CASE WHEN q.f THEN o.x ELSE q.x END) AS o",
]  # fmt: skip
KEYS = ["q.c", "o.c", "q.c, o.f", "CASE WHEN q.x < 0 THEN 'less' WHEN q.f IS NULL THEN 'none' END", "q.f", "q.v > 3"]


@st.composite
def questions(draw, other):
    source, first = draw(sources("a", "q"))
    column, key = draw(st.sampled_from(OF_EITHER)), draw(st.one_of(st.none(), st.sampled_from(KEYS)))
    more = [one for one in (first, draw(st.sampled_from(["", "q.x > 0", "o.x < 5 AND q.c <> 'w'"]))) if one]
    if other == "d" and ("CASE" in column or "CASE" in (key or "")):
        column, key = "SUM(q.x) AS o", "q.c"
    if "(SELECT *, " in source:
        column, key = (said and said.replace("q.v", "q.x * 2") for said in (column, key))
    keys = [f"{one} AS k{place}" for place, one in enumerate(key.split(", "))] if key else []
    tables = draw(st.permutations([source, f"{other} o"]))
    places = ", ".join(str(place + 1) for place in range(len(keys)))
    groups = f" GROUP BY {places} ORDER BY {places}" if keys else ""
    where = f" WHERE {' AND '.join(more)}" if more else ""
    return f"SELECT {', '.join([*keys, column])} FROM {tables[0]} JOIN {tables[1]} ON o.id = q.id{where}{groups}"


@QUICK
@given(numbered(), rows(unique=True), questions("b"))
def test_an_owners_first_rows_are_a_table(a, b, question):
    check(question, {"a": a, "b": b})


@QUICK
@given(numbered(), rows(), questions("d"))
def test_first_rows_meet_several_of_an_id(a, d, question):
    check(question, {"a": a, "d": d})


@QUICK
@given(numbered(), numbered(), sources("a", "q"), sources("d", "r"), st.booleans())
def test_two_owners_first_rows_meet(a, d, one, other, grouped):
    where = " AND ".join(first for _, first in (one, other) if first)
    columns = "COUNT(*) AS n, SUM(q.x * r.x) AS s, COUNT(*) FILTER (WHERE q.day < r.day) AS m, SUM(r.y - q.y) AS t"
    keys = ("q.c AS k, r.c AS l, ", " GROUP BY 1, 2 ORDER BY 1, 2") if grouped else ("", "")
    source = f"{one[0]} JOIN {other[0]} USING (id){f' WHERE {where}' if where else ''}"
    check(f"SELECT {keys[0]}{columns} FROM {source}{keys[1]}", {"a": a, "d": d})


@QUICK
@given(numbered(), rows(unique=True), st.sampled_from(ORDERS), st.sampled_from(["", " WHERE f"]), st.booleans())
def test_rows_without_a_first_one_stay_in_an_outer_join(a, b, order, where, qualified):
    columns, number = "id, x, c", NUMBER.format(order=order)
    source = f"(SELECT {columns}, {number} AS n FROM a{where}) q ON q.id = b.id AND q.n = 1"
    if qualified:
        source = f"(SELECT {columns} FROM a{where} QUALIFY {number} = 1) q ON q.id = b.id"
    for join in ("LEFT", "ANTI", "SEMI"):
        more = ", COUNT(q.x) AS m, SUM(q.x) AS s" if join == "LEFT" else ""
        check(f"SELECT COUNT(*) AS n, SUM(b.y) AS t{more} FROM b {join} JOIN {source}", {"a": a, "b": b})


@QUICK
@given(numbered(), rows(unique=True), st.sampled_from(ORDERS))
def test_first_rows_without_a_match_stay_too(a, b, order):
    source = f"(SELECT id, x, c, {NUMBER.format(order=order)} AS n FROM a) q LEFT JOIN b USING (id) WHERE q.n = 1"
    counts = "COUNT(*) AS n, COUNT(q.id) AS k, COUNT(b.id) AS m"
    check(f"SELECT {counts}, SUM(q.x) AS s, SUM(b.x) AS t FROM {source}", {"a": a, "b": b})


@QUICK
@given(rows(), rows(unique=True))
def test_rows_put_together_without_an_id_have_none_to_count(a, b):
    source = "(SELECT id, COUNT(*) AS n FROM a GROUP BY id) q LEFT JOIN b USING (id)"
    check(f"SELECT COUNT(*) AS n, COUNT(q.id) AS k, SUM(q.n) AS s FROM {source}", {"a": a, "b": b})


FIRST = "(SELECT id, x, y, c, ROW_NUMBER() OVER (PARTITION BY id ORDER BY day DESC, x) AS n FROM a) q"


@pytest.mark.parametrize(
    ("columns", "persons"), [("COUNT(*) AS n", 2), ("SUM(q.x) AS s", 2 * 9), ("SUM(q.y * d.x) AS s", 2 * 99 * 9)]
)
def test_a_person_has_one_first_row(columns, persons):
    plan = plan_question(NOISY, f"SELECT {columns} FROM {FIRST} JOIN d USING (id) WHERE q.n = 1", {}, 0)
    assert plan.noise.persons[plan.outputs[0].total] == persons


@QUICK
@given(rows(), rows(), PERSONS, st.sampled_from(["", "q.c", "d.c"]))
def test_a_person_changes_no_total_by_more_than_its_noise_hides(a, d, person, key):
    sums = "COUNT(*) AS n, SUM(q.x) AS s, AVG(q.y) AS m, SUM(q.x * d.y) AS p, COUNT(DISTINCT q.id) AS k"
    keys = (f"{key} AS g, ", " GROUP BY 1") if key else ("", "")
    question = f"SELECT {keys[0]}{sums} FROM {FIRST} JOIN d USING (id) WHERE q.n = 1{keys[1]}"
    plan = plan_question(NOISY, question, {}, 0)
    tables = {"a": within(a, 3), "d": within(d, 2)}
    without = {name: [row for row in held if row["id"] != person] for name, held in tables.items()}
    for one, other, most in zip(totals(plan, tables), totals(plan, without), plan.noise.persons, strict=True):
        assert not most or np.abs(one - other).sum() <= most


def totals(plan, tables, contract=NOISY):
    """What the owners' rows come to, before noise."""
    with tempfile.TemporaryDirectory() as name:
        loaded = []
        for query in local_queries(plan):
            path = Path(name) / f"{query.table}.csv"
            write(path, tables[query.table])
            source = source_at(path, relation=query.table)
            database = open_database([source], Path(name), 1024, 2)
            loaded.append(load_rows(database, query, contract.table(query.table, query.party), source, SALT))
            database.close()
        return joined_totals(plan, loaded)


def test_of_equals_the_same_one_counts_in_any_order_of_the_file():
    row = {"id": 1, "x": 3, "y": "1.0", "f": True, "c": "u", "day": "2026-01-03", "hour": None}
    alike = [{**row, "x": x} for x in (5, 2, 4)]
    question = f"SELECT SUM(q.x) AS s FROM {FIRST.replace(', x)', ')')} JOIN d USING (id) WHERE q.n = 1"
    plan = plan_question(NOISY, question, {}, 0)
    sums = [totals(plan, {"a": held, "d": [row]})[plan.outputs[0].total].tolist() for held in (alike, alike[::-1])]
    assert sums[0] == sums[1]
    assert sums[0] in ([5], [2], [4])


def test_columns_may_stand_in_any_order():
    first, *others = COLUMNS.splitlines(keepends=True)[1:]
    moved = "".join([*others[::-1], first])
    text = HEAD + "".join(TABLES).replace(COLUMNS.split("\n", 1)[1].replace("UNIQUE", ""), moved.replace("UNIQUE", ""))
    contract = parse_contract((text + RULES).encode())
    assert contract.table("a", 0).columns[0].name == "hour"
    row = {"id": 1, "x": 3, "y": "1.0", "f": True, "c": "u", "day": "2026-01-03", "hour": None}
    held = [{**row, "x": x, "day": f"2026-01-{day}"} for x, day in ((5, "04"), (2, "09"), (4, "07"))]
    plan = plan_question(contract, f"SELECT SUM(q.x) AS s FROM {FIRST} JOIN d USING (id) WHERE q.n = 1", {}, 0)
    assert totals(plan, {"a": held, "d": [row]}, contract)[plan.outputs[0].total].tolist() == [2]


def test_explain_says_that_first_rows_are_read():
    plan = plan_question(CONTRACT, f"SELECT COUNT(*) AS n FROM {FIRST} JOIN d USING (id) WHERE q.n = 1", {}, 0)
    assert "one line an id, of the first of its rows by day, x" in in_words(plan, CONTRACT)


def test_numberings_of_one_name_are_told_apart_where_sql_does():
    """In a query of WITH, and in the first one of FROM, nothing else stands before."""
    own = f"(SELECT id, x, {N} AS k FROM {{}} QUALIFY k = 1)"
    stated = f"WITH r AS {own.format('d')} SELECT SUM(q.x) AS s FROM {own.format('a')} q JOIN r USING (id)"
    named = stated.replace("k", "j", 2)
    plans = [plan_question(CONTRACT, question, {}, 0) for question in (stated, named)]
    assert plans[0].source == plans[1].source


N = "ROW_NUMBER() OVER (PARTITION BY id ORDER BY day)"


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (f"(SELECT id, x, {N} AS n FROM a) q JOIN b USING (id) WHERE q.n <= 2", "the first of each id is taken"),
        (f"(SELECT id, x, {N} AS n FROM a) q JOIN b USING (id) WHERE q.n = 2", "the first of each id is taken"),
        (f"(SELECT id, x, {N} AS n FROM a) q JOIN b USING (id)", "the first of each id is taken"),
        (f"b LEFT JOIN (SELECT id, x, {N} AS n FROM a) q USING (id) WHERE q.n = 1", "the first of each id is taken"),
        (f"(SELECT id, x FROM a QUALIFY {N.replace('id', 'id, c')} = 1) q JOIN b USING (id)", "and nothing else"),
        (f"(SELECT id, x FROM a QUALIFY {N.replace('id', 'c')} = 1) q JOIN b USING (id)", "by one id"),
        (f"(SELECT id, x FROM a QUALIFY {N.replace(' ORDER BY day', '')} = 1) q JOIN b USING (id)", "by an order"),
        (f"(SELECT id, x FROM a QUALIFY {N.replace('day', 'w')} = 1) q JOIN b USING (id)", "w may not be filtered by"),
        (f"(SELECT id, w FROM a WHERE z > 1 QUALIFY {N} = 1) q JOIN b USING (id)", "z may not be filtered by"),
        (f"(SELECT id, z AS x FROM a QUALIFY {N} = 1) q JOIN b USING (id)", "z may not be summed"),
        (f"(SELECT id, x FROM a QUALIFY {N.replace('day', '1')} = 1) q JOIN b USING (id)", "the same of all"),
        (f"(SELECT id, x, {N} AS x FROM a) q JOIN b USING (id) WHERE q.x = 1", "Two columns of a sub-query"),
        ("(SELECT id, x, y AS x FROM a) q JOIN b USING (id)", "Two columns of a sub-query"),
        (f"(SELECT *, {N} AS y FROM a) q JOIN b USING (id) WHERE q.y = 1", "y is the name of another column"),
        (f"(SELECT id, x, {N} AS y FROM a QUALIFY y = 1) q JOIN b USING (id)", "y is the name of another column"),
        (
            f"(SELECT id, x, {N} AS k FROM a QUALIFY k = 1) q "
            f"JOIN (SELECT id, {N} AS k FROM d QUALIFY k = 1) r USING (id)",
            "k is the name of another column",
        ),
        (
            f"(SELECT *, x AS k FROM (SELECT * FROM a) t) q JOIN "
            f"(SELECT * FROM (SELECT id, {N} AS k FROM d QUALIFY k = 1) p) r USING (id)",
            "k is the name of another column",
        ),
        (f"(SELECT id, x, {N} AS y FROM a QUALIFY {N} = 1) q JOIN b USING (id)", "y is the name of another column"),
        (
            f"(SELECT id, x, {N} AS n, {N.replace('day', 'x')} AS y FROM a) q JOIN b USING (id) WHERE q.n = 1",
            "y is the name of another column",
        ),
        (f"(SELECT id, x, {N} AS w FROM a) q JOIN B USING (id) WHERE w = 1", "w is the name of another column"),
        (f"a q JOIN (SELECT id, {N} AS w FROM d QUALIFY w = 1) r USING (id)", "w is the name of another column"),
        (
            f"a q JOIN (SELECT id, x * 2 AS w, {N} AS k FROM d QUALIFY k = 1 AND w > 3) r USING (id)",
            "w is the name of another column",
        ),
        (
            f"(SELECT id, x, {N} AS n FROM a) q JOIN (SELECT id, x AS n FROM b) r USING (id) WHERE n = 1",
            "the first of each id is taken",
        ),
        (f"(SELECT id, x, {N} AS n FROM a) q JOIN b USING (id) WHERE {N} = 1", "the first of each id is taken"),
        (f"(SELECT id, x, {N} AS n FROM s) q WHERE q.n = 1", "Rows of several owners are in no order together"),
        (f"(SELECT id, x, {N} AS n FROM a) q WHERE q.n = 1", "who can ask its own database"),
        (
            f"b q WHERE q.id IN (SELECT id FROM (SELECT id, x, {N} AS n FROM a) r WHERE r.n = 1)",
            "is not put together with others' rows",
        ),
        (
            f"(SELECT id, x, {N} AS n FROM a) q JOIN b USING (id) WHERE q.n = 1 GROUP BY q.x > b.x",
            "is not put together with others' rows",
        ),
    ],
)
def test_what_is_no_first_row_is_refused(source, sentence):
    with pytest.raises(Refused) as refused:
        plan_question(CONTRACT, f"SELECT SUM(q.x) FROM {source}", {}, 0)
    assert sentence in "".join(refused.value.detail), refused.value.lines()
