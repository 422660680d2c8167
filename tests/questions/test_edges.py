"""Answers through running nodes over TLS equal DuckDB's in the clear, at the edges of what tables can hold."""

from decimal import Decimal

import duckdb
import pytest

from glovebox.cli.demo import equal

from .fleets import agreed, ask, bind_rows

TERMS = """
[[table]]
owner = "alpha"
name = "a"
rows = 300
rows_per_id = 8
[table.columns]
id = { type = "id", form = "email" }
amount = { type = "decimal(12,2)", range = ["-1000000", "1000000"], may = ["sum", "avg", "filter"] }
n = { type = "integer", range = [-3, 3], required = true, may = ["sum", "avg", "filter"] }
kind = { type = "category", values = ["x", "y", "other"], may = ["filter"] }

[[table]]
owner = "beta"
name = "b"
rows = 200
rows_per_id = 8
[table.columns]
id = { type = "id", form = "email" }
weight = { type = "integer", range = [-100000, 100000], may = ["sum", "avg", "filter"] }
day = { type = "date", range = [2026-01-01, 2026-12-31], may = ["filter"] }

[rules]
join = [["a.id", "b.id"]]
ask = ["alpha", "beta"]
receive = ["alpha", "beta"]
groups_of_at_least = 1
questions = "any"
exact = "everyone may see single persons"
"""

A, B = ("id", "amount", "n", "kind"), ("id", "weight", "day")
JOIN = "FROM a JOIN b USING (id)"
ALL = (
    f"SELECT COUNT(*) AS pairs, COUNT(DISTINCT id) AS people, COUNT(amount) AS amounts, SUM(amount) AS s, SUM(n) AS n, "
    f"SUM(weight) AS w, SUM(amount * weight) AS aw, SUM(n * weight) AS nw, AVG(amount) AS m, AVG(weight) AS mw, "
    f"SUM(n * n) AS nn, COUNT(*) FILTER (WHERE n > 0 AND weight > 0) AS up {JOIN}"
)

CASES = {
    "no ids in common": ([("a@x.de", 1, 1, "x")], [("b@x.de", 1, "2026-01-01")]),
    "all match": (
        [(f"p{i}@x.de", i, i % 3, "x") for i in range(50)],
        [(f"p{i}@x.de", i, "2026-01-01") for i in range(50)],
    ),
    "one row": ([("a@x.de", "12.34", -3, "x")], [("a@x.de", -7, "2026-01-01")]),
    "empty on one side": ([], [("a@x.de", -7, "2026-01-01")]),
    "empty on both sides": ([], []),
    "very different sizes": ([(f"p{i}@x.de", i, 1, "y") for i in range(300)], [("p299@x.de", 5, "2026-02-01")]),
    "ids repeat on both sides": (
        [(f"p{i % 7}@x.de", i, i % 4 - 2, "x") for i in range(40)],
        [(f"p{i % 9}@x.de", i, "2026-02-01") for i in range(45)],
    ),
    "ids are missing": (
        [("", 5, 1, "x"), ("a@x.de", 7, 1, "x"), ("", 9, 1, "x")],
        [("", 5, "2026-02-01"), ("a@x.de", 4, "2026-02-01")],
    ),
    "case and padding": (
        [(" Ann@X.de", 5, 1, "x"), ("ANN@x.DE ", 7, 1, "x"), ("bob@x.de", 9, 1, "x")],
        [("ann@x.de", 3, "2026-02-01"), ("BOB@X.DE  ", 4, "2026-02-01")],
    ),
    "amounts at the bound": (
        [
            ("a@x.de", "1000000.00", 3, "x"),
            ("a@x.de", "-1000000.00", -3, "x"),
            ("b@x.de", "-1000000", -3, "x"),
        ],
        [("a@x.de", 100000, "2026-12-31"), ("b@x.de", -100000, "2026-01-01"), ("b@x.de", 100000, "2026-01-01")],
    ),
    "values are missing": (
        [("a@x.de", "", 3, "x"), ("a@x.de", 5, -3, "x"), ("b@x.de", "", -3, "x")],
        [("a@x.de", "", "2026-12-31"), ("b@x.de", 6, "2026-01-01")],
    ),
    "all values are missing": ([("a@x.de", "", 3, "x")], [("a@x.de", "", "2026-12-31")]),
    "a full table": (
        [(f"p{i // 8}@x.de", i, 1, "x") for i in range(300)],
        [(f"p{i // 8}@x.de", -i, "2026-02-01") for i in range(200)],
    ),
}
FILTERED = (
    f"SELECT COUNT(*) AS c, SUM(CASE WHEN kind = 'x' THEN amount ELSE 0 END) AS s {JOIN} "
    f"WHERE (kind IN ('x', 'y') OR n BETWEEN 1 AND 2) AND NOT day > DATE '2026-06-30' AND weight IS NOT NULL",
    "SELECT COUNT(DISTINCT a.id) AS people, SUM(n) FILTER (WHERE weight < 5) AS s FROM a JOIN b ON b.id = a.id",
    f"SELECT SUM(2 * n - 1) AS s, AVG(CAST(weight > 3 AS INTEGER)) AS share, ROUND(AVG(weight), 2) AS r {JOIN}",
)
MIXED = (
    [(f"p{i % 11}@x.de", i - 20 if i % 5 else "", i % 7 - 3, "xyz"[i % 3]) for i in range(60)],
    [(f"p{i % 13}@x.de", i - 20 if i % 4 else "", f"2026-{i % 12 + 1:02}-15") for i in range(60)],
)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    fleet = agreed(tmp_path_factory.mktemp("edges"), ["alpha", "beta", "notary"], TERMS)
    with fleet:
        yield fleet


