"""Two owners alone, in two processes over TLS on this machine: seconds before and after the question, bytes a row.

    python -m benchmarks.two_owners [rows ...]

COUNT and SUM of the other's amounts over two tables of distinct 24-byte ids, half in common, in both strict protocols.
`ahead` is what is made before there is a question (`prepare`), `asked` everything from raw ids to shares of the totals;
the answer is checked. CPU seconds are of the busier party: what else the machine does changes them less than the
seconds.
"""

from __future__ import annotations

import itertools
import resource
import sys
import time
from dataclasses import dataclass
from functools import partial

import numpy as np

from benchmarks.pair import in_two_processes, meet, rows_of
from glovebox.contract.terms import LOW_TRAFFIC, STRICT_ALONE
from glovebox.protocols.intersection import JoinShape
from glovebox.protocols.totals import Total
from glovebox.protocols.two_party.intersection import JointShape, joined_totals, largest_frame, needs_of
from glovebox.protocols.two_party.prepared import prepare
from glovebox.runtime.context import Context
from glovebox.runtime.links import SessionLink

SIZES = (10_000, 100_000, 1_000_000)
RUNS = 3
TOTALS = (Total(None, None, 32), Total(None, 0, 64))


@dataclass(frozen=True)
class Figures:
    """One party's run."""

    ahead_s: float
    asked_s: float
    ahead_cpu_s: float
    asked_cpu_s: float
    ahead_bytes: int
    asked_bytes: int
    peak_mib: int
    shares: list[int]


def main() -> int:
    """Print a line a size and protocol, the best of some runs; 1 if an answer was wrong."""
    wrong = 0
    print(f"{'rows':>9}{'ahead s':>9}{'asked s':>9}{'in all':>9}{'CPU s':>15}{'ahead B':>9}{'asked B':>9}{'MiB':>6}")
    for rows, protocol in itertools.product([int(size) for size in sys.argv[1:]] or SIZES, STRICT_ALONE):
        work = partial(_measured, protocol == LOW_TRAFFIC)
        runs = [in_two_processes(work, rows, largest_frame(_shape(rows))) for _ in range(RUNS)]
        best = min(runs, key=lambda pair: max(one.ahead_s + one.asked_s for one in pair))
        expected = [rows // 2, int(np.arange(rows // 2, rows).sum())]
        for pair in runs:
            sums = [
                sum(shares) % (1 << total.bits)
                for total, *shares in zip(TOTALS, *(one.shares for one in pair), strict=True)
            ]
            wrong += sums != expected
        ahead, asked, *cpu = (
            max(getattr(one, name) for one in best) for name in ("ahead_s", "asked_s", "ahead_cpu_s", "asked_cpu_s")
        )
        sent = [sum(getattr(one, name) for one in best) / rows for name in ("ahead_bytes", "asked_bytes")]
        peak = max(one.peak_mib for one in best)
        print(
            f"{rows:>9}{ahead:>9.3f}{asked:>9.3f}{ahead + asked:>9.3f}{cpu[0]:>7.2f} +{cpu[1]:>6.2f}"
            f"{sent[0]:>9.1f}{sent[1]:>9.1f}{peak:>6}  {protocol}",
            flush=True,
        )
    return 1 if wrong else 0


async def _measured(low_traffic: bool, ctx: Context, link: SessionLink, rows: int) -> Figures:
    shape, mine = _shape(rows), rows_of(ctx.party, rows)
    began, began_cpu = time.perf_counter(), time.process_time()
    made = await prepare(ctx.narrow("prepare"), needs_of(shape), low_traffic)
    await meet(ctx, "prepared")
    asked, asked_cpu, ahead_bytes = time.perf_counter(), time.process_time(), link.bytes_sent
    shares = await joined_totals(ctx.narrow("join"), shape, mine, made)
    await meet(ctx, "done")
    seconds = (asked - began, time.perf_counter() - asked, asked_cpu - began_cpu, time.process_time() - asked_cpu)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return Figures(*seconds, ahead_bytes, link.bytes_sent - ahead_bytes, peak, [int(one) for one in shares[:, 0]])


def _shape(rows: int) -> JointShape:
    return JointShape(JoinShape(rows, rows, 1, TOTALS))


if __name__ == "__main__":
    sys.exit(main())
