"""The generated tables are as the demo's and the benchmarks' contracts will say, and one seed gives one set."""

from __future__ import annotations

import hashlib
from pathlib import Path

import duckdb
import pytest

from glovebox.data import generated
from glovebox.data.generated import write_campaign, write_hospitals, write_keyed
from glovebox.data.loading import load_rows
from glovebox.data.quality import check_table
from glovebox.data.sources import source_at
from glovebox.schema.columns import Column, Table
from glovebox.schema.expressions import ColumnRef
from glovebox.schema.local import LocalQuery, Measure

CUSTOMER = Column("customer", "id", form="email")
DAYS = {"low": 20_788, "high": 20_908}  # 2026-12-01 to 2027-03-31
PURCHASES = Table(
    "purchases",
    (0,),
    20_000,
    (
        CUSTOMER,
        Column("amount", "decimal", precision=10, scale=2, low=0, high=500_000),
        Column("country", "category", values=("DE", "FR", "GB", "other")),
        Column("bought_on", "date", required=True, **DAYS),
    ),
    rows_per_id=20,
)
IMPRESSIONS = Table(
    "impressions",
    (1,),
    50_000,
    (CUSTOMER, Column("format", "category", values=("video", "banner")), Column("seen_on", "date", **DAYS)),
    rows_per_id=50,
)
PATIENTS = Table(
    "patients",
    (0, 1, 2),
    2_000,
    (
        Column("patient", "id", form="exact", unique=True, required=True),
        Column("age", "integer", low=0, high=120, required=True),
        Column("sex", "category", values=("F", "M")),
        Column("diagnosis", "category", values=("fracture", "infarction", "pneumonia", "stroke", "porphyria")),
        Column("ward", "category", values=("surgery", "cardiology", "medicine", "neurology")),
        Column("stay_days", "integer", low=0, high=365),
        Column("admitted_on", "date", required=True, **DAYS),
    ),
)


def lines_of(loaded):
    return {row.tobytes(): values for row, values in zip(loaded.ids, loaded.values.T.tolist(), strict=True)}


def digests(paths):
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]


COLUMNS = ("id", "amount", "score", "region", "channel", "seen_on")


