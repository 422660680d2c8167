"""Anonymisation on the way in: what each treatment makes of a cell, what the owner is told, what stays behind."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlglot import exp

from glovebox.contract.anonymity import band_labels
from glovebox.data.database import Parameters, batches, open_database, rows
from glovebox.data.groups import load_groups
from glovebox.data.passes import table_snapshot
from glovebox.data.quality import check_table
from glovebox.data.sources import source_at
from glovebox.data.trees import name
from glovebox.data.view import view_of
from glovebox.schema.columns import Column, Table
from glovebox.schema.local import Grouping, LocalQuery, Measure

DAY_0 = date(1970, 1, 1)
CLIPPED = Column("x", "decimal", precision=8, scale=2, low=0, high=10_000, clip=True)
WHOLE = Column("x", "integer", low=-5, high=5, clip=True)
SPAN = {"low": (date(2026, 1, 1) - DAY_0).days, "high": (date(2026, 12, 31) - DAY_0).days}
MONTH = Column("x", "date", round="month", **SPAN)
WEEK = Column("x", "date", round="week")
BOTH = Column("x", "date", round="quarter", clip=True, **SPAN)
HOUR = Column("x", "timestamp", round="hour")
AGES = Column("x", "category", bands=(0, 18, 65), values=band_labels((0, 18, 65), 0))
OPEN = Column("x", "category", bands=(0, 18, 65), values=(*band_labels((0, 18, 65), 0), "other"))
PRICES = Column("x", "category", bands=(-50, 0, 999), precision=6, scale=2, values=band_labels((-50, 0, 999), 2))

CELLS = [
    # column, text in a CSV, value, notes or the fault
    (CLIPPED, "12.34", Decimal("12.34"), {}),
    (CLIPPED, "100.00", Decimal(100), {}),
    (CLIPPED, "100.01", Decimal(100), {"clipped": 1}),
    (CLIPPED, "-3", Decimal(0), {"clipped": 1}),
    (CLIPPED, "", None, {}),
    (CLIPPED, "12.345", None, "decimals"),
    (CLIPPED, "Infinity", None, "not_finite"),
    (CLIPPED, "99999999", None, "unreadable"),
    (WHOLE, "7", 5, {"clipped": 1}),
    (WHOLE, "-9223372036854775808", -5, {"clipped": 1}),
    (MONTH, "2026-05-31", date(2026, 5, 1), {}),
    (MONTH, "2026-01-01", date(2026, 1, 1), {}),
    (MONTH, "2025-12-31", date(2025, 12, 1), "range"),
    (MONTH, "", None, {}),
    (MONTH, "31.05.2026", None, "unreadable"),
    (WEEK, "2026-01-01", date(2025, 12, 29), {}),
    (BOTH, "2027-05-31", date(2026, 10, 1), {"clipped": 1}),
    (BOTH, "2020-05-31", date(2026, 1, 1), {"clipped": 1}),
    (HOUR, "2026-05-31T10:59:59.999999", datetime(2026, 5, 31, 10), {}),
    (HOUR, "2026-05-31T10:59:59+02:00", datetime(2026, 5, 31, 8), {}),
    (AGES, "0", "from 0 to 17", {}),
    (AGES, "17", "from 0 to 17", {}),
    (AGES, "18", "from 18 to 64", {}),
    (AGES, "007", "from 0 to 17", {}),
    (AGES, "120", "from 65", {}),
    (AGES, "-1", None, "range"),
    (AGES, "", None, "null"),
    (AGES, "17.5", None, "decimals"),
    (AGES, "old", None, "unreadable"),
    (OPEN, "-1", "other", {"other": 1}),
    (OPEN, "", "other", {"other": 1}),
    (OPEN, "old", None, "unreadable"),
    (PRICES, "-0.50", "from -0.50 to under 0.00", {}),
    (PRICES, "9.98", "from 0.00 to under 9.99", {}),
    (PRICES, "9.99", "from 9.99", {}),
    (PRICES, "-0.51", None, "range"),
]  # fmt: skip


def read(opened, source, column):
    """The cleaned cells of a source's one column, which rows are faulty, and the faults and notes."""
    table = Table("t", (0,), 1000, (column,))
    database = opened(source)
    view = view_of(database, table, source)
    select = exp.select(name("c0"), name("faulty")).from_(view.checked().subquery("checked"))
    found = [row for batch in batches(database, select, view.parameters) for row in batch.to_pylist()]
    faults = check_table(database, table, source).faults
    return [row["c0"] for row in found], [row["faulty"] for row in found], {each.kind: each.count for each in faults}


