"""Rows put together by one id and joined by others: random questions, beside DuckDB in the clear.

The protocol runs among parties of one process; `tests/suites/test_practitioners.py` asks running nodes.
"""

import asyncio
import csv
import tempfile
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glovebox.contract.model import parse_contract
from glovebox.contract.terms import EXACT
from glovebox.errors import Refused
from glovebox.planner.explain import explanation, in_words
from glovebox.planner.plan import Star
from glovebox.planner.question import plan_question

from .stars import answered
from .test_meaning import HEAD, same

NUMBER = "{{ type = 'integer', range = [{}, {}], may = ['sum', 'avg', 'filter', 'compare'] }}"
LABEL = "{ type = 'category', values = ['u', 'v', 'w'], may = ['group', 'filter', 'compare'] }"
ID, UNIQUE = "{ type = 'id', form = 'integer' }", "{ type = 'id', form = 'integer', unique = true }"
DAY = "{ type = 'date', range = [2000-01-01, 2001-12-31], may = ['group', 'filter', 'compare'] }"
TYPES = {LABEL: "VARCHAR", DAY: "DATE"}
TABLES = {
    ("p0", "f"): {
        "person": ID, "item": ID, "basket": ID, "x": NUMBER.format(-9, 9), "week": NUMBER.format(0, 9), "c": LABEL,
    },
    ("p1", "d"): {"item": UNIQUE, "price": NUMBER.format(0, 9), "since": NUMBER.format(0, 9), "k": LABEL},
    ("p2", "e"): {"person": UNIQUE, "age": NUMBER.format(0, 9), "s": LABEL, "born": DAY},
    ("p2", "g"): {"person": ID, "since": NUMBER.format(0, 9), "s": LABEL},
}  # fmt: skip
JOINS = "[['f.item', 'd.item'], ['f.person', 'e.person'], ['f.person', 'g.person']]"


def contract_of(rules=f"groups_of_at_least = 1\nquestions = 'any'\nexact = '{EXACT}'\n", rows=40):
    tables = ""
    for (owner, name), columns in TABLES.items():
        more = {"f": "rows_per_id = 40\n", "g": "rows_per_id = 2\n"}.get(name, "")
        tables += f"\n[[table]]\nowner = '{owner}'\nname = '{name}'\nrows = {rows}\n{more}[table.columns]\n"
        tables += "".join(f"{column} = {text}\n" for column, text in columns.items())
    asked = f"\n[rules]\njoin = {JOINS}\nask = ['p0']\nreceive = ['p0']\n"
    return parse_contract((HEAD + tables + asked + rules).encode())


CONTRACT = contract_of()


def rows_of(columns, unique):
    values = {"x": st.one_of(st.none(), st.integers(-9, 9)), "age": st.one_of(st.none(), st.integers(0, 9))}
    values["born"] = st.just("2000-06-01")
    labels, numbers, ids = st.sampled_from("uvw"), st.integers(0, 9), st.integers(0, 5)
    kinds = {
        name: labels if text == LABEL else numbers if "range" in text else ids if unique else st.one_of(st.none(), ids)
        for name, text in columns.items()
    }
    return st.lists(
        st.fixed_dictionaries(kinds | {name: values[name] for name in columns if name in values}),
        max_size=8 if unique else 20,
        unique_by=(lambda row: row[unique]) if unique else None,
    )


def computed(question, tables, contract=CONTRACT):
    plan = plan_question(contract, question, {}, 0)
    assert isinstance(plan.source, Star)
    with tempfile.TemporaryDirectory() as directory:
        files = {}
        for place, rows in zip(TABLES, tables, strict=False):
            files[place] = Path(directory) / f"{place[1]}.csv"
            with files[place].open("w", newline="") as file:
                csv.writer(file).writerows([[*TABLES[place]], *([row[name] for name in TABLES[place]] for row in rows)])
        return asyncio.run(answered(plan, contract, files, Path(directory)))


def in_the_clear(question, tables):
    with duckdb.connect(":memory:") as database:
        for ((_, name), columns), rows in zip(TABLES.items(), tables, strict=False):
            types = ", ".join(f"{one} {TYPES.get(text, 'BIGINT')}" for one, text in columns.items())
            database.execute(f"CREATE TABLE {name} ({types})")
            for row in rows:
                marks = ", ".join("?" * len(columns))
                database.execute(f"INSERT INTO {name} VALUES ({marks})", [row[one] for one in columns])
        return database.execute(question).fetchall()


