"""Ten thousand hostile connections at one node: its memory and open files stay bounded, and it still answers (F7)."""

from __future__ import annotations

import secrets
import socket
from pathlib import Path

import pytest

from glovebox.cli.fleet import anew
from glovebox.runtime.preamble import CONTROL, MAGIC, Preamble, encode

from .hostile import QUESTION, claim, connect, is_right, nodes
from .plain_mpyc import resident_mib

pytestmark = [pytest.mark.attack, pytest.mark.timeout(600)]

CONNECTIONS = 10_000
HELD = 500  # of them stay open, and say nothing more
MOST_FILES = 256  # 82 were seen: 64 unknown ones, and the node's own
MOST_MIB = 64  # 15 were seen, as many after 500 connections as after all: 64 handshakes have 256 KiB of buffer each


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    with nodes(tmp_path_factory.mktemp("storm")) as running:
        assert is_right(running.ask("left", anew(QUESTION)))
        yield running


def files(process) -> int:
    return len(list(Path(f"/proc/{process.pid}/fd").iterdir()))


def test_ten_thousand_connections_leave_a_node_as_it_was(fleet, tmp_path):
    node = fleet.processes["notary"]
    before_mib, before_files = resident_mib(node), files(node)
    words = (
        b"", MAGIC, encode(Preamble(CONTROL, 0)), encode(Preamble(CONTROL, 0)) + b"\x16\x03\x01\x02\x00",
        secrets.token_bytes(4096), claim(tmp_path), encode(Preamble(secrets.token_bytes(16), 1)),
        encode(Preamble(CONTROL, 0)) + secrets.token_bytes(4096),
    )  # fmt: skip
    held: list[socket.socket] = []
    most_mib = most_files = 0
    for number in range(CONNECTIONS):
        try:
            held.append(connect(fleet, "notary", words[number % len(words)]))
        except OSError:
            continue  # its queue is full, or it closed before the last byte
        if len(held) > HELD:
            held.pop(0).close()
        if number % 100 == 0:
            most_mib, most_files = max(most_mib, resident_mib(node)), max(most_files, files(node))
    assert most_files < MOST_FILES
    assert most_mib - before_mib < MOST_MIB
    assert is_right(fleet.ask("left", anew(QUESTION)))  # while the slow ones are still there
    for connection in held:
        connection.close()
    assert files(node) < before_files + 80
    assert not (tmp_path / "ran").exists()
    print(f"{CONNECTIONS} connections: {most_mib - before_mib} MiB more, {most_files} open files at most")
