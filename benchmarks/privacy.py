"""What noise does to answers: curves for docs/privacy.md, and example questions of four industries over 10^5 rows.

    python -m benchmarks.privacy            writes docs/privacy-*.svg and prints the errors of the industries' questions

The curves are exact: the range that a number's noise stays within 19 times in 20, of three computing parties. The
industries' numbers are sampled: the noise of all three parties, as the product draws it, on totals that DuckDB counts.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import duckdb
import numpy as np

from benchmarks.charts import Curve, chart
from glovebox.algebra.laplace import Decay, decay, halves
from glovebox.contract.model import parse_contract
from glovebox.contract.terms import Contract
from glovebox.identity import key_text
from glovebox.planner.plan import Output
from glovebox.planner.privacy import MISSES, bar, decays
from glovebox.planner.question import plan_question
from glovebox.protocols.noise import drawing

DOCS = Path(__file__).parents[1] / "docs"
PARTIES, ROWS = 3, 100_000
MEAN, HIGH = 60, 500  # of the amounts that the curves sum, and the top of their range

Draw = Callable[[int], bytes]


def within(epsilon: Fraction, person: int) -> int:
    """What a total stays within of the truth, 19 times in 20."""
    return bar(decay(epsilon.numerator, epsilon.denominator * person), drawing(PARTIES), MISSES)


def curves() -> dict[str, str]:
    """An SVG by its file's name."""
    epsilons = [Fraction(step, 100) for step in (1, 2, 5, 10, 20, 50, 100, 200)]
    sizes = [10**power * first for power in range(1, 6) for first in (1, 2, 5)]
    by_epsilon = [
        Curve(f"people, {rows} rows each" if rows > 1 else "people", [(float(e), within(e, rows)) for e in epsilons])
        for rows in (1, 5, 20)
    ]
    by_size = [
        Curve(f"people, ε = {e}", [(size, 100 * within(Fraction(e), 1) / size) for size in sizes]) for e in ("0.1", "1")
    ] + [
        Curve(f"sum, ε = {e}", [(size, 100 * within(Fraction(e), HIGH) / (size * MEAN)) for size in sizes])
        for e in ("0.1", "1")
    ]
    share = 100 * within(Fraction(1, 2), HIGH) / MEAN
    by_rows = [Curve(f"{groups} groups", [(rows, share * groups / rows) for rows in sizes]) for groups in (1, 10, 100)]
    return {
        "privacy-epsilon.svg": chart(
            "How far a number of people may be from the truth, 19 times in 20",
            "epsilon",
            "people",
            by_epsilon,
        ),
        "privacy-group.svg": chart(
            f"In percent; sums are of amounts to {HIGH}, {MEAN} on average",
            "people of a group",
            "percent",
            by_size,
        ),
        "privacy-table.svg": chart(
            "A sum by groups of one size, asked with a count at ε = 1", "rows of the table", "percent", by_rows
        ),
    }


@dataclass(frozen=True)
class Industry:
    """A contract's table of three owners, and a question. data: of each row, in DuckDB's SQL over a number i."""

    columns: str
    data: str
    sql: str


INDUSTRIES = {
    "advertising": Industry(
        "format = { type = 'category', values = ['video', 'banner', 'audio', 'social'], may = ['group'] }\n"
        "spent = { type = 'integer', range = [0, 500], required = true, may = ['sum', 'avg'] }",
        "SELECT ['video', 'banner', 'audio', 'social'][1 + (i % 10) // 3] AS format, "
        "least(500, floor(-60 * ln(1 - random())))::INT AS spent",
        "SELECT format, COUNT(*) AS people, SUM(spent) AS spent, AVG(spent) AS mean FROM t GROUP BY format",
    ),
    "retail": Industry(
        "segment = { type = 'category', values = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'], may = ['group'] }\n"
        "basket = { type = 'decimal(8,2)', range = [0, 1000], required = true, may = ['sum', 'avg'] }",
        "SELECT ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'][1 + i % 8] AS segment, "
        "least(1000, round(-45 * ln(1 - random()), 2))::DECIMAL(8,2) AS basket",
        "SELECT segment, COUNT(*) AS baskets, SUM(basket) AS turnover FROM t GROUP BY segment",
    ),
    "health": Industry(
        "ward = { type = 'category', values = ['heart', 'lung', 'skin', 'bone', 'other'], may = ['group'] }\n"
        "stay = { type = 'integer', range = [0, 60], required = true, may = ['sum', 'avg'] }",
        "SELECT ['heart', 'lung', 'skin', 'bone', 'other'][1 + (i % 15) // 3] AS ward, "
        "least(60, floor(-6 * ln(1 - random())))::INT AS stay",
        "SELECT ward, COUNT(*) AS patients, AVG(stay) AS days FROM t GROUP BY ward",
    ),
    "banking": Industry(
        "class = { type = 'category', values = ['1', '2', '3', '4', '5', '6'], may = ['group'] }\n"
        "balance = { type = 'integer', range = [0, 100000], required = true, may = ['sum', 'avg'] }",
        "SELECT (1 + i % 6)::VARCHAR AS class, least(100000, floor(-9000 * ln(1 - random())))::INT AS balance",
        "SELECT class, COUNT(*) AS accounts, SUM(balance) AS balance, AVG(balance) AS mean FROM t GROUP BY class",
    ),
}


