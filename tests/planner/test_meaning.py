"""A plan means what its SQL means: random questions over random rows, planned and computed here in plain Python, and in
DuckDB in the clear. No protocol runs: what is checked is how SQL is cut into local parts, totals and outputs.
"""

import os
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache
from math import isfinite
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from glovebox.contract.model import parse_contract
from glovebox.errors import GloveboxError
from glovebox.identity import key_text
from glovebox.planner.question import plan_question

from .evaluation import computed

EXAMPLES = Path(__file__).parents[2] / "examples" / "contracts"

COLUMNS = """[table.columns]
id = { type = "id", form = "integer"UNIQUE }
x = { type = "integer", range = [-9, 9], may = ["group", ANY] }
y = { type = "decimal(4,1)", range = ["-9.9", "9.9"], required = true, may = [ANY] }
z = { type = "integer", range = [-9, 9], may = ["compare"] }
w = { type = "integer", range = [-9, 9], may = ["sum"] }
f = { type = "boolean", may = ["group", "filter", "compare"] }
c = { type = "category", values = ["u", "v", "w"], may = ["group", "filter", "compare"] }
day = { type = "date", range = [2026-01-01, 2026-01-20], may = ["sum", "group", MOMENT] }
hour = { type = "timestamp", range = [2026-01-01T00:00:00Z, 2026-01-20T00:00:00Z], may = [MOMENT] }
""".replace("ANY", '"sum", "avg", "min", "max", "filter", "compare"').replace(
    "MOMENT", '"min", "max", "filter", "compare"'
)
TABLES = (
    "[[table]]\nowner = 'p0'\nname = 'a'\nrows = 99\nrows_per_id = 99\n" + COLUMNS.replace("UNIQUE", ""),
    "[[table]]\nowner = 'p1'\nname = 'b'\nrows = 99\n" + COLUMNS.replace("UNIQUE", ", unique = true"),
    "[[table]]\nowner = 'p1'\nname = 'd'\nrows = 99\nrows_per_id = 99\n" + COLUMNS.replace("UNIQUE", ""),
    "[[table]]\nowner = 'p0'\nname = 'e'\nrows = 99\n" + COLUMNS.replace("UNIQUE", ", unique = true"),
    "[[table]]\nowner = 'p2'\nname = 'g'\nrows = 99\n" + COLUMNS.replace("UNIQUE", ", unique = true"),
    "[[table]]\nowner = 'p2'\nname = 'h'\nrows = 99\nrows_per_id = 99\n" + COLUMNS.replace("UNIQUE", ""),
    "[[table]]\nowner = ['p0', 'p1', 'p2']\nname = 's'\nrows = 99\nperson = 'row'\n" + COLUMNS.replace("UNIQUE", ""),
)
HEAD = "glovebox = 1\nname = 't'\nversion = 1\npurpose = 'A test.'\nfrom = 2026-01-01\nuntil = 2026-12-31\n" + "".join(
    f"[[party]]\nname = 'p{n}'\nkey = '{key_text(bytes([n]) * 32)}'\naddress = 'p{n}:1'\n" for n in range(3)
)
RULES = """[rules]
join = [["a.id", "b.id"], ["a.id", "d.id"], ["e.id", "b.id"], ["b.id", "g.id"], ["a.id", "h.id"], ["d.id", "h.id"]]
ask = ["p0"]
receive = ["p0"]
groups_of_at_least = 1
questions = "any"
exact = "everyone may see single persons"
"""
CONTRACT = parse_contract((HEAD + "".join(TABLES) + RULES).encode())

FEW = parse_contract(
    (HEAD + "".join(TABLES).replace("rows_per_id = 99", "rows_per_id = 2") + RULES.replace(
        'join = [', 'join = [["e.id", "d.id"], ')).encode()
)  # fmt: skip

HOUR = timedelta(hours=1)
EXAMPLES_A_TEST = int(os.environ.get("GLOVEBOX_EXAMPLES", "50"))
"""Random questions of each kind; `make questions` asks 500."""

ROW = st.fixed_dictionaries({
    "id": st.one_of(st.none(), st.integers(0, 6)),
    "x": st.one_of(st.none(), st.integers(-9, 9)),
    "y": st.integers(-99, 99).map(lambda units: Decimal(units).scaleb(-1)),
    "f": st.sampled_from([None, True, False]),
    "c": st.sampled_from("uvw"),
    "day": st.one_of(st.none(), st.integers(0, 19).map(lambda days: date(2026, 1, 1) + timedelta(days=days))),
    "hour": st.one_of(st.none(), st.integers(0, 40).map(lambda steps: datetime(2026, 1, 1) + 11 * steps * HOUR)),
})  # fmt: skip


