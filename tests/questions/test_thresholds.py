"""A group of exactly the threshold shows; one below does not, and nothing of it is told."""

from decimal import Decimal

import pytest

from glovebox.node.state import State

from .fleets import agreed, ask, bind_rows

STACKED = """
[[table]]
owner = ["north", "east", "south", "west"]
name = "patients"
rows = 50
rows_per_id = 3
same_person_at_several = "no"
[table.columns]
patient = { type = "id", form = "text" }
ward = { type = "category", values = ["a", "b", "c", "none"], may = ["group"] }
stay = { type = "integer", range = [0, 100], may = ["sum", "avg"] }
cost = { type = "decimal(6,2)", range = ["-500", "500"], may = ["avg"] }

[rules]
ask = ["north", "west"]
receive = ["west"]
groups_of_at_least = 11
questions = "approved"
ZERO

[[question]]
name = "stays"
sql = '''
SELECT ward, COUNT(*) AS rows, COUNT(DISTINCT patient) AS people, SUM(stay) AS s, AVG(cost) AS c
FROM patients GROUP BY ward'''
"""


@pytest.fixture(scope="module", params=["suppressed", "shown"])
def hospitals(request, tmp_path_factory):
    zero = 'zero = "shown"' if request.param == "shown" else ""
    terms = STACKED.replace("ZERO", zero)
    fleet = agreed(tmp_path_factory.mktemp("wards"), ["north", "east", "south", "west"], terms)
    rows = {party: [] for party in fleet.homes}
    for number in range(11):  # ward a: eleven people over four hospitals, two rows each
        party = list(rows)[number % 4]
        rows[party] += [(f"{party}{number}", "a", number, "1.25"), (f"{party}{number}", "a", "", "-0.50")]
    for number in range(10):  # ward b: one person fewer, and more rows
        party = list(rows)[number % 4]
        rows[party] += [(f"{party}b{number}", "b", 7, 1)] * 3
    rows["north"] += [(f"c{number}", "c", "", "") for number in range(12)]  # ward c: people without values
    for party, own in rows.items():
        bind_rows(fleet, party, "patients", ("patient", "ward", "stay", "cost"), own)
    with fleet:
        yield fleet, request.param


def test_groups_show_from_the_threshold_on(hospitals):
    fleet, zero = hospitals
    answered = ask(fleet, "west", "stays")
    rows = {row[0]: row[1:] for row in answered.rows}
    assert rows["a"] == (22, 11, 55, Decimal("0.37500000"))
    assert rows["b"] == (None,) * 4
    assert rows["c"] == (12, 12, None, None)
    if zero == "shown":
        assert rows["none"] == (0, 0, None, None)
        assert [answered.rows[number][0] for number in answered.suppressed] == ["b"]
    else:
        assert rows["none"] == (None,) * 4
        assert [answered.rows[number][0] for number in answered.suppressed] == ["b", "none"]


def test_an_asker_who_receives_nothing_is_told_who_does(hospitals):
    fleet, _ = hospitals
    answered = fleet.ask("north", "stays")
    assert bytes(answered.answer) == b"null"
    assert answered.receivers == ("west",)


JOINED = """
[[table]]
owner = "one"
name = "a"
rows = 40
rows_per_id = 4
[table.columns]
id = { type = "id", form = "integer" }
x = { type = "integer", range = [-10, 10], required = true, may = ["sum", "min", "max"] }

[[table]]
owner = "two"
name = "b"
rows = 40
[table.columns]
id = { type = "id", form = "integer", unique = true }

[rules]
join = [["a.id", "b.id"]]
ask = ["analyst"]
receive = ["analyst", "two"]
groups_of_at_least = 5
questions = "approved"

[[question]]
name = "sum"
sql = "SELECT COUNT(*) AS n, SUM(x) AS s, MIN(x) AS least, MAX(x) AS most FROM a JOIN b USING (id)"
receive = ["analyst"]
"""


@pytest.fixture(scope="module")
def joined(tmp_path_factory):
    fleet = agreed(tmp_path_factory.mktemp("joined"), ["one", "two", "notary", "analyst"], JOINED)
    bind_rows(fleet, "two", "b", ("id",), [(number,) for number in range(30)])
    bind_rows(fleet, "one", "a", ("id", "x"), [(1, 1)])
    with fleet:
        yield fleet


@pytest.mark.parametrize(("people", "rows"), [(5, [(10, -10, -1, -1)]), (4, [(None,) * 4]), (0, [(None,) * 4])])
def test_people_of_a_join_are_counted_and_not_rows(joined, people, rows):
    held = [(number, -1) for number in range(people)] * 2 + [(100 + number, 5) for number in range(9)]
    bind_rows(joined, "one", "a", ("id", "x"), held)
    answered = ask(joined, "analyst", "sum")
    assert list(answered.rows) == rows
    assert answered.suppressed == (() if people == 5 else (0,))


def test_only_the_receivers_get_an_answer(joined):
    joined.ask("analyst", "sum")
    kept = {}
    for party, home in joined.homes.items():
        state = State(home.state_file)
        kept[party] = len(state.answers())
        state.close()
    assert kept["analyst"] > 0
    assert kept["one"] == kept["two"] == kept["notary"] == 0
