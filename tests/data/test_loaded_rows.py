"""A joined question's local part against the same in plain DuckDB or Python."""

from __future__ import annotations

import hashlib
from decimal import Decimal

import duckdb
import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from glovebox.data.loading import load_rows
from glovebox.data.passes import table_snapshot
from glovebox.errors import DataError, GloveboxError
from glovebox.schema.columns import Column, Table
from glovebox.schema.expressions import Call, ColumnRef, Constant
from glovebox.schema.local import Grouping, LocalQuery, Measure

SALT = bytes(32)
MOST = 2**62
AMOUNT = Column("amount", "decimal", precision=10, scale=2, low=-500_000, high=500_000)
SCORE = Column("score", "integer", low=-(2**61), high=2**61)
COUNTRY = Column("country", "category", values=("DE", "FR", "other"))
DAY = Column("day", "date")


def table_of(unique, *, form="email", max_bytes=24, rows=1000, rows_per_id=4):
    id_ = Column("id", "id", form=form, max_bytes=max_bytes, unique=unique)
    return Table("t", (0,), rows, (id_, AMOUNT, SCORE, COUNTRY, DAY), None if unique else rows_per_id)


def query(*measures, where=None, lines=1000):
    return LocalQuery(0, "t", measures, lines, "id", where)


ROWS = Measure("rows", high=1000)
PEOPLE = Measure("people", high=1)
AMOUNTS = Measure("sum", ColumnRef("amount"), 2, -MOST, MOST)
SCORES = Measure("sum", ColumnRef("score"), 0, -MOST, MOST)
PRICED = Measure("values", ColumnRef("amount"), high=1000)


def lines_of(loaded):
    """Ids (without mark and zeros) with their values."""
    ids = [row.tobytes().rstrip(b"\0")[:-1] for row in loaded.ids]
    return dict(zip(ids, loaded.values.T.tolist(), strict=True))


DATA = {
    "id": ["a@x.ex", " B@X.ex", "c@x.ex", None, "nobody", "d@x.ex"],
    "amount": [Decimal("1.50"), Decimal("-2.00"), None, Decimal("9.00"), Decimal("9.00"), Decimal("5000.00")],
    "score": [1, 2, None, 4, 5, -(2**61)],
    "country": ["DE", "FR", "XX", "DE", "DE", None],
    "day": pa.array([20_800, 20_801, None, 20_803, 20_804, 20_805], pa.int32()).cast(pa.date32()),
}


def test_a_unique_id_has_one_line_a_row(opened, parquet_file):
    source = parquet_file(DATA)
    loaded = load_rows(opened(source), query(ROWS, PEOPLE, AMOUNTS, SCORES, PRICED), table_of(True), source, SALT)
    assert loaded.ids.shape == (4, 32)
    assert (loaded.ids.dtype, loaded.values.dtype) == (np.uint8, np.int64)
    assert lines_of(loaded) == {
        b"a@x.ex": [1, 1, 150, 1, 1],
        b"b@x.ex": [1, 1, -200, 2, 1],
        b"c@x.ex": [1, 1, 0, 0, 0],
        b"d@x.ex": [1, 1, 500_000, -(2**61), 1],
    }
    assert (loaded.null_ids, loaded.ids_without_form) == (1, 1)
    assert loaded.snapshot == table_snapshot(opened(source), table_of(True), source, SALT)


def test_rows_of_a_repeated_id_are_put_together(opened, parquet_file):
    source = parquet_file({**DATA, "id": ["a@x.ex", "A@x.ex", "c@x.ex", None, "nobody", " a@x.ex"]})
    loaded = load_rows(opened(source), query(ROWS, PEOPLE, AMOUNTS, SCORES, PRICED), table_of(False), source, SALT)
    assert lines_of(loaded) == {b"a@x.ex": [3, 1, 499_950, 3 - 2**61, 3], b"c@x.ex": [1, 1, 0, 0, 0]}
    assert (loaded.null_ids, loaded.ids_without_form) == (1, 1)
    assert loaded.snapshot == table_snapshot(opened(source), table_of(False), source, SALT)


def test_rows_of_an_id_stand_apart_in_slots(opened, parquet_file):
    """In the order of a column, the latest first; a slot without a row is that of no rows."""
    source = parquet_file({**DATA, "id": ["a@x.ex", "A@x.ex", "c@x.ex", None, "nobody", " a@x.ex"]})
    asked = msgspec.structs.replace(query(ROWS, AMOUNTS), slots=4, slots_by="day", falling=True)
    loaded = load_rows(opened(source), asked, table_of(False), source, SALT)
    assert lines_of(loaded) == {
        b"a@x.ex": [1, 1, 1, 0, 500_000, -200, 150, 0],
        b"c@x.ex": [1, 0, 0, 0, 0, 0, 0, 0],
    }
    there = Call("not", (Call("is_null", (ColumnRef("score"),)),))
    loaded = load_rows(opened(source), msgspec.structs.replace(asked, where=there), table_of(False), source, SALT)
    assert list(lines_of(loaded)) == [b"a@x.ex"]


