"""Other systems on the same ids: each party a process of its own, over loopback or the same slow lines.

A peer is a file in `peers/` that says in ABOUT what it is, what it guarantees and what it reveals. It runs in the
interpreter of `make peers` where that has its package, else in this one; where neither has it, that is reported.
"""

from __future__ import annotations

import importlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import duckdb

from glovebox.cli.bench import machine
from glovebox.cli.fleet import free_ports
from glovebox.cli.lines import LINES, LOOPBACK, Line, Relay
from glovebox.cli.workloads import pair

ROOT = Path(__file__).parents[1]
PEERS = ("spu_psi", "spu_circuit", "openmined", "plain_mpyc")
INTERPRETERS = (str(ROOT / ".venv" / "peers" / "bin" / "python"), sys.executable)
MOST_S = 1_800


def about(peer: str) -> dict[str, Any]:
    """What a peer says of itself."""
    found: dict[str, Any] = importlib.import_module(f"benchmarks.peers.{peer}").ABOUT
    return found


def installed(peer: str) -> tuple[str, str] | None:
    """The interpreter that has a peer's package, and its version."""
    asked = f"import importlib.metadata as found; print(found.version({about(peer)['package']!r}))"
    for interpreter in INTERPRETERS:
        if Path(interpreter).exists():
            done = subprocess.run([interpreter, "-c", asked], capture_output=True, text=True, check=False)
            if done.returncode == 0:
                return interpreter, done.stdout.strip()
    return None


def measured(peer: str, work: str, rows: int, runs: int, line: str | None = None) -> dict[str, Any]:
    """Figures of a peer. work: "count", or "join" for COUNT and SUM. Or why there are none, in `absent`."""
    says, found = about(peer), installed(peer)
    figures: dict[str, Any] = {"system": says["name"], "workload": work, "rows": rows, "line": line or "loopback"}
    if found is None:
        return figures | {"absent": f"{says['package']} is not installed (make peers)"}
    interpreter, version = found
    began, load = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="glovebox-") as directory:
        clear = _write(Path(directory), rows)
        try:
            told, _ = _parties(peer, interpreter, directory, work, runs + 1, LINES[line] if line else None)
            _, carried = _parties(peer, interpreter, directory, work, 1, LOOPBACK)
        except RuntimeError as problem:
            return figures | {"absent": f"it failed: {problem}"}
    seconds = told[0]["seconds"][1:]
    return figures | {
        "runs": runs,
        "seconds": round(statistics.median(seconds), 4),
        "spread_seconds": [round(min(seconds), 4), round(max(seconds), 4)],
        "bytes_per_row": round(carried / rows, 2),
        "peak_mib_per_party": max(party["peak_mib"] for party in told),
        "equal": told[0]["answer"] == clear[: len(told[0]["answer"])],
        "security": says["security"],
        "reveals": says["reveals"][work],
        "reveals_more": says["reveals_more"][work],
        "machine": machine(),
        "load_before": round(load, 1),
        "versions": {says["package"]: version},
        "at": began,
    }


def _write(directory: Path, rows: int) -> list[int]:
    """The tables of the workload `join` as CSV, amounts in cents; and its answer in the clear."""
    files = pair(rows).write(directory)
    left, right = (str(files[place]) for place in (("left", "spending"), ("right", "points")))
    with duckdb.connect(":memory:") as database:
        database.read_parquet(left).project("id, CAST(100 * amount AS BIGINT) AS amount").create("l")
        database.read_parquet(right).project("id, score").create("r")
        for name in ("left", "right"):
            database.table(name[0]).write_csv(str(directory / f"{name}.csv"))
        answer = database.execute("SELECT COUNT(*), SUM(amount) FROM l JOIN r USING (id)").fetchone()
    return [int(number) for number in answer or ()]


def _parties(
    peer: str, interpreter: str, directory: str, work: str, runs: int, line: Line | None
) -> tuple[list[dict[str, Any]], int]:
    """What each party's process tells, and the bytes that a relay carried between them, if there was one."""
    parties = about(peer)["parties"]
    listen = {str(party): f"127.0.0.1:{port}" for party, port in enumerate(free_ports(parties))}
    with ExitStack() as stack:
        relay = stack.enter_context(Relay(listen, line)) if line else None
        dial = relay.addresses if relay else listen
        started = []
        for party in range(parties):
            told = {
                "number": party, "directory": directory, "work": work, "runs": runs,
                "listen": list(listen.values()), "dial": list(dial.values()),
            }  # fmt: skip
            out = stack.enter_context(Path(directory, f"out-{party}.txt").open("w"))
            command = [interpreter, "-m", f"benchmarks.peers.{peer}", json.dumps(told)]
            started.append(subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL, cwd=ROOT))
            stack.callback(started[-1].kill)
        _wait(started)
        tellings = [_told(Path(directory, f"out-{party}.txt")) for party in range(parties)]
        return tellings, relay.carried if relay else 0


def _wait(started: list[subprocess.Popen[bytes]]) -> None:
    """Wait until all have ended; RuntimeError when one ends badly, or it takes too long."""
    deadline = time.monotonic() + MOST_S
    codes: list[int | None] = [None]
    while None in codes:
        if time.monotonic() > deadline:
            raise RuntimeError(f"not done after {MOST_S} s")
        time.sleep(0.05)
        codes = [process.poll() for process in started]
        if any(codes):
            raise RuntimeError("a party failed")


def _told(out: Path) -> dict[str, Any]:
    """The one line of a party's output that is for the harness."""
    lines = [line for line in out.read_text(errors="replace").splitlines() if line.startswith('{"seconds"')]
    if not lines:
        raise RuntimeError("a party ended without a result")
    told: dict[str, Any] = json.loads(lines[-1])
    return told
