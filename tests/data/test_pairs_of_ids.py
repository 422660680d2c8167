"""Pairs of two ids, each once: found by both together, and put together by the first; what lacks one is none."""

from __future__ import annotations

import numpy as np

from glovebox.data.loading import load_rows
from glovebox.data.pairs import PAIR_BYTES, load_pairs
from glovebox.schema.columns import Column, Table
from glovebox.schema.expressions import Call, ColumnRef, Constant
from glovebox.schema.local import LocalQuery, Measure

DEVICE, CUSTOMER = Column("device", "id", form="text"), Column("customer", "id", form="integer")
TABLE = Table("customers", (0,), 100, (DEVICE, CUSTOMER, Column("x", "integer", low=0, high=9)), rows_per_id=9)
ROWS = [["a", "1", 1], ["A ", "1", 2], ["a", "2", 3], ["b", "2", 4], ["c", "", 5], ["", "3", 6], ["b", "12", 7]]


def pairs_of(opened, source, ids="device", other="customer", where=None):
    query = LocalQuery(0, "customers", (), 100, ids, where, other=other)
    return load_pairs(opened(source), query, TABLE, source, b"salt").ids


def keys(ids):
    return {row.tobytes() for row in ids}


def test_each_pair_is_there_once_under_its_first_id(opened, csv_file):
    source = csv_file(["device", "customer", "x"], ROWS)
    found = pairs_of(opened, source)
    assert len(found) == len(keys(found[:, :PAIR_BYTES])) == 4
    lines = load_rows(opened(source), LocalQuery(0, "customers", (), 100, "device"), TABLE, source, b"salt").ids
    assert keys(found[:, PAIR_BYTES:]) < keys(lines)
    assert len(lines) == 3  # c has no pair


def test_two_tables_have_the_pairs_in_common_that_are_alike(opened, csv_file):
    one = pairs_of(opened, csv_file(["device", "customer", "x"], ROWS))
    other = csv_file(["device", "customer", "x"], [["a", "2", 1], ["b", "1", 1], ["b", "12", 1]], "other.csv")
    theirs = keys(pairs_of(opened, other)[:, :PAIR_BYTES])
    assert len(keys(one[:, :PAIR_BYTES]) & theirs) == 2
    swapped = pairs_of(opened, other, "customer", "device")
    assert not keys(swapped[:, :PAIR_BYTES]) & theirs


def test_rows_that_do_not_pass_make_no_pair(opened, csv_file):
    source = csv_file(["device", "customer", "x"], ROWS)
    assert len(pairs_of(opened, source, where=Call(">", (ColumnRef("x"), Constant("integer", "6"))))) == 1
    empty = pairs_of(opened, csv_file(["device", "customer", "x"], [], "empty.csv"))
    assert empty.shape == (0, pairs_of(opened, source).shape[1])


def test_an_owner_counts_different_values(opened, csv_file):
    source = csv_file(["device", "customer", "x"], ROWS)
    measures = Measure("distinct", ColumnRef("customer"), high=9), Measure("rows", high=9)
    query = LocalQuery(0, "customers", measures, 100, "device")
    values = load_rows(opened(source), query, TABLE, source, b"salt").values
    assert sorted(np.transpose(values).tolist()) == [[0, 1], [2, 2], [2, 3]]
