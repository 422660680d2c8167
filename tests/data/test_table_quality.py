"""`glovebox data check`: every kind of fault with its count, and which of them stand against using the table."""

from __future__ import annotations

import msgspec
import pytest

from glovebox.data.quality import check_table, refuse_faults
from glovebox.errors import DataError
from glovebox.schema.columns import Column, Table

HEADER = ["customer", "code", "amount", "country", "day", "note"]
TABLE = Table(
    "purchases",
    (0,),
    9,
    (
        Column("customer", "id", form="email", max_bytes=20),
        Column("code", "id", form="integer", unique=True),
        Column("amount", "decimal", precision=10, scale=2, low=0, high=500_000),
        Column("country", "category", values=("DE", "FR")),
        Column("day", "date", low=20_788, high=20_908, required=True),
    ),
    rows_per_id=2,
)
ROWS = [
    ["a@x.ex", "1", "1.00", "DE", "2026-12-01", "="],
    ["A@x.ex", "001", "0.001", "FR", "2026-12-01", ""],
    [" a@x.ex", "2", "NaN", "", "2026-12-01", ""],
    ["b@x.ex", "+2", "5000.01", "XX", "2026-12-01", ""],
    ["b@x.ex", "3", "-1", "de", "", ""],
    ["", "4", "much", "DE", "2025-01-01", ""],
    ["nobody", "five", "", "DE", "01.12.2026", ""],
    ["a-very-long-address@x.ex", "", "1", "DE", "2026-12-01", ""],
    ["c@x.ex", "8", "1", "DE", "2026-12-01", ""],
    ["d@x.ex", "9", "1", "DE", "2026-12-01", ""],
]
FAULTS = [
    ("customer", "null_id", 1),
    ("customer", "no_form", 2),
    ("customer", "rows_per_id", 1),
    ("code", "null_id", 1),
    ("code", "no_form", 1),
    ("code", "duplicate", 2),
    ("amount", "not_finite", 1),
    ("amount", "decimals", 1),
    ("amount", "unreadable", 1),
    ("amount", "range", 2),
    ("country", "label", 2),
    ("country", "null", 1),
    ("day", "unreadable", 1),
    ("day", "range", 1),
    ("day", "null", 1),
    ("", "rows", 1),
]


def test_every_fault_is_counted_by_its_kind(opened, csv_file):
    source = csv_file(HEADER, ROWS)
    report = check_table(opened(source), TABLE, source)
    assert report.rows == 10
    assert [(fault.column, fault.kind, fault.count) for fault in report.faults] == FAULTS
    assert {fault.kind for fault in report.notes} == {"null_id", "no_form"}


def test_the_report_reads_as_lines(opened, csv_file):
    source = csv_file(HEADER, ROWS)
    lines = check_table(opened(source), TABLE, source).lines()
    assert lines[0] == "purchases: 10 rows, not as the contract says"
    assert lines[1] == "  note   purchases.customer: 1 NULL: they match nobody"
    assert lines[3] == "  error  purchases.customer: 1 ids in more rows than rows_per_id"
    assert lines[-1] == "  error  purchases: 1 rows above the contract's bound"
    assert len(lines) == 1 + len(FAULTS)


def test_only_errors_stand_against_a_table(opened, csv_file):
    source = csv_file(HEADER, ROWS)
    with pytest.raises(DataError) as caught:
        refuse_faults(check_table(opened(source), TABLE, source))
    assert len(caught.value.detail) == len(FAULTS) - 4
    good = csv_file(HEADER, [ROWS[0], ["nobody", "", *ROWS[0][2:]]], "good.csv")
    report = check_table(opened(good), TABLE, good)
    refuse_faults(report)
    assert report.lines()[0] == "purchases: 2 rows, as the contract says"
    assert [(fault.kind, fault.is_error) for fault in report.faults] == [("no_form", False), ("null_id", False)]


@pytest.mark.parametrize("rows", [0, 1, 9])
def test_a_good_table_of_any_size_has_no_fault(opened, csv_file, rows):
    source = csv_file(HEADER, [[f"{n}@x.ex", str(n), "1", "DE", "2026-12-01", ""] for n in range(rows)])
    report = check_table(opened(source), TABLE, source)
    assert (report.rows, report.faults) == (rows, ())


def test_a_required_id_must_be_there(opened, csv_file):
    table = Table("t", (0,), 9, (Column("customer", "id", form="email", unique=True, required=True),))
    source = csv_file(["customer", "n"], [["a@x.ex", ""], ["", ""], ["nobody", ""]])
    report = check_table(opened(source), table, source)
    assert [(fault.kind, fault.count) for fault in report.errors] == [("null", 1)]


def test_surplus_rows_are_a_note_where_the_contract_drops_them(opened, csv_file):
    table = msgspec.structs.replace(TABLE, surplus_dropped=True)
    source = csv_file(HEADER, [["a@x.ex", str(n), "1", "DE", "2026-12-01", ""] for n in range(3)])
    report = check_table(opened(source), table, source)
    refuse_faults(report)
    told = "1 ids in more rows than rows_per_id: the rows beyond are left out"
    assert report.lines()[1:] == [f"  note   purchases.customer: {told}"]


def test_an_id_beyond_the_range_of_its_groups_is_a_fault(opened, csv_file):
    column = Column("code", "id", form="integer", unique=True, low=0, high=9, may=("group",))
    source = csv_file(["code"], [["0"], ["9"], ["10"], ["-1"], [""]])
    report = check_table(opened(source), Table("t", (0,), 9, (column,)), source)
    assert [(fault.column, fault.kind, fault.count) for fault in report.faults if fault.kind == "range"] == [
        ("code", "range", 2)
    ]
    with pytest.raises(DataError):
        refuse_faults(report)
