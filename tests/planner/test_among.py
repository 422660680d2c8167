"""IN a sub-query: planned and computed here, and in DuckDB in the clear."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glovebox.contract.model import parse_contract
from glovebox.errors import GloveboxError
from glovebox.planner.explain import in_words
from glovebox.planner.plan import Spines
from glovebox.planner.question import plan_question

from .clear import answered
from .spines import computed
from .test_counted_once import label_of
from .test_derived import computed as of_files
from .test_derived import write
from .test_meaning import CONTRACT, HEAD, RULES, TABLES, conditions, in_the_clear, rows, same
from .test_stacks import FEW

JOINED = parse_contract(
    (HEAD + "".join(TABLES) + RULES).replace(
        "join = [", 'join = [["e.id", "d.id"], ["e.id", "h.id"], ["b.id", "h.id"], '
    ).encode()
)  # fmt: skip
OWNER = {"e": 0, "b": 1}


def answers(question, held):
    """The plan, the plan's rows and DuckDB's. held: the rows of each table."""
    plan = plan_question(CONTRACT, question, {}, 0)
    return plan, computed(plan, {OWNER[name]: table for name, table in held.items()}), in_the_clear(question, held)


@FEW
@given(rows(), rows(unique=True), st.booleans(), st.sampled_from(["ab", "ba"]), st.data())
def test_rows_whose_id_is_among_others(one, other, among, names, data):
    own, theirs = names
    keep, more = data.draw(conditions(theirs)), data.draw(st.one_of(st.none(), conditions(own)))
    held = {"a": one, "b": other}
    held[theirs] = [row for row in held[theirs] if row["id"] is not None]  # NULL among them makes all unknown
    if not in_the_clear(f"SELECT id FROM {theirs} WHERE {keep}", held):
        held[own] = [row for row in held[own] if row["id"] is not None]  # all are outside of nothing, also NULL
    question = (
        f"SELECT COUNT(*) AS n, SUM({own}.x) AS s, COUNT(DISTINCT {own}.id) AS p FROM {own} WHERE {own}.id "
        f"{'' if among else 'NOT '}IN (SELECT id FROM {theirs} WHERE {keep}){f' AND {more}' if more else ''}"
    )
    _, found = of_files(question, held)
    assert all(map(same, found[0], in_the_clear(question, held)[0])), found


@FEW
@given(rows(unique=True), rows(unique=True), st.data())
def test_whether_an_id_is_among_others_makes_groups(one, other, data):
    one, other = ([row for row in table if row["id"] is not None] for table in (one, other))
    keep = data.draw(conditions("b"))
    plan, found, wanted = answers(
        f"SELECT e.c, e.id IN (SELECT id FROM b WHERE {keep}) AS among, COUNT(*) AS n, SUM(e.x) AS s FROM e "
        "WHERE y > -5 GROUP BY 1, 2 ORDER BY 1, 2",
        {"e": one, "b": other},
    )
    assert isinstance(plan.source, Spines)
    wanted = [(*map(label_of, row[:2]), *row[2:]) for row in wanted]
    there = {row[:2] for row in wanted}
    found = [row for row in ((*map(label_of, row[:2]), *row[2:]) for row in found) if row[:2] in there]
    assert len(found) == len(wanted)
    for row, each in zip(found, wanted, strict=True):
        assert all(map(same, row, each)), (row, each)


@FEW
@given(rows(unique=True), rows(unique=True))
def test_what_a_match_has_makes_groups_and_no_match_is_one(one, other):
    one, other = ([row for row in table if row["id"] is not None] for table in (one, other))
    question = "SELECT b.c, COUNT(*) AS n, SUM(e.x) AS s FROM e LEFT JOIN b ON b.id = e.id GROUP BY b.c ORDER BY b.c"
    _, found, wanted = answers(question, {"e": one, "b": other})
    there = {row[0] for row in wanted}
    found = [row for row in found if row[0] in there]
    assert len(found) == len(wanted)
    for row, each in zip(found, wanted, strict=True):
        assert all(map(same, row, each)), (row, each)


def test_explain_says_that_rows_without_an_id_are_left_out():
    question = "SELECT b.c, COUNT(*) AS n FROM e LEFT JOIN b ON b.id = e.id GROUP BY b.c"
    assert "rows without an id are left out" in in_words(plan_question(JOINED, question, {}, 0), JOINED)


PLACES = {"a": 0, "b": 1, "d": 1, "e": 0, "g": 2, "h": 2}


def check_of_three(question, held, contract=JOINED):
    """The question over the rows as their owners' files, beside DuckDB. held: rows by table."""
    plan, wanted = plan_question(contract, question, {}, 0), in_the_clear(question, held)
    with tempfile.TemporaryDirectory() as name:
        files = {(f"p{PLACES[table]}", table): Path(name) / f"{table}.csv" for table in held}
        for (_, table), path in files.items():
            write(path, held[table])
        found = answered(plan, contract, files, Path(name)).rows
    there = {row[: len(plan.order)] for row in wanted}
    found = [row for row in found if row[: len(plan.order)] in there]
    assert len(found) == len(wanted)
    for row, other in zip(found, wanted, strict=True):
        assert all(map(same, row, other)), (row, other)
    return plan


