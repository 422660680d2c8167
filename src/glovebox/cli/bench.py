"""`glovebox bench`: ask to receipt through running nodes over TLS, beside DuckDB in the clear, run by run in turn."""

from __future__ import annotations

import json as text
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import duckdb

from glovebox.cli.demo import equal
from glovebox.cli.exercises import Exercise
from glovebox.cli.fleet import Fleet, anew
from glovebox.cli.lines import LINES, Relay
from glovebox.cli.workloads import WORKLOADS
from glovebox.contract.model import Contract, parse_contract
from glovebox.data.identifiers import canonical, folded
from glovebox.data.trees import name
from glovebox.planner.cost import plan_cost
from glovebox.planner.question import plan_question
from glovebox.schema.answer import read_answer
from glovebox.schema.columns import Table

CLEAR_THREADS = (1, 2)
QUIET_S, BUSY_S, LONGEST_S = 0.3, 0.02, 10.0
"""Nodes are quiet when they and their workers took at most `BUSY_S` of processor time in `QUIET_S`: their next workers
have started, as they have where questions come from people, and take nothing from the runs, the clear one least of all.
"""

PACKAGES = ("glovebox", "mpyc", "numpy", "numba", "duckdb", "cryptography")
SECURITY = "semi-honest, one corrupt party of {}, static; TLS between the nodes"
PUBLIC = "padded row counts, the question, its shape"


@dataclass(frozen=True)
class Run:
    """One private run and the clear ones beside it. clear: seconds, and processor seconds, by number of threads."""

    seconds: float
    cpu: float
    clear: dict[int, tuple[float, float]]
    size: int
    peak_mib: int
    equal: bool


def measure(workload: str, rows: int | None, runs: int, line: str | None, json: bool) -> int:
    """Run one workload and print its figures; 0 if every answer equals the clear one. Raises Refused if not served."""
    chosen = WORKLOADS[workload]
    count = chosen.rows if rows is None else rows
    with tempfile.TemporaryDirectory(prefix="glovebox-") as directory:
        figures = {"workload": workload, "rows": count, **_figures(chosen.exercise(count), Path(directory), runs, line)}
    if json:
        print(text.dumps(figures))
    else:
        print(f"{workload}: {chosen.says}, {count} rows a table, {runs} runs, medians")
        print(*(f"  {key.replace('_', ' '):<22} {_plain(value)}" for key, value in figures.items()), sep="\n")
    return 0 if figures["equal"] else 1


def _plain(value: Any) -> str:
    return ", ".join(f"{key} {each}" for key, each in value.items()) if isinstance(value, dict) else str(value)