@pytest.mark.parametrize(("columns", "alike"), [(("day",), 0), (("country",), 1)])
def test_rows_that_are_told_apart_by_too_little_are_an_error(opened, parquet_file, columns, alike):
    ids = ["a@x.ex", "b@x.ex", "c@x.ex", "b@x.ex", " a@x.ex", "d@x.ex"]
    source = parquet_file({**DATA, "id": ids})
    asked = msgspec.structs.replace(query(ROWS), slots=4, told_apart=columns)
    if not alike:
        load_rows(opened(source), asked, table_of(False), source, SALT)
        return
    with pytest.raises(DataError, match=f"told apart by country, and {alike} are alike"):
        load_rows(opened(source), asked, table_of(False), source, SALT)


def test_rows_of_an_id_in_several_groups_are_a_line_of_each(opened, parquet_file):
    """A key holds the group, alike at every owner; rows without an id match nothing, each group's a line."""
    ids = ["a@x.ex", "A@x.ex", "c@x.ex", None, "nobody", " a@x.ex"]
    groups = Grouping(COUNTRY.values, "country"), Grouping(("here", "there"), None, "there")
    asked = msgspec.structs.replace(query(ROWS, PEOPLE), groupings=groups, by_group=True, unmatched=True)
    source = parquet_file({**DATA, "id": ids})
    loaded = load_rows(opened(source), asked, table_of(False), source, SALT)
    lines = ("a@x.ex", 1), ("a@x.ex", 3), ("a@x.ex", 5), ("c@x.ex", 5)
    keys = {hashlib.sha256(f"6:{id_}1:{group}".encode()).digest(): group for id_, group in lines}
    found = {row.tobytes()[:32]: group for row, group in zip(loaded.ids, loaded.groups.tolist(), strict=True)}
    nobody = {key: group for key, group in found.items() if key not in keys}
    assert {key: found[key] for key in keys} == keys
    assert sorted(nobody.values()) == [1]
    assert sorted(loaded.values.T.tolist()) == [[1, 1]] * 4 + [[2, 0]]


@pytest.mark.parametrize(
    ("unique", "first", "last"), [(True, (6, 1000), (6, 1000)), (False, (1006, 3000), (2004, 3000))]
)
def test_how_many_rows_were_read_of_how_many_at_most(opened, parquet_file, unique, first, last):
    source = parquet_file(DATA)
    told = []
    load_rows(opened(source), query(ROWS), table_of(unique), source, SALT, lambda *rows: told.append(rows))
    assert (told[0], told[-1]) == (first, last)
    assert told == sorted(told)


@pytest.mark.parametrize("unique", [True, False])
def test_rows_that_do_not_pass_are_as_if_they_were_not_there(opened, parquet_file, unique):
    source = parquet_file(DATA)
    where = Call(">=", (ColumnRef("day"), Constant("date", "2026-12-14")))
    loaded = load_rows(opened(source), query(ROWS, AMOUNTS, where=where), table_of(unique), source, SALT)
    assert lines_of(loaded) == {b"b@x.ex": [1, -200], b"d@x.ex": [1, 500_000]}
    assert (loaded.null_ids, loaded.ids_without_form) == (1, 1)
    unfiltered = load_rows(opened(source), query(ROWS), table_of(unique), source, SALT)
    assert loaded.snapshot == unfiltered.snapshot


@pytest.mark.parametrize("unique", [True, False])
def test_measures_of_expressions(opened, parquet_file, unique):
    source = parquet_file(DATA)
    german = Call("=", (ColumnRef("country"), Constant("category", "DE")))
    banded = Call("case", (german, ColumnRef("amount"), Constant("null", "")))
    tax = Call("*", (ColumnRef("amount"), Constant("decimal", "0.19")))
    asked = query(
        Measure("sum", Call("integer", (german,)), 0, 0, 1),
        Measure("sum", banded, 2, -MOST, MOST),
        Measure("values", banded, high=9),
        Measure("people", banded, high=1),
        Measure("sum", tax, 4, -MOST, MOST),
        Measure("sum", ColumnRef("score"), 1, -MOST * 4, MOST * 4),
        where=Call("not", (Call("is_null", (ColumnRef("amount"),)),)),
    )
    small = {**DATA, "score": [1, 2, None, 4, 5, -6]}
    loaded = load_rows(opened(parquet_file(small)), asked, table_of(unique), source, SALT)
    assert lines_of(loaded) == {
        b"a@x.ex": [1, 150, 1, 1, 2850, 10],
        b"b@x.ex": [0, 0, 0, 0, -3800, 20],
        b"d@x.ex": [0, 0, 0, 0, 9_500_000, -60],
    }


