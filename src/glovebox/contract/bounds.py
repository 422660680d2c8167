"""That no total of a contract can overflow, whatever is asked (psi.md 10)."""

from __future__ import annotations

from glovebox.contract.lines import Fault
from glovebox.contract.terms import Contract
from glovebox.schema.columns import Column, Table

TOTAL_LIMIT = 1 << 62  # signed totals are shared mod 2^64 and moved to secure integers below 2^62 (psi.md 10)
COUNT_LIMIT = 1 << 31


def rows_of_id(table: Table, column: Column) -> int:
    """The most rows that one value of an id column may have."""
    return 1 if column.unique else min(table.rows_per_id or table.rows, table.rows)


def check_overflow(contract: Contract) -> None:
    """Return if the sum of every column that may be summed stays under 2^62 in every join. Raises Fault."""
    for index, table in enumerate(contract.tables):
        counts = [(len(table.owners) * table.rows, "rows")]
        for left, right in contract.rules.join:
            for own, other in ((left, right), (right, left)):
                if own.table == index:
                    counts.append(_joined_rows(contract, own.table, own.column, other.table, other.column))
        for column in table.columns:
            if column.low is None or column.high is None or not {"sum", "avg"} & set(column.may):
                continue
            most = max(-column.low, column.high)
            for count, factors in counts:
                if count * most >= TOTAL_LIMIT:
                    sentence = f"sums of {column.name} could reach {count * most} ({factors} x range); under 2^62 fits"
                    hint = f"a range within {_plain((TOTAL_LIMIT - 1) // count, column.scale)}, or fewer rows"
                    raise Fault("contract_overflow", ("table", index, "columns", column.name), sentence, hint)


def _joined_rows(contract: Contract, own: int, column: str, other: int, other_column: str) -> tuple[int, str]:
    """A bound on the rows of a join, and what it is made of: ids x rows of an id here x rows of an id there."""
    tables = contract.tables[own], contract.tables[other]
    ids = min(table.rows for table in tables) * max(len(table.owners) for table in tables)
    repeats = [
        rows_of_id(table, found)
        for table, name in zip(tables, (column, other_column), strict=True)
        if (found := table.column(name))
    ]
    return ids * repeats[0] * repeats[1], "rows x rows_per_id x rows_per_id"


def _plain(units: int, scale: int) -> str:
    return str(units // 10**scale)
