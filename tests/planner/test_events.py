"""A person's next row at any owner: planned and computed here, and in DuckDB in the clear."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glovebox.contract.model import parse_contract
from glovebox.errors import GloveboxError
from glovebox.planner.explain import in_words
from glovebox.planner.plan import local_query
from glovebox.planner.question import plan_question

from .spines import computed
from .test_counted_once import label_of
from .test_meaning import COLUMNS, HEAD, RULES, conditions, in_the_clear, rows, same
from .test_stacks import FEW

OWNERS = ("p0", "p1", "p2")
STACK = "[[table]]\nowner = ['p0', 'p1', 'p2']\nname = 's'\nrows = 99\nrows_per_id = 3\n"
STACK += 'same_person_at_several = "yes"\n' + COLUMNS.replace("UNIQUE", "")
LAWS = RULES.replace(RULES.partition("join = ")[2].partition("\n")[0], "[]")
CONTRACT = parse_contract((HEAD + STACK + LAWS).encode())
OVER = "OVER (PARTITION BY id ORDER BY y)"
ALL = " UNION ALL ".join(f"SELECT * FROM {owner}.s" for owner in OWNERS)


def events(where="", source=ALL):
    return (
        f"(SELECT id, c, f, x, y, LEAD(y) {OVER} AS soon, LEAD(x) {OVER} AS nx, LEAD(c) {OVER} AS nc "
        f"FROM ({source}) u WHERE id IS NOT NULL{where}) t"
    )


def apart(drawn):
    """Rows of three owners: of a person at most three at each, no two of them at one time."""
    seen, held = set(), ([], [], [])
    for place, row in enumerate(drawn):
        table = held[place % 3]
        if (row["id"], row["y"]) not in seen and [one["id"] for one in table].count(row["id"]) < 3:
            table.append(row)
        seen.add((row["id"], row["y"]))
    return held


@FEW
@given(rows(), rows(), rows(), st.data())
def test_what_comes_next_at_any_owner(one, other, third, data):
    held = apart([*one, *other, *third])
    owners = data.draw(st.sampled_from([OWNERS, OWNERS[:2]]))
    key = data.draw(st.sampled_from(["c", "f", "nc", "soon IS NULL", "x > 2"]))
    inner = data.draw(st.one_of(st.none(), conditions("u")))
    there = conditions("u").filter(lambda one: "hour" not in one and "day" not in one)  # columns that are selected
    where = data.draw(st.one_of(st.none(), there))
    people = ", COUNT(DISTINCT id) AS p" if key in ("c", "f", "x > 2") else ""
    source = " UNION ALL ".join(ALL.split(" UNION ALL ")[: len(owners)])
    question = (
        f"SELECT {key} AS g, COUNT(*) AS n, SUM(CASE WHEN soon - y BETWEEN 0.2 AND 5 THEN 1 ELSE 0 END) AS k, "
        f"COUNT(soon) AS m, SUM(nx) AS s, COUNT(*) FILTER (WHERE nc = 'u' AND c <> 'u') AS v, AVG(x) AS a{people} "
        f"FROM {events(f' AND {inner}' if inner else '', source)}{f' WHERE {where}' if where else ''} "
        "GROUP BY 1 ORDER BY 1"
    ).replace("u.", "")
    plan = plan_question(CONTRACT, question, {}, 0)
    found = [(label_of(row[0]), *row[1:]) for row in computed(plan, dict(enumerate(held[: len(owners)])))]
    clear = {f"{owner}_s": table for owner, table in zip(owners, held, strict=False)}
    wanted = [(label_of(row[0]), *row[1:]) for row in in_the_clear(question.replace(".s", "_s"), clear)]
    there = {row[0] for row in wanted}
    found = [row for row in found if row[0] in there]
    assert len(found) == len(wanted), (found, wanted)
    for row, each in zip(found, wanted, strict=True):
        assert all(map(same, row, each)), (row, each)


def test_a_line_has_its_rows_one_by_one():
    question = f"SELECT c, COUNT(*) AS n, COUNT(soon) AS k FROM {events()} GROUP BY c"
    plan = plan_question(CONTRACT, question, {}, 0)
    assert {measure.slot for measure in local_query(plan, 0).measures} == {0, 1, 2, 3}
    assert "its rows stand one by one, by y" in in_words(plan, CONTRACT)


@pytest.mark.parametrize(
    ("events", "sentence"),
    [
        (events().replace("LEAD(x)", "LEAD(x, 2)"), "cannot be asked here"),
        (events().replace("LEAD(x)", "LAG(x)"), "cannot be asked here"),
        (events().replace("LEAD(x)", "SUM(x)"), "A window cannot be asked here"),
        (events().replace("ORDER BY y)", "ORDER BY y DESC)"), "one id and one time, that rises"),
        (events().replace("ORDER BY y) AS nx", "ORDER BY x) AS nx"), "alike in all columns"),
        (events().replace("ORDER BY y)", "ORDER BY x)"), "a number or a day that is never missing"),
        (events().replace("ORDER BY y)", "ORDER BY hour)"), "by a time not yet"),
        (events().replace("PARTITION BY id", "PARTITION BY c"), "Rows become persons by one id"),
        (events().replace("LEAD(x)", "LEAD(id)"), "a number, a day or a label is taken"),
        (events().replace("LEAD(x)", "LEAD(f)"), "a number, a day or a label is taken"),
        (f"(SELECT id, c, LEAD(y) {OVER} AS soon) t", "A question reads a table"),
    ],
)
def test_what_has_no_next(events, sentence):
    with pytest.raises(GloveboxError) as refused:
        plan_question(CONTRACT, f"SELECT c, COUNT(*) AS n, COUNT(soon) AS k FROM {events} GROUP BY c", {}, 0)
    assert sentence in refused.value.detail[-1]


def test_people_are_not_counted_by_what_comes_next():
    with pytest.raises(GloveboxError) as refused:
        plan_question(CONTRACT, f"SELECT nc, COUNT(DISTINCT id) AS n FROM {events()} GROUP BY nc", {}, 0)
    assert "people are not counted by what comes next" in refused.value.detail[-1]


def test_many_rows_of_a_person_are_refused():
    contract = parse_contract((HEAD + STACK.replace("rows_per_id = 3", "rows_per_id = 9") + LAWS).encode())
    with pytest.raises(GloveboxError) as refused:
        plan_question(contract, f"SELECT COUNT(soon) AS n FROM {events()}", {}, 0)
    assert "in up to 162 pairs" in refused.value.detail[-1]
