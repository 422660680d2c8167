"""Ids of several columns: what is one, what matches, and what is counted of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from glovebox.data.loading import load_rows
from glovebox.data.quality import check_table
from glovebox.data.sources import source_at
from glovebox.errors import DataError
from glovebox.schema.columns import Column, Table
from glovebox.schema.local import LocalQuery, Measure

NAME, BORN = Column("name", "id", form="text", alone=False), Column("born", "date")
BOTH = Column("name+born", "id", form="composed", parts=("name", "born"))
PEOPLE = Table("people", (0,), 100, (NAME, BORN, BOTH), rows_per_id=2)
ROWS = [["Anna", "1980-01-31"], [" ANNA ", "1980-01-31"], ["Anna", "1981-01-31"], ["Ben", ""], ["\u200b", "1980-01-31"]]


def lines(opened, source, table, ids):
    """What each encoded id has: its number of rows."""
    query = LocalQuery(0, table.name, (Measure("rows", high=200),), table.rows, ids)
    loaded = load_rows(opened(source), query, table, source, b"salt")
    return {row.tobytes(): count for row, count in zip(loaded.ids, loaded.values[0].tolist(), strict=True)}, loaded


def test_rows_of_one_person_are_one_line(opened, csv_file):
    source = csv_file(["name", "born"], ROWS)
    found, loaded = lines(opened, source, PEOPLE, "name+born")
    assert sorted(found.values()) == [1, 2]
    assert loaded.ids.shape[1] == 48  # a hash of 32 bytes and its mark
    assert (loaded.null_ids, loaded.ids_without_form) == (1, 1)  # without a birth date; with an empty name


def test_what_is_missing_is_told_and_what_repeats_is_counted(opened, csv_file):
    source = csv_file(["name", "born"], [*ROWS, ["anna", "1980-01-31"]])
    faults = [(fault.column, fault.kind, fault.count) for fault in check_table(opened(source), PEOPLE, source).faults]
    assert ("name+born", "null_id", 1) in faults
    assert ("name+born", "no_form", 1) in faults
    assert ("name+born", "rows_per_id", 1) in faults
    with pytest.raises(DataError):
        lines(opened, source, PEOPLE, "name+born")


def test_parts_of_any_type_match_across_sources(opened, csv_file, parquet_file):
    columns = (Column("n", "integer"), Column("c", "category", values=("x", "y")), Column("id", "id", form="exact"))
    table = Table("t", (0,), 9, (*columns, Column("id+n+c", "id", form="composed", parts=("id", "n", "c"))), 2)
    written, _ = lines(opened, csv_file(["id", "n", "c"], [["007", "7", "x"], ["7", "007", "y"]]), table, "id+n+c")
    typed, _ = lines(opened, parquet_file({"id": ["007", "7"], "n": [7, 7], "c": ["x", "y"]}), table, "id+n+c")
    assert written == typed
    assert len(written) == 2


SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "record_linkage_febrl4"


@pytest.mark.skipif(not SHARED.is_dir(), reason="the public data sets are not beside this repository")
def test_real_people_agree_on_name_and_birth_date(opened):
    """record_linkage_febrl4, q2: pairs that agree exactly on given name, surname and date of birth."""
    parts = ("given_name", "surname", "date_of_birth")
    ids = tuple(Column(part, "id", form="exact", alone=False) for part in parts)
    table = Table("people", (0,), 5_000, (*ids, Column("+".join(parts), "id", form="composed", parts=parts)), 9)
    ours, theirs = (
        lines(opened, source_at(SHARED / org / "people.parquet"), table, "+".join(parts))[0]
        for org in ("org_a", "org_b")
    )
    questions = json.loads((SHARED / "expected.json").read_text())["questions"]
    pairs = sum(count * theirs.get(id_, 0) for id_, count in ours.items())
    assert [[pairs]] == next(each["rows"] for each in questions if each["id"] == "q2_exact_name_dob")
