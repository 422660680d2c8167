"""threats.md S5, N1: a value of a row is in no error, report, repr or log, wherever it stands and whatever fails."""

from __future__ import annotations

import logging
import traceback

import pyarrow as pa
import pytest

from glovebox.data.groups import load_groups
from glovebox.data.loading import load_rows
from glovebox.data.passes import table_snapshot
from glovebox.data.quality import check_table
from glovebox.errors import DataError, GloveboxError
from glovebox.schema.columns import Column, Table
from glovebox.schema.expressions import Call, ColumnRef, Constant
from glovebox.schema.local import Grouping, LocalQuery, Measure

CANARY = "CANARY-7f3a"
HEADER = ["id", "amount", "score", "flag", "country", "day", "at"]
GOOD = ["a@x.ex", "1.00", "1", "true", "DE", "2026-12-01", "2026-12-01T10:00:00Z"]
COLUMNS = (
    Column("id", "id", form="email", max_bytes=20, unique=True),
    Column("amount", "decimal", precision=10, scale=2, low=0, high=500_000),
    Column("score", "integer", low=0, high=9),
    Column("flag", "boolean"),
    Column("country", "category", values=("DE", "FR")),
    Column("day", "date"),
    Column("at", "timestamp"),
)
TABLE = Table("t", (0,), 5, COLUMNS)
MEASURES = (
    Measure("rows", high=9),
    Measure("sum", ColumnRef("amount"), 2, 0, 2),
    Measure("sum", Call("*", (ColumnRef("score"), ColumnRef("score"))), 0, 0, 1),
)
WHERE = Call("=", (ColumnRef("country"), Constant("category", "DE")))


def everything_said(opened, source, table):
    """Run all of the room over a file; return every text that comes out, with the number of errors."""
    said, errors = [], 0
    rows = LocalQuery(0, "t", MEASURES, 2, "id", WHERE)
    groups = LocalQuery(0, "t", MEASURES, 9, None, WHERE, (Grouping(("DE", "FR"), "country"),))
    for run in (
        lambda database: check_table(database, table, source),
        lambda database: table_snapshot(database, table, source, b"salt"),
        lambda database: load_rows(database, rows, table, source, b"salt"),
        lambda database: load_groups(database, groups, table, source, b"salt"),
    ):
        try:
            found = run(opened(source))
            said += [repr(found), *(found.lines() if hasattr(found, "lines") else [])]
        except GloveboxError as error:
            errors += 1
            said += [repr(error), str(error.args), *error.lines(), *traceback.format_exception(error)]
            said += [repr(error.__context__), repr(error.__cause__)]
    return "\n".join(said), errors


@pytest.fixture
def heard(caplog, capfd):
    """All that was logged or printed meanwhile."""
    caplog.set_level(logging.DEBUG)
    return lambda: caplog.text + "".join(capfd.readouterr())


@pytest.mark.parametrize("column", range(len(HEADER)))
@pytest.mark.parametrize("unique", [True, False])
def test_a_faulty_cell_of_a_csv(opened, csv_file, heard, column, unique):
    row = [*GOOD]
    row[column] = CANARY
    ids = (Column("id", "id", form="email", max_bytes=20, unique=unique), *COLUMNS[1:])
    table = Table("t", (0,), 5, ids, None if unique else 1)
    said, errors = everything_said(opened, csv_file(HEADER, [GOOD, row, row]), table)
    assert errors == 3 or column == 0
    assert CANARY not in said + heard()


def test_a_repeated_id_and_a_sum_out_of_bounds(opened, csv_file, heard):
    row = [f"{CANARY.lower()}@x.ex", "77.78", "7", *GOOD[3:]]
    for rows in ([row], [row, row], [row] * 6):
        said, errors = everything_said(opened, csv_file(HEADER, rows), TABLE)
        assert errors >= 2
        said += heard()
        assert CANARY.lower() not in said
        assert "77.78" not in said
        assert "7778" not in said


BROKEN = [
    f"id,amount\n{CANARY},1,2\n",
    f'id,amount\n{CANARY},"1\n',
    f"id,amount,score,flag,country,day,at\n{CANARY}\n",
    f"{CANARY},{CANARY}\n",
    f"id,{CANARY},amount,score,flag,country,day\n",
    "id,amount,score,flag,country,day,at\n" + CANARY + ",\xff",
]


@pytest.mark.parametrize("text", BROKEN)
def test_a_file_that_is_no_table(opened, csv_file, tmp_path, heard, text):
    source = csv_file([], [])
    (tmp_path / "table.csv").write_bytes(text.encode("latin-1"))
    said, errors = everything_said(opened, source, TABLE)
    assert errors == 4
    assert CANARY not in said + heard()


def test_a_type_that_does_not_fit(opened, parquet_file, heard):
    columns = {name: pa.array([value]) for name, value in zip(HEADER, GOOD, strict=True)}
    for name in HEADER[1:]:
        kind = pa.array([CANARY]).dictionary_encode() if name != "country" else pa.array([CANARY.encode()])
        said, errors = everything_said(opened, parquet_file({**columns, name: kind}), TABLE)
        assert errors >= 3
        assert CANARY not in said + heard()


def test_an_expression_that_fails_on_a_row(opened, csv_file, heard):
    columns = (*COLUMNS[:2], Column("score", "integer"), *COLUMNS[3:])
    big = 4_611_686_018_427_387_904
    source = csv_file(HEADER, [[*GOOD[:2], str(big), *GOOD[3:]]])
    power = Call("*", (ColumnRef("score"), ColumnRef("score")))
    measure = Measure("sum", Call("*", (power, power)), 0, 0, 1)
    with pytest.raises(DataError) as caught:
        load_rows(opened(source), LocalQuery(0, "t", (measure,), 9, "id"), Table("t", (0,), 5, columns), source, b"")
    said = "".join(traceback.format_exception(caught.value)) + repr(caught.value.__context__)
    assert str(big)[:6] not in said + "\n".join(caught.value.lines()) + heard()
