"""A stacked table joined with another owner's: planned and computed here, and in DuckDB in the clear."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glovebox.contract.model import parse_contract
from glovebox.errors import GloveboxError
from glovebox.planner.plan import Spines
from glovebox.planner.question import plan_question

from .clear import answered
from .spines import computed
from .test_derived import write
from .test_meaning import COLUMNS, HEAD, RULES, conditions, few_rows, in_the_clear, numbers, questions, rows, same
from .test_stacks import FEW

STACK = "[[table]]\nowner = ['p0', 'p1']\nname = 's'\nrows = 99\nrows_per_id = 99\nsame_person_at_several = 'no'\n"
LAB = "[[table]]\nowner = 'p2'\nname = 'b'\nrows = 99\n"
LABS = "[[table]]\nowner = 'p2'\nname = 'd'\nrows = 99\nrows_per_id = 99\n"
TABLES = STACK + COLUMNS.replace("UNIQUE", "") + LAB + COLUMNS.replace("UNIQUE", ", unique = true")
TABLES += LABS + COLUMNS.replace("UNIQUE", "")
JOINS = '[["s.id", "b.id"], ["d.id", "s.id"]]'
LAWS = RULES.replace(RULES.partition("join = ")[2].partition("\n")[0], JOINS)
CONTRACT = parse_contract((HEAD + TABLES + LAWS).encode())
PAIRS = parse_contract((HEAD + TABLES.replace("rows_per_id = 99", "rows_per_id = 2") + LAWS).encode())
OWN = "id, x, y, f, c, day, hour"
ALL = f"(SELECT 'x' AS h, {OWN} FROM p0.s UNION ALL SELECT 'y' AS h, {OWN} FROM p1.s WHERE y > -5)"


def apart(one, other):
    """Rows of two owners, at whom nobody is twice."""
    return one, [{**row, "id": None if row["id"] is None else row["id"] + 10} for row in other]


def beside(lab, data):
    """The rows of another owner, of whom some are at the one and some at the other."""
    return [
        {**row, "id": None if row["id"] is None else row["id"] + data.draw(st.sampled_from([0, 10]))} for row in lab
    ]


@FEW
@given(rows(), rows(), rows(), st.data())
def test_totals_of_every_owner_beside_another(one, other, lab, data):
    one, other = apart(one, other)
    lab = beside(lab, data)
    name, kind = data.draw(st.sampled_from("bd")), data.draw(st.sampled_from(["JOIN", "LEFT JOIN", "SEMI JOIN"]))
    if name == "b":
        lab = list({row["id"]: row for row in lab}.values())
    key = data.draw(st.sampled_from(["", "u.c", "h", *([f"{name}.c", f"u.c, {name}.c"] if kind == "JOIN" else [])]))
    aggregates = ["COUNT(*)", "COUNT(DISTINCT u.id)", f"SUM({data.draw(numbers('u'))})", "AVG(u.x)"]
    aggregates += [f"SUM({name}.x)", f"SUM(u.y * {name}.x)"] if kind != "SEMI JOIN" else []
    keep = data.draw(st.one_of(st.none(), conditions("u")))
    where = data.draw(st.one_of(st.none(), conditions("u")))
    columns = [f"{text}{f' FILTER (WHERE {keep})' if keep else ''} AS o{n}" for n, text in enumerate(aggregates)]
    keys = [f"{text} AS g{number}" for number, text in enumerate(filter(None, key.split(", ")))]
    order = ", ".join(str(number + 1) for number in range(len(keys)))
    asked = (
        f"SELECT {', '.join([*keys, *columns])} FROM {ALL} u {kind} {name} ON u.id = {name}.id"
        f"{f' WHERE {where}' if where else ''}{f' GROUP BY {key} ORDER BY {order}' if key else ''}"
    )
    check(CONTRACT, asked, {"p0_s": one, "p1_s": other, name: lab})


def check(contract, asked, held):
    """The question beside DuckDB. held: the rows of p0's, of p1's, and of p2's table."""
    plan = plan_question(contract, asked, {}, 0)
    assert isinstance(plan.source, Spines)
    found, keys = computed(plan, dict(enumerate(held.values()))), len(plan.order)
    wanted = in_the_clear(asked.replace("p0.s", "p0_s").replace("p1.s", "p1_s"), held)
    there = {row[:keys] for row in wanted}
    found = [row for row in found if not keys or row[:keys] in there]
    assert len(found) == len(wanted)
    for row, each in zip(found, wanted, strict=True):
        assert all(map(same, row, each)), (row, each)


