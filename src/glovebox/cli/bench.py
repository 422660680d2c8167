"""`glovebox bench`: ask to receipt through running nodes over TLS, beside DuckDB in the clear, run by run in turn."""

from __future__ import annotations

import json as text
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import duckdb

from glovebox.cli.demo import equal
from glovebox.cli.exercises import Exercise, pair
from glovebox.cli.fleet import Fleet
from glovebox.contract.model import parse_contract
from glovebox.planner.answer import read_answer
from glovebox.planner.cost import plan_cost
from glovebox.planner.question import plan_question

ROWS: dict[str, int] = {"join": 1_000_000, "latency": 1_000}
CLEAR_THREADS = (1, 2)
PAUSE_S = 1.5
"""Between two runs: a node's next worker has started by then, as it has where questions come from people."""


@dataclass(frozen=True)
class Run:
    """One private run and the clear one beside it."""

    seconds: float
    clear_seconds: float
    size: int
    peak_mib: int
    equal: bool


def measure(workload: Literal["join", "latency"], rows: int | None, runs: int, json: bool) -> int:
    """Run one workload and print its figures; 0 if every answer equals the clear one."""
    count = rows or ROWS[workload]
    exercise = pair(count)
    with tempfile.TemporaryDirectory(prefix="glovebox-") as directory:
        done, rounds = _runs(exercise, Path(directory), runs)
    private = statistics.median(run.seconds for run in done)
    clear = statistics.median(run.clear_seconds for run in done)
    figures: dict[str, Any] = {
        "rows": count,
        "seconds": round(private, 4),
        "clear_seconds": round(clear, 4),
        "ratio": round(private / clear, 2),
        "bytes_per_row": round(statistics.median(run.size for run in done) / count, 2),
        "rounds": rounds,
        "peak_mib_per_party": max(run.peak_mib for run in done),
        "equal": all(run.equal for run in done),
        "spread_seconds": [round(min(run.seconds for run in done), 4), round(max(run.seconds for run in done), 4)],
    }
    if json:
        print(text.dumps(figures))
    else:
        print(f"{workload}: COUNT and SUM over {count} x {count} rows, {runs} runs, median", *_lines(figures), sep="\n")
    return 0 if figures["equal"] else 1


def _lines(figures: dict[str, Any]) -> list[str]:
    return [f"  {name.replace('_', ' '):<20} {value}" for name, value in figures.items()]


def _runs(exercise: Exercise, directory: Path, runs: int) -> tuple[list[Run], int]:
    """Private and clear runs in turn, after one of each to warm up; and the rounds of the plan."""
    files = exercise.write(directory / "data")
    fleet = Fleet(directory, list(exercise.parties))
    contract = exercise.contract(fleet.keys, fleet.addresses)
    fleet.agree(contract)
    for (party, table), path in files.items():
        fleet.bind(party, table, path)
    question = exercise.questions[0]
    plan = plan_question(parse_contract(contract.encode()), question.asked, {}, 0)
    done = []
    with fleet, duckdb.connect(":memory:") as database:
        for (_, table), path in files.items():
            database.read_parquet(str(path)).create_view(table)
        for _ in range(runs + 1):
            time.sleep(PAUSE_S)
            answered = fleet.ask(question.asker, question.asked)
            clear_seconds, rows = min(_clear(database, question.clear, threads) for threads in CLEAR_THREADS)
            size = sum(party.bytes_sent for party in answered.parties)
            peak = fleet.peak_mib(answered.session)
            right = equal(read_answer(bytes(answered.answer)), rows)
            done.append(Run(answered.seconds, clear_seconds, size, peak, right))
    return done[1:], plan_cost(plan).rounds


def _clear(database: duckdb.DuckDBPyConnection, question: str, threads: int) -> tuple[float, list[list[Any]]]:
    """Seconds and rows of the question in the clear, from the same files."""
    database.execute(f"SET threads = {threads:d}")
    began = time.perf_counter()
    rows = database.execute(question).fetchall()
    return time.perf_counter() - began, [list(row) for row in rows]
