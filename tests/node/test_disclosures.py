"""What a node notes of a question, and what it holds a later one against."""

from types import SimpleNamespace

import pytest

from glovebox.contract.model import parse_contract
from glovebox.node.disclosures import compared_with, disclosure_of
from glovebox.node.state import Binding, State
from glovebox.planner.question import plan_question

from ..planner.test_meaning import HEAD

TERMS = """
[[table]]
owner = "p0"
name = "k"
rows = 99
rows_per_id = 4
[table.columns]
id = { type = "id", form = "integer" }
x = { type = "integer", range = [0, 9], may = ["filter", "sum"] }
y = { type = "integer", range = [0, 9], may = ["filter", "sum"] }

[[table]]
owner = "p2"
name = "g"
rows = 99
[table.columns]
id = { type = "id", form = "integer", unique = true }

[rules]
join = [["k.id", "g.id"]]
ask = ["p1"]
receive = ["p1"]
groups_of_at_least = 5
questions = "approved"
"""
SUMS = "(SELECT id, SUM(x) AS s FROM k WHERE y > 1 GROUP BY id)"
QUESTIONS = {
    "sums": f"SELECT COUNT(*) AS n FROM g JOIN {SUMS} t USING (id) WHERE t.s > 3",
    "larger": f"SELECT COUNT(*) AS n FROM g JOIN {SUMS} t USING (id) WHERE t.s > 4",
    "rows": "SELECT COUNT(*) AS n FROM g JOIN k USING (id) WHERE k.x > 3",
    "more": "SELECT COUNT(*) AS n FROM g JOIN k USING (id) WHERE k.x > 4",
}
ASKED = "".join(f"\n[[question]]\nname = '{name}'\nsql = '{sql}'\n" for name, sql in QUESTIONS.items())
CONTRACT = parse_contract((HEAD + TERMS + ASKED).encode())
BINDING = Binding("k.csv", "csv", "", 1, 1, 1, b"", b"")


@pytest.fixture
def state(tmp_path):
    made = State(tmp_path / "state.sqlite")
    yield made
    made.close()


def planned(name):
    return plan_question(CONTRACT, name, {}, 1)


def told(digest, name):
    assert digest == CONTRACT.hash
    return CONTRACT.table(name, 0)


def disclosed(state, *names):
    for name in names:
        session = name.encode()
        opens = disclosure_of(CONTRACT, planned(name), 0, SimpleNamespace(session=session, statement=name), ())
        state.store_opening(session, b"run", b"question", b"shares", opens)


@pytest.mark.parametrize(("earlier", "asked", "compared"), [
    (("rows",), "more", {b"rows"}), (("rows",), "rows", set()), (("rows",), "sums", set()),
    (("sums", "larger"), "rows", set()), (("sums",), "larger", set()), (("rows", "sums"), "more", {b"rows"}),
])  # fmt: skip
def test_a_question_is_held_against_those_that_filter_the_tables_own_rows(state, earlier, asked, compared):
    disclosed(state, *earlier)
    assert set(compared_with(state, CONTRACT, planned(asked), 0, told)) == compared


@pytest.mark.parametrize(("change", "bound_to", "compared"), [
    (("name =", "name ="), "k.csv", {b"rows"}),
    (("[0, 9]", "[0, 8]"), "k.csv", set()),
    (("version = 1", "version = 2"), "k.csv", {b"rows"}),
    (("version = 1", "version = 2"), "other.csv", set()),
])  # fmt: skip
def test_questions_of_another_contract_over_the_same_rows_are_among_them(state, change, bound_to, compared):
    other = parse_contract((HEAD + TERMS + ASKED).replace(*change).encode())
    state.bind(CONTRACT.hash, "k", BINDING)
    state.bind(other.hash, "k", BINDING._replace(path=bound_to))
    disclosed(state, "rows")
    assert set(compared_with(state, other, plan_question(other, "more", {}, 1), 0, told)) == compared


def test_columns_that_are_told_are_the_tables_own(state):
    disclosed(state, "sums", "rows")
    found = {one.statement: one.columns for one in state.disclosures()}
    assert found == {"sums": "id,x,y", "rows": "id,x"}
