"""`glovebox demo` and `bench`: whole fleets of nodes on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import cyclopts
from cyclopts import Parameter

from glovebox.cli.serving import JsonOption


def register(app: cyclopts.App) -> None:
    """Add these commands."""
    app.command(demo)
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


def bench(
    workload: Literal["join", "latency"] = "join",
    *,
    rows: Annotated[int | None, Parameter(help="Rows of each table [join: 1,000,000; latency: 1,000].")] = None,
    runs: Annotated[int, Parameter(help="Counted runs of each, after one to warm up.")] = 5,
    json: JsonOption = False,
) -> int:
    """Measure ask to receipt through running nodes over TLS, beside DuckDB in the clear in the same run."""
    from glovebox.cli.bench import measure

    return measure(workload, rows, runs, json)