def check(question, tables, keys=0):
    answer, wanted = computed(question, tables), in_the_clear(question, tables)
    there = [row for row in answer.rows if not keys or any(row[keys:])]
    wanted = [row for row in wanted if not keys or any(row[keys:])]
    order = lambda row: [str(cell) for cell in row[:keys]]  # noqa: E731
    assert len(there) == len(wanted), (question, there, wanted)
    for row, other in zip(sorted(there, key=order), sorted(wanted, key=order), strict=True):
        assert all(map(same, row, other)), (question, row, other)


FEW = settings(max_examples=6)
F, D, E = (
    rows_of(columns, unique) for columns, unique in zip(list(TABLES.values())[:3], ("", "item", "person"), strict=True)
)
MADE = {
    "n": "COUNT(*)", "b": "COUNT(DISTINCT f.basket)", "t": "SUM(f.x)", "m": "SUM(f.x * d.price)", "l": "COUNT(f.x)",
    "late": "COUNT(*) FILTER (WHERE f.week >= d.since)", "u": "SUM(d.price) FILTER (WHERE f.c = 'u')",
    "k": "SUM(CASE WHEN d.k = 'v' THEN 1 ELSE 0 END)",
}  # fmt: skip
WHERE = ["f.week > 4", "d.price < 8 AND f.c <> 'w'", "f.week < d.since + 3"]
AFTER = ["n >= 2", "t > 0 OR b > 1", "late = 0", "m IS NOT NULL AND u IS NULL"]
SUMS = ["COUNT(*)", "SUM(b)", "AVG(t)", "SUM(CASE WHEN m > 9 THEN n ELSE 0 END)", "COUNT(u)", "SUM(late * 2 - l)"]


@FEW
@given(F, D, E, st.data())
def test_lines_of_a_join(f, d, e, data):
    wheres = ["f.person IS NOT NULL", *data.draw(st.lists(st.sampled_from(WHERE), max_size=1))]
    made = ", ".join(f"{text} AS {name}" for name, text in MADE.items())
    on = data.draw(st.sampled_from(["f.item = d.item", "f.item = d.item AND d.price > 2"]))
    lines = f"(SELECT f.person, {made} FROM f JOIN d ON {on} WHERE {' AND '.join(wheres)} GROUP BY f.person) q"
    after = data.draw(st.one_of(st.none(), st.sampled_from(AFTER)))
    sums = data.draw(st.lists(st.sampled_from(SUMS), min_size=1, max_size=3, unique=True))
    beside = [("", ""), ("q.n > 1", ""), ("e.s", " JOIN e ON e.person = q.person"), ("", " JOIN e USING (person)")]
    key, join = data.draw(st.sampled_from(beside))
    if join:
        sums += data.draw(st.sampled_from([[], ["SUM(e.age)", "SUM(CASE WHEN e.age > q.n THEN q.t END)"]]))
    outer = ", ".join([*([f"{key} AS key"] if key else []), *(f"{one} AS o{at}" for at, one in enumerate(sums))])
    where = f" WHERE {after}" if after else ""
    check(f"SELECT {outer} FROM {lines}{join}{where}{' GROUP BY 1' if key else ''}", (f, d, e), bool(key))


@FEW
@given(F, D, st.sampled_from(["COUNT(*) AS n, SUM(f.x) AS s", "COUNT(DISTINCT person) FILTER (WHERE f.c = 'u') AS u"]))
def test_people_of_rows_whose_other_id_is_among_others(f, d, columns):
    words = (
        "f.item IN (SELECT item FROM d WHERE price > 2)",
        "EXISTS (SELECT 1 FROM d WHERE d.item = f.item AND price > 2)",
    )
    for keep in words:
        check(f"SELECT COUNT(DISTINCT person) AS p, {columns} FROM f WHERE f.week < 8 AND {keep}", (f, d))


@FEW
@given(F, D, E, rows_of(TABLES["p2", "g"], ""))
def test_an_id_counted_once_of_rows_whose_other_id_is_among_several(f, d, e, g):
    most = {row["person"]: [one for one in g if one["person"] == row["person"]][:2] for row in g}
    few = [row for rows in most.values() for row in rows]  # an id has two rows at most
    question = "SELECT COUNT(DISTINCT basket) AS b FROM f WHERE f.person IN (SELECT person FROM g WHERE s <> 'u')"
    check(question, (f, d, e, few))


@FEW
@given(F, D, E, st.sampled_from(["", " WHERE f.week >= d.since", " WHERE f.c = 'u' AND d.price > 1"]))
def test_people_counted_by_another_id_than_the_joins(f, d, e, where):
    columns = (
        "COUNT(DISTINCT f.person) AS p, COUNT(*) AS n, SUM(f.x) AS s, AVG(d.price) AS a, COUNT(f.x) AS c, "
        "COUNT(DISTINCT CASE WHEN f.week > 5 THEN f.person END) AS w, SUM(f.x) FILTER (WHERE d.k = 'v') AS v"
    )
    check(f"SELECT {columns} FROM f JOIN d ON d.item = f.item{where}", (f, d, e))


