"""Quantiles of joins from owners' files to the answer, matched and searched in one process: as DuckDB has them."""

import csv

import duckdb
import numpy as np
import pytest

from glovebox.contract.model import parse_contract
from glovebox.errors import Refused
from glovebox.planner.answer import answer_of, parts_of
from glovebox.planner.cost import plan_cost
from glovebox.planner.explain import in_words
from glovebox.planner.question import plan_question
from glovebox.planner.shape import by_group, join_shape
from glovebox.protocols.intersection import joined_totals
from glovebox.protocols.shards import Rows
from glovebox.runtime.world import World

from .clear import loaded_by, opened_part
from .test_meaning import HEAD

COLUMNS = {
    "a": 'id = { type = "id", form = "integer" }\n',
    "b": 'id = { type = "id", form = "integer", unique = true }\n',
    "d": 'id = { type = "id", form = "integer" }\n',
}
MORE = """
c = { type = "category", values = ["u", "v"], required = true, may = ["group", "filter"] }
x = { type = "integer", range = [-9, 40], may = ["sum", "quantile", "filter", "compare"] }
y = { type = "decimal(5,2)", range = ["-5.00", "5.00"], may = ["quantile", "filter"] }
"""
TERMS = "".join(
    f"[[table]]\nowner = 'p{place}'\nname = '{name}'\nrows = 60\n{'' if name == 'b' else 'rows_per_id = 4'}\n"
    f"[table.columns]\n{COLUMNS[name]}{MORE}\n"
    for place, name in enumerate("abd")
)
RULES = """
[rules]
join = [["a.id", "b.id"], ["a.id", "d.id"], ["b.id", "d.id"]]
ask = ["p0"]
receive = ["p0"]
groups_of_at_least = 1
questions = "any"
exact = "everyone may see single persons"
"""
CONTRACT = parse_contract((HEAD + TERMS + RULES).encode())
AB = "FROM a JOIN b USING (id)"
QUESTIONS = [
    f"SELECT MEDIAN(a.x) AS m, COUNT(*) AS n, SUM(b.x) AS s, QUANTILE_CONT(a.x, 0.3) AS q {AB}",
    f"SELECT b.c, MEDIAN(b.y) AS m, QUANTILE_DISC(b.x, 0.9) AS q {AB} WHERE a.x > 0 GROUP BY b.c ORDER BY b.c",
    f"SELECT a.c, b.c AS e, MEDIAN(a.y) AS m, COUNT(*) AS n {AB} GROUP BY 1, 2 ORDER BY 1, 2",
    "SELECT MEDIAN(a.x) FILTER (WHERE d.x > 3) AS m, MEDIAN(a.y) AS k FROM a JOIN d USING (id)",
    "SELECT MEDIAN(q.s) AS m, QUANTILE_DISC(q.s, 0.9) AS k, MEDIAN(q.n) AS n "
    "FROM (SELECT id, SUM(x) AS s, COUNT(*) AS n FROM a WHERE x > 0 GROUP BY id) q JOIN b USING (id)",
    "WITH q AS (SELECT id, MAX(x) AS s FROM a GROUP BY id), r AS (SELECT id, SUM(x) AS t FROM d GROUP BY id) "
    "SELECT MEDIAN(q.s) AS m, QUANTILE_CONT(q.s, 0.25) AS k FROM q JOIN r USING (id) WHERE r.t > 0",
    "SELECT d.c, MEDIAN(b.x) AS m FROM a JOIN b USING (id) JOIN d USING (id) GROUP BY d.c ORDER BY d.c",
]


def rows_of(kind, seed, unique):
    """Ids that repeat or not, and values with ties and NULLs."""
    draw = np.random.default_rng(seed)
    ids = draw.permutation(40)[:30] if unique else np.repeat(draw.permutation(40)[:20], draw.integers(0, 5, 20))
    ids = ids[: {"many": 60, "none": 0, "one": 1, "null": 60}[kind]] if seed else ids
    rows = []
    for one in ids.tolist():
        empty = kind == "null" or draw.random() < 0.2
        x, y = int(draw.integers(-9, 12)), f"{int(draw.integers(-500, 501)) / 100:.2f}"
        rows.append((one, "uv"[draw.integers(2)], "" if empty else x, "" if empty else y))
    return rows