def rows(unique=False):
    return st.lists(ROW, max_size=14, unique_by=(lambda row: row["id"]) if unique else None)


def few_rows():
    """At most two rows an id, as FEW says."""
    return rows().map(lambda drawn: [
        row for place, row in enumerate(drawn)
        if row["id"] is None or [one["id"] for one in drawn[:place]].count(row["id"]) < 2
    ])  # fmt: skip


@cache
def numbers(table):
    leaf = st.sampled_from([f"{table}.x", f"{table}.y", "2", "0.5", "-3"])
    return st.recursive(
        leaf,
        lambda inner: st.one_of(
            st.tuples(inner, st.sampled_from("+-*"), inner).map(lambda parts: f"({' '.join(parts)})"),
            st.tuples(conditions(table), inner, inner).map(
                lambda parts: "CASE WHEN {} THEN {} ELSE {} END".format(*parts)
            ),
            conditions(table).map(lambda condition: f"CAST({condition} AS INTEGER)"),
            inner.map(lambda value: f"(- {value})"),
        ),
        max_leaves=3,
    )


@cache
def conditions(table):
    leaf = st.one_of(
        st.tuples(st.sampled_from("xy"), st.sampled_from(["=", "<>", "<", "<=", ">", ">="]), st.integers(-9, 9)).map(
            lambda parts: "{}.{} {} {}".format(table, *parts)
        ),
        st.sampled_from(["u", "v", "w"]).map(lambda label: f"{table}.c = '{label}'"),
        st.sampled_from([
            f"{table}.f", f"{table}.f = FALSE", f"{table}.x IS NULL", f"{table}.x IS NOT NULL",
            f"{table}.x BETWEEN -3 AND 3", f"{table}.c IN ('u', 'w')", f"{table}.x NOT IN (1, 2)",
            f"{table}.day >= DATE '2026-01-09'", f"{table}.day BETWEEN DATE '2026-01-04' AND DATE '2026-01-15'",
            f"{table}.hour < TIMESTAMP '2026-01-08 12:00:00'", f"{table}.day <> DATE '2026-01-01'",
            f"{table}.x + {table}.y > 2", f"{table}.x * 2 <= {table}.y - 1", f"{table}.day IS NULL",
        ]),
    )  # fmt: skip
    return st.recursive(
        leaf,
        lambda inner: st.one_of(
            st.tuples(inner, st.sampled_from(["AND", "OR"]), inner).map(lambda parts: f"({' '.join(parts)})"),
            inner.map(lambda condition: f"NOT ({condition})"),
        ),
        max_leaves=3,
    )


@cache
def mixed_conditions(one, other):
    """Conditions on two owners' rows of one person."""
    signs = st.sampled_from(["=", "<>", "<", "<=", ">", ">="])
    pair = st.sampled_from([(one, other), (other, one)])
    days = st.integers(-3, 9)
    leaf = st.one_of(
        st.tuples(pair, st.sampled_from("xy"), signs, st.sampled_from("xy"), days).map(
            lambda p: f"{p[0][0]}.{p[1]} {p[2]} {p[0][1]}.{p[3]} + {p[4]}"
        ),
        st.tuples(pair, signs).map(lambda p: f"{p[0][0]}.x * {p[0][1]}.y {p[1]} 3 - {p[0][1]}.x"),
        st.tuples(pair, days, days).map(
            lambda p: f"{p[0][0]}.day BETWEEN {p[0][1]}.day - {-min(p[1:])} AND {p[0][1]}.day + {max(p[1:])}"
        ),
        st.tuples(pair, signs, days).map(lambda p: f"{p[0][0]}.day - {p[0][1]}.day {p[1]} {p[2]}"),
        st.tuples(pair, days).map(
            lambda p: f"{p[0][0]}.hour BETWEEN {p[0][1]}.hour AND {p[0][1]}.hour + INTERVAL {abs(p[1])} DAY"
        ),
        st.tuples(pair, signs, days).map(lambda p: f"{p[0][0]}.hour {p[1]} {p[0][1]}.hour - INTERVAL {abs(p[2])} HOUR"),
        st.tuples(pair, st.sampled_from(["=", "<>"])).map(lambda p: f"{p[0][0]}.c {p[1]} {p[0][1]}.c"),
        st.tuples(pair, st.sampled_from(["=", "<>"])).map(lambda p: f"{p[0][0]}.f {p[1]} {p[0][1]}.f"),
        st.tuples(conditions(one), conditions(other)).map(" OR ".join),
    )  # fmt: skip
    return st.recursive(
        leaf.map("({})".format),
        lambda inner: st.one_of(
            st.tuples(inner, st.sampled_from(["AND", "OR"]), inner).map(lambda parts: f"({' '.join(parts)})"),
            inner.map(lambda condition: f"NOT {condition}"),
        ),
        max_leaves=2,
    )


