"""Good and bad cells beside each other: what a column makes of them, and which fault it counts."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest
from sqlglot import exp

from glovebox.data.database import batches
from glovebox.data.quality import check_table
from glovebox.data.sources import source_at
from glovebox.data.trees import name
from glovebox.data.view import NOTES, view_of
from glovebox.errors import DataError
from glovebox.schema.columns import Column, Table

INTEGER = Column("x", "integer", low=-1000, high=1000)
WIDE = Column("x", "integer")
PRICE = Column("x", "decimal", precision=6, scale=2, low=-50_000, high=50_000)
WHOLE = Column("x", "decimal", precision=18, scale=0)
FLAG = Column("x", "boolean", low=0, high=1)
COUNTRY = Column("x", "category", values=("DE", "FR", "caf\u00e9"))
OTHER = Column("x", "category", values=("DE", "other"))
DAY = Column(
    "x", "date", low=(date(2026, 12, 1) - date(1970, 1, 1)).days, high=(date(2027, 3, 31) - date(1970, 1, 1)).days
)
ANY_DAY = Column("x", "date")
TIME = Column("x", "timestamp")
REQUIRED = Column("x", "integer", required=True)

BERLIN = pa.timestamp("us", "Europe/Berlin")
CELLS = [
    # column, text in a CSV, value or fault
    (INTEGER, "7", 7),
    (INTEGER, "007", 7),
    (INTEGER, " +7 ", 7),
    (INTEGER, "-0", 0),
    (INTEGER, "7.00", 7),
    (INTEGER, "", None),
    (INTEGER, "   ", None),
    (INTEGER, "1000", 1000),
    (INTEGER, "-1000", -1000),
    (INTEGER, "1001", "range"),
    (INTEGER, "-1001", "range"),
    (INTEGER, "7.5", "decimals"),
    (INTEGER, "1e3", "unreadable"),
    (INTEGER, "0x10", "unreadable"),
    (INTEGER, "1_000", "unreadable"),
    (INTEGER, "1,000", "unreadable"),
    (INTEGER, "seven", "unreadable"),
    (INTEGER, "\u0667", "unreadable"),
    (INTEGER, "NaN", "not_finite"),
    (INTEGER, "-Infinity", "not_finite"),
    (WIDE, "9223372036854775807", 2**63 - 1),
    (WIDE, "-9223372036854775808", -(2**63)),
    (WIDE, "9223372036854775808", "unreadable"),
    (WIDE, "9007199254740993", 2**53 + 1),
    (PRICE, "12.34", Decimal("12.34")),
    (PRICE, "12", Decimal(12)),
    (PRICE, "12.", Decimal(12)),
    (PRICE, ".5", Decimal("0.5")),
    (PRICE, "-.5", Decimal("-0.5")),
    (PRICE, "12.3400", Decimal("12.34")),
    (PRICE, "500.00", Decimal(500)),
    (PRICE, "500.01", "range"),
    (PRICE, "12.345", "decimals"),
    (PRICE, "12.3401", "decimals"),
    (PRICE, "99999999", "unreadable"),
    (PRICE, "12,34", "unreadable"),
    (PRICE, "1.2.3", "unreadable"),
    (PRICE, ".", "unreadable"),
    (PRICE, "nan", "not_finite"),
    (PRICE, "inf", "not_finite"),
    (WHOLE, "999999999999999999", Decimal(10**18 - 1)),
    (WHOLE, "0.1", "decimals"),
    (FLAG, "true", True),
    (FLAG, "No", False),
    (FLAG, "1", True),
    (FLAG, "", None),
    (FLAG, "2", "unreadable"),
    (FLAG, "maybe", "unreadable"),
    (COUNTRY, "DE", "DE"),
    (COUNTRY, " DE ", "DE"),
    (COUNTRY, "cafe\u0301", "caf\u00e9"),
    (COUNTRY, "de", "label"),
    (COUNTRY, "XX", "label"),
    (COUNTRY, "", "null"),
    (OTHER, "DE", "DE"),
    (OTHER, "XX", "other"),
    (OTHER, "", "other"),
    (DAY, "2026-12-01", date(2026, 12, 1)),
    (DAY, "2027-03-31", date(2027, 3, 31)),
    (DAY, "2026-11-30", "range"),
    (DAY, "2027-04-01", "range"),
    (ANY_DAY, "2024-02-29", date(2024, 2, 29)),
    (ANY_DAY, "2023-02-29", "unreadable"),
    (ANY_DAY, "2023/02/01", "unreadable"),
    (ANY_DAY, "1.2.2023", "unreadable"),
    (ANY_DAY, "2023-2-1", "unreadable"),
    (ANY_DAY, "infinity", "unreadable"),
    (ANY_DAY, "epoch", "unreadable"),
    (ANY_DAY, "2023-02-01 00:00:00", "unreadable"),
    (TIME, "2026-12-01", datetime(2026, 12, 1)),
    (TIME, "2026-12-01 10:20", datetime(2026, 12, 1, 10, 20)),
    (TIME, "2026-12-01T10:20:30.5", datetime(2026, 12, 1, 10, 20, 30, 500_000)),
    (TIME, "2026-12-01T10:20:30Z", datetime(2026, 12, 1, 10, 20, 30)),
    (TIME, "2026-12-01T10:20:30+02:00", datetime(2026, 12, 1, 8, 20, 30)),
    (TIME, "2026-12-01 10:20:30-0130", datetime(2026, 12, 1, 11, 50, 30)),
    (TIME, "2026-12-01T25:00:00", "unreadable"),
    (TIME, "2026-12-01T10:20:30.1234567", "unreadable"),
    (REQUIRED, "7", 7),
    (REQUIRED, "", "null"),
]  # fmt: skip

TYPED = [
    # column, one cell of a Parquet file, value or fault
    (INTEGER, pa.array([7], pa.int8()), 7),
    (INTEGER, pa.array([1001], pa.int16()), "range"),
    (WIDE, pa.array([2**64 - 1], pa.uint64()), "unreadable"),
    (INTEGER, pa.array([Decimal("7.00")], pa.decimal128(5, 2)), 7),
    (INTEGER, pa.array([Decimal("7.01")], pa.decimal128(5, 2)), "decimals"),
    (INTEGER, pa.array([7.0]), 7),
    (INTEGER, pa.array([-0.0]), 0),
    (INTEGER, pa.array([7.5]), "decimals"),
    (INTEGER, pa.array([float("nan")]), "not_finite"),
    (INTEGER, pa.array([float("inf")]), "not_finite"),
    (INTEGER, pa.array(["007"]), 7),
    (INTEGER, pa.array([None], pa.int64()), None),
    (PRICE, pa.array([Decimal("12.34")], pa.decimal128(6, 2)), Decimal("12.34")),
    (PRICE, pa.array([Decimal("12.340")], pa.decimal128(9, 3)), Decimal("12.34")),
    (PRICE, pa.array([Decimal("12.345")], pa.decimal128(9, 3)), "decimals"),
    (PRICE, pa.array([Decimal("9999.999")], pa.decimal128(7, 3)), "unreadable"),
    (PRICE, pa.array([Decimal("99999.0")], pa.decimal128(9, 1)), "unreadable"),
    (PRICE, pa.array([12]), Decimal(12)),
    (PRICE, pa.array([2.3]), Decimal("2.3")),
    (PRICE, pa.array([0.1 + 0.2]), "decimals"),
    (PRICE, pa.array([2.5], pa.float32()), Decimal("2.5")),
    (PRICE, pa.array([float("-inf")]), "not_finite"),
    (FLAG, pa.array([True]), True),
    (FLAG, pa.array([0]), False),
    (FLAG, pa.array([2]), "unreadable"),
    (Column("x", "category", values=("1", "2")), pa.array([1]), "1"),
    (Column("x", "category", values=("1", "2")), pa.array([3]), "label"),
    (COUNTRY, pa.array(["DE"]).dictionary_encode(), "DE"),
    (ANY_DAY, pa.array([date(2024, 2, 29)]), date(2024, 2, 29)),
    (ANY_DAY, pa.array([datetime(2024, 2, 29)], pa.timestamp("us")), date(2024, 2, 29)),
    (ANY_DAY, pa.array([datetime(2024, 2, 29, 1)], pa.timestamp("us")), "unreadable"),
    (DAY, pa.array([date(2024, 2, 29)]), "range"),
    (TIME, pa.array([date(2024, 2, 29)]), datetime(2024, 2, 29)),
    (TIME, pa.array([datetime(2024, 2, 29, 1, tzinfo=UTC)], BERLIN), datetime(2024, 2, 29, 1)),
    (TIME, pa.array([1_000_000_000_000_001_000], pa.timestamp("ns")), datetime(2001, 9, 9, 1, 46, 40, 1)),
    (TIME, pa.array([1_000_000_000_000_000_001], pa.timestamp("ns")), "unreadable"),
]  # fmt: skip


def cells_of(opened, source, column):
    """The cleaned column of a file, and the kinds of fault in it."""
    database, table = opened(source), Table("t", (0,), 1000, (column,))
    view = view_of(database, table, source)
    found = [row for batch in batches(database, checked(view), view.parameters) for row in batch.to_pylist()]
    report = check_table(database, table, source)
    faults = {fault.kind: fault.count for fault in report.faults}
    return [row["c0"] for row in found], [row["faulty"] for row in found], faults


def checked(view):
    return exp.select(name("c0"), name("faulty")).from_(view.checked().subquery("checked"))


def check_cell(opened, source, column, expected):
    values, flags, faults = cells_of(opened, source, column)
    if isinstance(expected, str) and expected not in column.values:
        assert (faults, flags) == ({expected: 1}, [True])
    else:
        assert (values, {kind: count for kind, count in faults.items() if kind not in NOTES}) == ([expected], {})
        assert flags == [False]


@pytest.mark.parametrize(("column", "text", "expected"), CELLS)
def test_a_cell_of_a_csv(opened, csv_file, column, text, expected):
    check_cell(opened, csv_file(["x", "y"], [[text, "1"]]), column, expected)


@pytest.mark.parametrize(("column", "values", "expected"), TYPED)
def test_a_cell_of_a_parquet_file(opened, parquet_file, column, values, expected):
    check_cell(opened, parquet_file({"x": values}), column, expected)


UNREADABLE_TYPES = [
    (Column("x", "id", form="integer"), pa.array([7.0])),
    (Column("x", "id", form="exact"), pa.array([7.0])),
    (Column("x", "id", form="email"), pa.array([b"a@b.ex"])),
    (INTEGER, pa.array([True])),
    (INTEGER, pa.array([date(2024, 1, 1)])),
    (DAY, pa.array([7])),
    (COUNTRY, pa.array([1.5])),
    (FLAG, pa.array([1.0])),
    (INTEGER, pa.array([[7]])),
    (INTEGER, pa.array([{"x": 7}])),
]


@pytest.mark.parametrize(("column", "values"), UNREADABLE_TYPES)
def test_a_type_that_a_column_is_not_read_from_is_refused(opened, parquet_file, column, values):
    with pytest.raises(DataError, match="cannot be read as"):
        cells_of(opened, parquet_file({"x": values}), column)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (["X", "y"], 0),
        (["x", "X"], 0),
        (["X", "x"], 1),
        ([" x ", "y"], 0),
        (["z", "y"], "no column x"),
        (["X", "X"], "2 columns named x"),
        (["x", "x"], "2 columns named x"),
    ],
)
def test_a_name_is_found_as_it_stands_or_else_in_one_way_in_any_case(opened, csv_file, parquet_file, header, expected):
    sources = [csv_file(header, [["0", "1"]])]
    if " x " not in header:
        sources.append(parquet_file(pa.table([[0], [1]], names=header)))
    for source in sources:
        if isinstance(expected, int):
            assert cells_of(opened, source, INTEGER)[0] == [expected]
        else:
            with pytest.raises(DataError, match=expected):
                cells_of(opened, source, INTEGER)


def test_columns_within_columns_are_no_columns(opened, parquet_file):
    source = parquet_file({"a": [{"x": 1, "z": {"x": [2]}}], "b": [[{"x": 3}]], "x": [4]})
    assert cells_of(opened, source, INTEGER)[0] == [4]


HOSTILE = ['x"; DROP TABLE t; --', "x'", "x\\", 'x""y', "$p0", "x) FROM read_csv('/etc/passwd') --", "h0", "c0", "*"]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_names_and_labels_are_never_statements(opened, csv_file, parquet_file, hostile):
    column = Column(hostile, "category", values=(hostile, "other"))
    for source in (parquet_file({hostile: [hostile, "b"]}), csv_file([hostile, "n"], [[hostile, ""], ["b", ""]])):
        assert cells_of(opened, source, column)[0] == [hostile, "other"]


CSV_QUIRKS = [
    # bytes of a file, values of x or what is said
    (b"\xef\xbb\xbfx,y\r\n1,a\r\n2,b\r\n", [1, 2]),
    (b"y;x\na;1\nb;2", [1, 2]),
    (b'x,y\n1,"a, ""b""\nc"\n2,\n', [1, 2]),
    (b'x,y\n"1","#"\n#,\n', "unreadable"),
    (b"x\n1\n2\n", [1, 2]),
    (b"x,y\n", []),
    (b"x,y\n1,a\n2\n", DataError),
    (b"x,y\n1,a,b\n", DataError),
    (b'x,y\n1,"a\n', DataError),
    (b"x,y\n1,\xff\xfe\n", DataError),
    (b"\xff\xfex\x00,\x00y\x00\n\x00", DataError),
    (b"PAR1 this is no CSV", DataError),
]


@pytest.mark.parametrize(("data", "expected"), CSV_QUIRKS)
def test_quirks_of_csv_files(opened, tmp_path, data, expected):
    (tmp_path / "t.csv").write_bytes(data)
    source = source_at(tmp_path / "t.csv")
    if expected is DataError:
        with pytest.raises(DataError):
            cells_of(opened, source, INTEGER)
    elif isinstance(expected, str):
        assert cells_of(opened, source, INTEGER)[2] == {expected: 1}
    else:
        assert cells_of(opened, source, INTEGER)[0] == expected


@pytest.mark.parametrize("data", [b"", b"PAR1PAR1", b"PAR1" + b"\0" * 100 + b"PAR1", b"x,y\n1,2\n"])
def test_a_broken_parquet_file_is_a_data_error(opened, tmp_path, data):
    (tmp_path / "t.parquet").write_bytes(data)
    with pytest.raises(DataError):
        cells_of(opened, source_at(tmp_path / "t.parquet"), INTEGER)
