"""Invented tables obey the contract they were made from, and become at their owner what they were said to become."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pyarrow.parquet
import pytest

from glovebox.contract.anonymity import band_labels
from glovebox.contract.model import parse_contract
from glovebox.data.invented import invent
from glovebox.data.loading import load_rows
from glovebox.data.quality import check_table
from glovebox.data.sources import source_at
from glovebox.schema.columns import Column, Table
from glovebox.schema.local import LocalQuery, Measure

from .shops import cleaned

EXAMPLES = Path(__file__).parents[2] / "examples" / "contracts"
DAYS = {"low": (date(2026, 1, 1) - date(1970, 1, 1)).days, "high": (date(2026, 12, 31) - date(1970, 1, 1)).days}
SECONDS = {end: days * 86_400 for end, days in DAYS.items()}
EVERYTHING = Table(
    "everything",
    (0,),
    5_000,
    (
        Column("mail", "id", form="email", max_bytes=20),
        Column("call", "id", form="phone", country="FR"),
        Column("code", "id", form="exact", max_bytes=12),
        Column("number", "id", form="integer", required=True),
        Column("n", "integer", low=-3, high=3),
        Column("free", "integer"),
        Column("price", "decimal", precision=8, scale=2, low=0, high=99_999, required=True),
        Column("clipped", "decimal", precision=8, scale=2, low=0, high=9_999, clip=True),
        Column("flag", "boolean", low=0, high=1),
        Column("kind", "category", values=("x", "y", "z")),
        Column("land", "category", values=("DE", "FR", "other")),
        Column("age", "category", bands=(0, 18, 65), values=band_labels((0, 18, 65), 0)),
        Column("old", "category", bands=(0, 18, 65), values=(*band_labels((0, 18, 65), 0), "other")),
        Column("cost", "category", bands=(-50, 0, 999), precision=6, scale=2, values=band_labels((-50, 0, 999), 2)),
        Column("day", "date", **DAYS),
        *(Column(f"by_{period}", "date", round=period) for period in ("week", "month", "quarter", "year")),
        Column("at", "timestamp", round="hour", **SECONDS),
        Column("soon", "timestamp", round="month", clip=True, **SECONDS),
        Column("mail+day", "id", form="composed", parts=("mail", "day")),
    ),
    rows_per_id=6,
)


def written(folder, made, name):
    pyarrow.parquet.write_table(made.own, folder / f"{name}.parquet")
    return source_at(folder / f"{name}.parquet")


@pytest.mark.parametrize("rows", [1, 2, 700])
def test_rows_obey_and_become_what_they_were_said_to(opened, tmp_path, rows):
    made = invent(EVERYTHING, 0, rows, seed=3)
    source = written(tmp_path, made, "t")
    report = check_table(opened(source), EVERYTHING, source)
    assert (report.rows, report.errors) == (rows, ()), report.lines()
    plain = [column for column in EVERYTHING.columns if not column.parts and column.kind != "id"]
    table = Table("t", (0,), 5_000, (Column("row", "integer"), *plain))
    keyed = source_at(_numbered(tmp_path, made.own))
    found = cleaned(opened(keyed), keyed, table)
    for column, cells in zip(plain, found[1:], strict=True):
        assert cells == made.treated[column.name].to_pylist(), column.name


def _numbered(folder, table):
    path = folder / "numbered.parquet"
    pyarrow.parquet.write_table(table.add_column(0, "row", [list(range(len(table)))]), path)
    return path


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.toml")), ids=lambda path: path.stem)
def test_every_example_contract_has_tables(opened, tmp_path, path):
    for table in parse_contract(path.read_bytes()).tables:
        for owner in table.owners:
            source = written(tmp_path, invent(table, owner, 300, seed=1), f"{owner}-{table.name}")
            report = check_table(opened(source), table, source)
            assert not report.errors, report.lines()
            assert report.rows == 300


def test_owners_meet_in_about_half_of_their_ids_and_never_where_they_are_apart(opened, tmp_path):
    def ids(table, owner, name):
        source = written(tmp_path, invent(table, owner, 400, seed=1), f"{owner}")
        loaded = load_rows(
            opened(source), LocalQuery(0, "t", (Measure("rows", high=9),), 400, name), table, source, b""
        )
        return {row.tobytes() for row in loaded.ids}

    columns = (Column("mail", "id", form="email"), Column("day", "date", **DAYS))
    both = Column("mail+day", "id", form="composed", parts=("mail", "day"))
    table = Table("t", (0,), 400, (*columns, both), rows_per_id=3)
    for name in ("mail", "mail+day"):
        one, other = ids(table, 0, name), ids(table, 1, name)
        assert 0.1 < len(one & other) / len(one) < 0.9
    apart = Table("t", (0, 1), 400, columns[:1], rows_per_id=3, apart=True)
    assert not ids(apart, 0, "mail") & ids(apart, 1, "mail")


def test_one_seed_gives_one_set():
    assert invent(EVERYTHING, 0, 50, seed=1).own.equals(invent(EVERYTHING, 0, 50, seed=1).own)
    assert not invent(EVERYTHING, 0, 50, seed=1).own.equals(invent(EVERYTHING, 0, 50, seed=2).own)