def extremes(tables, value):
    """MIN and MAX of a number, a day or a time of one of these tables."""
    moments = st.sampled_from([f"{table}.{column}" for table in tables for column in ("day", "hour")])
    return st.tuples(st.sampled_from(["MIN", "MAX"]), st.one_of(value, moments)).map("{0[0]}({0[1]})".format)


FORMULAS = (
    "{0}", "{0}", "{0} / {1}", "1.0 * {0} + {1} * 2", "- {0} / NULLIF({1}, 0)", "COALESCE({0}, 7) - ABS({1})",
    "SQRT(ABS({0}))",
)  # fmt: skip
KEYS = (
    "{0}.c", "{0}.c", "{0}.f", "floor({0}.x / 4) * 4", "NOT {0}.f", "{0}.x > 2 AND {0}.f", "year({0}.day)",
    "CASE WHEN {0}.x < 0 THEN 'low' WHEN {0}.f THEN 'middle' ELSE 'high' END", "CASE WHEN {0}.y > 0 THEN 'more' END",
)  # fmt: skip
HAVING = (
    None, None, "{0} >= 2", "{0} < 3 AND {1} > 0", "{0} / 2 BETWEEN -3 AND 9", "{0} = 1", "3 >= {0}",
)  # fmt: skip


@st.composite
def questions(draw, tables, source, joined, mixing=False, noisy=False):
    """A statement over these tables. mixing: with conditions and sums that read two owners' columns. noisy: without
    what no noise hides."""
    one_of = [conditions(table) for table in tables]
    mixed = st.tuples(*one_of).map(" AND ".join) if joined else st.nothing()
    if mixing:
        mixed = st.one_of(mixed, mixed_conditions(*tables), mixed_conditions(*tables))
    condition = st.one_of(*one_of, mixed)
    values = [numbers(table) for table in tables]
    value = st.one_of(*values)
    added = st.one_of(value, st.tuples(*values).map(" * ".join)) if joined else value
    aggregates = st.one_of(
        st.just("COUNT(*)"), st.sampled_from([f"COUNT({table}.x)" for table in tables]),
        value.map("COUNT({})".format), added.map("SUM({})".format), added.map("AVG({})".format),
        st.just(f"COUNT(DISTINCT {tables[0]}.id)") if joined else st.nothing(),
    )  # fmt: skip
    judged = aggregates
    if joined and not noisy:
        aggregates = st.one_of(aggregates, extremes(tables, value))
    if mixing and not noisy:
        aggregates = st.one_of(
            aggregates, st.tuples(*values).map(" * ".join).map("MIN({})".format), st.just("MAX(e.day - b.day)")
        )
    if mixing:
        aggregates = st.one_of(
            aggregates, st.tuples(*values).map(" - ".join).map("SUM({})".format),
            st.sampled_from(["SUM(GREATEST({0}.x, {1}.y - 1))", "AVG(LEAST({1}.x, {0}.x, {1}.y))"]).map(
                lambda text: text.format(*tables)
            ),
            st.tuples(mixed_conditions(*tables), *values).map(
                lambda parts: "SUM(CASE WHEN {} THEN {} ELSE {} END)".format(*parts)
            ),
        )  # fmt: skip
    numbers_of = st.sampled_from([f"{table}.{column}" for table in tables for column in "xy"])

    def aggregate(plain=False):
        found = draw(st.one_of(aggregates, statistic(numbers_of)) if plain and not noisy else judged)
        keep = draw(st.one_of(st.none(), condition))
        if mixing and keep and (" - " in found or found.startswith(("MIN", "MAX", "SUM(CASE", "AVG(LEAST"))):
            keep = draw(mixed_conditions(*tables))
        return f"{found}{f' FILTER (WHERE {keep})' if keep else ''}"

    columns = []
    for number in range(draw(st.integers(1, 3))):
        formula = "{0}" if noisy else draw(st.sampled_from(FORMULAS))
        plain = formula == "{0}"  # floats of DuckDB that should be zero are not: nothing is divided by statistics
        columns.append(f"{formula.format(aggregate(plain), aggregate(plain))} AS o{number}")
    having = None if noisy else draw(st.sampled_from(HAVING))
    where = draw(st.one_of(st.none(), condition))
    grouped = draw(st.lists(st.sampled_from(tables), unique=True))
    keys = [f"{draw(st.sampled_from(KEYS)).format(table)} AS {table}_c" for table in grouped]
    places = ", ".join(str(number + 1) for number in range(len(keys)))
    return (
        f"SELECT {', '.join(keys + columns)} FROM {source}"
        f"{f' WHERE {where}' if where else ''}{f' GROUP BY {places}' if keys else ''}"
        f"{f' HAVING {having.format(aggregate(), aggregate())}' if having else ''}"
        f"{f' ORDER BY {places}' if keys else ''}"
    )


