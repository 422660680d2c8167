"""One table for sources of every kind: what its rows are, and what a contract makes of them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

from glovebox.data.database import batches
from glovebox.data.trees import name
from glovebox.data.view import view_of
from glovebox.schema.columns import Column, Table

TABLE = Table(
    "purchases",
    (0,),
    10,
    (
        Column("customer", "id", form="email", max_bytes=40),
        Column("amount", "decimal", precision=10, scale=2, low=0, high=500_000),
        Column("n", "integer", low=0, high=100),
        Column("flag", "boolean", low=0, high=1),
        Column("country", "category", values=("DE", "FR", "other")),
        Column("day", "date", low=20_000, high=21_000),
        Column("at", "timestamp"),
        Column("code", "id", form="exact"),
    ),
    rows_per_id=5,
)
ROWS = (
    ("Anna@X.ex", "12.50", 7, True, "DE", "2026-12-01", "2026-12-01 10:00:00.5", "007"),
    ("ben@x.ex", "0.10", 0, False, "caf\u00e9", "2026-12-02", "2026-12-31 23:59:59", "7"),
    (None, None, None, None, None, None, None, None),
    ("Zoe\u0308@x.ex", "5000.00", 100, True, "FR", "2024-10-04", "1970-01-01 00:00:00", " x "),
)
CLEANED = [
    ["anna@x.ex", "ben@x.ex", None, "zo\u00eb@x.ex"],
    [Decimal("12.50"), Decimal("0.10"), None, Decimal("5000.00")],
    [7, 0, None, 100],
    [True, False, None, True],
    ["DE", "other", "other", "FR"],
    [date(2026, 12, 1), date(2026, 12, 2), None, date(2024, 10, 4)],
    [datetime(2026, 12, 1, 10, 0, 0, 500_000), datetime(2026, 12, 31, 23, 59, 59), None, datetime(1970, 1, 1)],
    ["007", "7", None, " x "],
]
UNZONED = [None if at is None else at.replace(tzinfo=UTC) for at in CLEANED[6]]


def cleaned(database, source, table=TABLE):
    """The cleaned columns of a source, in the contract's order."""
    view = view_of(database, table, source)
    found = [
        batch.select([reading.name for reading in view.readings])
        for batch in batches(database, view.checked().order_by(name("c0")), view.parameters)
    ]
    return [[value for batch in found for value in batch.column(i).to_pylist()] for i in range(len(table.columns))]


def in_order(columns=CLEANED):
    """The columns of the rows as `cleaned` sorts them: by the first, NULLs last."""
    rows = sorted(zip(*columns, strict=True), key=lambda row: (row[0] is None, row[0] or ""))
    return [list(column) for column in zip(*rows, strict=True)]
