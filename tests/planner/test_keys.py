"""Joins by several ids: how they are written, what they plan, and what is refused with its reason."""

import pytest

from glovebox.contract.model import parse_contract
from glovebox.contract.reading import reading
from glovebox.errors import Refused
from glovebox.planner.explain import in_words
from glovebox.planner.plan import canonical
from glovebox.planner.question import plan_question
from glovebox.planner.shape import join_shape

from .test_meaning import HEAD

TABLE = """
[[table]]
owner = "OWNER"
name = "NAME"
rows = 99
rows_per_id = 1
[table.columns]
ssid = { type = "id", form = "exact", unique = true }
name = { type = "id", form = "text" }
born = { type = "date", range = [1900-01-01, 2026-12-31], may = ["filter", "compare"] }
x = { type = "integer", range = [0, 9], may = ["sum", "avg", "filter", "compare"] }
c = { type = "category", values = ["u", "v"], may = ["group", "filter"] }
"""
RULES = """
[rules]
join = [["a.ssid", "b.ssid"], [["a.name", "a.born"], ["b.name", "b.born"]]]
ask = ["p0"]
receive = ["p0"]
groups_of_at_least = 1
questions = "any"
exact = "everyone may see single persons"
"""
TERMS = "".join(TABLE.replace("OWNER", owner).replace("NAME", name) for owner, name in [("p0", "a"), ("p1", "b")])
ON = "a.ssid = b.ssid OR (a.name = b.name AND a.born = b.born)"


def agreed(old="", new="", terms=TERMS + RULES):
    assert old in terms
    return parse_contract((HEAD + terms.replace(old, new)).encode())


CONTRACT = agreed()


def plan(question, contract=CONTRACT):
    return plan_question(contract, question, {}, 0)


@pytest.mark.parametrize(
    "on",
    [
        "b.ssid = a.ssid OR a.name = b.name AND a.born = b.born",
        "(a.born = b.born AND b.name = a.name) OR a.ssid = b.ssid",
        "((a.ssid = b.ssid OR ((a.name = b.name) AND (a.born = b.born))))",
        "a.ssid = b.ssid OR a.name = b.name AND a.born = b.born OR b.ssid = a.ssid",
    ],
)
def test_the_contract_says_which_id_is_tried_first(on):
    found = plan(f"SELECT COUNT(*) FROM a JOIN b ON {on}")
    assert canonical(found) == canonical(plan(f"SELECT COUNT(*) FROM a JOIN b ON {ON}"))
    assert {(query.ids, query.keys) for query in found.source.owners} == {("ssid", ("name+born",))}


def test_another_order_in_the_contract_is_another_plan():
    pairs = '["a.ssid", "b.ssid"], [["a.name", "a.born"], ["b.name", "b.born"]]'
    turned = agreed(pairs, '[["a.name", "a.born"], ["b.name", "b.born"]], ["a.ssid", "b.ssid"]')
    found = plan(f"SELECT a.c, COUNT(*) FROM a JOIN b ON {ON} WHERE a.x > b.x GROUP BY a.c", turned)
    assert {(query.ids, query.keys) for query in found.source.owners} == {("name+born", ("ssid",))}
    assert not any(query.slots or query.pivoted for query in found.source.owners)


@pytest.mark.parametrize(("source", "party"), [("a JOIN b", 0), ("b JOIN a", 1), ("b LEFT JOIN a", 1)])
def test_the_table_after_from_takes_the_first_matches(source, party):
    found = plan(f"SELECT COUNT(*), SUM(a.x) AS one, SUM(b.x) AS other FROM {source} ON {ON}")
    assert found.source.query.party == party
    assert join_shape(found.source, found.totals).keys == 2


def test_a_condition_on_the_match_does_not_choose_it():
    """Rows of the other table all enter, and the condition holds of the first match; the own ones are left out."""
    found = plan(f"SELECT COUNT(*) FROM a JOIN b ON {ON} WHERE b.c = 'u' AND a.c = 'v'").source
    assert found.query.where is not None
    assert found.table.where is None
    assert len(found.table.measures) == 1


def test_explain_and_the_contract_say_that_the_first_match_wins():
    words = in_words(plan(f"SELECT COUNT(*) FROM a JOIN b ON {ON}"), CONTRACT)
    assert "a row of a takes its first match, by ssid = ssid, else name+born = name+born" in words
    assert "a row of b may be the match of two rows of a" in words
    assert "the first match wins, for each row of the table after FROM" in " ".join(reading(CONTRACT).split())
    assert "first match" not in reading(agreed(', [["a.name", "a.born"], ["b.name", "b.born"]]', ""))


PRIVACY = '\n[privacy]\nepsilon_total = "6.0"\nepsilon_per_question = "0.5"\n'
NOISY = RULES.replace('exact = "everyone may see single persons"\n', "").replace("= 1\n", "= 5\n") + PRIVACY


@pytest.mark.parametrize(
    ("question", "sentence", "hint"),
    [
        (f"SELECT b.c, COUNT(*) FROM a JOIN b ON {ON} GROUP BY b.c", "only its own columns", "FROM b JOIN a"),
        (f"SELECT COUNT(DISTINCT a.ssid) FROM a JOIN b ON {ON}", "may be without the others", "COUNT(*)"),
        (f"SELECT COUNT(*) FROM a JOIN b ON ({ON}) AND a.x > 3", "ids being equal", "USING"),
        ("SELECT COUNT(*) FROM a JOIN b ON a.ssid = b.ssid OR a.name = b.name", "does not join a.name", "USING"),
        ("SELECT COUNT(*) FROM a JOIN b ON a.ssid = b.ssid OR a.x = 3", "one id of each", "USING"),
    ],
)  # fmt: skip
def test_what_several_ids_are_not_served_with_is_refused(question, sentence, hint):
    with pytest.raises(Refused) as refused:
        plan(question)
    assert sentence in "".join(refused.value.detail), refused.value.lines()
    assert hint in refused.value.hint


@pytest.mark.parametrize(
    ("contract", "sentence"),
    [
        (agreed("rows_per_id = 1\n", "rows_per_id = 2\n"), "Of several ids each is one row's, and a.name+born repeats"),
        (agreed("rows = 99", "rows = 1_100_000"), "1100000 are too many"),
        (agreed(terms=TERMS + NOISY), "gets no noise yet"),
    ],
)
def test_what_a_contract_does_not_bound_is_refused(contract, sentence):
    with pytest.raises(Refused) as refused:
        plan(f"SELECT COUNT(*) FROM a JOIN b ON {ON}", contract)
    assert sentence in "".join(refused.value.detail), refused.value.lines()
