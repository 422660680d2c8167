"""People at several owners, each counted once, through running nodes over TLS, with two owners and with three."""

import duckdb
import pytest

from glovebox.cli.demo import equal

from .fleets import agreed, ask, bind_rows

OWNERS = ("north", "south", "west")
PLACES = ["home", "ward", "street", "never"]
TERMS = """[[table]]
owner = ["north", "south", "west"]
name = "visits"
rows = 400
rows_per_id = 9
same_person_at_several = "yes"
[table.columns]
person = { type = "id", form = "exact" }
place = { type = "category", values = ["home", "ward", "street", "never"], may = ["group", "filter"] }
paid = { type = "integer", range = [-1000, 1000], may = ["sum", "avg", "filter"] }

[rules]
ask = ["north"]
receive = ["north"]
groups_of_at_least = 1
questions = "any"
exact = "everyone may see single persons"
"""
ROWS = {
    owner: [(f"p{(i * (7 + at) + at) % 150}", PLACES[(i + i // 7) % 3], "" if i % 6 == 0 else i - 90 * at)
            for i in range(300)] + [("", "ward", 5), ("", "home", 7)]
    for at, owner in enumerate(OWNERS)
}  # fmt: skip
ALL = " UNION ALL ".join(f"SELECT '{owner}' AS hospital, * FROM {owner}.visits" for owner in OWNERS)
TWO = " UNION ALL ".join(f"SELECT person, place AS p, paid FROM {owner}.visits WHERE paid > 0" for owner in OWNERS[1:])
QUESTIONS = [
    "SELECT place, COUNT(DISTINCT person) AS people, COUNT(*) AS n, SUM(paid) AS s, AVG(paid) AS m FROM visits "
    "GROUP BY place ORDER BY place",
    f"SELECT hospital, COUNT(DISTINCT person) AS n, COUNT(DISTINCT person) FILTER (WHERE paid > 100) AS many "
    f"FROM ({ALL}) GROUP BY hospital ORDER BY hospital",
    f"SELECT COUNT(DISTINCT person) AS n, COUNT(DISTINCT person) FILTER (WHERE paid > 90) AS some FROM ({ALL})",
    f"SELECT p, COUNT(DISTINCT person) AS n, COUNT(*) AS r FROM ({TWO}) GROUP BY p ORDER BY p",
]

PERSONS = f"""SELECT person, COUNT(DISTINCT hospital) AS hospitals, COUNT(*) AS visits, SUM(paid) AS s,
  MAX(paid) AS most, MIN(place) AS place, bool_or(place = 'ward') AS ward
  FROM ({ALL}) WHERE person IS NOT NULL GROUP BY person"""
QUESTIONS += [
    "SELECT hospitals, COUNT(*) AS n, SUM(s) AS s, SUM(CASE WHEN most >= 90 THEN 1 ELSE 0 END) AS high, "
    f"AVG(visits) AS m FROM ({PERSONS}) WHERE s <> 7 GROUP BY hospitals ORDER BY hospitals",
    f"WITH p AS ({PERSONS}) SELECT CASE WHEN visits = 1 THEN 'one' WHEN visits <= 4 THEN 'few' ELSE 'many' END "
    "AS often, place, COUNT(*) AS n, COUNT(*) FILTER (WHERE ward) AS ward, SUM(most) AS most FROM p "
    "GROUP BY 1, 2 ORDER BY 1, 2",
    "SELECT COUNT(*) AS n, COUNT(*) FILTER (WHERE s > 50) AS rich, SUM(s) AS s FROM "
    "(SELECT person, SUM(paid) AS s FROM "
    "(SELECT * FROM south.visits UNION ALL SELECT * FROM west.visits) WHERE person IS NOT NULL GROUP BY 1) u",
]


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    with agreed(tmp_path_factory.mktemp("once"), OWNERS, TERMS) as fleet:
        for owner, rows in ROWS.items():
            bind_rows(fleet, owner, "visits", ("person", "place", "paid"), rows)
        yield fleet


@pytest.mark.parametrize("question", QUESTIONS)
def test_people_are_counted_once_as_in_the_clear(fleet, question):
    answer = ask(fleet, OWNERS[0], question)
    shown = [row for row in answer.rows if row[answer.columns.index("n")]]  # SQL has no row for an empty group
    assert equal(type(answer)(answer.columns, tuple(shown), ()), clear(question))


def clear(question):
    with duckdb.connect(":memory:") as database:
        for owner, rows in ROWS.items():
            database.execute(f"CREATE SCHEMA {owner}")
            database.execute(f"CREATE TABLE {owner}.visits (person VARCHAR, place VARCHAR, paid INTEGER)")
            held = [[person or None, place, paid if paid != "" else None] for person, place, paid in rows]
            database.executemany(f"INSERT INTO {owner}.visits VALUES (?, ?, ?)", held)
        every = " UNION ALL ".join(f"SELECT * FROM {owner}.visits" for owner in OWNERS)
        database.execute(f"CREATE VIEW visits AS {every}")
        return [list(row) for row in database.execute(question).fetchall()]