@FEW
@given(F, D, E, st.sampled_from(["f.c", "d.k", "d.k, f.c"]))
def test_people_counted_by_another_id_by_labels(f, d, e, keys):
    columns = "COUNT(DISTINCT f.person) AS p, COUNT(*) AS n, SUM(f.x) AS s, AVG(d.price) AS a"
    check(f"SELECT {keys}, {columns} FROM f JOIN d ON d.item = f.item GROUP BY {keys}", (f, d, e), 1 + keys.count(","))


@FEW
@given(F, D, E, st.sampled_from(["x.k < y.k", "x.k <> y.k", "x.k >= y.k AND x.k = 'w'"]))
def test_pairs_of_labels_of_a_key(f, d, e, pair):
    of = "(SELECT DISTINCT f.basket, d.k FROM f JOIN d ON d.item = f.item WHERE f.basket IS NOT NULL)"
    source = f"{of} x JOIN {of} y ON y.basket = x.basket AND {pair}"
    check(f"SELECT x.k AS a, y.k AS b, COUNT(*) AS n FROM {source} GROUP BY x.k, y.k", (f, d, e), 2)


@FEW
@given(F, D, E)
def test_labels_of_a_key(f, d, e):
    rows = "FROM f JOIN d USING (item) WHERE person IS NOT NULL GROUP BY f.person, f.c, d.k"
    question = f"SELECT c, k, COUNT(*) AS n, SUM(s) AS s FROM (SELECT f.person, f.c, d.k, SUM(f.x) AS s {rows}) q"
    check(f"{question} GROUP BY c, k", (f, d, e), 2)


PRIVACY = "[privacy]\nepsilon_total = '9'\nepsilon_per_question = '1'\n"
OLD = "(SELECT DISTINCT h.person FROM f h JOIN d i ON i.item = h.item AND i.price > 2) old"
LINES = "(SELECT f.person, COUNT(*) AS n FROM f JOIN d ON d.item = f.item GROUP BY f.person) q"


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        (
            "SELECT COUNT(DISTINCT f.person) AS n FROM f JOIN d USING (item) "
            f"LEFT JOIN {OLD} ON old.person = f.person WHERE old.person IS NULL",
            "under other conditions here",
        ),
        (f"SELECT COUNT(*) AS n FROM {LINES} JOIN d ON d.item = q.person", "by their id, as the contract joins it"),
        (
            f"SELECT COUNT(*) AS n FROM {LINES} LEFT JOIN e ON e.person = q.person",
            "with tables by their id, inner",
        ),
        (
            f"SELECT COUNT(*) AS n FROM {LINES.replace('= f.item', '= f.basket')}",
            "does not join f with d so",
        ),
        (f"SELECT COUNT(*) AS n FROM {LINES.replace('f.person', 'f.week')}", "put together by an id"),
        (f"SELECT COUNT(*) AS n FROM {LINES.replace('JOIN', 'LEFT JOIN')}", "of inner joins"),
        (f"SELECT MAX(n) AS n FROM {LINES}", "MAX"),
        (
            "SELECT COUNT(DISTINCT f.person) AS n FROM f JOIN d USING (item) GROUP BY f.week > 3",
            "grouped by labels here",
        ),
        ("SELECT COUNT(DISTINCT f.person) AS n FROM f JOIN d USING (item) LIMIT 3", "LIMIT has no place yet"),
        ("SELECT COUNT(DISTINCT f.person) AS n, MIN(f.x) AS m FROM f JOIN d USING (item)", "not made of lines yet"),
    ],
)
def test_what_cannot_be_asked_is_refused(question, sentence):
    with pytest.raises(Refused) as refused:
        plan_question(CONTRACT, question, {}, 0)
    assert sentence in "".join(refused.value.detail), refused.value.lines()


def test_noise_and_large_tables_are_refused():
    noisy = contract_of(f"groups_of_at_least = 2\nquestions = 'any'\n{PRIVACY}")
    for contract, clause in ((noisy, "privacy"), (contract_of(rows=2_000_000), "rows")):
        with pytest.raises(Refused) as refused:
            plan_question(contract, f"SELECT COUNT(*) AS n FROM {LINES}", {}, 0)
        assert refused.value.step == clause


def test_explain_says_who_puts_rows_together():
    plan = plan_question(CONTRACT, f"SELECT COUNT(*) AS n FROM {LINES}", {}, 0)
    assert "put the rows together by person" in in_words(plan, CONTRACT)
    assert explanation(plan, CONTRACT)["bytes"] > 0
