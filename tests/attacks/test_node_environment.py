"""What stands in a node's environment and on its command line changes nothing of MPyC's (threats.md 5)."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from glovebox.cli.fleet import anew

from .hostile import QUESTION, is_right, nodes

pytestmark = pytest.mark.attack

WORKER = [sys.executable, str(Path(__file__).parent / "told_worker.py")]
ODD = {"MPYC_NOGMPY": "1", "MPYC_NONUMPY": "1", "MPYC_NOPRSS": "1", "MPYC_MIX32_64BIT": "1", "MPYC_MAXWORKERS": "7"}


def test_mpyc_variables_and_arguments_change_nothing(tmp_path, monkeypatch):
    for name, value in ODD.items():
        monkeypatch.setenv(name, value)
    commands = dict.fromkeys(("left", "right", "notary"), WORKER)
    with nodes(tmp_path / "fleet", commands=commands) as fleet:
        assert is_right(fleet.ask("left", anew(QUESTION)))
        for home in fleet.homes.values():
            told = (home.root / "told").read_text()
            assert told == "threshold 1, m 3, sec_param 60, no_prss False, mix32_64bit False, variables 0, arrays True"
    assert os.environ["MPYC_NONUMPY"] == "1"
