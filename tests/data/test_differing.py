"""How many people stand between two filters of an owner's table."""

from __future__ import annotations

import pytest

from glovebox.data.differing import people_between
from glovebox.schema.columns import Column, Table
from glovebox.schema.expressions import Call, ColumnRef, Constant
from glovebox.schema.local import LocalQuery

COLUMNS = (Column("patient", "id", form="text"), Column("age", "integer", low=0, high=120))
BY_ID = Table("t", (0, 1, 2), 100, COLUMNS, rows_per_id=3, apart=True)
BY_ROW = Table("t", (0, 1, 2), 100, COLUMNS, person="row")
DATA = {"patient": ["p1", "p1", "p2", "p3", None, "p4"], "age": [30, 40, 35, 41, 40, None]}


def over(age):
    where = None if age is None else Call(">", (ColumnRef("age"), Constant("integer", str(age))))
    return LocalQuery(0, "t", (), 100, None, where)


@pytest.mark.parametrize(("one", "other", "people", "rows"), [
    (30, 30, 0, 0), (30, 35, 1, 1), (29, 35, 2, 2), (39, 40, 1, 2), (None, 29, 1, 1), (None, 120, 4, 6),
])  # fmt: skip
def test_people_that_only_one_of_two_questions_counts(opened, parquet_file, one, other, people, rows):
    source = parquet_file(DATA)
    for table, expected in ((BY_ID, people), (BY_ROW, rows)):
        for first, second in ((one, other), (other, one)):
            assert people_between(opened(source), table, source, over(first), [over(second)]) == [expected]


def test_all_earlier_questions_are_compared_at_once(opened, parquet_file):
    source = parquet_file(DATA)
    others = [over(age) for age in (None, 29, 35)]
    assert people_between(opened(source), BY_ID, source, over(30), others) == [2, 1, 1]
    assert people_between(opened(source), BY_ID, source, over(30), []) == []
