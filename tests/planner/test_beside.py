"""Tables and sub-queries that meet person by person, whoever owns their rows: here, and in DuckDB in the clear."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glovebox.contract.model import parse_contract
from glovebox.errors import GloveboxError
from glovebox.planner.explain import in_words
from glovebox.planner.memory import need_of
from glovebox.planner.plan import Spines, local_query
from glovebox.planner.question import plan_question

from .spines import computed
from .test_counted_once import label_of
from .test_meaning import COLUMNS, HEAD, RULES, conditions, in_the_clear, rows, same
from .test_stacks import FEW

VISITS = "[[table]]\nowner = ['p0', 'p1']\nname = 'v'\nrows = 99\nrows_per_id = 99\nsame_person_at_several = "
PEOPLE = "[[table]]\nowner = 'p0'\nname = 'k'\nrows = 99\n" + COLUMNS.replace("UNIQUE", ", unique = true")
TABLES = VISITS + "'yes'\n" + COLUMNS.replace("UNIQUE", "") + PEOPLE + PEOPLE.replace("p0", "p2").replace("'k'", "'g'")
TABLES += VISITS.replace("'v'", "'w'") + "'no'\n" + COLUMNS.replace("UNIQUE", "")
JOINS = '[["v.id", "p0.k.id"], ["v.id", "p2.g.id"], ["p0.k.id", "p2.g.id"], ["v.id", "w.id"]]'
LAWS = RULES.replace(RULES.partition("join = ")[2].partition("\n")[0], JOINS)
CONTRACT = parse_contract((HEAD + TABLES + LAWS).encode())
ALL = "(SELECT 'x' AS h, * FROM p0.v UNION ALL SELECT 'y' AS h, * FROM p1.v)"
VISITORS = f"(SELECT id, COUNT(*) AS n, SUM(x) AS s, MAX(y) AS m, bool_or(f) AS f FROM {ALL} u GROUP BY id)"


def check(question, held):
    """The question, whose `p0.v` DuckDB knows as p0_v. held: rows by that name."""
    plan = plan_question(CONTRACT, question, {}, 0)
    assert isinstance(plan.source, Spines)
    tables = {}
    for name, table in held.items():
        tables.setdefault(int(name[1]), {})[name[3:]] = table
    keys = len(plan.order)
    text = question
    for name in held:
        text = text.replace(f"{name[:2]}.{name[3:]}", name)
    wanted = [(*(label_of(whole(cell)) for cell in row[:keys]), *row[keys:]) for row in in_the_clear(text, held)]
    there = {row[:keys] for row in wanted}
    found = [(*map(label_of, row[:keys]), *row[keys:]) for row in computed(plan, tables)]
    found = [row for row in found if not keys or row[:keys] in there]
    assert len(found) == len(wanted), (found, wanted)
    for row, other in zip(found, wanted, strict=True):
        assert all(map(same, row, other)), (row, other)
    return plan


def whole(cell):
    """FLOOR's float as the integer that it is."""
    return int(cell) if isinstance(cell, float) else cell


@FEW
@given(rows(), rows(), rows(unique=True), st.data())
def test_sums_of_several_owners_rows_beside_one_owners_people(one, other, people, data):
    kind = data.draw(st.sampled_from(["JOIN", "LEFT JOIN"]))
    table = data.draw(st.sampled_from(["p0.k", "p2.g"]))
    of_people = conditions("c").filter(lambda one: "hour" not in one)  # a person's times have no least yet
    where = data.draw(of_people) if data.draw(st.booleans()) else None
    keep = data.draw(conditions("l"))
    check(
        f"SELECT c.c, COUNT(*) AS n, SUM(l.x) AS s, COUNT(l.y) AS k, COUNT(DISTINCT c.id) AS p, AVG(l.y) AS a, "
        f"SUM(l.x * c.y) AS t, COUNT(*) FILTER (WHERE {keep}) AS few, SUM(l.y) FILTER (WHERE {keep}) AS some, "
        f"SUM(l.x) FILTER (WHERE c.x > 0) AS plus, COUNT(DISTINCT c.id) FILTER (WHERE {keep}) AS q "
        f"FROM (SELECT id, c, x, y, f, day, hour FROM {table}) c {kind} {ALL} l ON l.id = c.id "
        f"WHERE c.id IS NOT NULL{f' AND {where}' if where else ''} GROUP BY c.c ORDER BY c.c",
        {"p0_v": one, "p1_v": other, table.replace(".", "_"): people},
    )