def statistic(values):
    """A statistic of one value, or of two."""
    one = st.sampled_from(["VAR_SAMP", "VAR_POP", "STDDEV", "STDDEV_POP"])
    two = st.sampled_from(["CORR", "COVAR_POP", "COVAR_SAMP", "REGR_SLOPE", "REGR_INTERCEPT", "REGR_COUNT"])
    return st.one_of(
        st.tuples(one, values).map(lambda p: f"{p[0]}({p[1]})"),
        st.tuples(two, values, values).map(lambda p: f"{p[0]}({p[1]}, {p[2]})"),
    )


TYPES = {
    "id": "INTEGER", "x": "INTEGER", "y": "DECIMAL(4,1)", "f": "BOOLEAN", "c": "VARCHAR", "day": "DATE",
    "hour": "TIMESTAMP",
}  # fmt: skip


def in_the_clear(question, tables):
    with duckdb.connect(":memory:") as database:
        for name, held in tables.items():
            database.execute(f"CREATE TABLE {name} ({', '.join(map(' '.join, TYPES.items()))})")
            for row in held:
                marks = ", ".join("?" * len(TYPES))
                database.execute(f"INSERT INTO {name} VALUES ({marks})", [row[column] for column in TYPES])
        return database.execute(question).fetchall()


def same(cell, clear):
    if isinstance(clear, date):
        clear = clear.isoformat()
    if isinstance(clear, float) and not isfinite(clear):
        clear = None  # what has no value is NULL here
    if cell is None or clear is None or isinstance(cell, str):
        return cell == clear
    return abs(float(cell) - float(clear)) <= 1e-6 * max(1, abs(float(clear)))


def check(question, tables, clear, contract=CONTRACT):
    plan = plan_question(contract, question, {}, 0)
    found, wanted = computed(plan, tables), in_the_clear(question, clear)
    if plan.order:  # a group of the domain that SQL leaves out because it is empty shows as zero
        keys = len(plan.order)
        there = {row[:keys] for row in wanted}
        found = [row for row in found if row[:keys] in there]
    assert len(found) == len(wanted)
    for row, other in zip(found, wanted, strict=True):
        assert all(map(same, row, other)), (row, other)


THREE = "e JOIN b ON e.id = b.id JOIN g ON g.id = b.id"
QUICK = settings(max_examples=EXAMPLES_A_TEST, suppress_health_check=list(HealthCheck))


@QUICK
@given(rows(), rows(unique=True), questions(("a", "b"), "a JOIN b USING (id)", True))
def test_a_join_with_a_unique_side(a, b, question):
    check(question, {0: a, 1: b}, {"a": a, "b": b})


@QUICK
@given(rows(), rows(), questions(("a", "d"), "a JOIN d ON d.id = a.id", True))
def test_a_join_with_repeated_ids_on_both_sides(a, d, question):
    check(question, {0: a, 1: d}, {"a": a, "d": d})


@QUICK
@given(rows(), rows(), rows(), questions(("s",), "s", False))
def test_a_stack(one, other, third, question):
    check(question, {0: one, 1: other, 2: third}, {"s": one + other + third})


PIECES = st.sampled_from([
    "SELECT", "COUNT(*)", "COUNT(", "SUM(", "AVG(", ")", "(", "x", "a.x", "b.y", "id", "'u'", "1", "1.5", ",", "*",
    "+", "FROM", "a", "b", "s", "JOIN", "USING (id)", "ON", "WHERE", "FILTER", "GROUP BY", "ORDER BY", "AND", "OR",
    "NOT", "CASE", "WHEN", "THEN", "ELSE", "END", "NULL", "IS", "IN", "BETWEEN", "AS", "DISTINCT", "UNION ALL", ":p",
    "::", ";", "OVER ()", "LIMIT 1", "CAST(", "AS INTEGER)", "$$", "--", "/*", "\u202e", "\x00", "'", '"', "[", "{",
    "->", "EXPLAIN",
])  # fmt: skip