def contract_of(industry: Industry) -> Contract:
    """Three owners of one table, a row a person, any question at epsilon 1."""
    parties = "".join(
        f"[[party]]\nname = 'p{n}'\nkey = '{key_text(bytes([n]) * 32)}'\naddress = 'p{n}:1'\n" for n in range(PARTIES)
    )
    return parse_contract((
        "glovebox = 1\nname = 'noise'\nversion = 1\npurpose = 'A measurement.'\nfrom = 2026-01-01\nuntil = 2026-12-31\n"
        f"{parties}[[table]]\nowner = ['p0', 'p1', 'p2']\nname = 't'\nrows = {ROWS}\nperson = 'row'\n[table.columns]\n"
        f"{industry.columns}\n[rules]\nask = ['p0']\nreceive = ['p0']\ngroups_of_at_least = 25\nquestions = 'any'\n"
        "[privacy]\nepsilon_total = '6'\nepsilon_per_question = '1'\n"
    ).encode())  # fmt: skip


def relative_errors(industry: Industry, draw: Draw, times: int = 20) -> list[float]:
    """Of every number of the answer, as often as asked, how far it is from the truth in proportion."""
    plan = plan_question(contract_of(industry), industry.sql, {}, 0)
    assert plan.noise is not None
    noise = decays(plan.noise)
    numbers = [output for output in plan.outputs if output.kind != "group"]
    return [
        abs(noisy / true - 1)
        for output, values in zip(numbers, _exact(industry, numbers), strict=True)
        for true, noisy in _noisy(output, values, noise, draw, times)
    ]


def _exact(industry: Industry, numbers: list[Output]) -> list[list[tuple[int, int]]]:
    """For each number, its total and, of an average, its count, in every group, as DuckDB finds them."""
    database = duckdb.connect()
    database.execute("SELECT setseed(0.5)")
    database.execute(f"CREATE TABLE t AS {industry.data} FROM range({ROWS}) AS rows(i)")
    key, value = (row[0] for row in database.execute("DESCRIBE t").fetchall())
    found = database.execute(f"SELECT COUNT(*), SUM({value}) FROM t GROUP BY {key}").fetchall()
    database.close()
    return [
        [(count, 1) if output.kind == "count" else (int(total * 10**output.scale), count) for count, total in found]
        for output in numbers
    ]


def _noisy(
    output: Output, values: list[tuple[int, int]], noise: tuple[Decay | None, ...], draw: Draw, times: int
) -> list[tuple[float, float]]:
    pairs = []
    for total, count in values:
        near = total + _drawn(noise[output.total], draw, times)
        if output.kind == "average":
            over = count + _drawn(noise[output.over or 0], draw, times)
            pairs += [(total / count, float(one)) for one in near / over]
        else:
            pairs += [(float(total), float(one)) for one in near]
    return pairs


def _drawn(one: Decay | None, draw: Draw, times: int) -> np.ndarray:
    assert one is not None
    return halves(one, drawing(PARTIES) * times, draw).reshape(times, -1).sum(axis=1)


def main() -> None:
    """Write the curves, print the errors."""
    for name, text in curves().items():
        (DOCS / name).write_text(text)
    for name, industry in INDUSTRIES.items():
        errors = relative_errors(industry, os.urandom)
        print(f"{name}: median {statistics.median(errors):.3%}, at most {max(errors):.2%} of {len(errors)} numbers")


if __name__ == "__main__":
    main()
