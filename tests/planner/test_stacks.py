"""UNION ALL over owners' like tables means what SQL means: planned and computed here, and in DuckDB in the clear."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from glovebox.contract.model import parse_contract
from glovebox.errors import GloveboxError
from glovebox.planner.question import plan_question

from .clear import answered
from .evaluation import computed
from .test_derived import write
from .test_meaning import (
    CONTRACT,
    EXAMPLES_A_TEST,
    HEAD,
    QUICK,
    RULES,
    TABLES,
    conditions,
    in_the_clear,
    numbers,
    rows,
    same,
)

FEW = settings(QUICK, max_examples=EXAMPLES_A_TEST // 4, phases=(Phase.explicit, Phase.generate))
OWNERS = ("p0", "p1", "p2")


def clear_of(tables, name):
    return {f"{owner}_{name}": held for owner, held in zip(OWNERS, tables, strict=True)}


def check(question, tables, name="s"):
    """The question over `p0.s`, .., which DuckDB knows as p0_s, .."""
    plan = plan_question(CONTRACT, question, {}, 0)
    found = computed(plan, dict(enumerate(tables)))
    wanted = in_the_clear(question.replace(f".{name} ", f"_{name} "), clear_of(tables, name))
    keys = len(plan.order)
    there = {tuple(str(cell) for cell in row[:keys]) for row in wanted}
    found = [(*(str(cell) for cell in row[:keys]), *row[keys:]) for row in found]
    found = [row for row in found if not keys or row[:keys] in there]
    wanted = [(*(str(cell) for cell in row[:keys]), *row[keys:]) for row in wanted]
    assert len(found) == len(wanted)
    for row, other in zip(found, wanted, strict=True):
        assert all(map(same, row, other)), (row, other)


LEAST = [
    "MIN(x) AS low, MAX(x) AS high, COUNT(*) AS n", "MIN(y) AS low, MAX(y) FILTER (WHERE f) AS high",
    "MAX(day) AS last, MIN(day) FILTER (WHERE x > 0) AS first, SUM(x) AS s", "MAX(x * 2 - 1) AS high",
]  # fmt: skip


@FEW
@given(rows(), rows(), rows(), st.sampled_from(LEAST), st.sampled_from(["", "c, "]), st.sampled_from(["s", "union"]))
def test_the_least_and_the_greatest_of_all_owners(one, other, third, columns, key, source):
    union = "(SELECT * FROM p0.s UNION ALL SELECT * FROM p1.s UNION ALL SELECT * FROM p2.s) u"
    question = f"SELECT {key}{columns} FROM {'s' if source == 's' else union}{' GROUP BY c ORDER BY c' if key else ''}"
    plan, tables = plan_question(CONTRACT, question, {}, 0), dict(zip(OWNERS, (one, other, third), strict=True))
    with tempfile.TemporaryDirectory() as name:
        files = {(owner, "s"): Path(name) / f"{owner}.csv" for owner in OWNERS}
        for owner, held in tables.items():
            write(files[owner, "s"], held)
        found = answered(plan, CONTRACT, files, Path(name)).rows
    wanted = in_the_clear(question.replace(union, "s"), {"s": one + other + third})
    there = {row[0] for row in wanted}
    found = [row for row in found if not key or row[0] in there]
    assert len(found) == len(wanted)
    for row, each in zip(found, wanted, strict=True):
        assert all(map(same, row, each)), (row, each)


@st.composite
def unions(draw):
    """A UNION ALL of some columns, made ones among them, of the rows that pass a filter of each part."""
    made = draw(st.lists(st.sampled_from(["label", "bank", "more", "marked"]), unique=True))
    parts = []
    for number, owner in enumerate(OWNERS):
        texts = {
            "label": f"'{draw(st.sampled_from('hij')) if number else 'h'}' AS label",
            "bank": f"{draw(st.integers(1, 3))} AS bank",
            "more": f"{draw(numbers('s'))} AS more",
            "marked": f"{draw(conditions('s'))} AS marked",
        }
        names = ("s.x", "y AS other" if number else "y", "f", "c", "day", "hour")
        where = draw(st.one_of(st.none(), conditions("s")))
        items = ", ".join([*(texts[one] for one in made), *names])
        parts.append(f"SELECT {items} FROM {owner}.s AS s{f' WHERE {where}' if where else ''}")
    return made, " UNION ALL ".join(parts)


@FEW
@given(rows(), rows(), rows(), st.data())
def test_columns_constants_and_filters_of_the_parts_of_a_union(one, other, third, data):
    made, union = data.draw(unions())
    keys = [name for name in (*made, "c") if name not in ("more", "marked") and data.draw(st.booleans())]
    extra = [f"SUM({name})" for name in made if name in ("more", "bank")]
    extra += [f"COUNT(*) FILTER (WHERE {name} = 'h')" for name in made if name == "label"]
    extra += ["COUNT(*) FILTER (WHERE marked)"] if "marked" in made else []
    named = [
        f"{text} AS o{number}" for number, text in enumerate([data.draw(numbers("u")).join(["SUM(", ")"]), *extra])
    ]
    where = data.draw(st.one_of(st.none(), conditions("u")))
    order = ", ".join(str(place + 1) for place in range(len(keys)))
    check(
        f"SELECT {', '.join([*keys, 'COUNT(*) AS n', *named])} FROM ({union}) u{f' WHERE {where}' if where else ''}"
        + (f" GROUP BY {order} ORDER BY {order}" if keys else ""),
        (one, other, third),
    )


@FEW
@given(rows(), rows(), rows())
def test_whole_rows_with_a_label(one, other, third):
    parts = " UNION ALL ".join(f"SELECT '{owner}' AS h, * FROM {owner}.s " for owner in OWNERS)
    check(f"SELECT h, COUNT(x) AS n, AVG(y) AS m FROM ({parts}) GROUP BY h ORDER BY h", (one, other, third))


@FEW
@given(rows(), rows(), rows())
def test_days_between_two_days_are_a_number(one, other, third):
    parts = " UNION ALL ".join(f"SELECT * FROM {owner}.s " for owner in OWNERS)
    check(
        "SELECT COUNT(*) FILTER (WHERE day - DATE '2026-01-03' BETWEEN 2 AND 9) AS n, "
        f"SUM(CASE WHEN DATE '2026-01-12' - day > 0 THEN x END) AS s FROM ({parts}) u",
        (one, other, third),
    )


PAIR = "SELECT COUNT(*) FROM (SELECT x FROM p0.s UNION ALL SELECT x FROM p1.s) u"


def test_two_owners_are_added_where_neither_can_subtract_itself():
    strict = RULES.replace("= 1\n", "= 5\n").replace('exact = "everyone may see single persons"\n', "")
    approved = f"[[question]]\nname = 'pair'\nsql = '{PAIR}'\n"

    def plan(receiver):
        rules = strict.replace('"any"', '"approved"').replace('receive = ["p0"]', f"receive = ['{receiver}']")
        return plan_question(parse_contract((HEAD + "".join(TABLES) + rules + approved).encode()), "pair", {}, 0)

    assert [query.party for query in plan("p2").source.owners] == [0, 1]
    with pytest.raises(GloveboxError) as refused:
        plan("p1")
    assert "each could subtract its own part" in refused.value.detail[-1]


def test_tables_that_the_contract_neither_joins_nor_stacks_are_not_stacked():
    with pytest.raises(GloveboxError) as refused:
        plan_question(CONTRACT, "SELECT COUNT(*) FROM (SELECT x FROM p1.d UNION ALL SELECT x FROM p2.g) u", {}, 0)
    assert "neither joins nor stacks" in refused.value.detail[-1]


def test_a_column_made_of_conditions_needs_them_allowed_though_only_its_values_are_counted():
    parts = " UNION ALL ".join(f"SELECT CASE WHEN z > 1 THEN 1 END AS more FROM {owner}.s" for owner in OWNERS)
    with pytest.raises(GloveboxError) as refused:
        plan_question(CONTRACT, f"SELECT COUNT(more) FROM ({parts}) u", {}, 0)
    assert "s.z may not be filtered by" in refused.value.detail[-1]
