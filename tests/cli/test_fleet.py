"""Several nodes on one machine: each finds a port that no other fleet takes, or it is said that none is left."""

import socket
import subprocess
import sys

import pytest

from glovebox.cli.fleet import BLOCK, PORTS, _own_ports, free_ports
from glovebox.errors import UsageError


def test_ports_are_found_or_missed_in_a_finite_time(monkeypatch):
    found = free_ports(5)
    assert len(set(found)) == 5

    class Taken(socket.socket):
        def bind(self, address):
            raise OSError

    monkeypatch.setattr("glovebox.cli.fleet.socket.socket", Taken)
    with pytest.raises(UsageError, match="no 1 are free"):
        free_ports(1)


def test_no_process_is_given_what_another_may_use():
    ours = {(port - PORTS[0]) // BLOCK for port in free_ports(5)}
    program = "from glovebox.cli.fleet import free_ports; print(*free_ports(5))"
    for _ in range(3):
        told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
        assert ours.isdisjoint((int(port) - PORTS[0]) // BLOCK for port in told.split())


def test_a_machine_without_a_block_of_ports_is_told(monkeypatch):
    monkeypatch.setattr("glovebox.cli.fleet.PORTS", (20_000, 20_000))
    with pytest.raises(UsageError, match="are taken"):
        next(_own_ports.__wrapped__())
