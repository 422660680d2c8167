"""Quantiles of stacked tables from owners' files to the answer, in one process: as DuckDB has them over all rows."""

import csv
from datetime import date
from decimal import Decimal

import duckdb
import numpy as np
import pytest

from glovebox.contract.model import parse_contract
from glovebox.errors import Refused
from glovebox.node.quantiles import sums_and_quantiles
from glovebox.node.steps import finishing_of, largest_frame, role_names
from glovebox.planner.answer import answer_of
from glovebox.planner.cost import plan_cost
from glovebox.planner.explain import in_words
from glovebox.planner.question import plan_question
from glovebox.protocols.finishing import finish
from glovebox.protocols.reveal import reveal_to_receivers, shares_for_opening
from glovebox.runtime.world import World

from ..planner.clear import loaded_by
from ..planner.test_meaning import HEAD

OWNERS = ("p0", "p1", "p2")
COLUMNS = ("id", "c", "x", "d", "day")
TERMS = """
[[table]]
owner = ["p0", "p1", "p2"]
name = "s"
rows = 99
rows_per_id = 99
same_person_at_several = "no"
[table.columns]
id = { type = "id", form = "integer" }
c = { type = "category", values = ["u", "v", "w"], required = true, may = ["group", "filter"] }
x = { type = "integer", range = [-9, 70], may = ["sum", "quantile", "filter", "min", "max"] }
d = { type = "decimal(6,2)", range = ["-5.00", "5.00"], may = ["quantile"] }
day = { type = "date", range = [2026-01-01, 2026-12-31], may = ["quantile", "min", "max"] }
wide = { type = "decimal(12,2)", range = [0, 1000000], may = ["quantile"] }
hidden = { type = "integer", range = [0, 9], may = ["sum"] }

[rules]
ask = ["p0"]
receive = ["p0"]
groups_of_at_least = 1
questions = "any"
exact = "everyone may see single persons"
"""
CONTRACT = parse_contract((HEAD + TERMS).encode())
QUESTIONS = [
    "SELECT MEDIAN(x) AS m, COUNT(*) AS n, QUANTILE_DISC(x, 0.9) AS p, QUANTILE_CONT(x, 0.3) AS q FROM s",
    "SELECT c, MEDIAN(d) AS m, QUANTILE_CONT(d, 0.25) AS q, MEDIAN(x) FILTER (WHERE x > 0) AS f "
    "FROM s GROUP BY c ORDER BY c",
    "SELECT c, PERCENTILE_CONT(0.9) WITHIN GROUP (ORDER BY x DESC) AS p, quantile(x, 0) AS z, "
    "PERCENTILE_DISC(1) WITHIN GROUP (ORDER BY day) AS l, quantile_disc(day, 0.5) AS e FROM s GROUP BY c ORDER BY c",
    "SELECT c, MIN(x) AS low, MAX(x) FILTER (WHERE x < 60) AS high, MAX(day) AS last FROM s GROUP BY c ORDER BY c",
    "SELECT ROUND(MEDIAN(x) - AVG(x), 3) AS skew, ROUND(MEDIAN(x / 1), 0) AS r FROM s".replace("x / 1", "x + 1"),
]


def rows_of(kind, seed):
    """An owner's rows: some, with ties and NULLs; one in all; all NULL; all alike; of an even and an odd number."""
    draw = np.random.default_rng(seed)
    count = {"many": 20 + seed, "none": 0, "one": int(seed == 1), "null": 5, "alike": 4, "two": int(seed < 2)}[kind]
    rows = []
    for number in range(count):
        x, d = int(draw.integers(-9, 70)), int(draw.integers(-500, 501))
        missing = kind == "null" or (kind == "many" and draw.random() < 0.2)
        rows.append((
            number, "uuv"[draw.integers(3)], "" if missing else 7 if kind == "alike" else x,
            "" if missing else f"{Decimal(d).scaleb(-2)}",
            "" if missing else date.fromordinal(date(2026, 1, 1).toordinal() + int(draw.integers(365))).isoformat(),
        ))  # fmt: skip
    return rows


async def answered(ctx, own, *, plan):
    finishing = finishing_of(plan)
    totals = await sums_and_quantiles(ctx, plan, own)
    finished = await finish(ctx.narrow("finish"), finishing, totals)
    opening = await shares_for_opening(ctx.narrow("opening"), finishing, finished)
    return await reveal_to_receivers(ctx.narrow("reveal"), finishing, opening, (0,), "test")


async def asked(question, tables, directory, contract=CONTRACT):
    """The plan, the rows of its answer, and what was sent."""
    files = {}
    for owner, rows in zip(OWNERS, tables, strict=True):
        files[owner, "s"] = directory / f"{owner}.csv"
        with files[owner, "s"].open("w", newline="") as file:
            csv.writer(file).writerows(
                [("id", "c", "x", "d", "day", "wide", "hidden"), *((*row, "", "") for row in rows)]
            )
    plan = plan_question(contract, question, {}, 0)
    loaded = [loaded_by(query, contract, files, directory, False) for query in plan.source.owners]
    async with World(shamir=True, seed=5) as world:
        opened = (await world.run(answered, inputs=loaded, plan=plan))[0]
        return plan, answer_of(plan, opened.shown, opened.parts), world.meter


