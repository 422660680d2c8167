"""Two owners in the homomorphic mode, in two processes over TLS on this machine: COUNT and SUM of the other's amounts.

    python -m benchmarks.two_owners_thin [rows ...]

Tables are those of `two_owners.py`; the time is all of it, from raw ids to the sums at the one who matches.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass

import numpy as np

from benchmarks.pair import in_two_processes, rows_of
from glovebox.algebra import rlwe
from glovebox.protocols.two_party.homomorphic import Lists, at_query, at_table
from glovebox.runtime.context import Context, Role
from glovebox.runtime.links import SessionLink

SIZES = (10_000, 100_000)


@dataclass(frozen=True)
class Figures:
    """One party's run."""

    seconds: float
    cpu_s: float
    bytes_sent: int
    halves: list[int]


def main() -> int:
    """Print a line a size; 1 if an answer was wrong."""
    wrong = 0
    print(f"{'rows':>9}{'s':>9}{'CPU s':>9}{'B a row':>9}")
    for rows in [int(size) for size in sys.argv[1:]] or SIZES:
        query, table = in_two_processes(_measured, rows, _lists(rows).largest_frame)
        sums = [rlwe.opened(own, answer) for own, answer in zip(query.halves, table.halves, strict=True)]
        wrong += sums != [rows // 2, int(np.arange(rows // 2, rows).sum())]
        seconds, cpu = (max(getattr(one, name) for one in (query, table)) for name in ("seconds", "cpu_s"))
        print(f"{rows:>9}{seconds:>9.2f}{cpu:>9.2f}{(query.bytes_sent + table.bytes_sent) / rows:>9.1f}", flush=True)
    return 1 if wrong else 0


async def _measured(ctx: Context, link: SessionLink, rows: int) -> Figures:
    lists, mine = _lists(rows), rows_of(ctx.party, rows)
    began, began_cpu = time.perf_counter(), time.process_time()
    if ctx.role is Role.QUERY:
        _, halves = await at_query(ctx, lists, mine.ids)
    else:
        columns = np.concatenate([np.ones((1, rows), np.int64), mine.values])
        halves = await at_table(ctx, lists, mine.ids, columns, [0, 0])
    return Figures(time.perf_counter() - began, time.process_time() - began_cpu, link.bytes_sent, halves)


def _lists(rows: int) -> Lists:
    return Lists(rows, rows, 2, True)


if __name__ == "__main__":
    sys.exit(main())