@FEW
@given(rows(), rows(unique=True), rows(), st.data())
def test_an_id_among_two_others(one, other, third, data):
    first, second = data.draw(conditions("b")), data.draw(conditions("h"))
    nots = [data.draw(st.sampled_from(["", "NOT "])) for _ in range(2)]
    held = {"a": [row for row in one if row["id"] is not None], "b": other, "h": third}
    plan = check_of_three(
        "SELECT COUNT(*) AS n, SUM(a.y) AS s, COUNT(DISTINCT a.id) AS p FROM a WHERE "
        f"{nots[0]}EXISTS (SELECT 1 FROM b WHERE b.id = a.id AND {first}) AND a.x > -5 "
        f"AND {nots[1]}EXISTS (SELECT 1 FROM h WHERE h.id = a.id AND {second})",
        held,
    )
    assert not isinstance(plan.source, Spines) or len(plan.source.spines) == 1, "who counts is at one owner"


@FEW
@given(rows(unique=True), rows(unique=True), rows(), st.data())
def test_an_id_among_others_beside_a_join(one, other, third, data):
    join, more = data.draw(st.sampled_from(["JOIN", "LEFT JOIN"])), data.draw(st.sampled_from(["", "NOT "]))
    own = data.draw(st.sampled_from(["e.id", "id", "b.id"] if join == "JOIN" else ["e.id"]))
    keep = data.draw(conditions("h"))
    held = {"e": one, "b": other, "h": [row for row in third if row["id"] is not None]}
    held["e"] = [row for row in one if row["id"] is not None]
    check_of_three(
        f"SELECT COUNT(*) AS n, SUM(e.y) AS s, SUM(b.x) AS t, COUNT(*) FILTER (WHERE b.x > 0) AS f "
        f"FROM e {join} b USING (id) WHERE {own} {more}IN (SELECT id FROM h WHERE {keep})",
        held,
    )


NESTED = [
    "a.id IN (SELECT id FROM b WHERE KEEP AND b.id IN (SELECT id FROM h WHERE ALSO))",
    "a.id IN (SELECT id FROM b WHERE id NOT IN (SELECT id FROM h WHERE ALSO) AND KEEP)",
    "EXISTS (SELECT 1 FROM b WHERE b.id = a.id AND EXISTS (SELECT 1 FROM h t WHERE t.id = b.id AND t.x > 0) AND KEEP)",
    "EXISTS (SELECT 1 FROM b WHERE a.id = b.id AND NOT EXISTS (SELECT 1 FROM h WHERE b.id = h.id AND ALSO))",
    "a.id IN (SELECT id FROM b INTERSECT SELECT id FROM h WHERE ALSO)",
    "a.id IN (SELECT id FROM b WHERE KEEP EXCEPT SELECT id FROM h)",
]


