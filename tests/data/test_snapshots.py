from __future__ import annotations

import itertools

import pyarrow as pa
import pyarrow.compute
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glovebox.data.passes import table_snapshot
from glovebox.data.snapshot import SnapshotHash
from glovebox.errors import DataError
from glovebox.schema.columns import Column, Table

SALT = bytes(range(32))
TABLE = Table(
    "t",
    (0,),
    100_000,
    (
        Column("id", "id", form="email"),
        Column("amount", "decimal", precision=10, scale=2, low=-(10**9), high=10**9),
        Column("country", "category", values=("DE", "FR", "other")),
        Column("day", "date"),
        Column("flag", "boolean"),
    ),
    rows_per_id=9,
)
ROWS = [
    ["a@x.ex", "1.50", "DE", "2026-12-01", "true"],
    ["B@x.ex ", "-2", "XX", "", "false"],
    ["", "", "", "2026-12-03", ""],
]
HEADER = ["id", "amount", "country", "day", "flag"]
TYPES = [pa.string(), pa.decimal128(10, 2), pa.string(), pa.date32(), pa.bool_()]


def changed(row: int, cell: int, value: str) -> list[list[str]]:
    rows = [list(each) for each in ROWS]
    rows[row][cell] = value
    return rows


def test_the_snapshot_of_a_table_is_frozen(opened, csv_file):
    """Snapshots are kept for a contract's life: another value under one recipe would break every binding."""
    source = csv_file(HEADER, ROWS)
    digest = table_snapshot(opened(source), TABLE, source, SALT).hex()
    assert digest == "71e80f29f6e2e0945e2603f12f4c8a1533d3a36b3cf6dddb88425e6008ec0461"


def test_the_same_rows_have_the_same_snapshot_in_any_dress(opened, csv_file, parquet_file):
    source = csv_file(HEADER, ROWS, "plain.csv")
    wanted = table_snapshot(opened(source), TABLE, source, SALT)
    dresses = [
        csv_file(
            ["DAY", "note", "flag", "Amount", "ID", "country"], [[r[3], "n", r[4], r[1], r[0], r[2]] for r in ROWS]
        ),
        csv_file(HEADER, changed(1, 0, "b@X.EX"), "upper.csv"),
        csv_file(HEADER, changed(0, 1, " 01.500"), "zeros.csv"),
        csv_file(HEADER, changed(1, 2, "YY"), "other.csv"),
        parquet_file({name: [row[index] or None for row in ROWS] for index, name in enumerate(HEADER)}),
    ]
    for dress in dresses:
        assert table_snapshot(opened(dress), TABLE, dress, SALT) == wanted


@pytest.mark.parametrize(
    "rows",
    [
        changed(0, 0, "c@x.ex"),
        changed(0, 1, "1.51"),
        changed(0, 2, "FR"),
        changed(0, 3, "2026-12-02"),
        changed(0, 4, "false"),
        changed(2, 1, "0"),
        changed(2, 4, "false"),
        changed(2, 0, "d@x.ex"),
        changed(1, 3, "1970-01-01"),
        [ROWS[1], ROWS[0], ROWS[2]],
        ROWS[:2],
        [*ROWS, ["", "", "", "", ""]],
        [],
    ],
)
def test_any_change_of_the_rows_changes_the_snapshot(opened, csv_file, rows):
    before, after = csv_file(HEADER, ROWS, "before.csv"), csv_file(HEADER, rows, "after.csv")
    first, second = (table_snapshot(opened(source), TABLE, source, SALT) for source in (before, after))
    assert first != second


def test_another_salt_or_column_is_another_snapshot(opened, csv_file):
    source = csv_file(HEADER, ROWS)
    narrower = Table("t", (0,), 100, TABLE.columns[:-1], rows_per_id=9)
    found = {
        table_snapshot(opened(source), TABLE, source, SALT),
        table_snapshot(opened(source), TABLE, source, SALT[:-1]),
        table_snapshot(opened(source), narrower, source, SALT),
    }
    assert len(found) == 3


texts = st.text(max_size=5) | st.none()
lines = st.lists(st.tuples(texts, st.integers(-9, 9) | st.none()), max_size=30)


@given(lines, st.lists(st.integers(0, 30), max_size=4))
def test_how_rows_come_in_batches_does_not_matter(rows, cuts):
    table = Table("t", (0,), 100, (Column("a", "category"), Column("b", "integer")))
    arrays = [
        pa.array([text for text, _ in rows], pa.string()),
        pa.array([number for _, number in rows], pa.int64()),
    ]
    whole, parts = SnapshotHash(SALT, table), SnapshotHash(SALT, table)
    whole.update(arrays)
    ends = sorted({0, len(rows), *(min(cut, len(rows)) for cut in cuts)})
    for begin, end in itertools.pairwise(ends):
        parts.update([array[begin:end] for array in arrays])
    assert parts.digest() == whole.digest()


def test_neighbouring_texts_do_not_run_into_each_other():
    table = Table("t", (0,), 100, (Column("a", "category"), Column("b", "category")))
    near = [
        (["ab", "c"], ["d", "e"]),
        (["a", "bc"], ["d", "e"]),
        (["ab", "cd"], ["", "e"]),
        (["ab", ""], ["cd", "e"]),
        (["ab", None], ["cd", "e"]),
    ]
    found = set()
    for left, right in near:
        snapshot = SnapshotHash(SALT, table)
        snapshot.update([pa.array(left, pa.string()), pa.array(right, pa.string())])
        found.add(snapshot.digest())
    assert len(found) == len(near)


def test_the_order_of_a_large_file_is_kept(opened, parquet_file):
    """Two threads and many row groups: rows still come in the file's order."""
    ids = [f"{number}@x.ex" for number in range(60_000)]
    columns = {"id": ids, **{name: [None] * len(ids) for name in HEADER[1:]}}
    columns = {name: pa.array(values, pa.string()) for name, values in columns.items()}
    source = parquet_file(columns, row_group_size=1_000)
    assert len({table_snapshot(opened(source), TABLE, source, SALT) for _ in range(4)}) == 1


def test_the_order_is_kept_beside_a_category_of_many_labels(opened, parquet_file):
    """DuckDB would look many labels up by a join, whose rows come in any order on two threads."""
    labels = tuple(f"label {number}" for number in range(12))
    table = Table("t", (0,), 300_000, (Column("n", "integer"), Column("label", "category", values=labels)))
    numbers = pa.array(range(300_000))
    columns = {"n": numbers, "label": pa.array(labels).take(pa.compute.bit_wise_and(numbers, 7))}
    source = parquet_file(columns, row_group_size=20_000)
    assert len({table_snapshot(opened(source), table, source, SALT) for _ in range(4)}) == 1


def test_a_table_with_faults_has_no_snapshot(opened, csv_file):
    source = csv_file(HEADER, changed(0, 1, "much"))
    with pytest.raises(DataError, match="does not hold what the contract says"):
        table_snapshot(opened(source), TABLE, source, SALT)
