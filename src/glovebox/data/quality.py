"""Does a file hold what the contract says? Counts and kinds of fault, never a value."""

from __future__ import annotations

from msgspec import Struct
from sqlglot import exp

from glovebox.data.columns import FaultKind
from glovebox.data.database import Database, Parameters, rows
from glovebox.data.sources import Source
from glovebox.data.trees import call, compare, is_null, name, not_, number
from glovebox.data.view import NOTES, view_of
from glovebox.errors import DataError
from glovebox.schema.columns import Column, Table

SENTENCES: dict[FaultKind, str] = {
    "null": "NULL where a value is required",
    "unreadable": "not of the column's type",
    "not_finite": "NaN or infinite",
    "decimals": "with more decimals than the column has",
    "range": "outside the range",
    "label": "none of the values listed",
    "clipped": "outside the range: they become its nearest end",
    "other": "missing or none of the values listed: they become other",
    "null_id": "NULL: they match nobody",
    "no_form": "without a canonical form: they match nobody",
    "duplicate": "ids in more than one row, though the id is unique",
    "rows_per_id": "ids in more rows than rows_per_id",
    "surplus": "ids in more rows than rows_per_id: the rows beyond are left out",
    "rows": "rows above the contract's bound",
}


class Fault(Struct, frozen=True):
    """A kind of fault in a column, "" for the table, and how many cells, ids or rows have it."""

    column: str
    kind: FaultKind
    count: int

    @property
    def is_error(self) -> bool:
        """Whether the table cannot be used so; a note only says which rows will match nobody."""
        return self.kind not in NOTES

    def line(self, table: str) -> str:
        """As the owner reads it."""
        place = f"{table}.{self.column}" if self.column else table
        return f"{place}: {self.count} {SENTENCES[self.kind]}"


class Report(Struct, frozen=True):
    """What was found in a table: its rows, and the faults in the contract's order of columns."""

    table: str
    rows: int
    faults: tuple[Fault, ...]

    @property
    def errors(self) -> tuple[Fault, ...]:
        """The faults that stand against using the table."""
        return tuple(fault for fault in self.faults if fault.is_error)

    @property
    def notes(self) -> tuple[Fault, ...]:
        """What the owner should know and may leave."""
        return tuple(fault for fault in self.faults if not fault.is_error)

    def lines(self) -> list[str]:
        """As the owner reads it."""
        head = f"{self.table}: {self.rows} rows, {'not ' if self.errors else ''}as the contract says"
        return [
            head,
            *(f"  {'error' if fault.is_error else 'note '}  {fault.line(self.table)}" for fault in self.faults),
        ]


def check_table(database: Database, table: Table, source: Source) -> Report:
    """Read the whole file once, and its ids once more, and count what is not as the contract says.

    Raises DataError where a column is missing or the file cannot be read.
    """
    view = view_of(database, table, source)
    found = [(reading.column.name, kind, condition) for reading in view.readings for kind, condition in reading.faults]
    counts = [call("count_if", condition) for _, _, condition in found]
    select = exp.select(call("count_star"), *counts).from_(view.cleaned.copy().subquery("cleaned"))
    total, *numbers = rows(database, select, view.parameters)[0]
    faults = [Fault(column, kind, count) for (column, kind, _), count in zip(found, numbers, strict=True)]
    for column in table.columns:
        most = most_rows(table, column)
        if most is not None:
            kind: FaultKind = "duplicate" if column.unique else "surplus" if table.surplus_dropped else "rows_per_id"
            faults.append(
                Fault(
                    column.name,
                    kind,
                    ids_above(database, view.cleaned, view.parameters, view.name_of(column.name), most),
                )
            )
    faults.append(Fault("", "rows", max(0, total - table.rows)))
    order = {column.name: index for index, column in enumerate(table.columns)}
    kept = sorted((fault for fault in faults if fault.count), key=lambda fault: order.get(fault.column, len(order)))
    return Report(table.name, total, tuple(kept))


def most_rows(table: Table, column: Column) -> int | None:
    """The most rows that one id of a column may stand in; None where nothing bounds it, or it is no person's."""
    if column.kind != "id" or not (column.alone or column.unique):
        return None
    return 1 if column.unique else table.rows_per_id


def refuse_faults(report: Report) -> None:
    """Return if a table can be used; raise DataError with the counts if not."""
    if report.errors:
        lines = tuple(fault.line(report.table) for fault in report.errors)
        sentence = f"{report.table} does not hold what the contract says"
        raise DataError(sentence, detail=lines, hint="mend the file, bind it again, and see: glovebox data check")


def ids_above(database: Database, relation: exp.Select, parameters: Parameters, id_name: str, most: int) -> int:
    """How many ids stand in more than so many rows of a relation."""
    id_ = name(id_name)
    repeated = exp.select(id_).from_(relation.copy().subquery("every")).where(not_(is_null(id_))).group_by(id_.copy())
    repeated = repeated.having(compare(exp.GT, call("count_star"), number(most)))
    select = exp.select(call("count_star")).from_(repeated.subquery("repeated"))
    return int(rows(database, select, parameters)[0][0])