@pytest.mark.parametrize("unique", [True, False])
@pytest.mark.parametrize("count", [0, 1, 2, 64, 1000])
def test_tables_of_any_size(opened, parquet_file, unique, count):
    ids = [f"{number:x}@x.ex" for number in range(count)]
    columns = {
        "id": pa.array(ids, pa.string()),
        "amount": pa.array([Decimal(number) for number in range(count)], pa.decimal128(10, 2)),
        **{name: pa.array([None] * count, pa.string()) for name in ("score", "country", "day")},
    }
    source = parquet_file(columns)
    loaded = load_rows(opened(source), query(ROWS, AMOUNTS), table_of(unique), source, SALT)
    assert lines_of(loaded) == {id_.encode(): [1, 100 * number] for number, id_ in enumerate(ids)}
    assert loaded.values.shape == (2, count)


def test_an_id_without_bound_is_hashed(opened, parquet_file):
    source = parquet_file(DATA)
    for unique in (True, False):
        loaded = load_rows(opened(source), query(ROWS), table_of(unique, max_bytes=None), source, SALT)
        assert loaded.ids.shape == (4, 48)
        assert set(lines_of(loaded)) == {
            hashlib.sha256(text).digest() for text in (b"a@x.ex", b"b@x.ex", b"c@x.ex", b"d@x.ex")
        }


def test_leading_zeros_of_a_text_id_are_kept_and_of_an_integer_are_not(opened, csv_file):
    source = csv_file(["id", "amount", "score", "country", "day"], [["007", "1", "1", "", ""], ["7", "2", "1", "", ""]])
    text = load_rows(opened(source), query(AMOUNTS), table_of(True, form="text"), source, SALT)
    assert lines_of(text) == {b"007": [100], b"7": [200]}
    number = load_rows(opened(source), query(AMOUNTS), table_of(False, form="integer", max_bytes=None), source, SALT)
    assert number.ids.tobytes() == (7).to_bytes(8, "little") + b"\x80" + bytes(7)
    assert number.values.tolist() == [[300]]


def refusal(opened, source, asked, table):
    with pytest.raises(DataError) as caught:
        load_rows(opened(source), asked, table, source, SALT)
    return "\n".join(caught.value.lines())


def test_what_a_unique_id_must_not_do(opened, parquet_file):
    twice = parquet_file({**DATA, "id": ["a@x.ex", "A@x.ex ", "b@x.ex", "a@x.ex", "B@x.ex", "c@x.ex"]})
    assert "2 ids in more than one row" in refusal(opened, twice, query(ROWS), table_of(True))


def test_what_a_table_must_not_hold(opened, parquet_file):
    often = parquet_file({**DATA, "id": ["a@x.ex"] * 5 + ["b@x.ex"]})
    assert "1 ids in more rows than rows_per_id" in refusal(opened, often, query(ROWS), table_of(False))
    plain = parquet_file(DATA, "plain.parquet")
    for unique in (True, False):
        assert "1 rows above the contract's bound" in refusal(opened, plain, query(ROWS), table_of(unique, rows=5))
        assert "more ids than the plan has lines" in refusal(opened, plain, query(ROWS, lines=3), table_of(unique))
        high = Measure("sum", ColumnRef("amount"), 2, -500_000, 499_999)
        assert "1 ids have a sum outside the bounds" in refusal(opened, plain, query(ROWS, high), table_of(unique))
        wide = parquet_file({**DATA, "amount": [Decimal("5000.01")] * 6}, "wide.parquet")
        assert "t.amount: 6 outside the range" in refusal(opened, wide, query(ROWS), table_of(unique))


def test_sums_at_the_edge_are_exact_and_beyond_it_an_error(opened, parquet_file):
    """threats.md N7: numpy and a ring would wrap without a word."""
    edge = {name: [values[0]] * 4 for name, values in DATA.items() if name != "day"}
    source = parquet_file({**edge, "score": [2**61, 2**61, -1, 0], "day": pa.array([None] * 4, pa.date32())})
    loaded = load_rows(opened(source), query(SCORES), table_of(False), source, SALT)
    assert loaded.values.tolist() == [[2**62 - 1]]
    square = Call("*", (ColumnRef("score"), ColumnRef("score")))
    for unique in (True, False):
        ids = ["a@x.ex", "b@x.ex", "c@x.ex", "d@x.ex"]
        other = parquet_file({**edge, "id": ids, "score": [2**61, 2, 1, 0], "day": pa.array([None] * 4, pa.date32())})
        assert "64 bits" in refusal(opened, other, query(Measure("sum", square, 0, -MOST, MOST)), table_of(unique))


