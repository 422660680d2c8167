"""threats.md L2, L3 and M27: what DuckDB does by default, tried against the connection that the product opens."""

import random

import duckdb
import pyarrow as pa
import pytest
import sqlglot
from sqlglot import exp

from glovebox.data.database import Parameters, batches, columns, keep, open_database, rows
from glovebox.errors import DataError

seen_by_name = pa.table({"secret": [1]})

REFUSED = [
    "FROM read_csv('{other}')",
    "FROM '{other}'",
    "FROM read_text('{other}')",
    "FROM read_blob('/proc/self/environ')",
    "FROM read_json('{other}')",
    "FROM read_parquet('{folder}/*.parquet')",
    "FROM read_csv('{bound}/../other.csv')",
    "FROM sniff_csv('{other}')",
    "FROM parquet_metadata('{other}')",
    "FROM glob('{folder}/*')",
    "FROM 'http://localhost:1/a.csv'",
    "FROM read_csv('https://localhost:1/a.csv')",
    "COPY (SELECT 1) TO '{folder}/out.csv'",
    "COPY (SELECT 1) TO '{folder}/out.parquet' (FORMAT parquet)",
    "EXPORT DATABASE '{folder}/export'",
    "IMPORT DATABASE '{folder}'",
    "ATTACH '{folder}/other.db'",
    "ATTACH 'md:'",
    "INSTALL httpfs",
    "INSTALL spatial FROM community",
    "LOAD httpfs",
    "LOAD '{folder}/x.duckdb_extension'",
    "FROM seen_by_name",
    "FROM local_table",
    "SELECT getenv('HOME')",
    "SET threads = 1",
    "SET enable_external_access = true",
    "SET lock_configuration = false",
    "SET allowed_paths = ['/etc/passwd']",
    "SET temp_directory = '{folder}'",
    "SET python_enable_replacements = true",
    "RESET memory_limit",
    "PRAGMA threads = 1",
    "PRAGMA enable_profiling",
    "CREATE SECRET s (TYPE s3, KEY_ID 'a', SECRET 'b')",
    "CREATE PERSISTENT SECRET s (TYPE s3, KEY_ID 'a', SECRET 'b')",
]


@pytest.fixture
def bound(csv_file, tmp_path):
    (tmp_path / "other.csv").write_text("secret\nvalue\n")
    return csv_file(["id"], [["1"], ["2"]])


@pytest.mark.parametrize("statement", REFUSED)
def test_nothing_but_the_bound_file_is_within_reach(opened, bound, tmp_path, statement):
    local_table = pa.table({"secret": [1]})
    before = sorted(tmp_path.iterdir())
    text = statement.format(other=tmp_path / "other.csv", folder=tmp_path, bound=bound.path)
    with pytest.raises(duckdb.Error):
        opened(bound).execute(text).fetchall()
    assert sorted(tmp_path.iterdir()) == before
    assert local_table.num_rows == 1


def test_the_bound_file_is_readable(opened, bound):
    found = opened(bound).execute("SELECT count(*) FROM read_csv(?)", [bound.path]).fetchall()
    assert found == [(2,)]


def test_the_settings_are_those_of_the_design(opened, bound):
    database = opened(bound)
    wanted = {
        "enable_external_access": False,
        "allow_community_extensions": False,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "python_enable_replacements": False,
        "allow_persistent_secrets": False,
        "lock_configuration": True,
        "threads": 2,
        "TimeZone": "UTC",
        "allowed_paths": [bound.path],
    }
    for name, value in wanted.items():
        assert database.execute("SELECT current_setting(?)", [name]).fetchall() == [(value,)], name


def test_only_a_select_is_run(opened, bound):
    for tree in (exp.Copy(this=exp.select("1")), exp.Command(this="PRAGMA", expression="x"), "SELECT 1"):
        for run in (rows, columns, keep, lambda *given: list(batches(*given))):
            with pytest.raises(DataError, match="only a SELECT"):
                run(opened(bound), tree, Parameters())


@pytest.mark.parametrize(
    "expression",
    ["CAST('CANARY-7f3a' AS INTEGER)", "error('CANARY-7f3a')", "CAST('CANARY-7f3a' AS DATE)"],
)
def test_what_duckdb_says_is_not_passed_on(opened, bound, expression):
    select = sqlglot.parse_one(f"SELECT {expression} AS x", dialect="duckdb")
    for run in (rows, keep, lambda *given: list(batches(*given))):
        with pytest.raises(DataError) as caught:
            run(opened(bound), select, Parameters())
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None
        assert "CANARY" not in "\n".join(caught.value.lines()) + repr(caught.value)


def test_rows_that_need_more_memory_than_allowed_spill_and_leave_nothing(tmp_path, parquet_file, tmp_path_factory):
    source = parquet_file({"id": [random.randbytes(100).hex() for _ in range(200_000)]}, row_group_size=10_000)
    spill = tmp_path_factory.mktemp("small")
    database = open_database([source], spill, 30, 1)
    (folder,) = spill.iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    table = exp.Table(this=exp.Anonymous(this="read_parquet", expressions=[exp.Parameter(this=exp.var("p0"))]))
    parameters = Parameters()
    parameters.bind(source.path)
    kept = keep(database, exp.select("*").from_(table), parameters)
    counted = exp.select(exp.Anonymous(this="count_star", expressions=[])).from_(kept.subquery("kept"))
    assert rows(database, counted, Parameters()) == [(200_000,)]
    assert list(folder.iterdir()), "nothing was spilled"
    database.close()
    assert not list(folder.iterdir())