@settings(max_examples=300)
@given(st.one_of(st.text(max_size=80), st.lists(PIECES, max_size=25).map(" ".join)))
def test_any_text_is_planned_or_refused(text):
    try:
        plan_question(CONTRACT, text, {}, 0)
    except GloveboxError as refused:
        assert refused.hint
        assert all(line.isprintable() for line in refused.detail)


@pytest.mark.parametrize("text", [
    "(" * 5000, "SELECT " + "(" * 400 + "1" + ")" * 400, "SELECT " + "NOT " * 3000 + "1 FROM a",
    "SELECT COUNT(*) FROM a JOIN b USING (id) WHERE " + " OR ".join(["a.x = 1"] * 900),
    "SELECT 1" + " UNION ALL SELECT 1" * 700,
    "SELECT " + "CASE WHEN " * 300, "SELECT COUNT(*) FROM " + "(SELECT * FROM " * 200 + "a" + ")" * 200,
])  # fmt: skip
def test_no_depth_breaks_the_planner(text):
    with pytest.raises(GloveboxError):
        plan_question(CONTRACT, text, {}, 0)


@QUICK
@given(rows(unique=True), rows(unique=True), questions(("e", "b"), "e JOIN b USING (id)", True, True))
def test_conditions_and_sums_of_both_owners_columns(e, b, question):
    check(question, {0: e, 1: b}, {"e": e, "b": b})


@QUICK
@given(few_rows(), few_rows(), questions(("a", "d"), "a JOIN d USING (id)", True, True, noisy=True))
def test_conditions_of_rows_that_meet_pair_by_pair(a, d, question):
    check(question, {0: a, 1: d}, {"a": a, "d": d}, FEW)


@QUICK
@given(rows(unique=True), few_rows(), questions(("e", "d"), "e JOIN d ON d.id = e.id", True, True, noisy=True))
def test_conditions_where_one_side_repeats(e, d, question):
    check(question, {0: e, 1: d}, {"e": e, "d": d}, FEW)


def check_if_served(question, tables, clear):
    """Groups of three owners are refused where they cannot be made, or would be too many totals."""
    try:
        check(question, tables, clear)
    except GloveboxError as refused:
        assert question.count("_c") == 3
        assert "groups" in refused.detail[-1]


@QUICK
@given(rows(unique=True), rows(unique=True), rows(unique=True), questions(("e", "b", "g"), THREE, True))
def test_three_owners_with_unique_ids(e, b, g, question):
    check_if_served(question, {0: e, 1: b, 2: g}, {"e": e, "b": b, "g": g})


@QUICK
@given(rows(), rows(), rows(), questions(("a", "d", "h"), "a JOIN d USING (id) JOIN h USING (id)", True))
def test_three_owners_with_repeated_ids(a, d, h, question):
    check_if_served(question, {0: a, 1: d, 2: h}, {"a": a, "d": d, "h": h})


@QUICK
@given(rows(), rows(), st.data())
def test_left_semi_and_anti_joins(a, d, data):
    kind = data.draw(st.sampled_from(["LEFT", "SEMI", "ANTI"]))
    question = data.draw(outer_questions(kind))
    try:
        check(question, {0: a, 1: d}, {"a": a, "d": d})
    except GloveboxError as refused:  # what is no NULL in a row without a match is not known to its owner
        assert kind == "LEFT"
        assert "Rows without a match" in refused.detail[-1]


