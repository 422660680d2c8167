"""Another id counted once of each person's rows over two owners: random questions, beside DuckDB in the clear.

Owners' local parts are the real ones; what is on shares is computed in the clear. `tests/node/test_spines.py` runs the
protocol, and `tests/suites/test_practitioners.py` asks running nodes.
"""

import csv
import tempfile
from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glovebox.contract.model import parse_contract
from glovebox.contract.terms import EXACT
from glovebox.errors import Refused
from glovebox.planner.explain import explanation, in_words
from glovebox.planner.plan import stars_of
from glovebox.planner.question import plan_question

from .clear import answered
from .test_meaning import HEAD, same
from .test_stacks import FEW

ID = "{ type = 'id', form = 'integer' }"
TEXT = "{ type = 'id', form = 'exact' }"
X = "{ type = 'integer', range = [-9, 9], may = ['sum', 'avg', 'min', 'max', 'filter', 'compare'] }"
C = "{ type = 'category', values = ['u', 'v'], may = ['group', 'filter', 'compare'] }"
COLUMNS = {"device": TEXT, "cust": ID, "x": X, "c": C}
NAMES = {("p1", "m"): ("device", "cust", "x", "c"), ("p2", "n"): ("gadget", "client", "x", "c")}
EXACTLY = f"groups_of_at_least = 1\nquestions = 'any'\nexact = '{EXACT}'\n"
JOINS = "[['m.device', 'n.gadget'], ['m.cust', 'n.client']]"
STACK = (
    "(SELECT device, cust, x, c, 1 AS h FROM p1.m UNION ALL SELECT gadget, client, x, c, 2 AS h FROM p2.n) u "
    "WHERE device IS NOT NULL"
)


def contract_of(rules=EXACTLY, joins=JOINS, rows=40):
    tables = ""
    for (owner, name), names in NAMES.items():
        tables += f"\n[[table]]\nowner = '{owner}'\nname = '{name}'\nrows = {rows}\nrows_per_id = 40\n[table.columns]\n"
        tables += "".join(f"{own} = {COLUMNS[column]}\n" for own, column in zip(names, COLUMNS, strict=True))
    asked = f"\n[rules]\njoin = {joins}\nask = ['p0']\nreceive = ['p0']\n"
    return parse_contract((HEAD + tables + asked + rules).encode())


CONTRACT = contract_of()
ROW = st.tuples(
    st.sampled_from([None, "d1", "d2", "d3", "d4"]), st.one_of(st.none(), st.integers(0, 5)),
    st.one_of(st.none(), st.integers(-9, 9)), st.sampled_from("uv"),
)  # fmt: skip
ROWS = st.lists(ROW, max_size=20)


def written(tables, directory):
    """The file of each (owner, table)."""
    files = {}
    for (place, names), rows in zip(NAMES.items(), tables, strict=True):
        files[place] = directory / f"{place[1]}.csv"
        with files[place].open("w", newline="") as file:
            csv.writer(file).writerows([names, *rows])
    return files


def check(question, tables, keys=0):
    plan = plan_question(CONTRACT, question, {}, 0)
    assert stars_of(plan)
    with tempfile.TemporaryDirectory() as directory:
        files = written(tables, Path(directory))
        found = [row for row in answered(plan, CONTRACT, files, Path(directory)).rows if not keys or any(row[keys:])]
    wanted = [row for row in in_the_clear(question, tables) if not keys or any(row[keys:])]
    order = lambda row: [str(cell) for cell in row[:keys]]  # noqa: E731
    assert len(found) == len(wanted), (question, found, wanted)
    for row, other in zip(sorted(found, key=order), sorted(wanted, key=order), strict=True):
        assert all(map(same, row, other)), (question, row, other)


