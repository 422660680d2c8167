"""GROUP BY over joined tables, through running nodes over TLS: by either owner's column, by both, ids unique or not."""

import duckdb
import pytest

from glovebox.cli.demo import equal

from .fleets import agreed, ask, bind_rows

COLUMNS = """rows = {rows}
{repeats}
[table.columns]
id = {{ type = "id", form = "exact"{unique} }}
{kind} = {{ type = "category", values = {labels}, may = ["group", "filter"] }}
{value} = {{ type = "integer", range = [-100000, 100000], may = ["sum", "avg", "filter"] }}
"""


def table(owner, name, kind, labels, value, unique):
    repeats, mark = ("", ", unique = true") if unique else ("rows_per_id = 9", "")
    head = f'[[table]]\nowner = "{owner}"\nname = "{name}"\n'
    return head + COLUMNS.format(rows=400, repeats=repeats, unique=mark, kind=kind, labels=labels, value=value)


KINDS, BANDS = ["x", "y", "z", "never"], ["low", "middle", "high"]
TERMS = (
    table("alpha", "a", "kind", KINDS, "amount", True)
    + table("alpha", "many", "sort", KINDS, "paid", False)
    + table("beta", "b", "band", BANDS, "weight", True)
    + table("beta", "visits", "place", BANDS, "seconds", False)
    + """
[rules]
join = [["a.id", "b.id"], ["many.id", "b.id"], ["a.id", "visits.id"], ["many.id", "visits.id"]]
ask = ["beta"]
receive = ["alpha", "beta"]
groups_of_at_least = THRESHOLD
questions = "any"
exact = "everyone may see single persons"
"""
)
ROWS = {
    "a": [(f"p{i}", KINDS[i * i % 3], "" if i % 5 == 0 else i * 37 - 900) for i in range(300)]
    + [("", "x", 5), ("", "y", 7)],
    "many": [(f"p{i * 7 % 120}", KINDS[i % 3], "" if i % 4 == 0 else i - 70) for i in range(396)] + [("", "z", 3)] * 2,
    "b": [(f"p{i}", BANDS[i % 7 % 3], i - 100) for i in range(20, 390)],
    "visits": [(f"p{i * 11 % 150}", BANDS[i % 5 % 3], i * 3) for i in range(380)],
}
AGGREGATES = (
    "COUNT(*) AS n, COUNT(DISTINCT {0}.id) AS people, SUM({1}) AS s, SUM({2}) AS t, SUM({1} * {2}) AS st, AVG({1}) AS m"
)
QUESTIONS = [
    f"SELECT {keys}, {AGGREGATES.format(*columns)} FROM {source} GROUP BY {by} ORDER BY {order}"
    for keys, columns, source, by, order in (
        ("kind", ("a", "amount", "weight"), "a JOIN b USING (id)", "kind", "kind"),
        ("band", ("b", "amount", "weight"), "a JOIN b USING (id)", "1", "1"),
        ("band, kind", ("a", "amount", "weight"), "a JOIN b USING (id) WHERE amount > -500", "kind, band", "1, 2"),
        ("sort, band", ("b", "paid", "weight"), "many JOIN b USING (id)", "sort, band", "1, 2"),
        ("place", ("a", "amount", "seconds"), "a JOIN visits USING (id)", "place", "1"),
        ("sort, place", ("many", "paid", "seconds"), "many JOIN visits USING (id)", "sort, place", "1, 2"),
    )
]
QUESTIONS += [
    "SELECT COUNT(*) AS n, COUNT(DISTINCT a.id) AS people, SUM(amount) AS s FROM a ANTI JOIN b USING (id)",
    "SELECT sort, COUNT(*) AS n, SUM(paid) AS s FROM many ANTI JOIN b USING (id) GROUP BY sort ORDER BY 1",
    "SELECT kind, COUNT(*) AS n, SUM(amount) AS s FROM a SEMI JOIN visits USING (id) GROUP BY kind ORDER BY 1",
    "SELECT kind, COUNT(*) AS n, COUNT(visits.id) AS seen, SUM(amount) AS s, SUM(seconds) AS t, "
    "SUM(amount * seconds) AS p FROM a LEFT JOIN visits USING (id) GROUP BY kind ORDER BY 1",
    "SELECT COUNT(*) AS n, COUNT(DISTINCT many.id) AS people, SUM(paid) AS s, AVG(weight) AS m "
    "FROM many LEFT JOIN b USING (id)",
]
SHAPES = {"a": ("kind", "amount"), "many": ("sort", "paid"), "b": ("band", "weight"), "visits": ("place", "seconds")}


def started(directory, threshold):
    fleet = agreed(directory, ["alpha", "beta", "notary"], TERMS.replace("THRESHOLD", str(threshold)))
    for name, rows in ROWS.items():
        owner = "alpha" if name in ("a", "many") else "beta"
        bind_rows(fleet, owner, name, ("id", *SHAPES[name]), rows)
    return fleet


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    with started(tmp_path_factory.mktemp("groups"), 1) as fleet:
        yield fleet


@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    with started(tmp_path_factory.mktemp("strict"), 12) as fleet:
        yield fleet


def in_the_clear(question):
    with duckdb.connect(":memory:") as database:
        for name, rows in ROWS.items():
            group, value = SHAPES[name]
            database.execute(f"CREATE TABLE {name} (id VARCHAR, {group} VARCHAR, {value} INTEGER)")
            database.executemany(
                f"INSERT INTO {name} VALUES (?, ?, ?)", [[i or None, g, v if v != "" else None] for i, g, v in rows]
            )
        return [list(row) for row in database.execute(question).fetchall()]


@pytest.mark.parametrize("question", QUESTIONS)
def test_groups_are_answered_as_in_the_clear(fleet, question):
    answer, clear = ask(fleet, "beta", question), in_the_clear(question)
    assert not answer.suppressed
    shown = [row for row in answer.rows if row[answer.columns.index("n")]]  # SQL has no row for an empty group
    assert equal(of_rows(answer, shown), clear)


def of_rows(answer, rows):
    return type(answer)(answer.columns, tuple(rows), ())


@pytest.mark.parametrize("question", [QUESTIONS[2], QUESTIONS[3]])
def test_groups_of_too_few_people_are_not_shown(strict, question):
    answer = ask(strict, "beta", question)
    clear = {tuple(row[:2]): row for row in in_the_clear(question)}
    people = answer.columns.index("people")
    for number, row in enumerate(answer.rows):
        large = clear.get(row[:2], [0] * len(row))[people] >= 12
        assert (number in answer.suppressed) != large
        assert large or set(row[2:]) == {None}
    shown = [row for number, row in enumerate(answer.rows) if number not in answer.suppressed]
    assert 0 < len(shown) < len(answer.rows)
    assert equal(of_rows(answer, shown), [clear[row[:2]] for row in shown])
