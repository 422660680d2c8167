"""`make bench`: every workload beside the clear and beside other systems; a table, JSON lines, charts, the history."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import cyclopts
from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from benchmarks import beside, finishing, history
from benchmarks.charts import Curve, chart
from glovebox.cli.bench import machine
from glovebox.cli.workloads import WORKLOADS as OURS
from glovebox.errors import Refused

HERE = Path(__file__).parent
LATEST, REFERENCE = HERE / "latest", HERE / "results"
GROWTH = (10_000, 100_000, 1_000_000)
ALONE = tuple(name for name, workload in OURS.items() if workload.protocol)
WORKLOADS = ("count", "group", "group-both", "product", "window", "rows", "three", "stacked", *ALONE)
LINES = ("1gbit-10ms", "100mbit-50ms")
OTHERS = 1_000_000
"""Rows of all other workloads, or as many as the largest join has."""

GROUPS = (10, 100, 1_000)
WIDE = 210  # columns, where no terminal says how many it has
FEWER_RUNS = 3  # of other systems and of finishing, which take long and vary little

Figures = dict[str, Any]


def main(
    *,
    rows: Annotated[tuple[int, ...], Parameter(help="Sizes of the workload join, one after each --rows.")] = GROWTH,
    runs: Annotated[int, Parameter(help="Counted runs of each, after one to warm up.")] = 5,
    only: Annotated[tuple[str, ...], Parameter(help="Names of workloads, or: lines, finishing, peers.")] = (),
    reference: Annotated[bool, Parameter(negative="", help="Write the reference run that the documents cite.")] = False,
) -> int:
    """Measure; 1 if an answer was not equal to the clear one."""
    out = REFERENCE if reference else LATEST
    for folder in (out, LATEST):
        folder.mkdir(exist_ok=True)
    stored, found = history.read(), []
    described = ["git", "describe", "--always", "--dirty", "--abbrev=10"]
    commit = subprocess.run(described, cwd=HERE, capture_output=True, text=True, check=False).stdout.strip()
    console = Console(width=None if sys.stdout.isatty() else WIDE)
    for job in jobs(rows, runs, set(only)):
        figures = {"system": history.OURS, "machine": machine(), **job}
        figures["marks"] = history.marks(figures, history.last(stored, figures))
        history.append({**figures, "commit": commit})
        found.append(figures)
        console.print(row_text(figures), highlight=False)
    file = out / "figures.json"
    kept = history.replaced(json.loads(file.read_text()) if file.exists() else [], found)
    file.write_text("[\n" + ",\n".join(json.dumps(each) for each in kept) + "\n]\n")
    charts(out, kept, history.read())
    console.print(table(found))
    for note in notes(found):
        console.print(note, highlight=False)
    return 0 if all(each.get("equal", True) for each in found) else 1


def jobs(rows: tuple[int, ...], runs: int, only: set[str]) -> Iterator[Figures]:
    """The figures of all that is to be measured, one after the other."""

    def wanted(*names: str) -> bool:
        return not only or bool(only & set(names))

    most = min(OTHERS, max(rows))
    if wanted("latency"):
        yield ours("latency", 1_000, runs)
    for size in rows:
        if wanted("join"):
            yield ours("join", size, runs)
    for workload in WORKLOADS:
        if wanted(workload):
            yield ours(workload, min(most, OURS[workload].rows), runs)
    for line in LINES if wanted("lines") else ():
        yield ours("latency", 1_000, runs, line)
        yield ours("join", most, runs, line)
    for workload in finishing.WORKLOADS if wanted("finishing") else ():
        for groups in GROUPS:
            yield asyncio.run(finishing.measured(workload, groups, FEWER_RUNS))
    for peer in beside.PEERS if wanted("peers") else ():
        for size in rows:
            if size <= beside.about(peer)["largest"]:
                yield beside.measured(peer, "join", size, FEWER_RUNS)


def ours(workload: str, rows: int, runs: int, line: str | None = None) -> Figures:
    """What `glovebox bench` says, or the sentence with which the workload is refused."""
    command = [sys.executable, "-I", "-m", "glovebox", "bench", workload, "--rows", str(rows), "--runs", str(runs)]
    done = subprocess.run(
        [*command, *(["--link", line] if line else []), "--json"], capture_output=True, text=True, check=False
    )
    told: Figures = json.loads(done.stdout)
    if "error" not in told:
        return told
    return {"workload": workload, "rows": rows, "line": line or "loopback", "absent": absent(told["error"])}


def absent(error: dict[str, Any]) -> str:
    """Why there are no figures, from an error's fields: a refusal's own sentence."""
    if error["exit_code"] != Refused.exit_code:
        return f"failed: {error['summary']}"
    return f"not served: {[error['summary'], *error['detail']][-1].strip()}"


def row_text(figures: Figures) -> str:
    """One line while the harness runs."""
    what = f"{figures['system']}, {figures['workload']}, {figures['rows']:,}, {figures.get('line', '')}"
    if "absent" in figures:
        return f"{what}: {figures['absent']}"
    return f"{what}: {figures['seconds']:.3f} s  {' '.join(figures['marks'])}"


COLUMNS = (
    "system", "workload", "rows", "line", "seconds (spread)", "clear (spread)", "ratio", "CPU s", "clear", "B/row",
    "rounds", "MiB",
)  # fmt: skip


NUMBERS = ("ratio", "cpu_seconds", "clear_cpu_seconds", "bytes_per_row", "rounds", "peak_mib_per_party")


def table(found: list[Figures]) -> Table:
    """All figures; what reveals more is marked."""
    drawn = Table(*COLUMNS, "", title="Medians; seconds from ask to the receipt that all signed")
    for each in found:
        what = [f"{each['system']}{' *' if each.get('reveals_more') else ''}", each["workload"], f"{each['rows']:,}"]
        if "absent" in each:
            drawn.add_row(*what, each["line"], "-", *[""] * 7, each["absent"])
            continue
        numbers = (_number(each.get(name)) for name in NUMBERS)
        said = [*each["marks"], *([] if each["equal"] else ["DIFFERENT FROM THE CLEAR"])]
        drawn.add_row(
            *what, each["line"], _spread(each, "seconds"), _spread(each, "clear_seconds"), *numbers, " ".join(said)
        )
    return drawn


def _spread(each: Figures, name: str) -> str:
    if name not in each:
        return ""
    low, high = each[f"spread_{name}"]
    return f"{each[name]:.3f} ({low:.3f}-{high:.3f})"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.10g}"


def notes(found: list[Figures]) -> Iterator[str]:
    """The machine, and what each system guarantees and reveals."""
    yield f"machine: {machine()}"
    yield "* reveals more than the answer"
    for system in dict.fromkeys(each["system"] for each in found):
        one = next((each for each in found if each["system"] == system and "security" in each), None)
        if one:
            versions = ", ".join(f"{name} {number}" for name, number in one.get("versions", {}).items())
            yield f"{system}: {versions}\n  security: {one['security']}\n  reveals: {one['reveals']}"


def charts(out: Path, found: list[Figures], stored: list[Figures]) -> None:
    """Seconds and bytes over rows, of the workload join; and the history, which stays beside its file."""
    joins = [each for each in found if (each["workload"], each["line"]) == ("join", "loopback") and "seconds" in each]
    joins.sort(key=lambda each: each["system"] != history.OURS)  # ours first, in the first colour
    systems = list(dict.fromkeys((each["system"], each.get("reveals_more", False)) for each in joins))

    def curves(name: str) -> list[Curve]:
        return [
            Curve(
                f"{system}{' (reveals more)' if more else ''}",
                [(each["rows"], each[name]) for each in joins if each["system"] == system],
                more,
            )
            for system, more in systems
        ]

    if joins:
        clear = [(each["rows"], each["clear_seconds"]) for each in joins if "clear_seconds" in each]
        seconds = [*curves("seconds"), Curve("DuckDB in the clear", clear)]
        title = "COUNT and SUM over two tables of distinct ids"
        (out / "seconds.svg").write_text(chart(title, "rows of each table", "seconds", seconds))
        (out / "bytes.svg").write_text(
            chart(title, "rows of each table", "bytes a row, all links together", curves("bytes_per_row"))
        )
    kinds = dict.fromkeys(history.kind(each) for each in stored if each["system"] == history.OURS)
    drawn = []
    for kind in kinds:
        runs = [each["seconds"] for each in stored if history.kind(each) == kind]
        if len(runs) > 1:
            drawn.append(Curve(f"{kind[2]} {kind[3]:,} {kind[4]}", list(enumerate(runs, 1))))
    if drawn:
        (LATEST / "history.svg").write_text(
            chart("Stored runs on this machine", "run", "seconds", drawn, logarithmic=(False, True))
        )


if __name__ == "__main__":
    sys.exit(cyclopts.run(main))