@FEW
@given(rows(), rows(unique=True), rows(), st.sampled_from(NESTED), st.data())
def test_an_id_among_others_whose_own_is_among_others(one, other, third, among, data):
    named = zip("abh", (one, other, third), strict=True)
    held = {name: [row for row in table if row["id"] is not None] for name, table in named}
    among = among.replace("KEEP", data.draw(conditions("b"))).replace("ALSO", data.draw(conditions("h")))
    check_of_three(f"SELECT COUNT(*) AS n, SUM(a.y) AS s FROM a WHERE {among}", held)


FOLDED = [
    "COUNT(*) FILTER (WHERE KEEP) AS n, SUM(e.y) FILTER (WHERE KEEP) AS s, "
    "COUNT(DISTINCT e.id) FILTER (WHERE KEEP) AS p",
    "COUNT(*) FILTER (WHERE d.id IS NULL) AS n, SUM(CASE WHEN d.id IS NULL THEN 1 ELSE 0 END) AS s, AVG(e.x) AS m",
    "SUM(COALESCE(d.x, 2)) AS s, SUM(COALESCE(d.x, 1) * e.y) AS t, AVG(COALESCE(d.x, 0)) AS m, COUNT(d.x) AS k",
    "COUNT(e.x) AS k, SUM(e.x) AS s, COUNT(b.x) FILTER (WHERE KEEP) AS j, AVG(b.x) AS a, COUNT(1) AS n",
    "SUM(CASE WHEN d.f THEN 0 ELSE 3 END) AS s, COUNT(CASE WHEN d.f THEN 1 ELSE 0 END) AS k, SUM(d.y) AS t",
]


@FEW
@given(rows(unique=True), rows(unique=True), rows(), st.sampled_from(FOLDED), st.data())
def test_rows_of_a_left_join_beside_another_join(one, other, third, columns, data):
    joins = [data.draw(st.sampled_from(["JOIN", "LEFT JOIN"])) for _ in range(2)]
    held = {"e": [row for row in one if row["id"] is not None], "b": other, "d": third}
    check_of_three(
        f"SELECT {columns.replace('KEEP', data.draw(conditions('d')))} FROM e {joins[0]} b ON b.id = e.id "
        f"{joins[1]} d ON d.id = e.id WHERE e.y > -9",
        held,
    )


@FEW
@given(rows(unique=True), rows(unique=True), rows(), st.data())
def test_an_id_among_others_of_an_owner_that_is_joined(one, other, third, data):
    more, keep = data.draw(st.sampled_from(["", "NOT "])), data.draw(conditions("d"))
    held = {"e": one, "b": other, "d": [row for row in third if row["id"] is not None]}
    check_of_three(
        "SELECT COUNT(*) AS n, SUM(e.y) AS s, SUM(b.x) AS t FROM e JOIN b ON b.id = e.id "
        f"WHERE e.id {more}IN (SELECT id FROM d WHERE {keep})",
        held,
    )


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ("SELECT COUNT(*) FROM a WHERE a.id IN (SELECT id, x FROM d)", "a sub-query that selects one id"),
        ("SELECT COUNT(*) FROM a WHERE a.id IN (SELECT id)", "A question reads a table"),
        ("SELECT COUNT(*) FROM a WHERE a.x + 1 IN (SELECT id FROM d)", "a sub-query that selects one id"),
        ("SELECT COUNT(*) FROM a JOIN (SELECT id FROM b WHERE id IN (SELECT id FROM b)) u ON a.id = u.id", "own words"),
        (
            "SELECT COUNT(*) FROM a WHERE EXISTS (SELECT 1 FROM b WHERE b.id = a.id AND EXISTS "
            "(SELECT 1 FROM h WHERE h.x = b.x))",
            "EXISTS within another asks of the same id",
        ),
        (
            "SELECT COUNT(*) FROM a WHERE EXISTS (SELECT 1 FROM b WHERE b.id = a.id AND EXISTS "
            "(SELECT 1 FROM h a WHERE a.id = b.id))",
            "EXISTS within another asks of the same id",
        ),
        (
            "SELECT COUNT(*) FROM a WHERE a.id IN (SELECT id FROM b WHERE b.x IN (SELECT x FROM h))",
            "IN a sub-query within another asks of the same id",
        ),
        ("SELECT COUNT(*) FROM a WHERE a.x IN (SELECT x FROM d)", "Rows become persons by one id"),
    ],
)
def test_what_is_among_nothing(question, sentence):
    with pytest.raises(GloveboxError) as refused:
        plan_question(CONTRACT, question, {}, 0)
    assert sentence in refused.value.detail[-1]


