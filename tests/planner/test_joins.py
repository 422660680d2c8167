"""How a join is written in SQL, and which id of the contract it so names."""

import pytest

from glovebox.contract.model import parse_contract
from glovebox.errors import Refused
from glovebox.planner.question import plan_question

from .test_meaning import HEAD

COLUMNS = """rows = 9
rows_per_id = 9
[table.columns]
first = { type = "id", form = "text" }
LAST = { type = "id", form = "text" }
born = { type = "date", may = ["filter"] }
place = { type = "category", values = ["n", "s"], may = ["group", "filter"] }
"""
TERMS = (
    "[[table]]\nowner = 'p0'\nname = 'a'\n" + COLUMNS.replace("LAST", "last")
    + "[[table]]\nowner = 'p1'\nname = 'b'\n" + COLUMNS.replace("LAST", "surname")
    + "[[table]]\nowner = 'p2'\nname = 'c'\n" + COLUMNS.replace("LAST", "last")
    + """[rules]
join = [
    [["a.first", "a.last", "a.born"], ["b.first", "b.surname", "b.born"]],
    [["a.first", "a.place"], ["b.first", "b.place"]],
    [["a.first", "a.place"], ["c.first", "c.place"]],
]
ask = ["p0"]
receive = ["p0"]
groups_of_at_least = 1
questions = "any"
exact = "everyone may see single persons"
"""
)  # fmt: skip
CONTRACT = parse_contract((HEAD + TERMS).encode())


def plan(source, columns="COUNT(*)"):
    return plan_question(CONTRACT, f"SELECT {columns} FROM {source}", {}, 0)


@pytest.mark.parametrize(
    ("source", "ids"),
    [
        ("a JOIN b ON a.first = b.first AND a.last = b.surname AND a.born = b.born", "first+last+born"),
        ("a JOIN b ON b.born = a.born AND (surname = last AND a.first = b.first)", "first+last+born"),
        ("a JOIN b USING (first, place)", "first+place"),
        ("a JOIN b USING (place, first)", "first+place"),
        ("a x LEFT JOIN b y ON x.place = y.place AND x.first = y.first", "first+place"),
        ("a JOIN b USING (first, place) JOIN c USING (place, first)", "first+place"),
    ],
)
def test_several_columns_name_the_id_they_compose(source, ids):
    assert next(query.ids for query in plan(source).source.owners if query.party == 0) == ids


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("a JOIN b USING (first)", "does not join a.first with b.first"),
        ("a JOIN b ON a.first = b.first AND a.last = b.surname", "does not join a.first and a.last"),
        ("a JOIN b ON a.first = b.surname AND a.place = b.place", "does not join a.first and a.place"),
        ("a JOIN b ON a.first = b.first AND a.place = 'n'", "does not join a.first with b.first"),
        ("a JOIN b ON a.first = b.first OR a.place = b.place", "does not join a.first with b.first"),
        ("a JOIN b USING (first, last)", "b has no column last"),
        ("a JOIN c USING (first, place) JOIN b ON b.first = a.first AND b.place = c.place", "one id of each"),
    ],
)
def test_what_the_contract_does_not_compose_is_refused(source, sentence):
    with pytest.raises(Refused) as refused:
        plan(source)
    assert sentence in "".join(refused.value.detail), refused.value.lines()


def test_a_column_that_both_are_joined_by_needs_no_table_before_it():
    assert plan("a JOIN b USING (first, place) GROUP BY place", "place, COUNT(*)").outputs[0].kind == "group"
    with pytest.raises(Refused, match="refused"):
        plan("a JOIN b ON a.first = b.first AND a.last = b.surname AND a.born = b.born GROUP BY place", "place")
