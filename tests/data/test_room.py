"""Rows on disk: as in memory, without a name, without a trace; a full disk is an error before anything is written."""

import errno
import os
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from glovebox.data.loading import load_rows
from glovebox.data.room import MEMORY, Room
from glovebox.errors import DataError

from .test_loaded_rows import AMOUNTS, COUNTRY, DATA, PEOPLE, SALT, SCORES, query, table_of


@pytest.mark.parametrize("place", ["memory", "disk"])
def test_an_array_holds_what_was_written_and_has_no_name(tmp_path, place):
    room = Room(tmp_path) if place == "disk" else MEMORY
    rows, empty = room.array((5000, 32), np.uint8), room.array((2, 0), np.int64)
    assert (rows.shape, rows.dtype, empty.shape, empty.dtype) == ((5000, 32), np.uint8, (2, 0), np.int64)
    written = np.random.default_rng(1).integers(0, 256, rows.shape, np.uint8)
    rows[:] = written
    room.settle()
    assert np.array_equal(rows, written)
    room.discard(rows[:2500])
    room.settle()
    assert np.array_equal(rows[2500:], written[2500:])
    assert list(tmp_path.iterdir()) == []


def test_what_is_discarded_leaves_the_disk(tmp_path):
    room = Room(tmp_path)
    rows = room.array(1 << 20, np.int64)
    rows[:] = -1
    room.discard(rows[: 1 << 19])
    assert not rows[:1024].any()
    assert (rows[1 << 19 :] == -1).all()


def test_a_full_disk_is_told_before_anything_is_written(tmp_path, monkeypatch):
    def full(handle, begin, size):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(DataError, match="the disk has no room for 77 MiB of rows"):
        Room(tmp_path).array((10**7,), np.int64)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("unique", [True, False])
@pytest.mark.parametrize("grouped", [True, False])
def test_rows_are_loaded_onto_disk_as_into_memory(tmp_path, opened, parquet_file, unique, grouped):
    data = DATA if unique else {**DATA, "id": ["a@x.ex", "A@x.ex", "c@x.ex", None, "nobody", " a@x.ex"]}
    source, table = parquet_file({**data, "country": pa.array(["DE", "FR", "DE", "DE", "FR", "DE"])}), table_of(unique)
    asked = query(PEOPLE, AMOUNTS, SCORES)
    if grouped:
        asked = msgspec.structs.replace(asked, groupings=(grouping(),), by_group=not unique)
    folder = tmp_path / "session"
    folder.mkdir()
    in_memory = load_rows(opened(source), asked, table, source, SALT)
    on_disk = load_rows(opened(source), asked, table, source, SALT, room=Room(folder))
    assert np.array_equal(in_order(in_memory), in_order(on_disk))
    assert (in_memory.snapshot, in_memory.null_ids) == (on_disk.snapshot, on_disk.null_ids)
    assert list(Path(folder).iterdir()) == []


def grouping():
    from glovebox.schema.local import Grouping

    return Grouping(COUNTRY.values, "country")


def in_order(loaded):
    """Ids, values and groups of each line, sorted: DuckDB gives the groups of ids in any order."""
    numbers = loaded.values if loaded.groups is None else np.concatenate([loaded.values, loaded.groups[None]])
    lines = np.concatenate([loaded.ids, np.ascontiguousarray(numbers.T).view(np.uint8)], axis=1)
    return np.sort(lines.view(f"V{lines.shape[1]}").reshape(-1))
