"""Tables and columns as a contract states them: what contract, data and planner all speak of."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Kind = Literal["id", "integer", "decimal", "boolean", "category", "date", "timestamp"]
Form = Literal["exact", "text", "email", "phone", "integer", "composed"]
"""`composed`: made of other columns of the table; no source has it and no contract states it."""
Period = Literal["hour", "day", "week", "month", "quarter", "year"]
Use = Literal["sum", "avg", "min", "max", "quantile", "group", "filter", "compare"]


class Column(Struct, frozen=True, forbid_unknown_fields=True):
    """One column.

    form, max_bytes, country, unique: of an id. max_bytes: longest id in canonical bytes; None: no bound, ids are hashed
    first. country: ISO 3166 code of the country of phone numbers that name none.
    parts: the columns of which a composed id is made, in order; it is there where all of them are. alone: whether an id
    stands for a person by itself, so that rows_per_id bounds its rows, and not only as part of composed ones.
    required: no NULL may stand here; checked when data is bound and again at load.
    low, high: the range, both ends included, as the integers that the engine computes with: a decimal(p, s) times
    10**s, a date in days since 1970-01-01, a timestamp in seconds since then (UTC), a boolean as 0 and 1.
    values: the labels of a category, in the contract's order; "other", where listed, takes all that is not.
    clip, round, bands: what becomes of a value at its owner, before anything else: brought into the range, the first
    moment of its period, the label of its band. bands: the least number of each, in units of the scale; the column is
    then a category whose values are their labels, and perhaps "other"; precision is 0 where the numbers are integers.
    """

    name: str
    kind: Kind
    form: Form | None = None
    max_bytes: int | None = None
    country: str | None = None
    unique: bool = False
    required: bool = False
    precision: int = 0
    scale: int = 0
    low: int | None = None
    high: int | None = None
    values: tuple[str, ...] = ()
    clip: bool = False
    round: Period | None = None
    bands: tuple[int, ...] = ()
    may: tuple[Use, ...] = ()
    parts: tuple[str, ...] = ()
    alone: bool = True


class Table(Struct, frozen=True, forbid_unknown_fields=True):
    """One table.

    owners: party numbers; several for a table that is stacked over owners. rows: the public bound on its rows at each
    owner. rows_per_id: the most rows one id may have; None where the id is unique or where a row is a person.
    person: "id" (people are ids) or "row". apart: of a stacked table with ids, that no person is at two owners.
    surplus_dropped: an id's rows beyond rows_per_id are left out, and are no error.
    """

    name: str
    owners: tuple[int, ...]
    rows: int
    columns: tuple[Column, ...]
    rows_per_id: int | None = None
    person: Literal["id", "row"] = "id"
    apart: bool = False
    surplus_dropped: bool = False

    def column(self, name: str) -> Column | None:
        """The column of that name, or None."""
        return next((column for column in self.columns if column.name == name), None)