def in_the_clear(question, tables):
    with duckdb.connect(":memory:") as database:
        for ((owner, name), names), rows in zip(NAMES.items(), tables, strict=True):
            types = zip(names, ("VARCHAR", "BIGINT", "BIGINT", "VARCHAR"), strict=True)
            database.execute(f"CREATE SCHEMA {owner}; CREATE TABLE {owner}.{name} ({', '.join(map(' '.join, types))})")
            for row in rows:
                database.execute(f"INSERT INTO {owner}.{name} VALUES (?, ?, ?, ?)", row)
        return database.execute(question).fetchall()


COUNTED = ["COUNT(DISTINCT cust)", "COUNT(DISTINCT cust) FILTER (WHERE c = 'u')",
           "COUNT(DISTINCT cust) FILTER (WHERE x > 0 AND c <> 'u')"]  # fmt: skip
BESIDE = "COUNT(*) AS n, COUNT(DISTINCT h) AS banks, SUM(x) AS s, MIN(x) AS least, MAX(c) AS label, bool_or(x > 3) AS f"
INNER = ["", " AND x > -5", " AND (c = 'v' OR cust IS NOT NULL)"]
HAVING = ["", " HAVING {} >= 2", " HAVING {} BETWEEN 1 AND 2 AND COUNT(DISTINCT h) = 2", " HAVING MIN(x) < 0 OR {} = 0"]
WHERE = ["", "k >= 3 AND banks >= 2", "k = 0 OR k < n", "f AND k > 1", "k <> banks", "s > k", "label = 'u' AND k > 0"]
SUMS = ["COUNT(*)", "SUM(k)", "AVG(k)", "SUM(k * k)", "SUM(k - banks)", "SUM(CASE WHEN k > 2 THEN n ELSE k END)",
        "COUNT(*) FILTER (WHERE k > 1)", "SUM(s * 2 + k)", "COUNT(least)"]  # fmt: skip
KEYS = ["", "banks", "k > 1", "CASE WHEN k = 0 THEN 'none' WHEN k <= 2 THEN 'few' ELSE 'many' END", "label"]


@FEW
@given(ROWS, ROWS, st.data())
def test_another_id_is_counted_once(one, other, data):
    counted, key = data.draw(st.sampled_from(COUNTED)), data.draw(st.sampled_from(KEYS))
    having, where = data.draw(st.sampled_from(HAVING)).format(counted), data.draw(st.sampled_from(WHERE))
    inner = data.draw(st.sampled_from(INNER))
    sums = data.draw(st.lists(st.sampled_from(SUMS), min_size=1, max_size=3, unique=True))
    persons = f"SELECT device, {counted} AS k, {BESIDE} FROM {STACK}{inner} GROUP BY device{having}"
    outer = ", ".join([*([f"{key} AS key"] if key else []), *(f"{each} AS o{at}" for at, each in enumerate(sums))])
    check(
        f"SELECT {outer} FROM ({persons}) p{f' WHERE {where}' if where else ''}{' GROUP BY 1' if key else ''}",
        (one, other),
        1 if key else 0,
    )


def test_one_owners_rows_are_its_own_to_count():
    persons = "(SELECT device, COUNT(DISTINCT cust) AS k FROM p1.m WHERE device IS NOT NULL GROUP BY device) a"
    theirs = "(SELECT gadget, COUNT(*) AS n FROM p2.n WHERE gadget IS NOT NULL GROUP BY gadget) b"
    question = f"SELECT COUNT(*) AS o, SUM(k) AS s FROM {persons} JOIN {theirs} ON b.gadget = a.device"
    plan = plan_question(CONTRACT, question, {}, 0)
    tables = [("d1", 1, 0, "u"), ("d1", 1, 0, "v"), ("d1", 2, 0, "u"), ("d2", 3, 0, "u")], [("d1", 9, 0, "u")]
    with tempfile.TemporaryDirectory() as directory:
        answer = answered(plan, CONTRACT, written(tables, Path(directory)), Path(directory))
    assert [list(row) for row in answer.rows] == [[1, 2]]


