"""Like rows of several owners, joined with others' tables by one key and put together by another; and firsts of groups.

Random questions beside DuckDB in the clear; the protocol runs among parties of one process.
"""

import asyncio
import csv
import tempfile
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from glovebox.contract.model import parse_contract
from glovebox.contract.terms import EXACT
from glovebox.errors import Refused
from glovebox.planner.explain import explanation, in_words
from glovebox.planner.plan import Star
from glovebox.planner.question import plan_question

from .stars import answered
from .test_meaning import HEAD, same
from .test_star import ID, LABEL, NUMBER, UNIQUE

SALE = {"person": ID, "item": ID, "x": NUMBER.format(-9, 9), "week": NUMBER.format(0, 9), "c": LABEL}
TABLES = {
    ("p0", "f"): SALE,
    ("p1", "h"): {"buyer": ID, **{name: text for name, text in SALE.items() if name != "person"}},
    ("p2", "d"): {"item": UNIQUE, "price": NUMBER.format(0, 9), "k": LABEL},
    ("p2", "e"): {"person": UNIQUE, "age": NUMBER.format(0, 9), "s": LABEL},
}
JOINS = (
    "[['f.item', 'd.item'], ['h.item', 'd.item'], ['f.person', 'h.buyer'], ['f.person', 'e.person'], "
    "['h.buyer', 'e.person']]"
)
RULES = f"groups_of_at_least = 1\nquestions = 'any'\nexact = '{EXACT}'\n"


def contract_of(joins=JOINS):
    tables = ""
    for (owner, name), columns in TABLES.items():
        tables += f"\n[[table]]\nowner = '{owner}'\nname = '{name}'\nrows = 40\n"
        tables += "rows_per_id = 40\n" if name in "fh" else ""
        tables += "[table.columns]\n" + "".join(f"{column} = {text}\n" for column, text in columns.items())
    return parse_contract(
        (HEAD + tables + f"\n[rules]\njoin = {joins}\nask = ['p0']\nreceive = ['p0']\n{RULES}").encode()
    )


CONTRACT = contract_of()
IDS, FEW = st.one_of(st.none(), st.integers(0, 4)), settings(max_examples=8)
SALES = st.lists(
    st.tuples(IDS, IDS, st.one_of(st.none(), st.integers(-2, 9)), st.integers(0, 9), st.sampled_from("uvw")),
    max_size=14,
)
ITEMS = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 9), st.sampled_from("uvw")), max_size=5, unique_by=lambda row: row[0]
)
PEOPLE = ITEMS


def computed(question, tables):
    plan = plan_question(CONTRACT, question, {}, 0)
    assert isinstance(plan.source, Star)
    with tempfile.TemporaryDirectory() as directory:
        files = {}
        for (place, columns), rows in zip(TABLES.items(), tables, strict=True):
            files[place] = Path(directory) / f"{place[1]}.csv"
            with files[place].open("w", newline="") as file:
                csv.writer(file).writerows([[*columns], *rows])
        return asyncio.run(answered(plan, CONTRACT, files, Path(directory)))


def in_the_clear(question, tables):
    with duckdb.connect(":memory:") as database:
        for ((owner, name), columns), rows in zip(TABLES.items(), tables, strict=True):
            types = ", ".join(f"{one} {'VARCHAR' if text == LABEL else 'BIGINT'}" for one, text in columns.items())
            database.execute(f"CREATE SCHEMA IF NOT EXISTS {owner}; CREATE TABLE {owner}.{name} ({types})")
            for row in rows:
                database.execute(f"INSERT INTO {owner}.{name} VALUES ({', '.join('?' * len(row))})", row)
        return database.execute(question).fetchall()


def check(question, tables, keys=0):
    answer, wanted = computed(question, tables), in_the_clear(question, tables)
    there = [row for row in answer.rows if not keys or any(row[keys:])]
    wanted = [row for row in wanted if not keys or any(row[keys:])]
    order = lambda row: [str(cell) for cell in row[:keys]]  # noqa: E731
    assert len(there) == len(wanted), (question, there, wanted)
    for row, other in zip(sorted(there, key=order), sorted(wanted, key=order), strict=True):
        assert all(map(same, row, other)), (question, row, other)


BOTH = "(SELECT person, item, x, week, c FROM p0.f UNION ALL SELECT buyer, item, x, week, c FROM p1.h WHERE week < 8) u"
SOURCES = [BOTH, "p0.f u"]
MADE = "COUNT(*) AS n, SUM(u.x) AS t, SUM(u.x * d.price) AS m, COUNT(*) FILTER (WHERE d.k = 'u' AND u.c <> 'w') AS v"


