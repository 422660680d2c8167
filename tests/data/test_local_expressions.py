"""Expressions of a plan in DuckDB give what a Python reading of the same expression gives."""

from __future__ import annotations

import functools
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction

import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlglot import exp

from glovebox.data.database import Parameters, open_database, rows
from glovebox.data.expressions import measured, rendered
from glovebox.data.sources import source_at
from glovebox.data.view import view_of
from glovebox.errors import GloveboxError
from glovebox.schema.columns import Column, Table
from glovebox.schema.expressions import Call, ColumnRef, Constant

COLUMNS = (
    Column("i", "integer", low=-(10**9), high=10**9),
    Column("j", "integer"),
    Column("d", "decimal", precision=18, scale=2, low=-(10**12), high=10**12),
    Column("e", "decimal", precision=6, scale=4),
    Column("b", "boolean"),
    Column("k", "category", values=("DE", "FR", "x'y")),
    Column("t", "date"),
    Column("s", "timestamp"),
)
DATA = {
    "i": pa.array([0, 1, -7, None, 10**9], pa.int64()),
    "j": pa.array([2**63 - 1, -(2**63), 3, 4, None], pa.int64()),
    "d": pa.array([Decimal("0.01"), None, Decimal("-9999999999.99"), Decimal("10000000000.00"), Decimal("5.50")]),
    "e": pa.array([Decimal("99.9999"), Decimal("-0.5000"), None, Decimal("0.0000"), Decimal("1.0001")]),
    "b": pa.array([True, False, None, True, False]),
    "k": pa.array(["DE", "FR", "x'y", "DE", "FR"]),
    "t": pa.array([date(2026, 12, 1), None, date(1970, 1, 1), date(2027, 3, 31), date(2000, 2, 29)]),
    "s": pa.array(
        [datetime(2026, 12, 1), datetime(2026, 12, 1, 12), None, datetime(1969, 1, 1), datetime(2027, 3, 31)]
    ),
}
ROWS = [
    {name: Fraction(value) if isinstance(value, Decimal) else value for name, value in row.items()}
    for row in pa.table(DATA).to_pylist()
]


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Computes trees over the rows above: a function from an expression to its values, and its view."""
    folder = tmp_path_factory.mktemp("expressions")
    pyarrow.parquet.write_table(pa.table(DATA), folder / "t.parquet")
    source = source_at(folder / "t.parquet")
    database = open_database([source], folder, 500, 1)
    view = view_of(database, Table("t", (0,), 10, COLUMNS), source)

    def values(render):
        parameters = Parameters(view.parameters)
        node = render(view, parameters)
        select = exp.select(exp.Alias(this=node.copy(), alias=exp.to_identifier("x")))
        return [row[0] for row in rows(database, select.from_(view.cleaned.copy().subquery("every")), parameters)]

    yield values
    database.close()


def computed(expression, row):
    """The value of an expression in Python, None for NULL: numbers as integers and fractions."""
    match expression:
        case ColumnRef(name):
            return row[name]
        case Constant(type, text):
            return {
                "integer": int, "decimal": Fraction, "boolean": "true".__eq__, "category": str, "text": str,
                "date": date.fromisoformat, "timestamp": datetime.fromisoformat, "null": lambda _: None,
            }[type](text)  # fmt: skip
        case Call("and" | "or" as operator, arguments):
            found = [computed(argument, row) for argument in arguments]
            decisive = operator == "or"
            return decisive if decisive in found else None if None in found else not decisive
        case Call("is_null", (argument,)):
            return computed(argument, row) is None
        case Call("case", (*pairs, otherwise)):
            for condition, value in zip(pairs[::2], pairs[1::2], strict=True):
                if computed(condition, row):
                    return computed(value, row)
            return computed(otherwise, row)
        case Call(operator, arguments):
            found = [computed(argument, row) for argument in arguments]
            if None in found:
                return None
            return OPERATORS[operator](*same_kind(found))
    raise AssertionError


def fractions(found):
    return [None if value is None else Fraction(value) for value in found]


def same_kind(found):
    """A date beside a timestamp is its midnight."""
    if {type(value) for value in found} == {date, datetime}:
        return [
            value if isinstance(value, datetime) else datetime(value.year, value.month, value.day) for value in found
        ]
    return found


OPERATORS = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "negate": lambda a: -a,
    "=": lambda a, b: a == b,
    "<>": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "not": lambda a: not a,
    "integer": int,
}

NULL = Constant("null", "")
integers = st.integers(-(2**40), 2**40).map(lambda value: Constant("integer", str(value)))
decimals = st.decimals(-(10**6), 10**6, places=3).map(lambda value: Constant("decimal", f"{value:f}"))
dates = st.dates(date(1900, 1, 1), date(2100, 1, 1)).map(lambda value: Constant("date", value.isoformat()))
times = st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)).map(lambda v: Constant("timestamp", v.isoformat()))
labels = st.sampled_from(["DE", "FR", "x'y", "", "\u00e9", "'; --"]).map(lambda text: Constant("category", text))


@functools.cache
def numbers(depth):
    """Numeric expressions; products at most two deep, so that Python's exact value fits 38 digits."""
    plain = st.sampled_from([*map(ColumnRef, "ijde"), NULL]) | integers | decimals
    if depth == 0:
        return plain
    inner, low = numbers(depth - 1), st.sampled_from([ColumnRef("i"), ColumnRef("e"), Constant("integer", "-3")])
    return (
        plain
        | st.builds(lambda o, a, b: Call(o, (a, b)), st.sampled_from("+-"), inner, inner)
        | st.builds(lambda a, b: Call("*", (a, b)), low, plain)
        | st.builds(lambda a: Call("negate", (a,)), inner)
        | st.builds(lambda a: Call("integer", (a,)), conditions(depth - 1))
        | st.builds(lambda c, a, b: Call("case", (c, a, b)), conditions(depth - 1), inner, inner)
    )