@FEW
@given(few_rows(), few_rows(), few_rows(), st.data())
def test_rows_of_every_owner_meet_anothers_pair_by_pair(one, other, lab, data):
    one, other = apart(one, other)
    lab = beside(lab, data)
    name = data.draw(st.sampled_from("bd"))
    if name == "b":
        lab = list({row["id"]: row for row in lab}.values())
    asked = data.draw(questions(("u", name), f"{ALL} u JOIN {name} ON u.id = {name}.id", True, True, noisy=True))
    check(PAIRS, asked, {"p0_s": one, "p1_s": other, name: lab})


RENAMED = "(SELECT 'x' AS h, id, x * 2 AS x, day FROM p0.s UNION ALL SELECT 'y' AS h, id, x AS x, day FROM p1.s) u"
SWAPPED = "(SELECT id, y AS x, x AS y, day FROM p0.s UNION ALL SELECT id, y AS x, x AS y, day FROM p1.s) u"
MADE = [
    f"SELECT u.x > 3 AS g, COUNT(*) AS n, SUM(u.x - d.y) AS s FROM {RENAMED} JOIN d ON u.id = d.id "
    "WHERE u.day <= d.day GROUP BY 1 ORDER BY 1",
    f"SELECT h, COUNT(*) AS n, SUM(u.x) AS s FROM {RENAMED} JOIN d ON u.id = d.id "
    "WHERE u.x < d.x GROUP BY h ORDER BY h",
    f"SELECT h, d.c AS e, COUNT(*) FILTER (WHERE u.day > d.day) AS n, SUM(u.x * d.x) AS s FROM {RENAMED} "
    "JOIN d ON u.id = d.id GROUP BY 1, 2 ORDER BY 1, 2",
    f"SELECT u.y > 0 AS g, COUNT(*) AS n, SUM(u.y) AS s FROM {SWAPPED} JOIN d ON u.id = d.id "
    "WHERE u.x < d.y GROUP BY 1 ORDER BY 1",
]


@FEW
@given(few_rows(), few_rows(), few_rows(), st.sampled_from(MADE), st.data())
def test_groups_of_what_each_owners_part_makes(one, other, lab, asked, data):
    lab = beside(lab, data)
    check_read(asked, (*apart(one, other), lab))


def check_read(asked, held):
    """The question over rows that are read from files, beside DuckDB. held: the rows of each owner's table."""
    plan = plan_question(PAIRS, asked, {}, 0)
    with tempfile.TemporaryDirectory() as folder:
        places = [("p0", "s"), ("p1", "s"), ("p2", "d")]
        files = {place: Path(folder) / f"{place[0]}.csv" for place in places}
        for file, table in zip(files.values(), held, strict=True):
            write(file, table)
        found = answered(plan, PAIRS, files, Path(folder)).rows
    clear = asked.replace("p0.s", "p0_s").replace("p1.s", "p1_s")
    wanted = [labelled(row, len(plan.order)) for row in in_the_clear(clear, dict(zip(STORED, held, strict=True)))]
    found = [labelled(row, len(plan.order)) for row in found]
    there = {row[: len(plan.order)] for row in wanted}
    found = sorted(row for row in found if row[: len(plan.order)] in there)
    assert len(found) == len(wanted)
    for row, each in zip(found, sorted(wanted), strict=True):
        assert all(map(same, row, each)), (row, each)


def labelled(row, keys):
    """A row whose first cells are labels, also where they are truths or missing."""
    return (*(str(cell).lower() for cell in row[:keys]), *row[keys:])


