"""Tables joined by a national number, else by name and birth date, through running nodes, as DuckDB's first matches."""

from datetime import date, timedelta

import duckdb
import pytest

from glovebox.cli.demo import equal

from .fleets import agreed, ask, bind_rows

COLUMNS = """rows = 120
rows_per_id = 1
[table.columns]
ssid = { type = "id", form = "exact", unique = true }
name = { type = "id", form = "text" }
born = { type = "date", range = [1930-01-01, 2026-12-31], may = ["filter", "compare"] }
"""
TERMS = f"""
[[table]]
owner = "clinic"
name = "patients"
{COLUMNS}age = {{ type = "integer", range = [0, 120], may = ["sum", "avg", "filter", "compare"] }}
ward = {{ type = "category", values = ["a", "b", "c"], may = ["group", "filter"] }}

[[table]]
owner = "insurer"
name = "clients"
{COLUMNS}paid = {{ type = "integer", range = [-50, 900], may = ["sum", "avg", "max", "filter", "compare"] }}
plan = {{ type = "category", values = ["gold", "tin"], may = ["group", "filter"] }}

[rules]
join = [["patients.ssid", "clients.ssid"], [["patients.name", "patients.born"], ["clients.name", "clients.born"]]]
ask = ["clinic"]
receive = ["clinic"]
groups_of_at_least = 1
questions = "any"
exact = "everyone may see single persons"
"""
DAY = date(1950, 1, 1)


def born(i):
    return DAY + timedelta(i * 97)


# Some lack the number, some the name or the day, some both; of some both name another's row than the number does.
PATIENTS = [
    (f"s{i}" if i % 3 else "", f"n{i}" if i % 7 else "", born(i) if i % 11 else "", i % 90, "abc"[i % 3])
    for i in range(110)
]
CLIENTS = [
    (
        f"s{i}" if i % 4 else "",
        f"n{i + 1 if i % 5 == 0 else i - 1 if i % 5 == 1 and i > 0 else i}",
        born(i + 1 if i % 5 == 0 else i - 1 if i % 5 == 1 and i > 0 else i),
        i * 13 % 900 if i % 6 else "",
        ["gold", "tin"][i // 2 % 2],
    )
    for i in range(10, 120)
]
ON = "ON patients.name = clients.name AND clients.born = patients.born OR patients.ssid = clients.ssid"
JOIN = f"FROM patients JOIN clients {ON}"
QUESTIONS = [
    f"SELECT COUNT(*) AS n, SUM(age) AS s, SUM(paid) AS p, AVG(paid) AS mean, SUM(age * paid) AS both {JOIN}",
    f"SELECT COUNT(*) AS n, SUM(paid) AS p, COUNT(paid) AS m {JOIN} WHERE plan = 'gold' AND age > 20",
    f"SELECT ward, COUNT(*) AS n, SUM(paid) FILTER (WHERE plan = 'tin') AS p, MAX(paid) AS most {JOIN} GROUP BY ward "
    "ORDER BY ward",
    f"SELECT COUNT(*) AS n, SUM(age) AS s {JOIN} WHERE paid > 5 * age AND clients.born = patients.born",
    f"SELECT ward, COUNT(*) AS n, SUM(paid) AS p, COUNT(paid) AS m FROM patients LEFT JOIN clients {ON} GROUP BY ward "
    "ORDER BY ward",
    f"SELECT COUNT(*) AS n, SUM(age) AS s FROM patients ANTI JOIN clients {ON}",
    f"SELECT COUNT(*) AS n, AVG(age) AS s FROM patients SEMI JOIN clients {ON}",
    f"SELECT plan, COUNT(*) AS n, SUM(age) AS s FROM clients JOIN patients {ON} WHERE ward <> 'b' GROUP BY plan "
    "ORDER BY plan",
]


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    fleet = agreed(tmp_path_factory.mktemp("keys"), ["clinic", "insurer", "notary"], TERMS)
    bind_rows(fleet, "clinic", "patients", ("ssid", "name", "born", "age", "ward"), PATIENTS)
    bind_rows(fleet, "insurer", "clients", ("ssid", "name", "born", "paid", "plan"), CLIENTS)
    with fleet:
        yield fleet


def in_the_clear(question):
    """What DuckDB says where each row of the table after FROM is joined with its first match."""
    with duckdb.connect(":memory:") as database:
        database.execute("CREATE TABLE patients (ssid VARCHAR, name VARCHAR, born DATE, age BIGINT, ward VARCHAR)")
        database.execute("CREATE TABLE clients (ssid VARCHAR, name VARCHAR, born DATE, paid BIGINT, plan VARCHAR)")
        for table, rows in (("patients", PATIENTS), ("clients", CLIENTS)):
            given = [[None if cell == "" else str(cell) for cell in row] for row in rows]
            database.executemany(f"INSERT INTO {table} VALUES (?, ?, ?, ?, ?)", given)
        one, other = ("clients", "patients") if "FROM clients" in question else ("patients", "clients")
        database.execute(
            f"CREATE TABLE firsts AS SELECT o.rowid AS mine, COALESCE(x.rowid, y.rowid) AS theirs, "
            f"x.rowid <> y.rowid AS differ FROM {one} o LEFT JOIN {other} x ON o.ssid = x.ssid "
            f"LEFT JOIN {other} y ON o.name = y.name AND o.born = y.born"
        )
        assert database.execute("SELECT COUNT(*), COUNT_IF(differ) > 3 FROM firsts").fetchone() == (110, True)
        first = f"ON {other}.rowid = (SELECT theirs FROM firsts WHERE mine = {one}.rowid)"
        return [list(row) for row in database.execute(question.replace(ON, first)).fetchall()]


@pytest.mark.parametrize("question", QUESTIONS)
def test_each_row_counts_with_its_first_match(fleet, question):
    answer, clear = ask(fleet, "clinic", question), in_the_clear(question)
    assert clear
    assert equal(answer, clear), (answer.rows, clear)