@functools.cache
def conditions(depth):
    plain = st.sampled_from([ColumnRef("b"), NULL, Constant("boolean", "true"), Constant("boolean", "false")])
    if depth == 0:
        return plain
    inner = conditions(depth - 1)
    compared = st.one_of(
        st.tuples(numbers(depth - 1), numbers(depth - 1)),
        st.tuples(st.just(ColumnRef("k")), labels),
        st.tuples(st.just(ColumnRef("t")) | dates, st.sampled_from([ColumnRef("t"), ColumnRef("s")]) | dates | times),
    )
    comparison = st.sampled_from(["=", "<>", "<", "<=", ">", ">="])
    return (
        plain
        | st.builds(Call, comparison, compared)
        | st.builds(lambda o, *a: Call(o, a), st.sampled_from(["and", "or"]), inner, inner, inner)
        | st.builds(lambda a: Call("not", (a,)), inner)
        | st.builds(lambda a: Call("is_null", (a,)), inner | numbers(depth - 1))
    )


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(expression=numbers(2))
def test_numbers_are_exact(table, expression):
    found = table(lambda view, parameters: measured(expression, 12, view, parameters))
    assert [None if value is None else Fraction(value) for value in found] == [
        computed(expression, row) for row in ROWS
    ]


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(expression=conditions(3))
def test_conditions_have_three_values(table, expression):
    found = table(lambda view, parameters: rendered(expression, view, parameters).node)
    assert found == [computed(expression, row) for row in ROWS]


@settings(max_examples=60)
@given(text=st.text())
def test_any_text_is_a_constant_and_no_statement(table, text):
    """threats.md L1."""
    text = text.encode("utf-8", "ignore").decode()
    equal = Call("=", (ColumnRef("k"), Constant("text", text)))
    found = table(lambda view, parameters: rendered(equal, view, parameters).node)
    assert found == [row["k"] == text for row in ROWS]


N, D, B, K = ColumnRef("i"), ColumnRef("d"), ColumnRef("b"), ColumnRef("k")
UNTYPED = [
    ColumnRef("missing"),
    Call("+", (N, K)),
    Call("+", (N,)),
    Call("and", (B, N)),
    Call("and", (B,)),
    Call("not", (N,)),
    Call("negate", (K,)),
    Call("=", (N, K)),
    Call("<", (ColumnRef("t"), N)),
    Call("case", (B, N)),
    Call("case", (B, N, K)),
    Call("case", (N, N, N)),
    Call("integer", (D,)),
    Call("integer", (K,)),
    Constant("integer", "1.5"),
    Constant("integer", "DROP"),
    Constant("decimal", "NaN"),
    Constant("decimal", "1e5"),
    Constant("decimal", "0." + "1" * 19),
    Constant("decimal", "1" * 20),
    Constant("boolean", "maybe"),
    Constant("date", "2026-13-01"),
    Constant("timestamp", "now"),
]


@pytest.mark.parametrize("expression", UNTYPED)
def test_what_has_no_type_is_not_rendered(table, expression):
    with pytest.raises(GloveboxError) as caught:
        table(lambda view, parameters: rendered(expression, view, parameters).node)
    assert caught.value.code == "plan"


@pytest.mark.parametrize("expression", [K, B, Call("*", (D, ColumnRef("e")))])
def test_what_has_more_decimals_than_the_measure_is_not_summed(table, expression):
    with pytest.raises(GloveboxError):
        table(lambda view, parameters: measured(expression, 2, view, parameters))


def test_products_of_narrow_decimals_keep_all_digits(table):
    """DuckDB multiplies two DECIMAL(18) in 64 bits and overflows at 10^18 units; Python does not."""
    square = Call("*", (D, D))
    found = table(lambda view, parameters: measured(square, 4, view, parameters))
    assert fractions(found) == [computed(square, row) for row in ROWS]


def test_more_than_38_digits_is_an_error_and_no_rounding(table):
    j = ColumnRef("j")
    for expression, scale in ((Call("*", (Call("*", (j, j)), j)), 0), (Call("*", (j, ColumnRef("e"))), 18)):
        with pytest.raises(GloveboxError, match="38 digits"):
            table(lambda view, parameters, e=expression, s=scale: measured(e, s, view, parameters))