@FEW
@given(rows(), rows(), rows(unique=True), rows(unique=True), st.data())
def test_persons_of_several_owners_beside_persons_of_others(one, other, people, more, data):
    kind = data.draw(st.sampled_from(["JOIN", "LEFT JOIN"]))
    first, second = data.draw(st.permutations(["p0.k", "p2.g"]))
    key = data.draw(st.sampled_from(["a.c", "p.f", "p.n > 1", "FLOOR((a.x + 9) / 5) * 10", "p.id IS NULL"]))
    check(
        f"SELECT {key} AS g, COUNT(*) AS n, COUNT(p.id) AS p, COUNT(DISTINCT a.id) AS d, SUM(p.s) AS s, "
        f"COUNT(b.x) AS k, SUM(CASE WHEN p.m > a.y THEN 1 ELSE 0 END) AS t, COUNT(*) FILTER (WHERE p.f AND b.f) AS f "
        f"FROM {first} a {kind} {VISITORS} p ON p.id = a.id LEFT JOIN {second} b ON b.id = a.id "
        "WHERE a.id IS NOT NULL GROUP BY 1 ORDER BY 1",
        {"p0_v": one, "p1_v": other, first.replace(".", "_"): people, second.replace(".", "_"): more},
    )


@FEW
@given(rows(), rows(), rows(), rows(), st.sampled_from(["JOIN", "LEFT JOIN", "SEMI JOIN", "ANTI JOIN", "FULL JOIN"]))
def test_two_tables_of_each_of_several_owners(one, other, third, fourth, kind):
    marked = (
        "(SELECT DISTINCT id FROM (SELECT * FROM p0.w UNION ALL SELECT * FROM p1.w) d WHERE c = 'u' AND id IS NOT NULL)"
    )
    fourth = [{**row, "id": None if row["id"] is None else row["id"] + 3} for row in fourth]  # nobody of third
    third = [row for row in third if row["id"] is None or row["id"] < 3]
    counted = "" if kind in ("SEMI JOIN", "ANTI JOIN") else ", COUNT(w.id) AS w"
    check(
        f"SELECT COUNT(*) AS n, SUM(p.n) AS rows{counted} FROM {VISITORS} p {kind} {marked} w USING (id) "
        f"{'' if kind == 'FULL JOIN' else 'WHERE id IS NOT NULL'}",
        {"p0_v": [row for row in one if row["id"] is not None], "p1_v": [row for row in other if row["id"] is not None],
         "p0_w": third, "p1_w": fourth},
    )  # fmt: skip


@FEW
@given(rows(), rows(), rows(unique=True))
def test_having_of_a_sub_query_chooses_who_matches(one, other, people):
    visitors = VISITORS.replace("GROUP BY id", "GROUP BY id HAVING COUNT(*) > 1 AND MIN(x) < 3")
    check(
        f"SELECT COUNT(*) AS n, SUM(k.y) AS s FROM p0.k k JOIN {visitors} p ON k.id = p.id WHERE p.n < 5",
        {"p0_v": one, "p1_v": other, "p0_k": people},
    )