def write_two(folder, seed, rows=99):
    return [write_keyed(folder / f"{n}.parquet", rows, n * (rows // 2), COLUMNS, seed) for n in range(2)]


@pytest.mark.parametrize("write", [write_campaign, write_hospitals, write_two])
def test_one_seed_gives_one_set(tmp_path, write):
    first, again, other = (write(tmp_path / name, seed) for name, seed in (("a", 1), ("b", 1), ("c", 2)))
    assert digests(first) == digests(again)
    assert not set(digests(first)) & set(digests(other))


def test_campaign_tables_are_messy_and_sound(opened, tmp_path):
    for path, table in zip(write_campaign(tmp_path, 1), (PURCHASES, IMPRESSIONS), strict=True):
        source = source_at(path)
        report = check_table(opened(source), table, source)
        assert not report.errors, report.lines()
        assert all(fault.count > 20 for fault in report.notes)
        assert {fault.kind for fault in report.notes} - {"other"} == {"null_id", "no_form"}


def test_hospital_tables_are_sound_and_have_a_rare_group(opened, tmp_path):
    rare = 0
    for path in write_hospitals(tmp_path, 1):
        source = source_at(path)
        report = check_table(opened(source), PATIENTS, source)
        assert not report.faults, report.lines()
        (count,) = duckdb.sql(f"SELECT count(*) FROM '{path}' WHERE diagnosis = 'porphyria'").fetchall()[0]
        rare += count
    assert 0 < rare < 11


@pytest.mark.parametrize("rows", [1, 2, 1001])
def test_pairs_have_distinct_ids_half_in_common(tmp_path, rows):
    left, right = write_two(tmp_path, 1, rows)
    found = duckdb.sql(
        f"""SELECT (SELECT count(DISTINCT id) FROM '{left}'), (SELECT count(DISTINCT id) FROM '{right}'),
                   (SELECT count(*) FROM '{left}' JOIN '{right}' USING (id)), (SELECT max(strlen(id)) FROM '{left}')"""
    ).fetchall()
    assert found == [(rows, rows, rows - rows // 2, 24)]


def test_a_table_that_is_made_in_parts_has_everyone_once(tmp_path, monkeypatch):
    whole = write_keyed(tmp_path / "whole.parquet", 100, 7, COLUMNS, 1)
    monkeypatch.setattr(generated, "PART", 40)
    parts = write_keyed(tmp_path / "parts.parquet", 100, 7, COLUMNS, 1)
    people = f"SELECT id, region, channel FROM '{parts}' EXCEPT SELECT id, region, channel FROM '{whole}'"
    assert duckdb.sql(people).fetchall() == []
    assert duckdb.sql(f"SELECT count(*), count(DISTINCT id) FROM '{parts}'").fetchall() == [(100, 100)]


def test_every_pair_of_labels_comes_among_a_hundred_people_in_a_row(tmp_path):
    path = write_keyed(tmp_path / "labels.parquet", 100, 12_345, ("region", "channel"), 1)
    assert duckdb.sql(f"SELECT count(*), count(DISTINCT (region, channel)) FROM '{path}'").fetchall() == [(100, 100)]


def test_a_join_of_the_loaded_campaign_is_the_join_in_the_clear(opened, tmp_path):
    loaded = []
    amount = Measure("sum", ColumnRef("amount"), 2, 0, 10**9)
    paths = write_campaign(tmp_path, 1)
    for path, table, measures in zip(paths, (PURCHASES, IMPRESSIONS), ((amount,), ()), strict=True):
        query = LocalQuery(0, table.name, (Measure("rows", high=50), *measures), table.rows, "customer")
        loaded.append(load_rows(opened(source_at(path)), query, table, source_at(path), b"salt"))
    ours, theirs = (lines_of(each) for each in loaded)
    pairs = [(ours[id_], theirs[id_]) for id_ in set(ours) & set(theirs)]
    joined = [(len(pairs), sum(o[0] * t[0] for o, t in pairs), sum(o[1] * t[0] for o, t in pairs))]
    assert (
        joined
        == duckdb.sql(
            f"""SELECT count(DISTINCT lower(trim(p.customer))), count(*), 100 * sum(p.amount::DECIMAL(10, 2))
            FROM read_csv('{paths[0]}', all_varchar = true) p JOIN '{paths[1]}' i
            ON lower(trim(p.customer)) = lower(trim(i.customer))"""
        ).fetchall()
    )


SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.mark.skipif(not SHARED.is_dir(), reason="the public data sets are not beside this repository")
def test_real_tables_give_their_known_answers(opened):
    """Members of a brand who bought at a shop (retail_online, q1): 1363 customers, 7595 invoices, 3275731.961."""
    id_ = Column("customer_id", "id", form="integer")
    invoices = Table("invoices", (0,), 20_000, (id_, Column("amount", "decimal", precision=14, scale=3)), 500)
    members = Table("members", (1,), 2_000, (Column("customer_id", "id", form="integer", unique=True),))
    amount = Measure("sum", ColumnRef("amount"), 3, -(10**12), 10**12)
    loaded = []
    for name, table, more in (("shop_late/invoices", invoices, (amount,)), ("brand/members", members, ())):
        source = source_at(SHARED / "retail_online" / f"{name}.parquet")
        query = LocalQuery(0, table.name, (Measure("rows", high=500), *more), table.rows, "customer_id")
        loaded.append(load_rows(opened(source), query, table, source, b"salt"))
    bought, known = (lines_of(each) for each in loaded)
    lines = [values for id_, values in bought.items() if id_ in known]
    assert (len(lines), *(sum(column) for column in zip(*lines, strict=True))) == (1363, 7595, 3_275_731_961)
