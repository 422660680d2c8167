"""What was opened of an owner's table to whom, and a warning, to the owner alone, where two answers differ by few."""

import json
import subprocess
import sys
from contextlib import closing

from glovebox.audit.log import read_log
from glovebox.cli.fleet import Fleet
from glovebox.identity import public_bytes
from glovebox.node.state import State

from .fleets import agreed, bind_rows

PARTIES = ("north", "east", "south", "analyst")
TERMS = """
[[table]]
owner = ["north", "east", "south"]
name = "patients"
rows = 500
rows_per_id = 1
same_person_at_several = "no"
[table.columns]
patient = { type = "id", form = "text" }
age = { type = "integer", range = [0, 120], may = ["filter", "sum"] }

[rules]
ask = ["analyst"]
receive = ["analyst"]
groups_of_at_least = 5
questions = "approved"

[[question]]
name = "older"
sql = "SELECT COUNT(*) AS n, SUM(age) AS years FROM patients WHERE age > :age"
parameters = { age = "integer" }
"""


def warned(fleet: Fleet, party: str) -> list[str]:
    """The earlier sessions of each warning in a party's log."""
    home = fleet.homes[party]
    entries = read_log(home.log_file, public_bytes(home.key()))
    return [entry.what["earlier"] for entry, _ in entries if entry.event == "close"]


def test_what_was_opened_is_kept_and_a_question_that_differs_by_few_is_told_to_the_owner(tmp_path):
    fleet = agreed(tmp_path, PARTIES, TERMS)
    for party in PARTIES[:3]:
        ages = [20 + number % 60 if party == "north" else 50 for number in range(60)]
        bind_rows(fleet, party, "patients", ("patient", "age"), [(f"{party}{n}", age) for n, age in enumerate(ages)])
    with fleet:
        for age in ("30", "33", "60"):  # three people of the north are 31 to 33
            fleet.ask("analyst", "older", {"age": age})
        with closing(State(fleet.homes["north"].state_file)) as state:
            last, second, first = state.disclosures()
        assert warned(fleet, "north") == [first.session.hex()]
        assert warned(fleet, "east") == []
        assert (second.close, last.close) == (first.session.hex(), "")
        printed = subprocess.run(
            [sys.executable, "-I", "-m", "glovebox", "budget", "--json", "--home", str(fleet.homes["north"].root)],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        opened = json.loads(printed)["opened"]
        assert [(one["table"], one["columns"], one["to"]) for one in opened] == [("patients", ["age"], ["analyst"])] * 3
        assert opened[1]["close"] == [opened[2]["session"]]
        with closing(State(fleet.homes["analyst"].state_file)) as state:
            assert state.disclosures() == []
