"""Tables in DuckDB and SQLite files: the rows of a file, opened read-only, and nothing beside them within reach."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys

import duckdb
import pytest

from glovebox.data import sqlite
from glovebox.data.passes import table_snapshot
from glovebox.data.quality import check_table
from glovebox.data.sources import Source, source_at
from glovebox.errors import DataError, UsageError
from glovebox.schema.columns import Column, Table

from .shops import CLEANED, ROWS, TABLE, cleaned, in_order

N = Table("t", (0,), 100, (Column("n", "integer", low=0, high=10),))
CODE = Table("t", (0,), 100, (Column("code", "id", form="exact"),))


@pytest.fixture
def duckdb_file(tmp_path):
    """Makes a DuckDB file with these statements."""

    def write(*statements, name="shop.duckdb"):
        with duckdb.connect(str(tmp_path / name)) as database:
            for statement in statements:
                database.execute(*statement) if isinstance(statement, tuple) else database.execute(statement)
        return tmp_path / name

    return write


@pytest.fixture
def sqlite_file(tmp_path):
    """Makes a SQLite file with these statements."""

    def write(*statements, name="shop.sqlite"):
        connection = sqlite3.connect(tmp_path / name)
        for statement in statements:
            connection.execute(*statement) if isinstance(statement, tuple) else connection.execute(statement)
        connection.commit()
        connection.close()
        return tmp_path / name

    return write


INSERTS = [("INSERT INTO purchases VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row) for row in ROWS]
TYPED = """CREATE TABLE purchases (customer VARCHAR, amount DECIMAL(12,4), n SMALLINT, flag BOOLEAN, country VARCHAR,
    "day" DATE, "at" TIMESTAMP, "Code" VARCHAR)"""


def test_a_duckdb_table_gives_the_rows_of_a_file(opened, duckdb_file):
    source = source_at(duckdb_file(TYPED, *INSERTS), relation="purchases")
    assert source.format == "duckdb"
    assert cleaned(opened(source), source) == in_order()
    assert not check_table(opened(source), TABLE, source).errors


def test_a_sqlite_table_gives_the_rows_of_a_file(opened, sqlite_file):
    source = source_at(sqlite_file(TYPED, *INSERTS), relation="purchases")
    assert source.format == "sqlite"
    assert cleaned(opened(source), source) == in_order()
    assert not check_table(opened(source), TABLE, source).errors


def test_a_view_and_another_schema_are_read_too(opened, duckdb_file, sqlite_file):
    path = duckdb_file(
        "CREATE TABLE t AS SELECT 7 AS n", "CREATE SCHEMA s", "CREATE TABLE s.t AS SELECT 8 AS n",
        "CREATE VIEW v AS SELECT n + 2 AS n FROM t", "CREATE VIEW s.v AS FROM s.t",
    )  # fmt: skip
    for relation, n in (("t", 7), ("s.t", 8), ("v", 9), ("s.v", 8)):
        source = source_at(path, relation=relation)
        assert cleaned(opened(source), source, N) == [[n]]
    path = sqlite_file("CREATE TABLE t (n)", "INSERT INTO t VALUES (7)", "CREATE VIEW v AS SELECT n + 2 AS n FROM t")
    for relation, n in (("t", 7), ("main.t", 7), ("v", 9)):
        source = source_at(path, relation=relation)
        assert cleaned(opened(source), source, N) == [[n]]


def test_a_file_without_a_telling_name_is_known_by_its_first_bytes(tmp_path, duckdb_file, sqlite_file):
    assert source_at(duckdb_file("SELECT 1", name="a.db"), relation="t").format == "duckdb"
    assert source_at(sqlite_file("CREATE TABLE t (n)", name="b.db"), relation="t").format == "sqlite"
    (tmp_path / "c.db").write_bytes(b"neither")
    with pytest.raises(UsageError, match="format"):
        source_at(tmp_path / "c.db", relation="t")
    with pytest.raises(UsageError, match="several tables"):
        source_at(tmp_path / "a.db")


HOSTILE = [
    't"; DROP TABLE t; --',
    "t'",
    "sqlite_schema",
    "main.t; ATTACH 'x' AS y",
    "read_csv('/etc/passwd')",
    "no",
    "",
]


@pytest.mark.parametrize("relation", HOSTILE)
def test_a_relation_is_a_name_and_never_a_statement(opened, duckdb_file, sqlite_file, relation):
    files = (duckdb_file("CREATE TABLE t AS SELECT 7 AS n"), sqlite_file("CREATE TABLE t (n)"))
    for path, format in zip(files, ("duckdb", "sqlite"), strict=True):
        source = Source(str(path), format, relation)
        with pytest.raises(DataError):
            check_table(opened(source), N, source)
        good = Source(str(path), format, "t")
        assert not check_table(opened(good), N, good).errors


@pytest.mark.parametrize(
    "view",
    [
        "CREATE VIEW v AS FROM read_csv('{other}')",
        "CREATE VIEW v AS SELECT content AS n FROM read_text('{other}')",
        "CREATE VIEW v AS FROM glob('{other}')",
        "CREATE VIEW v AS SELECT 1 // n AS n FROM t; CREATE MACRO count_star() AS 0",
    ],
)
def test_a_view_in_a_duckdb_file_reaches_nothing_else(opened, duckdb_file, tmp_path, view):
    (tmp_path / "other.csv").write_text("n\n1\n")
    statements = [*view.format(other=tmp_path / "other.csv").split("; ")]
    source = source_at(duckdb_file("CREATE TABLE t AS SELECT 1 AS n", *statements), relation="v")
    if "macro" in view.lower():
        assert check_table(opened(source), N, source).rows == 1
        return
    with pytest.raises(DataError):
        check_table(opened(source), N, source)


def test_files_are_not_written(opened, duckdb_file, sqlite_file):
    duck = source_at(duckdb_file("CREATE TABLE t AS SELECT 7 AS n"), relation="t")
    with pytest.raises(duckdb.Error, match="read-only"):
        opened(duck).execute(f'INSERT INTO "{opened_name(duck)}".main.t VALUES (8)')
    lite = source_at(sqlite_file("CREATE TABLE t (n)"), relation="t")
    connection = sqlite._opened(lite)
    for statement in (
        "INSERT INTO t VALUES (1)", "ATTACH 'x' AS y", "PRAGMA journal_mode = DELETE", "CREATE TEMP TABLE u (n)",
        "VACUUM INTO '/tmp/copy'",
    ):  # fmt: skip
        with pytest.raises(sqlite3.DatabaseError):
            connection.execute(statement)
    connection.close()


def opened_name(source):
    from glovebox.data.database import attached_name

    return attached_name(source)


def test_a_duckdb_file_that_is_being_written_is_a_data_error_until_its_writer_ends(opened, tmp_path):
    path = tmp_path / "shop.duckdb"
    program = (
        f"import duckdb, os; c = duckdb.connect({str(path)!r}); c.execute('CREATE TABLE t AS SELECT 1 AS n');"
        "c.execute('CHECKPOINT'); "
        "c.execute('INSERT INTO t VALUES (2)'); print('ready', flush=True); input(); os._exit(1)"
    )
    writer = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert writer.stdout.readline()
    source = source_at(path, relation="t")
    with pytest.raises(DataError, match="DuckDB file") as caught:
        opened(source)
    assert str(os.getpid()) not in "".join(caught.value.lines())
    writer.communicate(b"\n")
    assert cleaned(opened(source), source, N) == [[1, 2]]  # the second row lies in the write-ahead log


@pytest.mark.parametrize(
    "data", [b"", b"SQLite format 3\0" + bytes(200), b"\0" * 8 + b"DUCK" + bytes(5000), b"x" * 9999]
)
def test_a_broken_database_is_a_data_error(opened, tmp_path, data):
    for name in ("t.duckdb", "t.sqlite"):
        (tmp_path / name).write_bytes(data)
        source = source_at(tmp_path / name, relation="t")
        with pytest.raises(DataError):
            check_table(opened(source), N, source)


CELLS = [
    # cells of a SQLite column, what a text id and an integer make of them (None: the column is refused)
    (["'007'", "7"], ["007", "7"], [7, 7]),
    (["7", "NULL"], ["7", None], [7, None]),
    (["9007199254740993"], ["9007199254740993"], "range"),
    (["'x'", "x'00'"], None, None),
    (["x'6162'"], [b"ab"], None),
    (["7.0", "8"], None, [7, 8]),
    (["7.5"], None, "decimals"),
    (["9007199254740993", "0.5"], None, None),
    (["'7'", "7.5"], None, None),
    (["9e999"], None, "not_finite"),
]


@pytest.mark.parametrize(("cells", "ids", "numbers"), CELLS)
def test_cells_of_sqlite_have_types_of_their_own(opened, sqlite_file, cells, ids, numbers):
    statements = ["CREATE TABLE t (n, code)", *(f"INSERT INTO t VALUES ({cell}, {cell})" for cell in cells)]
    source = source_at(sqlite_file(*statements), relation="t")
    for table, wanted in ((CODE, ids), (N, numbers)):
        if wanted is None:
            with pytest.raises(DataError) as caught:
                check_table(opened(source), table, source)
            assert "9007199254740993" not in "".join(caught.value.lines())
        elif isinstance(wanted, str):
            assert [fault.kind for fault in check_table(opened(source), table, source).faults] == [wanted]
        else:
            assert sorted(cleaned(opened(source), source, table)[0], key=str) == sorted(wanted, key=str)


def test_numbers_with_a_point_come_exactly(opened, sqlite_file):
    price = Table("t", (0,), 9, (Column("x", "decimal", precision=16, scale=3),))
    source = source_at(sqlite_file("CREATE TABLE t (x REAL)", "INSERT INTO t VALUES (1234567890123.456)"), relation="t")
    assert str(cleaned(opened(source), source, price)[0][0]) == "1234567890123.456"


def test_one_connection_sees_one_state_and_another_the_next(opened, sqlite_file):
    path = sqlite_file("CREATE TABLE t (n INTEGER)", "INSERT INTO t VALUES (1)")
    source = source_at(path, relation="t")
    first = opened(source)
    before = table_snapshot(first, N, source, b"salt")
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO t VALUES (2)")
    assert table_snapshot(first, N, source, b"salt") == before
    assert check_table(first, N, source).rows == 1
    assert table_snapshot(opened(source), N, source, b"salt") != before
    assert check_table(opened(source), N, source).rows == 2


def test_the_same_rows_have_the_same_snapshot_wherever_they_stand(opened, duckdb_file, sqlite_file, csv_file):
    header = [column.name for column in TABLE.columns]
    cells = [["" if cell is None else str(cell) for cell in row] for row in ROWS if row[0]]
    sources = [
        csv_file(header, cells),
        source_at(duckdb_file(TYPED, *(each for each in INSERTS if each[1][0])), relation="purchases"),
        source_at(sqlite_file(TYPED, *(each for each in INSERTS if each[1][0])), relation="purchases"),
    ]
    assert len({table_snapshot(opened(source), TABLE, source, b"salt") for source in sources}) == 1
    assert len(CLEANED[0]) == 4
