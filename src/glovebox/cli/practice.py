"""`glovebox demo`, `rehearse` and `bench`: whole fleets of nodes on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import cyclopts
from cyclopts import Parameter

from glovebox.cli.serving import JsonOption

Workload = Literal[
    "count", "join", "group", "group-both", "product", "window", "rows", "three", "stacked", "alone",
    "alone-low-traffic", "alone-homomorphic", "latency",
]  # fmt: skip
AT_LEAST_ONE = cyclopts.validators.Number(gte=1)
LineOption = Parameter(
    name="--link", help="Between every two parties a line of this rate, and this delay one way [none: loopback]."
)


def register(app: cyclopts.App) -> None:
    """Add these commands."""
    app.command(demo)
    app.command(rehearse)
    app.command(bench)


def demo(
    *,
    data: Annotated[
        Path | None, Parameter(help="Answer the first questions of the retail and heart sets in DIR.")
    ] = None,
    json: JsonOption = False,
) -> int:
    """Start nodes for the parties of two contracts, ask, and print each answer beside the same one in the clear."""
    from glovebox.cli.demo import show

    return show(data, json)


def rehearse(
    contract: Path,
    *,
    questions: Annotated[Path | None, Parameter(help="Further questions, each ended by a semicolon.")] = None,
    rows: Annotated[int, Parameter(help="Rows of each invented table.", validator=AT_LEAST_ONE)] = 1_000,
    json: JsonOption = False,
) -> int:
    """Run a contract's questions here, on tables invented from its schema, before anyone signs: keys are throw-away."""
    from glovebox.cli.rehearsal import rehearse as rehearsed

    return rehearsed(contract, questions, rows, json)


def bench(
    workload: Workload = "join",
    *,
    rows: Annotated[
        int | None, Parameter(help="Rows of each table [1,000,000; two owners alone: 100,000; latency: 1,000].")
    ] = None,
    runs: Annotated[int, Parameter(help="Counted runs of each, after one to warm up.", validator=AT_LEAST_ONE)] = 5,
    line: Annotated[Literal["1gbit-10ms", "100mbit-50ms"] | None, LineOption] = None,
    json: JsonOption = False,
) -> int:
    """Measure ask to receipt through running nodes over TLS, beside DuckDB in the clear in the same run."""
    from glovebox.cli.bench import measure

    return measure(workload, rows, runs, line, json)
