"""Two owners alone, in two processes over TLS on this machine: seconds before and after the question, bytes a row.

    python benchmarks/two_owners.py [rows ...]

COUNT and SUM of the other's amounts over two tables of distinct 24-byte ids, half in common. `ahead` is what is made
before there is a question (`prepare`), `asked` everything from raw ids to shares of the totals; the answer is checked.
CPU seconds are of the busier party: what else the machine does changes them less than the seconds.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import resource
import secrets
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from glovebox.algebra.kernels import kernels, transfer_kernels
from glovebox.algebra.ristretto import base_times
from glovebox.protocols.intersection import JoinShape, Rows
from glovebox.protocols.totals import Total
from glovebox.protocols.two_party.intersection import JointShape, joined_totals, largest_frame, needs_of
from glovebox.protocols.two_party.prepared import prepare
from glovebox.runtime.context import Context, Ground, Role
from glovebox.runtime.keys import SessionKeys
from glovebox.runtime.linking import Peer, close_links, open_session_links
from glovebox.runtime.preamble import read_preamble

SIZES = (10_000, 100_000, 1_000_000)
RUNS = 3
NAMES = {0: "query", 1: "table"}
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
    """Print a line a size, the best of some runs; 1 if an answer was wrong."""
    wrong = 0
    print(f"{'rows':>9}{'ahead s':>9}{'asked s':>9}{'in all':>9}{'CPU s':>15}{'ahead B':>9}{'asked B':>9}{'MiB':>6}")
    for rows in [int(size) for size in sys.argv[1:]] or SIZES:
        runs = [_pair(rows) for _ in range(RUNS)]
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
            f"{sent[0]:>9.1f}{sent[1]:>9.1f}{peak:>6}",
            flush=True,
        )
    return 1 if wrong else 0


def _pair(rows: int) -> list[Figures]:
    """One run: a process a party."""
    session = secrets.token_bytes(16)
    keys = [SessionKeys(session, party) for party in NAMES]
    forked = multiprocessing.get_context("fork")
    results: Any = forked.Queue()
    with socket.create_server(("127.0.0.1", 0)) as server:
        workers = [forked.Process(target=_party, args=(party, rows, keys, server, results)) for party in NAMES]
        for worker in workers:
            worker.start()
        figures = dict(results.get(timeout=600) for _ in workers)
        for worker in workers:
            worker.join()
    return [figures[party] for party in NAMES]


def _party(party: int, rows: int, keys: list[SessionKeys], server: socket.socket, results: Any) -> None:
    kernels(), transfer_kernels(), base_times(bytes([1, *[0] * 31]))  # as in a worker that waits for a session
    results.put((party, asyncio.run(_session(party, rows, keys, server))))


async def _session(party: int, rows: int, keys: list[SessionKeys], server: socket.socket) -> Figures:
    shape = JointShape(JoinShape(rows, rows, 1, TOTALS))
    mine = _rows(party, rows)
    other = keys[1 - party]
    secret = keys[party].pair_secret(other.party, other.exchange, bytes(32))
    address = f"127.0.0.1:{server.getsockname()[1]}"
    arrivals: asyncio.Queue[tuple[int, socket.socket]] = asyncio.Queue()
    if party == 1:
        server.setblocking(False)
        connection, _ = await asyncio.get_running_loop().sock_accept(server)
        connection.setblocking(False)
        arrivals.put_nowait(((await read_preamble(connection, deadline_s=5)).party, connection))
    peer = Peer(other.party, NAMES[other.party], address, other.certificate, secret)
    links = await open_session_links(keys[party], [peer], arrivals, largest=largest_frame(shape))
    link = links[other.party]
    with ThreadPoolExecutor(1) as executor:
        ground = Ground(
            party=party,
            parties=(0, 1),
            names=NAMES,
            links=links,
            secrets={other.party: secret},
            seed=secrets.token_bytes(32),
            executor=executor,
            roles={Role.QUERY: 0, Role.TABLE: 1},
        )
        ctx = Context(ground)
        await _meet(ctx, "ready", other.party)
        began, began_cpu = time.perf_counter(), time.process_time()
        made = await prepare(ctx.narrow("prepare"), needs_of(shape))
        await _meet(ctx, "prepared", other.party)
        asked, asked_cpu, ahead_bytes = time.perf_counter(), time.process_time(), link.bytes_sent
        shares = await joined_totals(ctx.narrow("join"), shape, mine, made)
        await _meet(ctx, "done", other.party)
        done, done_cpu = time.perf_counter(), time.process_time()
        await close_links(links.values())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    sent = link.bytes_sent - ahead_bytes
    seconds = (asked - began, done - asked, asked_cpu - began_cpu, done_cpu - asked_cpu)
    return Figures(*seconds, ahead_bytes, sent, peak, [int(one) for one in shares[:, 0]])


async def _meet(ctx: Context, name: str, other: int) -> None:
    """Both have come here."""
    await ctx.send(other, np.zeros(1, np.uint8), name)
    await ctx.receive(other, np.uint8, 1, name)


def _rows(party: int, rows: int) -> Rows:
    """Half of the ids are the other party's too; TABLE's amounts are its ids."""
    numbers = np.arange(rows, dtype=np.uint64) + np.uint64(party * (rows // 2))
    ids = np.zeros((rows, 32), np.uint8)
    ids[:, :8], ids[:, 24] = numbers.view(np.uint8).reshape(-1, 8), 0x80
    return Rows(ids, numbers.astype(np.int64)[None])


if __name__ == "__main__":
    sys.exit(main())
