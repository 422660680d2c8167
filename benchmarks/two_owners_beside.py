"""Two owners alone beside other systems on the same ids: COUNT and SUM, one run of each in turn, medians of the turns.

    python -m benchmarks.two_owners_beside [rows ...]

Ours are from ask to receipt through running nodes over TLS, with nothing made before the question; a peer's are from
all parties being ready to the answer. What is not installed (`make peers`) is left out, and said.
"""

from __future__ import annotations

import statistics
import sys
from typing import Any

from benchmarks import beside
from benchmarks.run import ALONE, ours

SIZES = (10_000, 100_000)
TURNS = 3
PEERS = ("openmined", "spu_psi", "spu_circuit")


def main() -> int:
    """Print a line for each system and size; 1 if an answer was wrong."""
    wrong = 0
    for rows in [int(size) for size in sys.argv[1:]] or SIZES:
        turns = [list(_turn(rows)) for _ in range(TURNS)]
        for runs in zip(*turns, strict=True):
            there = [run for run in runs if "seconds" in run]
            name = f"{runs[0].get('system', 'glovebox')} {runs[0]['workload']}"
            if not there:
                print(f"{rows:>9} {name:<28} {runs[0]['absent']}", flush=True)
                continue
            wrong += not all(run["equal"] for run in there)
            seconds, size = (statistics.median(run[each] for run in there) for each in ("seconds", "bytes_per_row"))
            print(f"{rows:>9} {name:<28} {seconds:>8.2f} s {size:>9.1f} B a row  {there[0]['reveals']}", flush=True)
    return 1 if wrong else 0


def _turn(rows: int) -> list[dict[str, Any]]:
    """One counted run of each."""
    peers = [peer for peer in PEERS if rows <= beside.about(peer)["largest"]]
    return [
        *(ours(workload, rows, 1) for workload in ALONE),
        *(beside.measured(peer, "join", rows, 1) for peer in peers),
    ]


if __name__ == "__main__":
    sys.exit(main())
