"""Two parties' processes on this machine, linked by TLS as two workers are: what benchmarks of two owners run in."""

from __future__ import annotations

import asyncio
import multiprocessing
import secrets
import socket
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from glovebox.algebra.kernels import curve_kernels, kernels, transfer_kernels
from glovebox.algebra.ristretto import base_times
from glovebox.protocols.intersection import Rows
from glovebox.runtime.context import Context, Ground, Role
from glovebox.runtime.keys import SessionKeys
from glovebox.runtime.linking import Peer, close_links, open_session_links
from glovebox.runtime.links import SessionLink
from glovebox.runtime.preamble import read_preamble

NAMES = {0: "query", 1: "table"}
Work = Callable[[Context, SessionLink, int], Awaitable[Any]]


def in_two_processes(work: Work, rows: int, largest: int) -> list[Any]:
    """What each party's work returns. largest: bytes of a frame."""
    session = secrets.token_bytes(16)
    keys = [SessionKeys(session, party) for party in NAMES]
    forked = multiprocessing.get_context("fork")
    results: Any = forked.Queue()
    with socket.create_server(("127.0.0.1", 0)) as server:
        workers = [
            forked.Process(target=_party, args=(work, party, rows, largest, keys, server, results)) for party in NAMES
        ]
        for worker in workers:
            worker.start()
        found = dict(results.get(timeout=900) for _ in workers)
        for worker in workers:
            worker.join()
    return [found[party] for party in NAMES]


def _party(
    work: Work, party: int, rows: int, largest: int, keys: list[SessionKeys], server: socket.socket, results: Any
) -> None:
    kernels(), transfer_kernels(), curve_kernels()  # as in a worker that waits for a session
    base_times(bytes([1, *[0] * 31]))
    results.put((party, asyncio.run(_session(work, party, rows, largest, keys, server))))


async def _session(
    work: Work, party: int, rows: int, largest: int, keys: list[SessionKeys], server: socket.socket
) -> Any:
    other = keys[1 - party]
    secret = keys[party].pair_secret(other.party, other.exchange, bytes(32))
    address = f"127.0.0.1:{server.getsockname()[1]}"
    arrivals: asyncio.Queue[tuple[int, socket.socket]] = asyncio.Queue()
    if party == 1:
        server.setblocking(False)
        connection, _ = await asyncio.get_running_loop().sock_accept(server)
        connection.setblocking(False)
        arrivals.put_nowait(((await read_preamble(connection, deadline_s=5)).party, connection))
    peer = Peer(other.party, NAMES[other.party], address, party == 0, other.certificate, secret)
    links = await open_session_links(keys[party], [peer], arrivals, largest=largest, silence_s=60)
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
        await meet(ctx, "ready")
        found = await work(ctx, links[other.party], rows)
        await close_links(links.values())
    return found


async def meet(ctx: Context, name: str) -> None:
    """Both have come here."""
    await ctx.send(1 - ctx.party, np.zeros(1, np.uint8), name)
    await ctx.receive(1 - ctx.party, np.uint8, 1, name)


def rows_of(party: int, rows: int) -> Rows:
    """Half of the ids are the other party's too; TABLE's amounts are its ids."""
    numbers = np.arange(rows, dtype=np.uint64) + np.uint64(party * (rows // 2))
    ids = np.zeros((rows, 32), np.uint8)
    ids[:, :8], ids[:, 24] = numbers.view(np.uint8).reshape(-1, 8), 0x80
    return Rows(ids, numbers.astype(np.int64)[None])