def machine() -> str:
    """This machine in words, without its name."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 30
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{model or platform.machine()}, {os.cpu_count()} cores, {memory} GiB, {platform.system()}, {python}"


def _figures(exercise: Exercise, directory: Path, runs: int, line: str | None) -> dict[str, Any]:
    """What is printed of a workload, but for its name and rows."""
    began, load = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), os.getloadavg()[0]
    done, rounds, rows = _runs(exercise, directory, runs, line)
    seconds = [run.seconds for run in done]
    threads = min(CLEAR_THREADS, key=lambda each: statistics.median(run.clear[each][0] for run in done))
    clear, clear_cpu = ([run.clear[threads][place] for run in done] for place in (0, 1))
    return {
        "line": line or "loopback",
        "runs": runs,
        "seconds": round(statistics.median(seconds), 4),
        "clear_seconds": round(statistics.median(clear), 4),
        "ratio": round(statistics.median(seconds) / statistics.median(clear), 2),
        "bytes_per_row": round(statistics.median(run.size for run in done) / rows, 2),
        "rounds": rounds,
        "peak_mib_per_party": max(run.peak_mib for run in done),
        "equal": all(run.equal for run in done),
        "cpu_seconds": round(statistics.median(run.cpu for run in done), 2),
        "clear_cpu_seconds": round(statistics.median(clear_cpu), 4),
        "spread_seconds": [round(min(seconds), 4), round(max(seconds), 4)],
        "spread_clear_seconds": [round(min(clear), 4), round(max(clear), 4)],
        "clear_threads": threads,
        "question": exercise.questions[0].asked,
        "security": SECURITY.format("two" if len(exercise.parties) == 2 else "three"),
        "reveals": f"{exercise.learns} All: {PUBLIC}.",
        "machine": machine(),
        "load_before": round(load, 1),
        "versions": {package: version(package) for package in PACKAGES},
        "at": began,
    }


def _runs(exercise: Exercise, directory: Path, runs: int, line: str | None) -> tuple[list[Run], int, int]:
    """Private and clear runs in turn, after one of each to warm up; the plan's rounds; the rows of a table."""
    with ExitStack() as stack:
        fleet = Fleet(directory, list(exercise.parties))
        dialled = stack.enter_context(Relay(fleet.addresses, LINES[line])).addresses if line else fleet.addresses
        terms = exercise.contract(fleet.keys, dialled)
        contract, question = parse_contract(terms.encode()), exercise.questions[0]
        plan = plan_question(contract, question.asked, {}, 0)
        fleet.agree(terms)
        for home in fleet.homes.values() if contract.protocol else ():  # all that a question takes is in its time
            home.settings_file.write_text(f"{home.settings_file.read_text()}ahead_mib = 0\n")
        files = exercise.write(directory / "data")
        for (party, table), path in files.items():
            fleet.bind(party, table, path)
        database = stack.enter_context(duckdb.connect(":memory:"))
        clear_tables(database, contract, files)
        stack.enter_context(fleet)
        done = []
        for _ in range(runs + 1):
            _wait_quiet(fleet)
            before = fleet.cpu_s()
            answered = fleet.ask(question.asker, anew(question.asked))
            cpu = fleet.cpu_s() - before
            _wait_quiet(fleet)
            clear, rows = clear_run(database, question.clear)
            size = sum(party.bytes_sent for party in answered.parties)
            right = equal(read_answer(bytes(answered.answer)), rows)
            done.append(Run(answered.seconds, cpu, clear, size, fleet.peak_mib(answered.session), right))
        return done[1:], plan_cost(plan).rounds, contract.tables[0].rows


def _wait_quiet(fleet: Fleet) -> None:
    deadline = time.monotonic() + LONGEST_S
    before, now = -1.0, fleet.cpu_s()
    while now - before > BUSY_S and time.monotonic() < deadline:
        time.sleep(QUIET_S)
        before, now = now, fleet.cpu_s()


def clear_tables(
    database: duckdb.DuckDBPyConnection, contract: Contract, files: Mapping[tuple[str, str], Path]
) -> None:
    """Views of the files, each id brought to its form by the very expression that the nodes use."""
    for table in contract.tables:
        parts = [database.read_parquet(str(path)) for (_, named), path in files.items() if named == table.name]
        whole = parts[0]
        for part in parts[1:]:
            whole = whole.union(part)
        whole.project(f"* REPLACE ({', '.join(_ids(table))})").create_view(table.name)


def _ids(table: Table) -> list[str]:
    """SQL of a table's ids in their canonical form; this program's own names only."""
    ids = [column for column in table.columns if column.kind == "id"]
    forms = [canonical(column, folded(column, name(column.name), "VARCHAR"), "VARCHAR") for column in ids]
    return [f"{form.sql('duckdb')} AS {column.name}" for form, column in zip(forms, ids, strict=True)]


def clear_run(
    database: duckdb.DuckDBPyConnection, question: str
) -> tuple[dict[int, tuple[float, float]], list[list[Any]]]:
    """Seconds and processor seconds by number of threads, and rows, of the question in the clear."""
    seconds: dict[int, tuple[float, float]] = {}
    for threads in CLEAR_THREADS:
        database.execute(f"SET threads = {threads:d}")
        began, busy = time.perf_counter(), time.process_time()
        rows = database.execute(question).fetchall()
        seconds[threads] = (time.perf_counter() - began, time.process_time() - busy)
    return seconds, [list(row) for row in rows]
