"""The account for an auditor: who asked what under which contract, what was revealed; JSON and a page to print."""

import json
import re
import subprocess
import sys

from glovebox.node.export import account_of, page_of
from glovebox.node.state import State

from .conftest import SESSIONS


def test_every_question_stands_in_the_account_with_what_it_revealed(home):
    account = account_of(home)
    assert (account.party, account.entries) == ("left", 2 * SESSIONS)
    (contract,) = account.contracts
    assert (contract.name, contract.purpose) == ("bench", "Measuring Glovebox on made-up tables.")
    assert [(each.owner, each.spent) for each in contract.budget] == [("left", "3"), ("right", "1.5")]
    signed = [each for each in account.questions if each.state == "signed"]
    told = {(each.asker, each.statement, each.revealed, each.receivers) for each in signed}
    assert told == {("left", "SELECT 1", "the answer", "left")}
    assert len({each.session for each in signed}) == SESSIONS


def test_words_of_others_are_words_on_the_page(home):
    state = State(home.state_file)
    state.begin(b"\xff" * 16, account_contract(home), "SELECT '<img src=x onerror=alert(1)>'", "right")
    state.move(b"\xff" * 16, "failed", "peer_lost")
    state.close()
    page = page_of(account_of(home))
    assert "<img" not in page
    assert "&lt;img src=x" in page
    assert "<td>nothing</td>" in page
    assert not re.search(r"<script|https?://|<link", page)


def account_contract(home):
    return bytes.fromhex(account_of(home).contracts[0].hash)


def test_the_command_prints_both(home):
    def printed(*words):
        command = [sys.executable, "-I", "-m", "glovebox", "log", "export", *words, "--home", str(home.root)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert json.loads(printed("--json"))["party"] == "left"
    assert printed("--html").startswith("<!doctype html>")