@FEW
@given(SALES, SALES, ITEMS, PEOPLE, st.data())
def test_lines_of_several_owners(f, h, d, e, data):
    where = data.draw(st.sampled_from(["", " AND u.week > 4", " AND d.price < 8 AND u.c <> 'w'"]))
    lines = f"(SELECT u.person, {MADE} FROM {BOTH} JOIN p2.d ON d.item = u.item WHERE u.person IS NOT NULL{where} "
    lines += "GROUP BY u.person) q"
    after = data.draw(st.sampled_from(["", " WHERE n >= 2", " WHERE t > 0 OR v > 1", " WHERE m IS NULL"]))
    key, join = data.draw(st.sampled_from([("", ""), ("q.n > 2", ""), ("e.s", " JOIN p2.e ON e.person = q.person")]))
    sums = ["COUNT(*) AS a", "SUM(n) AS b", "SUM(t) AS c", "AVG(m) AS d", "COUNT(t) AS e", "SUM(v * 2 - n) AS f"]
    columns = ", ".join([*([f"{key} AS key"] if key else []), *sums])
    check(f"SELECT {columns} FROM {lines}{join}{after}{' GROUP BY 1' if key else ''}", (f, h, d, e), bool(key))


HALF = "CASE WHEN u.week < 5 THEN 1 ELSE 2 END"
ORDERS = ["t DESC, k", "n, t, k DESC", "k", "t, k", "n DESC, k DESC"]


def firsts(source, order, within):
    buy = (
        f"SELECT u.person, d.k, {HALF} AS half, SUM(u.x) AS t, COUNT(*) AS n FROM {source} "
        f"JOIN p2.d ON d.item = u.item WHERE u.person IS NOT NULL GROUP BY u.person, d.k, {HALF}"
    )
    number = f"ROW_NUMBER() OVER (PARTITION BY {within} ORDER BY {order})"
    return f"WITH buy AS ({buy}), top AS (SELECT person, half, k, {number} AS rn FROM buy) "


@FEW
@given(SALES, SALES, ITEMS, st.sampled_from(SOURCES), st.sampled_from(ORDERS), st.booleans())
def test_from_first_to_first(f, h, d, source, order, both):
    """In one half and the next; of equals a label tells which is the first."""
    rest = "b.rn = 1" if both else "b.k <> 'v'"
    question = firsts(source, order, "person, half") + (
        "SELECT a.k AS one, b.k AS other, COUNT(*) AS people FROM top a JOIN top b ON b.person = a.person "
        f"AND a.half = 1 AND b.half = 2 WHERE a.rn = 1 AND {rest} GROUP BY a.k, b.k"
    )
    check(question, (f, h, d, []), 2)


@FEW
@given(SALES, SALES, ITEMS, st.sampled_from(SOURCES), st.sampled_from(ORDERS), st.booleans())
def test_the_first_of_each(f, h, d, source, order, whole):
    """Of all of a person's groups, or of those of each half."""
    within, order = ("person", f"{order}, half DESC") if whole else ("person, half", order)
    asked = "SELECT half, k, COUNT(*) AS people FROM top WHERE rn = 1 GROUP BY half, k"
    check(firsts(source, order, within) + asked, (f, h, d, []), 2)


TOP = firsts(BOTH, "t DESC, k", "person, half") + "SELECT k, COUNT(*) AS n FROM top WHERE half = 1 AND {} GROUP BY k"
LINES = f"SELECT COUNT(*) AS n FROM (SELECT u.person, {{}} AS n FROM {BOTH} JOIN p2.d USING (item) GROUP BY u.person) q"


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        (TOP.format("rn = 2"), "the first is taken"),
        (TOP.format("rn = 1").replace("t DESC, k)", "t DESC)"), "Of equals a label tells"),
        (TOP.format("rn = 1").replace("BY person, half ORDER", "BY half ORDER"), "numbered within an id"),
        (TOP.format("rn = 1").replace("ELSE 2 END", "END"), "in every branch"),
        (TOP.format("rn = 1").replace(" AS rn FROM buy", " AS rn FROM buy WHERE n > 1"), "WHERE has no place"),
        (TOP.format("rn = 1").replace("half = 1 AND", ""), "counted by these labels"),
        (LINES.format("COUNT(DISTINCT u.week)"), "of one owner's facts"),
        (LINES.format("COUNT(*)").replace("p2.d USING", "p0.f USING"), "Two of these tables are one owner's"),
        (LINES.format("COUNT(*)").replace("u.person", "u.item"), "does not join item"),
    ],
)
def test_what_cannot_be_asked_is_refused(question, sentence):
    with pytest.raises(Refused) as refused:
        plan_question(CONTRACT, question, {}, 0)
    assert sentence in "".join(refused.value.detail), refused.value.lines()


def test_owners_that_the_contract_does_not_join_are_refused():
    contract = contract_of(JOINS.replace("['f.person', 'h.buyer'], ", ""))
    with pytest.raises(Refused) as refused:
        plan_question(contract, LINES.format("COUNT(*)"), {}, 0)
    assert refused.value.step in ("rules.join", "table")


def test_one_of_two_owners_gets_no_total_of_both():
    contract = replace(CONTRACT, rules=replace(CONTRACT.rules, exact=False))
    with pytest.raises(Refused) as refused:
        plan_question(contract, LINES.format("COUNT(*)"), {}, 0)
    assert "each could subtract its own part" in "".join(refused.value.detail)


def test_explain_says_who_meets_under_pseudonyms():
    plan = plan_question(CONTRACT, LINES.format("COUNT(*)"), {}, 0)
    assert "what p0 and p1 have of one person is added on shares" in in_words(plan, CONTRACT)
    assert ["p0", "p1"] in explanation(plan, CONTRACT)["must_not_collude"]