def in_the_clear(question, tables):
    connection = duckdb.connect()
    connection.execute("CREATE TABLE s (id BIGINT, c VARCHAR, x BIGINT, d DECIMAL(6,2), day DATE)")
    rows = [tuple(None if cell == "" else cell for cell in row) for rows in tables for row in rows]
    if rows:
        connection.executemany("INSERT INTO s VALUES (?, ?, ?, ?, ?)", rows)
    return connection.sql(question).fetchall()


def same(cell, other):
    if isinstance(other, float):
        return cell is not None and abs(float(cell) - other) < 1e-9
    return cell == (other.isoformat() if isinstance(other, date) else other)


@pytest.mark.parametrize("kind", ["many", "none", "one", "null", "alike", "two"])
@pytest.mark.parametrize("question", QUESTIONS)
async def test_quantiles_are_those_of_all_owners_rows(question, kind, tmp_path):
    tables = [rows_of(kind, seed) for seed in range(3)]
    _, answer, _ = await asked(question, tables, tmp_path)
    wanted = in_the_clear(question, tables)
    found = [row for row in answer.rows if answer.columns[0] != "c" or row[0] in [each[0] for each in wanted]]
    assert len(found) == len(wanted)
    for row, other in zip(found, wanted, strict=True):
        assert all(map(same, row, other)), (row, other)


async def test_cost_and_traffic_are_what_the_plan_says_whatever_the_data(tmp_path):
    sent = []
    for kind in ("many", "none"):
        plan, _, meter = await asked(QUESTIONS[1], [rows_of(kind, seed) for seed in range(3)], tmp_path)
        ranked = [frame for frame in meter.frames if "/ranks/" in frame.step or "/stacking/of" in frame.step]
        assert sum(frame.size for frame in ranked) == plan_cost(plan).size
        assert max(frame.size for frame in meter.frames) <= largest_frame(plan)
        sent.append({link: sorted(frames) for link, frames in meter.shape().items()})
    assert sent[0] == sent[1]
    assert role_names(plan) == [(0, "query"), (1, "table"), (2, "helper")]


async def test_nothing_shows_of_a_group_below_the_threshold(tmp_path):
    terms = TERMS.replace("= 1\n", "= 5\n").replace('"any"', '"approved"').partition("exact =")[0]
    approved = (
        "[[question]]\nname = 'q'\nsql = 'SELECT c, MEDIAN(x) AS m, QUANTILE_CONT(d, 0.3) AS q FROM s GROUP BY c'\n"
    )
    contract = parse_contract((HEAD + terms + approved).encode())
    rows = [(number, "u" if number < 5 else "v", number, "1.25", "") for number in range(9)]
    _, answer, _ = await asked("q", [rows[:3], rows[3:6], rows[6:]], tmp_path, contract)
    assert answer.rows == (("u", 2, Decimal("1.25")), ("v", None, None), ("w", None, None))
    assert answer.suppressed == (1, 2)


def test_explain_says_who_finds_them_and_what_opens():
    plan = plan_question(CONTRACT, QUESTIONS[0], {}, 0)
    words = in_words(plan, CONTRACT)
    assert "p0, p1, p2 find quantiles on shares, among counts of 80 values a group" in words
    assert "m, p, q: each is the value of one person of its group" in words
    assert "q: the two numbers open that it lies between, and how many numbers there are" in words


NOISY = "[privacy]\nepsilon_total = '6.0'\nepsilon_per_question = '0.5'\n"


@pytest.mark.parametrize(
    ("question", "step", "sentence"),
    [
        ("MEDIAN(hidden)", "columns.hidden.may", "s.hidden may not be asked for its median"),
        ("MEDIAN(day)", "sql", "A date has no such quantile"),
        ("MEDIAN(c)", "sql", "has no such quantile"),
        ("MEDIAN(wide)", "columns", "100000001 values are too many to count each"),
        ("QUANTILE_CONT(x, 1.5)", "sql", "from 0 to 1"),
        ("QUANTILE_CONT(x, x)", "sql", "from 0 to 1"),
        ("QUANTILE_CONT(x, 0.1234567)", "sql", "at most 6 decimals"),
        ("PERCENTILE_CONT(x)", "sql", "This is no quantile"),
        ("PERCENTILE_DISC(0.1) WITHIN GROUP (ORDER BY x DESC)", "sql", "goes by rising values"),
    ],
)
def test_refusals_name_what_stands_against_it(question, step, sentence):
    with pytest.raises(Refused) as refused:
        plan_question(CONTRACT, f"SELECT {question} AS m FROM s", {}, 0)
    assert refused.value.step == step
    assert sentence in " ".join(refused.value.detail)
    assert refused.value.hint


def test_noise_and_people_at_several_owners_are_refused():
    noisy = TERMS.replace("= 1\n", "= 5\n").partition("exact =")[0] + NOISY
    several = TERMS.replace('= "no"', '= "yes"').replace("= 1\n", "= 5\n").replace('"any"', '"approved"')
    approved = "[[question]]\nname = 'q'\nsql = 'SELECT MEDIAN(x) AS m FROM s'\n"
    for terms, step in (
        (noisy.replace("rows_per_id = 99", "rows_per_id = 2"), "privacy"),
        (several.partition("exact =")[0] + approved, "table"),
    ):
        with pytest.raises(Refused) as refused:
            plan_question(parse_contract((HEAD + terms).encode()), "SELECT MEDIAN(x) AS m FROM s", {}, 0)
        assert refused.value.step == step