PERSONS = f"SELECT device, COUNT(DISTINCT cust) AS k FROM {STACK} GROUP BY device"
PRIVACY = "groups_of_at_least = 2\nquestions = 'any'\n[privacy]\nepsilon_total = '9'\nepsilon_per_question = '1'\n"


@pytest.mark.parametrize(
    ("contract", "persons", "clause", "sentence"),
    [
        ({"joins": "[['m.device', 'n.gadget']]"}, PERSONS, "rules.join", "The contract does not join cust"),
        ({"rules": PRIVACY}, PERSONS, "privacy", "only with a third party, without noise"),
        ({"rows": 2_000_000}, PERSONS, "rows", "has too many rows for this"),
        (
            {},
            PERSONS.replace("AS k", "AS k, COUNT(DISTINCT cust) FILTER (WHERE x > 1) AS j"),
            "sql",
            "One other id is counted once of a person's rows, under one condition",
        ),
        ({}, PERSONS.replace("DISTINCT cust", "DISTINCT c"), "sql", "or another id"),
    ],
)
def test_what_cannot_be_counted_is_refused(contract, persons, clause, sentence):
    with pytest.raises(Refused) as refused:
        plan_question(contract_of(**contract), f"SELECT SUM(k) AS s FROM ({persons}) p", {}, 0)
    assert refused.value.step == clause
    assert sentence in "".join(refused.value.detail), refused.value.lines()
    assert refused.value.hint


def test_a_threshold_is_held_against_those_whose_rows_are_put_together():
    """Not against the values that are counted once: one customer with enough devices is a group that shows."""
    question = (
        f"SELECT h, COUNT(*) AS n, SUM(k) AS s FROM ({PERSONS.replace('AS k', 'AS k, COUNT(DISTINCT h) AS h')}) p"
    )
    approved = (
        f'groups_of_at_least = 2\nquestions = "approved"\n[[question]]\nname = "q"\nsql = """{question} GROUP BY 1"""\n'
    )
    contract = contract_of(approved)
    tables = [(f"d{n}", 1, 0, "u") for n in (1, 1, 2, 3)], [("d3", cust, 0, "u") for cust in range(4)]
    with tempfile.TemporaryDirectory() as directory:
        files = written(tables, Path(directory))
        answer = answered(plan_question(contract, "q", {}, 0), contract, files, Path(directory))
    assert [list(row) for row in answer.rows if row[1]] == [[1, 2, 2]]


def test_a_case_is_a_filter_of_what_is_counted():
    words = "DISTINCT CASE WHEN x > 1 THEN cust END)", "DISTINCT cust) FILTER (WHERE x > 1)"
    asked = [f"SELECT SUM(k) AS s FROM ({PERSONS.replace('DISTINCT cust)', one)}) p" for one in words]
    case, kept = (plan_question(CONTRACT, one, {}, 0) for one in asked)
    assert case == kept
    assert stars_of(case)


def test_joined_sub_queries_do_not_count_over_owners():
    beside = "(SELECT device, COUNT(*) AS n FROM p1.m GROUP BY device) q"
    with pytest.raises(Refused) as refused:
        plan_question(CONTRACT, f"SELECT SUM(k) AS s FROM ({PERSONS}) p JOIN {beside} ON q.device = p.device", {}, 0)
    assert "cannot be counted once over owners" in "".join(refused.value.detail)


def test_explain_says_who_puts_pairs_together():
    plan = plan_question(CONTRACT, f"SELECT SUM(k) AS s FROM ({PERSONS}) p", {}, 0)
    words, told = in_words(plan, CONTRACT), explanation(plan, CONTRACT)
    assert "one line a pair of device and cust" in words
    assert "put the rows together by device" in words
    assert told["spines"][0] == {"query": "p1", "tables": ["p2"], "helper": "p0"}
    assert told["bytes"] > 0
