"""Rows with several ids: each encoded with its place, side by side; what is missing matches nothing."""

from __future__ import annotations

import numpy as np
import pytest

from glovebox.data.loading import load_rows
from glovebox.errors import DataError
from glovebox.schema.columns import Column, Table
from glovebox.schema.local import LocalQuery, Measure

SSID, NICK = Column("ssid", "id", form="integer", unique=True), Column("nick", "id", form="text")
TABLE = Table("people", (0,), 100, (SSID, NICK, Column("x", "integer", low=0, high=9)), rows_per_id=1)
ROWS = [["1", "7", 1], ["7", "", 2], ["", " ANNA ", 3], ["", "", 4]]


def loaded(opened, source, ids, keys, **more):
    query = LocalQuery(0, "people", (Measure("rows", high=1),), 100, ids, keys=keys, **more)
    return load_rows(opened(source), query, TABLE, source, b"salt")


def test_a_row_has_all_its_ids_side_by_side(opened, csv_file):
    found = loaded(opened, csv_file(["ssid", "nick", "x"], ROWS), "ssid", ("nick",))
    assert found.ids.shape == (3, 2 * 48)  # a hash of 32 bytes and its mark, twice; who has no id is left out
    assert (found.null_ids, found.ids_without_form) == (1, 0)
    again = loaded(opened, csv_file(["ssid", "nick", "x"], [["2", "Anna", 1], ["7", "7", 1]]), "ssid", ("nick",))
    first, second = found.ids[:, :48], found.ids[:, 48:]
    assert np.array_equal(first[1], again.ids[1, :48])
    assert np.array_equal(second[2], again.ids[0, 48:])
    assert np.array_equal(second[0], again.ids[1, 48:])
    every = np.concatenate([first, second])
    assert len(np.unique(every, axis=0)) == 6  # 7 is no id of both kinds, and what is missing equals nothing


def test_rows_without_any_id_stay_where_they_count_without_a_match(opened, csv_file):
    found = loaded(opened, csv_file(["ssid", "nick", "x"], ROWS), "ssid", ("nick",), unmatched=True)
    assert len(found.ids) == 4


@pytest.mark.parametrize(("row", "column"), [(["7", "ben", 1], "ssid"), (["9", "anna", 1], "nick")])
def test_an_id_in_two_rows_is_an_error_with_the_number(opened, csv_file, row, column):
    source = csv_file(["ssid", "nick", "x"], [*ROWS, row])
    with pytest.raises(DataError, match=rf"people.{column}: 1 ids in more than one row"):
        loaded(opened, source, "ssid", ("nick",))