def bind(fleet, case):
    bind_rows(fleet, "alpha", "a", A, case[0])
    bind_rows(fleet, "beta", "b", B, case[1])


def in_the_clear(case, question):
    """DuckDB over the same rows, ids in their canonical form, a kind that is not listed as `other`."""
    with duckdb.connect(":memory:") as database:
        database.execute("CREATE TABLE a (id VARCHAR, amount DECIMAL(12,2), n INTEGER, kind VARCHAR)")
        database.execute("CREATE TABLE b (id VARCHAR, weight INTEGER, day DATE)")
        for table, rows in zip("ab", case, strict=True):
            for row in rows:
                marks = ", ".join("?" * len(row))
                database.execute(f"INSERT INTO {table} VALUES ({marks})", [None if c == "" else str(c) for c in row])
            database.execute(f"UPDATE {table} SET id = lower(trim(id))")
        database.execute("UPDATE a SET kind = 'other' WHERE kind NOT IN ('x', 'y')")
        return [list(row) for row in database.execute(question).fetchall()]


@pytest.mark.parametrize("name", CASES)
def test_an_edge_is_answered_as_in_the_clear(fleet, name):
    bind(fleet, CASES[name])
    answer, clear = ask(fleet, "beta", ALL), in_the_clear(CASES[name], ALL)
    assert equal(answer, clear), (answer.rows, clear)


@pytest.mark.parametrize("question", FILTERED)
def test_filters_are_answered_as_in_the_clear(fleet, question):
    bind(fleet, MIXED)
    answer, clear = ask(fleet, "beta", question), in_the_clear(MIXED, question)
    assert equal(answer, clear), (answer.rows, clear)


def test_sums_are_exact_to_the_last_digit(fleet):
    bind(fleet, CASES["amounts at the bound"])
    assert ask(fleet, "beta", f"SELECT SUM(amount * weight) AS aw {JOIN}").rows[0][0] == Decimal("0.00")
    assert ask(fleet, "beta", f"SELECT SUM(amount) AS s {JOIN}").rows[0][0] == Decimal("-2000000.00")
