"""Several nodes on one machine: each finds a port, or it is said that none is left."""

import socket

import pytest

from glovebox.cli.fleet import free_ports
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