async def asked(question, tables, directory):
    files = {}
    for place, (name, rows) in enumerate(tables.items()):
        files[f"p{place}", name] = directory / f"{name}.csv"
        with files[f"p{place}", name].open("w", newline="") as file:
            csv.writer(file).writerows([("id", "c", "x", "y"), *rows])
    plan = plan_question(CONTRACT, question, {}, 0)
    shape = join_shape(plan.source, plan.totals)
    owned = [loaded_by(query, CONTRACT, files, directory, True) for query in plan.source.owners]
    inputs = dict(
        zip(("query", "table", "helper"), (Rows(own.ids, own.values, own.groups) for own in owned), strict=False)
    )
    async with World(seed=5) as world:
        got = await world.run(joined_totals, shape=shape, **inputs)
    found = by_group(plan.source, plan.totals, got.query + got.helper)
    totals = [
        row.astype(np.uint32).astype(np.int64) if total.bits == 32 else row.view(np.int64)
        for row, total in zip(found, plan.totals, strict=True)
    ]
    assert all(
        total.low <= int(one) <= total.high for total, row in zip(plan.totals, totals, strict=True) for one in row
    )
    opened = np.array([opened_part(part, totals) for part in parts_of(plan)], object).reshape(-1, len(totals[0]))
    assert world.meter.size == plan_cost(plan).size
    return answer_of(plan, np.ones(len(totals[0]), bool), opened)


def in_the_clear(question, tables):
    connection = duckdb.connect()
    for name, rows in tables.items():
        connection.execute(f"CREATE TABLE {name} (id BIGINT, c VARCHAR, x BIGINT, y DECIMAL(5,2))")
        listed = [tuple(None if cell == "" else cell for cell in row) for row in rows]
        if listed:
            connection.executemany(f"INSERT INTO {name} VALUES (?, ?, ?, ?)", listed)
    return connection.sql(question).fetchall()


@pytest.mark.parametrize("kind", ["many", "none", "one", "null"])
@pytest.mark.parametrize("question", QUESTIONS)
async def test_quantiles_are_those_of_the_joined_rows(question, kind, tmp_path):
    tables = {name: rows_of(kind, seed, name == "b") for seed, name in enumerate("abd")}
    answer, wanted = await asked(question, tables, tmp_path), in_the_clear(question, tables)
    keys = sum(name in ("c", "e") for name in answer.columns)
    found = [row for row in answer.rows if not keys or row[:keys] in [other[:keys] for other in wanted]]
    assert len(found) == len(wanted)
    for row, other in zip(found, wanted, strict=True):
        for cell, clear in zip(row, other, strict=True):
            assert cell == clear or abs(float(cell) - float(clear)) < 1e-9, (row, other)


def test_explain_says_what_opens():
    words = in_words(plan_question(CONTRACT, QUESTIONS[0], {}, 0), CONTRACT)
    assert "m, q: each is the value of one person of its group" in words


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        (f"SELECT MEDIAN(a.x), MEDIAN(b.x) AS k {AB}", "Quantiles of two owners' columns cannot be asked at once"),
        ("SELECT MEDIAN(d.x) FROM b LEFT JOIN d USING (id)", "Rows without a match cannot count in a quantile yet"),
        (f"SELECT MEDIAN(a.x) {AB} WHERE a.x < b.x", "Quantiles of pairs of rows cannot be asked yet"),
    ],
)
def test_refusals(question, sentence):
    with pytest.raises(Refused) as refused:
        plan_question(CONTRACT, question, {}, 0)
    assert sentence in " ".join(refused.value.detail)


def test_an_approved_question_cannot_leave_the_share_open():
    """Share by share, it would tell the value of every person of a group."""
    sql = f"SELECT QUANTILE_DISC(a.x, :s) AS q {AB}"
    question = f'[[question]]\nname = "q"\nsql = "{sql}"\nparameters = {{ s = "decimal" }}\n'
    with pytest.raises(Refused) as refused:
        plan_question(parse_contract((HEAD + TERMS + RULES + question).encode()), "q", {"s": "0.5"}, 0)
    assert "The share of a quantile is no parameter" in " ".join(refused.value.detail)


def test_a_share_too_fine_for_the_rows_is_refused():
    many = TERMS.replace("rows = 60", "rows = 90_000_000").replace("rows_per_id = 4", "rows_per_id = 60", 1)
    many = many.replace("rows_per_id = 4", "rows_per_id = 100_000")
    contract = parse_contract((HEAD + many + RULES).encode())
    with pytest.raises(Refused) as refused:
        plan_question(contract, "SELECT QUANTILE_CONT(a.x, 0.123457) AS q FROM a JOIN d USING (id)", {}, 0)
    assert "is beyond 64 bits" in " ".join(refused.value.detail)