@pytest.mark.parametrize(("column", "text", "value", "told"), CELLS)
def test_what_becomes_of_a_cell(opened, csv_file, column, text, value, told):
    values, flags, faults = read(opened, csv_file(["x", "y"], [[text, "1"]]), column)
    if isinstance(told, str):
        assert (flags, faults) == ([True], {told: 1})
    else:
        assert (values, flags, faults) == ([value], [False], told)


def test_typed_cells_are_treated_alike(opened, parquet_file):
    assert read(opened, parquet_file({"x": pa.array([17, 120], pa.uint8())}), AGES)[0] == ["from 0 to 17", "from 65"]
    assert read(opened, parquet_file({"x": [date(2026, 5, 31)]}), MONTH)[0] == [date(2026, 5, 1)]
    assert read(opened, parquet_file({"x": [Decimal("500.5")]}), CLIPPED)[0] == [Decimal(100)]


@settings(max_examples=25)
@given(
    edges=st.lists(st.integers(-1000, 1000), min_size=2, max_size=8, unique=True).map(sorted),
    values=st.lists(st.integers(-2000, 2000), min_size=1, max_size=30),
)
def test_every_number_is_in_its_band(tmp_path_factory, edges, values):
    folder = tmp_path_factory.mktemp("bands")
    (folder / "t.csv").write_text("x\n" + "".join(f"{value}\n" for value in values))
    labels = band_labels(tuple(edges), 0)
    column = Column("x", "category", bands=tuple(edges), values=(*labels, "other"))
    source = source_at(folder / "t.csv")
    with open_database([source], folder, 200, 1) as database:
        view = view_of(database, Table("t", (0,), 100, (column,)), source)
        found = [
            row[0] for row in rows(database, exp.select(name("c0")).from_(view.cleaned.subquery("c")), view.parameters)
        ]
    assert found == [
        next((label for edge, label in zip(reversed(edges), reversed(labels), strict=True) if value >= edge), "other")
        for value in values
    ]


def test_nothing_behind_sees_what_was_read(opened, csv_file):
    """Two tables that differ only within bands, months and beyond the clip are one to all that follows."""
    columns = (AGES, Column("m", "date", round="month"), Column("n", "integer", low=0, high=9, clip=True))
    table = Table("t", (0,), 9, columns, person="row")
    one = csv_file(["x", "m", "n"], [["3", "2026-05-01", "99"], ["70", "2026-06-30", "5"]], "one.csv")
    other = csv_file(["x", "m", "n"], [["17", "2026-05-31", "9"], ["65", "2026-06-01", "5"]], "other.csv")
    assert table_snapshot(opened(one), table, one, b"s") == table_snapshot(opened(other), table, other, b"s")
    grouping = Grouping(AGES.values, "x")
    query = LocalQuery(0, "t", (Measure("rows", high=9),), 3, groupings=(grouping,))
    for source in (one, other):
        assert load_groups(opened(source), query, table, source, b"s").values.tolist() == [[1, 0, 1]]
    assert Parameters() == {}


def test_the_owner_is_told_how_many_became_other(opened, csv_file):
    country = Column("x", "category", values=("DE", "other"))
    _, _, faults = read(
        opened, csv_file(["x", "y"], [[cell, "1"] for cell in ("DE", "FR", "other", "", "GB")]), country
    )
    assert faults == {"other": 3}
