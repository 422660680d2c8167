"""A stacked question's local part: dense totals in the order of the public domain."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pyarrow as pa
import pytest

from glovebox.data.groups import load_groups
from glovebox.data.passes import table_snapshot
from glovebox.errors import DataError, GloveboxError
from glovebox.schema.columns import Column, Table
from glovebox.schema.expressions import Call, ColumnRef, Constant
from glovebox.schema.local import Grouping, LocalQuery, Measure

SALT = bytes(32)
SEX = Column("sex", "category", values=("F", "M"))
WARD = Column("ward", "category", values=("1", "2", "other"))
COLUMNS = (
    Column("patient", "id", form="exact"),
    SEX,
    WARD,
    Column("cost", "decimal", precision=10, scale=2, low=-(10**6), high=10**6),
)
BY_ID = Table("t", (0, 1, 2), 100, COLUMNS, rows_per_id=3, apart=True)
BY_ROW = Table("t", (0, 1, 2), 100, COLUMNS, person="row")
DATA = {
    "patient": ["p1", "p1", "p2", "p3", None, "p4"],
    "sex": ["F", "F", "F", "M", "F", "M"],
    "ward": pa.array([1, 1, 2, 3, 1, None]),
    "cost": [Decimal("1.00"), None, Decimal("-0.01"), Decimal("3.50"), Decimal("7.00"), None],
}
MEASURES = (
    Measure("rows", high=100),
    Measure("people", high=100),
    Measure("people", ColumnRef("cost"), high=100),
    Measure("values", ColumnRef("cost"), high=100),
    Measure("sum", ColumnRef("cost"), 2, -(10**8), 10**8),
)
BY_SEX, BY_WARD = Grouping(("F", "M"), "sex"), Grouping(("1", "2", "other"), "ward")


def totals(opened, source, table, *groupings, where=None, measures=MEASURES):
    query = LocalQuery(0, "t", measures, 100, None, where, groupings)
    return load_groups(opened(source), query, table, source, SALT)


def test_groups_stand_in_row_major_order_of_their_domains(opened, parquet_file):
    source = parquet_file(DATA)
    loaded = totals(opened, source, BY_ID, BY_SEX, BY_WARD)
    assert loaded.values.tolist() == [
        [3, 1, 0, 0, 0, 2],
        [1, 1, 0, 0, 0, 2],
        [1, 1, 0, 0, 0, 1],
        [2, 1, 0, 0, 0, 1],
        [800, -1, 0, 0, 0, 350],
    ]
    assert loaded.snapshot == table_snapshot(opened(source), BY_ID, source, SALT)
    turned = totals(opened, source, BY_ID, BY_WARD, BY_SEX).values
    assert (turned.reshape(5, 3, 2).swapaxes(1, 2).reshape(5, 6) == loaded.values).all()


def test_where_a_row_is_a_person_rows_are_counted(opened, parquet_file):
    loaded = totals(opened, parquet_file(DATA), BY_ROW, BY_SEX)
    assert loaded.values.tolist() == [[4, 2], [4, 2], [3, 1], [3, 1], [799, 350]]


def test_without_groupings_there_is_one_group(opened, parquet_file):
    source = parquet_file(DATA)
    assert totals(opened, source, BY_ID).values.tolist() == [[6], [4], [3], [4], [1149]]
    none = Call("=", (ColumnRef("sex"), Constant("category", "none")))
    assert totals(opened, source, BY_ID, where=none).values.tolist() == [[0]] * 5


def test_a_label_of_the_owner_places_all_its_rows(opened, parquet_file):
    source, owner = parquet_file(DATA), Grouping(("h1", "h2", "h3"), None, "h2")
    assert totals(opened, source, BY_ID, owner).values[0].tolist() == [0, 6, 0]
    assert totals(opened, source, BY_ID, BY_SEX, owner).values[0].tolist() == [0, 4, 0, 0, 2, 0]
    assert totals(opened, source, BY_ID, owner, BY_SEX).values[0].tolist() == [0, 0, 4, 2, 0, 0]


def test_rows_that_do_not_pass_are_in_no_group(opened, parquet_file):
    where = Call(">", (ColumnRef("cost"), Constant("integer", "0")))
    loaded = totals(opened, parquet_file(DATA), BY_ID, BY_SEX, where=where)
    assert loaded.values.tolist() == [[2, 1], [1, 1], [1, 1], [2, 1], [800, 350]]


def test_an_empty_table_has_groups_of_zero(opened, csv_file):
    loaded = totals(opened, csv_file(["patient", "sex", "ward", "cost"], []), BY_ID, BY_SEX, BY_WARD)
    assert loaded.values.tolist() == [[0] * 6] * 5


def test_what_a_stacked_table_must_not_hold(opened, parquet_file):
    often = parquet_file({**DATA, "patient": ["p1"] * 4 + ["p2", "p3"]})
    with pytest.raises(DataError, match="1 ids in more than 3 rows"):
        totals(opened, often, BY_ID, BY_SEX)
    assert totals(opened, often, BY_ROW, BY_SEX).values[0].tolist() == [4, 2]
    low = Measure("sum", ColumnRef("cost"), 2, 0, 700)
    with pytest.raises(DataError, match="a group has a sum outside the bounds"):
        totals(opened, parquet_file(DATA), BY_ID, BY_SEX, measures=(low,))
    with pytest.raises(DataError, match="does not hold what the contract says"):
        totals(opened, parquet_file({**DATA, "sex": ["F", "M", "X", None, "F", "F"]}), BY_ID, BY_SEX)


def test_a_label_outside_the_domain_is_an_error_of_the_plan(opened, parquet_file):
    for grouping in (Grouping(("F",), "sex"), Grouping(("h1",), None, "h2"), Grouping(("h1",))):
        with pytest.raises(GloveboxError) as caught:
            totals(opened, parquet_file(DATA), BY_ID, grouping)
        assert caught.value.code == "plan"


def test_nothing_loaded_shows_itself(opened, parquet_file):
    assert repr(totals(opened, parquet_file(DATA), BY_ID, BY_SEX)) == "<LoadedGroups: 5 measures of 2 groups>"


def test_a_person_counts_with_so_many_rows_where_the_contract_drops_the_rest(opened, parquet_file):
    table = msgspec.structs.replace(BY_ID, rows_per_id=1, surplus_dropped=True)
    source = parquet_file(DATA)
    kept = totals(opened, source, table, BY_SEX).values.tolist()
    assert kept == [[3, 2], [2, 2], [2, 1], [3, 1], [799, 350]]  # of p1 the row that cost 1.00: NULL stands last
    assert totals(opened, source, BY_ROW, BY_SEX).values.tolist()[0] == [4, 2]