def test_an_owner_puts_its_tables_together_before_anything_is_shared():
    plan = plan_question(CONTRACT, f"SELECT COUNT(*) FROM p0.k k JOIN {VISITORS} p ON k.id = p.id", {}, 0)
    own = local_query(plan, 0)
    assert [(one.table, one.ids) for one in own.tables] == [("k", "id"), ("v", "id")]
    assert own.lines == 198
    assert [one.lines for one in own.tables] == [198, 198]
    assert "p0 reads all rows of k and all rows of v in its own database" in in_words(plan, CONTRACT)
    assert need_of(plan, CONTRACT, 0).mib > 0


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        (f"SELECT COUNT(*) FROM {ALL} u JOIN {ALL} w ON u.id = w.id", "several rows of a person"),
        (f"SELECT COUNT(*) FROM p0.k k JOIN {VISITORS} p ON k.id > p.id", "Tables are joined on ids being equal"),
        (f"SELECT l.c, COUNT(*) FROM p0.k k JOIN {ALL} l ON k.id = l.id GROUP BY l.c", "make no groups"),
        (f"SELECT SUM(l.x + k.x) FROM p0.k k JOIN {ALL} l ON k.id = l.id", "meet no other table's columns"),
        (f"SELECT MAX(l.x) FROM p0.k k JOIN {ALL} l ON k.id = l.id", "counts, sums and averages are taken"),
        (
            f"SELECT COUNT(*) FROM p0.k k LEFT JOIN {VISITORS.replace('BY id', 'BY id HAVING COUNT(*) > 1')} p "
            "ON k.id = p.id",
            "HAVING has no place in a LEFT JOIN",
        ),
        (
            "SELECT COUNT(*) FROM p0.k k JOIN (SELECT DISTINCT id FROM (SELECT * FROM p0.w UNION ALL SELECT * FROM "
            "p1.w) u) p ON k.id = p.id",
            "the contract does not join k.id with w.id",
        ),
        (f"SELECT x FROM p0.k k JOIN {VISITORS} p ON k.id = p.id", "Only aggregates and group columns"),
        (f"SELECT COUNT(*) FILTER (WHERE f) FROM p0.k k JOIN {VISITORS} p ON k.id = p.id", "Several tables have a col"),
    ],
)  # fmt: skip
def test_what_does_not_meet_person_by_person(question, sentence):
    with pytest.raises(GloveboxError) as refused:
        plan_question(CONTRACT, question, {}, 0)
    assert sentence in refused.value.detail[-1]


TWO_IDS = COLUMNS.replace("UNIQUE", "").replace("\ny = {", '\nphone = { type = "id", form = "integer" }\ny = {')
OF_TWO_IDS = "[[table]]\nowner = 'p2'\nname = 'g'\nrows = 99\nrows_per_id = 99\n" + TWO_IDS
PAIRS = RULES.replace(
    RULES.partition("join = ")[2].partition("\n")[0], '[["v.id", "g.id"], ["v.phone", "g.phone"], ["v.phone", "g.id"]]'
)
PHONES = parse_contract((HEAD + VISITS + "'yes'\n" + TWO_IDS + OF_TWO_IDS + PAIRS).encode())
MIXED = "(SELECT id, x, y FROM p0.v UNION ALL SELECT phone AS id, x, y FROM p1.v)"


def persons(ids, table="v"):
    return f"(SELECT {ids} FROM {table} GROUP BY {ids})"


@pytest.mark.parametrize(
    "question",
    [
        "SELECT COUNT(*) FROM v WHERE v.id IN (SELECT phone FROM v)",
        f"SELECT COUNT(*) FROM {persons('id')} a JOIN {persons('phone')} b ON a.id = b.phone",
        f"SELECT COUNT(*) FROM {persons('id')} a FULL JOIN {persons('phone')} b ON a.id = b.phone",
        f"SELECT COUNT(*) FROM {persons('phone')} a JOIN {persons('phone')} b ON a.phone = b.phone",
        f"SELECT COUNT(*) FROM {persons('phone')} a JOIN {persons('phone', 'g')} b ON a.phone = b.phone",
        f"SELECT COUNT(*) FROM {persons('id')} a JOIN {persons('phone', 'g')} b ON a.id = b.phone",
        f"SELECT COUNT(*) FROM (SELECT id FROM {MIXED} u GROUP BY id) t",
        f"SELECT COUNT(*) FROM (SELECT id FROM {MIXED} u GROUP BY id) a JOIN {persons('id', 'g')} b ON a.id = b.id",
        f"SELECT COUNT(*) FROM (SELECT id, LEAD(y) OVER (PARTITION BY id ORDER BY y) AS next FROM {MIXED} u) t",
    ],
)
def test_an_id_meets_no_other_but_by_a_pair_of_the_contract(question):
    with pytest.raises(GloveboxError) as refused:
        plan_question(PHONES, question, {}, 0)
    assert refused.value.step in ("rules.join", "table"), refused.value.detail
    plan_question(PHONES, f"SELECT COUNT(*) FROM {persons('id')} a JOIN {persons('id', 'g')} b ON a.id = b.id", {}, 0)