def test_an_id_without_its_tables_name_is_of_the_table_after_from():
    for question in (
        "SELECT COUNT(*) AS n FROM e WHERE NAME IN (SELECT id FROM b WHERE b.x > 2)",
        "SELECT NAME IN (SELECT id FROM b) AS m, COUNT(*) AS n FROM e GROUP BY 1",
        "SELECT COUNT(*) AS n FROM e u WHERE NAME NOT IN (SELECT id FROM b)",
    ):
        name = "u.id" if " u " in question else "e.id"
        plans = [plan_question(CONTRACT, question.replace("NAME", one), {}, 0) for one in ("id", name)]
        assert plans[0].source == plans[1].source


KEYS_OF_BOTH = [
    "e.x > b.x",
    "e.c = b.c",
    "CASE WHEN e.x > 0 AND b.x > 0 THEN 'both' WHEN e.x > 0 OR b.x > 0 THEN 'one' ELSE 'none' END",
    "GREATEST(e.x, b.x) > 3",
    "e.f AND b.f",
]


@FEW
@given(rows(unique=True), rows(unique=True), st.sampled_from(KEYS_OF_BOTH), st.data())
def test_columns_of_two_owners_make_groups_of_people(one, other, key, data):
    held = {name: [row for row in table if row["id"] is not None] for name, table in (("e", one), ("b", other))}
    question = (
        f"SELECT {key} AS k, COUNT(*) AS n, SUM(e.y) AS s, SUM(b.x) AS t FROM e JOIN b ON b.id = e.id "
        f"WHERE e.y > -9 GROUP BY {key} ORDER BY k"
    )
    plan, found, wanted = answers(question, held)
    assert isinstance(plan.source, Spines)
    wanted = [(label_of(row[0]), *row[1:]) for row in wanted]
    there = {row[0] for row in wanted}
    found = [row for row in ((label_of(row[0]), *row[1:]) for row in found) if row[0] in there]
    assert len(found) == len(wanted)
    for row, each in zip(sorted(found), sorted(wanted), strict=True):
        assert all(map(same, row, each)), (row, each)


@pytest.mark.parametrize("key", ["e.z > b.x", "e.x - b.w > 2", "CASE WHEN e.w = b.x THEN 'u' ELSE 'v' END"])
def test_columns_that_may_not_be_compared_make_no_groups_either(key):
    with pytest.raises(GloveboxError) as refused:
        plan_question(CONTRACT, f"SELECT {key} AS k, COUNT(*) AS n FROM e JOIN b ON b.id = e.id GROUP BY 1", {}, 0)
    assert "may not be" in refused.value.detail[-1]


def test_groups_of_people_whom_one_owner_has_go_to_the_owners_that_are_joined():
    key = "CASE WHEN e.x > 0 AND b.x > 0 THEN 'both' ELSE 'other' END"
    question = f"SELECT {key} AS k, COUNT(*) AS n FROM e JOIN b ON b.id = e.id GROUP BY k"
    rules = RULES.replace("groups_of_at_least = 1", "groups_of_at_least = 11").partition('exact = "')[0]
    rules = rules.replace('questions = "any"', 'questions = "approved"')
    asked = f'\n[[question]]\nname = "q"\nsql = """{question}"""\n'
    plan = plan_question(parse_contract((HEAD + "".join(TABLES) + rules + asked).encode()), "q", {}, 0)
    assert (plan.receivers, plan.threshold, len(plan.source.spines)) == ((0,), 11, 1)
