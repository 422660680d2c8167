"""What a node tells those who watch over it: `/metrics` for Prometheus, and `/health`, on a port of this machine only.

The text is Prometheus's exposition format 0.0.4, a line a number, so small that it needs no library. All numbers are
about the node; none depends on a row or an answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import glovebox
from glovebox.contract.terms import MICRO
from glovebox.errors import UsageError

if TYPE_CHECKING:
    from glovebox.node.node import Node

LOOPBACK = ("127.0.0.1", "[::1]", "localhost")
REQUEST_BYTES = 4096
REQUEST_S = 5.0
DISK_BYTES = 256 << 20
"""Free bytes of the home's disk under which a node is not well: log, state and ledger must be written to answer."""


async def serve_metrics(node: Node, address: str) -> asyncio.Server:
    """Listen at HOST:PORT, which must be a loopback address."""
    host, _, port = address.rpartition(":")
    if host not in LOOPBACK or not port.isdigit():
        raise UsageError(f"metrics = {address!r} is no loopback address", step="node.toml", hint='"127.0.0.1:9171"')
    return await asyncio.start_server(
        lambda reader, writer: _serve(node, reader, writer), host.strip("[]"), int(port), limit=REQUEST_BYTES
    )


async def _serve(node: Node, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        with contextlib.suppress(TimeoutError, ConnectionError, ValueError):  # ValueError: a line too long
            async with asyncio.timeout(REQUEST_S):
                method, _, rest = (await reader.readline()).partition(b" ")
                while (await reader.readline()).strip():
                    pass
                path = rest.split(b" ")[0]
                status, text = _answer(node, path) if method == b"GET" else ("405 Method Not Allowed", "GET only\n")
                kind = "text/plain; version=0.0.4; charset=utf-8"
                head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(text.encode())}\r\n"
                writer.write(f"{head}Connection: close\r\n\r\n{text}".encode())
                await writer.drain()
    finally:
        writer.close()


def _answer(node: Node, path: bytes) -> tuple[str, str]:
    match path:
        case b"/metrics":
            return "200 OK", metrics_of(node)
        case b"/health":
            ill = illness_of(node)
            return ("503 Service Unavailable", f"{ill}\n") if ill else ("200 OK", "well\n")
    return "404 Not Found", "/metrics and /health\n"


def illness_of(node: Node) -> str:
    """What keeps a node from answering questions, or ""."""
    free = shutil.disk_usage(node.home.root).free
    return f"the disk of the home has {free >> 20} MiB left" if free < DISK_BYTES else ""


def metrics_of(node: Node) -> str:
    """The numbers, with a line of help each."""
    ended = Counter(state for _, _, _, state, *_ in node.state.sessions())
    running = len(node.participants)
    memory = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    lines = [
        *_metric("info", "gauge", "The version that runs.", {f'version="{glovebox.__version__}"': 1}),
        *_metric("up_seconds", "gauge", "Since the node began to serve.", {"": time.monotonic() - node.began}),
        *_metric("sessions_running", "gauge", "Sessions that have a place now.", {"": running}),
        *_metric("sessions_limit", "gauge", "How many may run at once.", {"": node.settings.sessions}),
        *_metric(
            "sessions", "gauge", "Sessions that are kept, by how they ended.",
            {f'state="{state}"': count for state, count in sorted(ended.items())},
        ),
        *_metric("interrupted", "gauge", "Sessions that the last stop cut off.", {"": node.interrupted}),
        *_metric("connections_unknown", "gauge", "Connections that have not said who they are.", {"": node.unknown}),
        *_metric("log_entries", "counter", "Entries of the log.", {"": node.log.entries}),
        *_metric("resident_bytes", "gauge", "Memory of the node's process.", {"": memory}),
        *_metric("open_files", "gauge", "Open files of it.", {"": len(os.listdir("/proc/self/fd"))}),  # noqa: PTH208
        *_metric("disk_free_bytes", "gauge", "Free on the home's disk.", {"": shutil.disk_usage(node.home.root).free}),
        *_metric("epsilon_spent", "counter", "Privacy budget spent, by contract and owner's number.", _spent(node)),
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _spent(node: Node) -> dict[str, float]:
    return {
        f'contract="{digest.hex()[:16]}",owner="{owner}"': amount / MICRO
        for digest in node.ledger.contracts()
        for owner, amount in sorted(node.ledger.spent(digest).items())
    }


def _metric(name: str, kind: str, told: str, values: dict[str, float]) -> list[str]:
    whole = f"glovebox_{name}"
    lines = [f"{whole}{{{labels}}} {value:g}" if labels else f"{whole} {value:g}" for labels, value in values.items()]
    return [f"# HELP {whole} {told}", f"# TYPE {whole} {kind}", *lines]