@QUICK
@given(rows(unique=True), rows(unique=True), st.sampled_from(["", "e.c, "]), st.sampled_from(["e.x", "e.y", "2 * e.y"]))
def test_sums_of_both_owners_columns_are_of_the_matches_of_a_left_join(e, b, key, one):
    e = [row for row in e if row["id"] is not None or not key]  # `evaluation` makes groups of ids alone
    question = (
        f"SELECT {key}SUM({one} - b.y) AS s, AVG(b.x + {one}) AS m, AVG({one} * b.y - 1) AS p, COUNT(*) AS n "
        f"FROM e LEFT JOIN b USING (id){' GROUP BY e.c ORDER BY e.c' if key else ''}"
    )
    check(question, {0: e, 1: b}, {"e": e, "b": b})


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        (
            "SELECT SUM(e.x + b.x) FILTER (WHERE b.id IS NULL) FROM e LEFT JOIN b USING (id)",
            "cannot stand with this sum",
        ),
        ("SELECT COUNT(*) FILTER (WHERE d.x IS NULL) FROM a LEFT JOIN d USING (id)", "meet this condition"),
        ("SELECT SUM(a.x) FILTER (WHERE NOT d.x IS NOT NULL) FROM a LEFT JOIN d USING (id)", "meet this condition"),
        ("SELECT SUM(CASE WHEN d.f THEN 0 ELSE 1 END) FROM a LEFT JOIN d USING (id)", "have a value here"),
        ("SELECT COUNT(CASE WHEN d.x > 3 THEN 1 ELSE 0 END) FROM a LEFT JOIN d USING (id)", "have a value here"),
        ("SELECT SUM(CAST(d.x IS NULL AS INTEGER)) FROM a LEFT JOIN d USING (id)", "have a value here"),
        ("SELECT d.c, COUNT(*) FROM a LEFT JOIN d USING (id) GROUP BY d.c", "several rows of a person"),
        ("SELECT COUNT(NULL) FROM a JOIN d USING (id)", "A null cannot be counted"),
        ("SELECT SUM(e.x + b.z) FROM e JOIN b USING (id)", "b.z may not be summed"),
        ("SELECT AVG(e.x * 0 + b.z) FROM e JOIN b USING (id)", "b.z may not be summed"),
        ("SELECT SUM(e.hour - b.hour) FROM e JOIN b USING (id)", "may not be summed"),
        ("SELECT COUNT(*) FROM e JOIN b USING (id) WHERE e.w > b.x", "e.w may not be compared"),
        ("SELECT MIN(w) FROM e JOIN b USING (id)", "Several tables have a column w"),
        ("SELECT MIN(e.w) FROM e JOIN b USING (id)", "e.w may not be asked for its least"),
        ("SELECT MAX(e.hour - b.hour) FROM e JOIN b USING (id)", "has no least and no greatest yet"),
        ("SELECT MAX(e.x + b.z) FROM e JOIN b USING (id)", "b.z may not be asked for its greatest"),
        ("SELECT MAX(e.c) FROM e JOIN b USING (id)", "A category has no least and no greatest"),
        ("SELECT MAX(a.x) FROM a LEFT JOIN d USING (id)", "Rows without a match cannot count in MAX"),
        ("SELECT MIN(CASE WHEN d.x IS NULL THEN 1 ELSE 0 END) FROM a LEFT JOIN d USING (id)", "have a value here"),
        ("SELECT MIN(w) FROM s", "s.w may not be asked for its least"),
        ("SELECT MAX(hour) FROM s", "A timestamp has no least and no greatest here"),
    ],
)
def test_what_would_be_wrong_or_tell_too_much_is_refused(question, sentence):
    with pytest.raises(GloveboxError) as refused:
        plan_question(CONTRACT, question, {}, 0)
    assert sentence in "".join(refused.value.detail), refused.value.lines()


@st.composite
def outer_questions(draw, kind):
    """A statement over a join that rows without a match take part in, or of which only one side is seen."""
    left, right = numbers("a"), numbers("d")
    aggregates = st.one_of(
        st.just("COUNT(*)"), st.just("COUNT(DISTINCT a.id)"), left.map("SUM({})".format), left.map("AVG({})".format),
        st.just("COUNT(a.x)"),
    )  # fmt: skip
    if kind == "LEFT":
        both = st.tuples(left, right).map(" * ".join).map("SUM({})".format)
        aggregates = st.one_of(
            aggregates,
            both,
            right.map("AVG({})".format),
            st.just("COUNT(d.id)"),
            st.just("COUNT(d.y)"),
            extremes("d", right),
        )
    where = draw(st.one_of(st.none(), conditions("a")))
    keep = draw(st.one_of(st.none(), conditions("a"), conditions("d") if kind == "LEFT" else st.nothing()))
    column = draw(aggregates) + (f" FILTER (WHERE {keep})" if keep else "")
    key = draw(st.booleans())
    return (
        f"SELECT {'a.c, ' if key else ''}{column} AS o FROM a {kind} JOIN d USING (id)"
        f"{f' WHERE {where}' if where else ''}{' GROUP BY a.c ORDER BY 1' if key else ''}"
    )
