"""Quantiles of joined rows through running nodes, beside DuckDB in the clear."""

import duckdb

from .fleets import agreed, ask, bind_rows

TERMS = """
[[table]]
owner = "clinic"
name = "patients"
rows = 60
[table.columns]
id = { type = "id", form = "integer", unique = true }
ward = { type = "category", values = ["east", "west"], required = true, may = ["group"] }

[[table]]
owner = "lab"
name = "results"
rows = 90
rows_per_id = 3
[table.columns]
id = { type = "id", form = "integer" }
level = { type = "decimal(4,1)", range = [0, 50], may = ["quantile", "filter"] }

[rules]
join = [["patients.id", "results.id"]]
ask = ["clinic"]
receive = ["clinic", "lab"]
groups_of_at_least = 5
questions = "approved"

[[question]]
name = "levels"
sql = "SELECT ward, MEDIAN(level) AS middle, QUANTILE_DISC(level, 0.9) AS high, COUNT(level) AS n \
FROM patients JOIN results USING (id) GROUP BY ward ORDER BY ward"
"""
PATIENTS = [(number, "east" if number % 10 else "west") for number in range(40)]  # four people in the west
RESULTS = [(number % 45, "" if number % 7 == 0 else f"{number * 37 % 500 / 10}") for number in range(85)]


def test_quantiles_of_a_join_are_duckdbs_and_a_small_group_has_none(tmp_path):
    fleet = agreed(tmp_path, ["clinic", "lab", "notary"], TERMS)
    bind_rows(fleet, "clinic", "patients", ("id", "ward"), PATIENTS)
    bind_rows(fleet, "lab", "results", ("id", "level"), RESULTS)
    with fleet:
        answer = ask(fleet, "clinic", "levels")
    clear = duckdb.connect()
    clear.execute("CREATE TABLE patients (id INTEGER, ward VARCHAR)")
    clear.executemany("INSERT INTO patients VALUES (?, ?)", PATIENTS)
    clear.execute("CREATE TABLE results (id INTEGER, level DECIMAL(4,1))")
    clear.executemany("INSERT INTO results VALUES (?, ?)", [(one, level or None) for one, level in RESULTS])
    wanted = clear.sql(
        "SELECT ward, MEDIAN(level), QUANTILE_DISC(level, 0.9), COUNT(level) "
        "FROM patients JOIN results USING (id) GROUP BY ward ORDER BY ward"
    ).fetchall()
    (east, west), (clear_east, _) = answer.rows, wanted
    assert east[0] == clear_east[0]
    assert [float(cell) for cell in east[1:]] == [float(cell) for cell in clear_east[1:]]
    assert west == ("west", None, None, None)
