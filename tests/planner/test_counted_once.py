"""People at several owners are counted once: planned and computed here, and in DuckDB in the clear."""

from hypothesis import given
from hypothesis import strategies as st

from glovebox.contract.model import parse_contract
from glovebox.node.steps import role_names
from glovebox.planner.explain import explanation, in_words
from glovebox.planner.plan import Spines, Stacked
from glovebox.planner.question import plan_question

from .spines import computed
from .test_meaning import COLUMNS, HEAD, RULES, conditions, in_the_clear, numbers, rows, same
from .test_stacks import FEW

OWNERS = ("p0", "p1", "p2")
STACK = "[[table]]\nowner = ['p0', 'p1', 'p2']\nname = 's'\nrows = 99\nrows_per_id = 99\n"
STACK += 'same_person_at_several = "yes"\n' + COLUMNS.replace("UNIQUE", "")
APART = "".join(
    f"[[table]]\nowner = '{owner}'\nname = 't'\nrows = 99\n{COLUMNS.replace('UNIQUE', ', unique = true')}"
    for owner in OWNERS
)
JOINS = '[["p0.t.id", "p1.t.id"], ["p1.t.id", "p2.t.id"]]'
LAWS = RULES.replace(RULES.partition("join = ")[2].partition("\n")[0], JOINS)
CONTRACT = parse_contract((HEAD + STACK + APART + LAWS).encode())


def union(name, columns="*", owners=OWNERS):
    return " UNION ALL ".join(f"SELECT {columns} FROM {owner}.{name} " for owner in owners)


def check(question, tables, names=("s",)):
    """The question, whose `p0.s ` DuckDB knows as p0_s."""
    plan = plan_question(CONTRACT, question, {}, 0)
    found = computed(plan, dict(enumerate(tables)))
    clear, text = {}, question
    for name in names:
        text = text.replace(f".{name} ", f"_{name} ")
        clear |= {f"{owner}_{name}": held for owner, held in zip(OWNERS, tables, strict=False)}
    wanted = in_the_clear(text, clear)
    keys = len(plan.order)
    wanted = [(*map(label_of, row[:keys]), *row[keys:]) for row in wanted]
    there = {row[:keys] for row in wanted}
    found = [(*map(label_of, row[:keys]), *row[keys:]) for row in found]
    found = [row for row in found if not keys or row[:keys] in there]
    assert len(found) == len(wanted), (found, wanted)
    for row, other in zip(found, wanted, strict=True):
        assert all(map(same, row, other)), (row, other)
    return plan


def label_of(cell):
    return str(cell).lower() if isinstance(cell, bool) else str(cell)  # 1 is no True


@FEW
@given(rows(), rows(), rows(), st.data())
def test_distinct_people_of_groups_beside_what_their_rows_add_up_to(one, other, third, data):
    owners = data.draw(st.sampled_from([OWNERS, OWNERS[:2]]))
    key = data.draw(st.sampled_from(["", "c", "h", "c, h"]))
    keep, where = (data.draw(st.one_of(st.none(), conditions("u"))) for _ in range(2))
    parts = " UNION ALL ".join(f"SELECT '{'h' if owner == 'p0' else 'i'}' AS h, * FROM {owner}.s " for owner in owners)
    plan = check(
        f"SELECT {f'{key}, ' if key else ''}COUNT(DISTINCT id) AS people, COUNT(*) AS n, AVG(x) AS m, "
        f"COUNT(DISTINCT id) FILTER (WHERE {keep or 'x > 0'}) AS some, SUM({data.draw(numbers('u'))}) AS s "
        f"FROM ({parts}) u{f' WHERE {where}' if where else ''}{f' GROUP BY {key} ORDER BY {key}' if key else ''}",
        (one, other, third)[: len(owners)],
    )
    assert isinstance(plan.source, Spines)


@FEW
@given(rows(unique=True), rows(unique=True), rows(unique=True))
def test_people_of_tables_that_the_contract_joins(one, other, third):
    check(f"SELECT COUNT(DISTINCT id) AS n, SUM(y) AS s FROM ({union('t')}) u", (one, other, third), ("t",))


def test_what_needs_no_person_needs_no_look_up():
    for question in ("SELECT COUNT(*) FROM s", "SELECT c, SUM(x), AVG(y) FROM s GROUP BY c"):
        assert isinstance(plan_question(CONTRACT, question, {}, 0).source, Stacked)


def test_a_threshold_is_held_against_people():
    rules = LAWS.replace("= 1\n", "= 5\n").replace('"any"', '"approved"')
    approved = "[[question]]\nname = 'q'\nsql = 'SELECT SUM(x) FROM s'\n"
    contract = parse_contract((HEAD + STACK + APART + rules + approved).encode())
    assert isinstance(plan_question(contract, "q", {}, 0).source, Spines)


def test_explain_names_every_look_up_and_who_must_not_collude():
    plan = plan_question(CONTRACT, "SELECT c, COUNT(DISTINCT id) FROM s GROUP BY c", {}, 0)
    told, words = explanation(plan, CONTRACT), in_words(plan, CONTRACT)
    assert told["spines"] == [
        {"query": "p0", "tables": []},
        {"query": "p1", "tables": ["p0"], "helper": "p2"},
        {"query": "p2", "tables": ["p0", "p1"], "helper": "p1"},
    ]
    assert told["must_not_collude"] == [["p0", "p1"], ["p0", "p2"], ["p1", "p2"]]
    assert told["bytes"] > 0
    assert "the lines of p0 count as they are" in words
    assert "one line an id and c" in words
    assert dict(role_names(plan)) == {0: "table,table", 1: "query,helper", 2: "helper,query"}


def test_noise_hides_a_person_at_every_owner():
    rules = LAWS.replace('exact = "everyone may see single persons"\n', "").replace("= 1\n", "= 5\n")
    stack = STACK.replace("rows_per_id = 99", "rows_per_id = 4")
    budget = "[privacy]\nepsilon_total = '6.0'\nepsilon_per_question = '0.5'\n"
    contract = parse_contract((HEAD + stack + APART + rules + budget).encode())
    plan = plan_question(contract, "SELECT COUNT(DISTINCT id) AS n, COUNT(*) AS r, SUM(x) AS s FROM s", {}, 0)
    persons = {output.name: plan.noise.persons[output.total] for output in plan.outputs}
    assert persons == {"n": 1, "r": 12, "s": 108}
    assert isinstance(plan.source, Spines)