def test_a_plan_that_does_not_fit_the_table_is_no_data_error(opened, parquet_file):
    source = parquet_file(DATA)
    bad = [
        LocalQuery(0, "t", (ROWS,), 10, "amount"),
        LocalQuery(0, "t", (ROWS,), 10, None),
        query(Measure("sum", None, 0, 0, 1)),
        query(Measure("sum", ColumnRef("amount"), 0, 0, 1)),
        query(ROWS, where=ColumnRef("amount")),
        query(ROWS, where=ColumnRef("missing")),
    ]
    for asked in bad:
        for unique in (True, False):
            with pytest.raises(GloveboxError) as caught:
                load_rows(opened(source), asked, table_of(unique), source, SALT)
            assert caught.value.code == "plan"


ids = st.sampled_from([None, "", "a@x.ex", "A@x.ex", " b@x.ex", "c@x.ex", "no one"])
amounts = st.none() | st.integers(-500_000, 500_000).map(lambda units: Decimal(units).scaleb(-2))
rows = st.lists(st.tuples(ids, amounts, st.none() | st.integers(-99, 99)), max_size=20)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=rows, most=st.integers(-99, 99))
def test_lines_are_what_duckdb_says_of_the_same_rows(opened, parquet_file, rows, most):
    columns = {
        "id": pa.array([row[0] for row in rows], pa.string()),
        "amount": pa.array([row[1] for row in rows], pa.decimal128(10, 2)),
        "score": pa.array([row[2] for row in rows], pa.int64()),
        "country": pa.array([None] * len(rows), pa.string()),
        "day": pa.array([None] * len(rows), pa.date32()),
    }
    source = parquet_file(columns)
    where = Call("<=", (ColumnRef("score"), Constant("integer", str(most))))
    asked = query(ROWS, PRICED, Measure("people", ColumnRef("amount"), high=1), AMOUNTS, SCORES, where=where)
    loaded = load_rows(opened(source), asked, table_of(False, rows_per_id=20), source, SALT)
    with duckdb.connect() as plain:
        wanted = plain.execute(
            """SELECT lower(trim(id)) AS key, count(*), count(amount), max((amount IS NOT NULL)::INT),
                      coalesce(sum(amount), 0) * 100, coalesce(sum(score), 0)
               FROM read_parquet(?) WHERE score <= ? AND id LIKE '%@%' GROUP BY key""",
            [source.path, most],
        ).fetchall()
    assert lines_of(loaded) == {key.encode(): [int(value) for value in values] for key, *values in wanted}


def test_nothing_loaded_shows_itself(opened, parquet_file):
    source = parquet_file(DATA)
    loaded = load_rows(opened(source), query(ROWS, AMOUNTS), table_of(True), source, SALT)
    assert repr(loaded) == "<LoadedRows: 2 measures, ids of 32 bytes>"


def test_surplus_rows_are_left_out_where_the_contract_says_so(opened, parquet_file):
    """The first count in the order of values, before any filter; the file's order does not matter."""
    table = msgspec.structs.replace(table_of(False, rows_per_id=2), surplus_dropped=True)
    ids, amounts = ["a@x.ex"] * 4 + ["b@x.ex"] * 2 + [None] * 3, [4, 1, None, 3, 5, 5, 1, 1, 1]
    columns = {
        "id": ids, "amount": [None if amount is None else Decimal(amount) for amount in amounts],
        "score": [1] * 9, "country": ["DE"] * 9, "day": pa.array([20_800] * 9, pa.int32()).cast(pa.date32()),
    }  # fmt: skip
    dear = Call(">=", (ColumnRef("amount"), Constant("integer", "3")))
    for turned in (slice(None), slice(None, None, -1)):
        source = parquet_file({name: values[turned] for name, values in columns.items()})
        every = load_rows(opened(source), query(ROWS, AMOUNTS), table, source, SALT)
        assert lines_of(every) == {b"a@x.ex": [2, 400], b"b@x.ex": [2, 1000]}
        assert every.null_ids == 3
        filtered = load_rows(opened(source), query(ROWS, AMOUNTS, where=dear), table, source, SALT)
        assert lines_of(filtered) == {b"a@x.ex": [1, 300], b"b@x.ex": [2, 1000]}
        assert every.snapshot == table_snapshot(opened(source), table, source, SALT)
