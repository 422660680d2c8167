"""Conditions and sums of two owners' columns together, row by row, through running nodes over TLS."""

from datetime import date, timedelta

import duckdb
import pytest

from glovebox.cli.demo import equal

from .fleets import agreed, ask, bind_rows

TERMS = """
[[table]]
owner = "shop"
name = "purchases"
rows = 300
[table.columns]
id = { type = "id", form = "exact", unique = true }
bought_on = { type = "date", range = [2026-01-01, 2026-12-31], may = ["max", "filter", "compare"] }
amount = { type = "decimal(9,2)", range = ["0", "5000"], may = ["sum", "avg", "min", "max", "compare"] }
region = { type = "category", values = ["north", "south", "west"], may = ["group", "filter", "compare"] }

[[table]]
owner = "paper"
name = "views"
rows = 300
[table.columns]
id = { type = "id", form = "exact", unique = true }
seen_on = { type = "date", range = [2026-01-01, 2026-12-31], may = ["min", "filter", "compare"] }
price = { type = "decimal(9,2)", range = ["-10", "5000"], may = ["sum", "avg", "min", "max", "compare"] }
area = { type = "category", values = ["south", "north", "east"], may = ["group", "filter", "compare"] }

[rules]
join = [["purchases.id", "views.id"]]
ask = ["shop"]
receive = ["shop", "paper"]
groups_of_at_least = 1
questions = "any"
exact = "everyone may see single persons"
"""
DAY = date(2026, 1, 1)
DAYS = [DAY + timedelta(i * 7 % 360) for i in range(300)]
PURCHASES = [
    (f"p{i}", DAYS[i] if i % 11 else "", f"{i * 13 % 500}.{i % 100:02}", ["north", "south", "west"][i % 3])
    for i in range(280)
]
VIEWS = [
    (
        f"p{i}",
        max(DAY, DAYS[i] - timedelta(i % 23)) if i % 7 else "",
        i * 17 % 400 if i % 5 else "",
        ["south", "north", "east"][i % 4 % 3],
    )
    for i in range(20, 300)
]
JOIN = "FROM purchases JOIN views USING (id)"
QUESTIONS = [
    f"SELECT COUNT(*) AS n, SUM(amount) AS s, SUM(price) AS p {JOIN} WHERE bought_on BETWEEN seen_on AND seen_on + 7",
    f"SELECT COUNT(*) AS n, SUM(amount) AS s {JOIN} WHERE bought_on - seen_on > 3 OR region = 'west'",
    f"SELECT COUNT(*) FILTER (WHERE amount > price) AS n, COUNT(*) FILTER (WHERE NOT amount > price) AS m, "
    f"COUNT(DISTINCT id) AS everybody, SUM(amount - price) AS difference, AVG(amount - 2 * price) AS mean {JOIN}",
    f"SELECT area, COUNT(*) AS n, SUM(amount) AS s {JOIN} WHERE bought_on >= seen_on GROUP BY area ORDER BY area",
    f"SELECT region, area, COUNT(*) AS n {JOIN} WHERE bought_on <> seen_on - 2 GROUP BY region, area ORDER BY 1, 2",
    f"SELECT COUNT(*) AS n, MIN(amount) AS a, MAX(bought_on) AS b, MIN(seen_on) AS c, MAX(price - amount) AS d, "
    f"MAX(price) FILTER (WHERE seen_on > DATE '2026-12-30') AS none, "
    f"MIN(price) FILTER (WHERE region = 'west') AS e {JOIN}",
    f"SELECT region, area, COUNT(*) AS n, MIN(amount) AS a, MAX(price) AS b, MAX(bought_on) AS c {JOIN} "
    f"WHERE bought_on >= seen_on GROUP BY region, area",
    f"SELECT COUNT(*) AS n {JOIN} WHERE region = area AND (amount * price > 1000 OR amount < price)",
]


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    fleet = agreed(tmp_path_factory.mktemp("mixed"), ["shop", "paper", "notary"], TERMS)
    bind_rows(fleet, "shop", "purchases", ("id", "bought_on", "amount", "region"), PURCHASES)
    bind_rows(fleet, "paper", "views", ("id", "seen_on", "price", "area"), VIEWS)
    with fleet:
        yield fleet


def in_the_clear(question):
    with duckdb.connect(":memory:") as database:
        database.execute("CREATE TABLE purchases (id VARCHAR, bought_on DATE, amount DECIMAL(9,2), region VARCHAR)")
        database.execute("CREATE TABLE views (id VARCHAR, seen_on DATE, price DECIMAL(9,2), area VARCHAR)")
        for table, rows in (("purchases", PURCHASES), ("views", VIEWS)):
            given = [[None if cell == "" else str(cell) for cell in row] for row in rows]
            database.executemany(f"INSERT INTO {table} VALUES (?, ?, ?, ?)", given)
        rows = database.execute(question).fetchall()
        return [[str(cell) if isinstance(cell, date) else cell for cell in row] for row in rows]


@pytest.mark.parametrize("question", QUESTIONS)
def test_what_mixes_owners_is_answered_as_in_the_clear(fleet, question):
    answer, clear = ask(fleet, "shop", question), in_the_clear(question)
    shown = tuple(row for row in answer.rows if row[answer.columns.index("n")])  # SQL has no row for an empty group
    assert clear[0][-1]
    assert equal(type(answer)(answer.columns, shown, ()), clear), (shown, clear)
