"""Lines of several tables of one owner put together by their ids."""

import numpy as np
import pytest

from glovebox.data.loading import LoadedRows
from glovebox.data.snapshot import snapshot_of
from glovebox.data.together import together
from glovebox.errors import DataError
from glovebox.schema.local import Beside, LocalQuery, Measure

HERE, SUM = Measure("people", None, 0, 0, 1), Measure("sum", None, 0, 0, 99)
LEAST = Measure("least", None, 0, -5, 7, of=1)
THERE = Measure("people", None, 0, 0, 1, of=1)


def loaded(ids, *values, snapshot=b"s" * 32):
    return LoadedRows(np.repeat(np.array(ids, np.uint8)[:, None], 16, 1), np.array(values, np.int64), snapshot, 1, 2)


def test_a_line_has_what_each_table_has_of_the_id():
    query = LocalQuery(0, "t", (THERE, HERE, LEAST, SUM), 4, "id", beside=(Beside("u", "key"),))
    assert [one.measures for one in query.tables] == [(HERE, SUM), (Measure("people", None, 0, 0, 1), LEAST_OF_OWN)]
    own, other = loaded([9, 3], [1, 1], [50, 60]), loaded([3, 4, 1], [1, 1, 1], [-5, 0, 7], snapshot=b"u" * 32)
    lines = together(query, [own, other])
    assert lines.ids[:, 0].tolist() == [1, 3, 4, 9]
    assert lines.values.tolist() == [[1, 1, 1, 0], [0, 1, 0, 1], [7, -5, 0, 7], [0, 60, 0, 50]]
    assert lines.snapshot == snapshot_of([own.snapshot, other.snapshot]) != own.snapshot
    assert (lines.null_ids, lines.ids_without_form) == (2, 4)


LEAST_OF_OWN = Measure("least", None, 0, -5, 7)


def test_more_ids_than_the_plan_has_lines_are_an_error():
    query = LocalQuery(0, "t", (HERE, THERE), 2, "id", beside=(Beside("u", "key"),))
    with pytest.raises(DataError):
        together(query, [loaded([9, 3], [1, 1]), loaded([4], [1])])


def test_no_rows_anywhere_are_no_lines():
    query = LocalQuery(0, "t", (HERE, THERE), 2, "id", beside=(Beside("u", "key"),))
    nothing = loaded([], np.zeros(0))
    assert together(query, [nothing, nothing]).values.shape == (2, 0)


def test_one_table_has_its_own_snapshot():
    assert snapshot_of([]) == b""
    assert snapshot_of([b"s" * 32]) == b"s" * 32
    assert len(snapshot_of([b"s" * 32, b"u" * 32])) == 32
    assert snapshot_of([b"s" * 32, b"u" * 32]) != snapshot_of([b"u" * 32, b"s" * 32])