STORED = ("p0_s", "p1_s", "d")
SEEN = "(SELECT id, x, c, day AS seen FROM p0.s UNION ALL SELECT id, x, c, day AS seen FROM p1.s)"
NUMBER = "ROW_NUMBER() OVER (PARTITION BY {}.id, {} ORDER BY {} DESC) AS rn"
LAST = [
    f"SELECT c, COUNT(*) AS n, SUM(x) AS s FROM (SELECT d.c, u.x, {NUMBER.format('u', 'u.seen', 'd.day')} "
    f"FROM {SEEN} u JOIN d ON u.id = d.id AND d.day <= u.seen) t WHERE rn = 1 GROUP BY c ORDER BY c",
    f"SELECT c, COUNT(*) AS n, SUM(x) AS s FROM (SELECT u.c, d.x, {NUMBER.format('d', 'd.day', 'u.seen')} "
    f"FROM {SEEN} u JOIN d ON u.id = d.id AND u.seen <= d.day) t WHERE rn = 1 GROUP BY c ORDER BY c",
]


@FEW
@given(few_rows(), few_rows(), few_rows(), st.sampled_from(LAST), st.data())
def test_the_last_event_at_one_of_several_owners(one, other, lab, asked, data):
    """An id's rows are of different days, by which they are told apart; they are read from files."""
    lab = beside(lab, data)
    of_days = [{(row["id"], row["day"]): row for row in table if row["day"]} for table in (*apart(one, other), lab)]
    check_read(asked, [list(rows.values()) for rows in of_days])


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        (f"SELECT COUNT(*) FROM {ALL} u JOIN b ON u.id = b.id JOIN d ON d.id = b.id", "several rows of a person"),
        (f"SELECT COUNT(*) FROM b LEFT JOIN {ALL} u ON u.id = b.id", "one table of another owner"),
        (f"SELECT MAX(u.x) FROM {ALL} u JOIN b ON u.id = b.id", "MIN and MAX of a stacked table that is joined"),
        (f"SELECT u.c, MIN(b.day) FROM {ALL} u JOIN b ON u.id = b.id GROUP BY u.c", "MIN and MAX of a stacked table"),
        (f"SELECT MAX(u.x) FROM {ALL} u SEMI JOIN d ON u.id = d.id", "MIN and MAX of a stacked table"),
        (
            f"SELECT c, COUNT(*) FROM (SELECT u.c, {NUMBER.format('d', 'd.day', 'u.v')} FROM (SELECT id, c, x AS v "
            "FROM p0.s UNION ALL SELECT id, c, x * 2 AS v FROM p1.s) u JOIN d ON u.id = d.id AND u.v < d.x) t "
            "WHERE rn = 1 GROUP BY c",
            "put in order by columns",
        ),
        (f"SELECT COUNT(*) FROM {ALL} u JOIN {ALL} v ON u.id = v.id", "several rows of a person"),
    ],
)
def test_what_a_stack_is_not_joined_with(question, sentence):
    with pytest.raises(GloveboxError) as refused:
        plan_question(PAIRS, question, {}, 0)
    assert sentence in refused.value.detail[-1]


def test_the_first_of_a_persons_rows_at_several_owners_is_refused():
    text = (
        HEAD + TABLES.replace("rows_per_id = 99", "rows_per_id = 2").replace("several = 'no'", "several = 'yes'") + LAWS
    )
    for question in LAST:
        with pytest.raises(GloveboxError) as refused:
            plan_question(parse_contract(text.encode()), question.replace(", SUM(x) AS s", ""), {}, 0)
        assert "who may be at several owners" in refused.value.detail[-1]


def test_a_stack_may_be_the_joined_table():
    plan = plan_question(CONTRACT, f"SELECT b.c, COUNT(*) FROM b JOIN {ALL} u ON u.id = b.id GROUP BY b.c", {}, 0)
    assert [spine.query.party for spine in plan.source.spines] == [0, 1]
