"""What one owner computes alone, in its own database, before anything is shared."""

from __future__ import annotations

import math
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from glovebox.schema.columns import Column
from glovebox.schema.expressions import Expression


class Measure(Struct, frozen=True, forbid_unknown_fields=True):
    """One integer for each id (a joined question) or each group (a stacked one), over the rows that pass `where`.

    rows    number of rows: COUNT(*)
    values  number of rows where the expression is not NULL
    people  1 for an id with at least one row where the expression (none: always) is not NULL, else 0; for a group,
            the number of such distinct ids, or of rows where a row is a person
    sum     sum of the expression times 10**scale, NULLs left out; 0 where all are NULL
    distinct number of different values of the expression, an id, NULL left out; of an id alone
    least   least of the expression times 10**scale, NULLs left out; `high`, which none reaches, where all are NULL. Or
            the next after `after` others, where there are so many
    mean    the average of the expression times 10**scale, rounded, NULLs left out; of a sub-query's column alone
    counts  not one integer: how many rows there are of each value from low to high, of the expression times 10**scale,
            NULLs left out; of a group alone

    low, high: bounds of that integer for one id or group, from the contract's ranges and rows_per_id or rows; of counts
    those of a value. of: of a query of several tables, which of them it is of.
    slot: over one row of the id alone, the first, second, .. by the query's `slots_by`; 0: over all of them.
    """

    kind: Literal["rows", "values", "people", "sum", "distinct", "least", "counts", "mean"]
    expression: Expression | None = None
    scale: int = 0
    low: int = 0
    high: int = 0
    after: int = 0
    of: int = 0
    slot: int = 0


LabelSort = Literal["label", "number", "boolean"]


class Grouping(Struct, frozen=True, forbid_unknown_fields=True):
    """A group key with its public domain: a category column, a label that is the same for all of an owner's rows, or
    what an expression makes of a row.

    labels: the domain in the contract's order; of numbers and truths their text, and "" for what is missing. sort: what
    the labels are. column: None where every row of the owner has the label `always`, or `index` says each row's place
    among the labels.
    """

    labels: tuple[str, ...]
    column: str | None = None
    always: str | None = None
    index: Expression | None = None
    sort: LabelSort = "label"


class Made(Struct, frozen=True, forbid_unknown_fields=True):
    """A column of a sub-query: what a measure over the rows of an id says, or, negative, minus that."""

    column: Column
    measure: Measure
    negative: bool = False


class Kept(Struct, frozen=True, forbid_unknown_fields=True):
    """A column of a sub-query that is a column of its table, by that one's name: its rows are told apart by it."""

    column: Column
    name: str


class Ordering(Struct, frozen=True, forbid_unknown_fields=True):
    """What rows are ordered by: a value of each, which may be missing."""

    expression: Expression
    descending: bool = False
    nulls_first: bool = False


class Derived(Struct, frozen=True, forbid_unknown_fields=True):
    """An owner's own sub-query over its table: a row for each value of an id, of the rows that pass `where`.

    keys: a row for each value of the id and of these together. first: if any, not so, but the first row of an id in
    this order, and of equals by a hash of all columns; keys are then columns of it.
    """

    ids: str
    columns: tuple[Made, ...]
    where: Expression | None = None
    keys: tuple[Kept, ...] = ()
    first: tuple[Ordering, ...] = ()


class Beside(Struct, frozen=True, forbid_unknown_fields=True):
    """Another table of the owner, whose lines are put together with those of the query's own by their ids.

    where: the rows of it that take part.
    """

    table: str
    ids: str
    where: Expression | None = None


class Facts(Struct, frozen=True, forbid_unknown_fields=True):
    """That an owner's rows enter one by one, and are put together to lines by the id on shares.

    keys: id columns by which rows name those of other owners' tables. within: a column by which a line's rows are put
    together first.
    """

    keys: tuple[str, ...]
    within: str = ""


class LocalQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """One owner's local part: from its table, under a filter, to one line an id or one line a group.

    ids: the id column that lines are made of (ids that are NULL or have no canonical form are left out); None for a
    stacked question, whose lines are the groups, one line without any.
    lines: public bound on the number of lines: what they are padded to.
    groupings: the groups are the product of their domains, in row-major order. A line an id has the group of its row;
    where `pivoted`, for an id may have rows in many, each measure becomes one for each group, over its rows alone.
    derived: the sub-query whose rows are read in place of the table's; lines are made of its ids.
    unmatched: rows without an id are lines too, which match nothing and are nobody.
    by_group: an id with rows in several groups is a line in each, and matches others' lines of the same group only.
    slots: where not 0, each measure becomes so many, one for each row of the id, in some order; of a slot that has no
    row it is that of no rows. The last measures then say, for each group, whether a row is in it, if there are groups.
    facts: measures are of each row that passes the filter; lines is how many these are at most.
    slots_by: the column by which an id's rows are put in their slots, in falling order or not. told_apart: columns of
    which no two rows of an id have all alike.
    beside: more tables of the owner: a line is then of an id that has one in any of them, and each measure is over the
    rows of the table that it is of, which may be none.
    keys: further ids of a row, which is found by the first of all that matches; each is in one row at most.
    other: another id: a line is of a pair of both, found by its pair, and no line has measures.
    """

    party: int
    table: str
    measures: tuple[Measure, ...]
    lines: int
    ids: str | None = None
    where: Expression | None = None
    groupings: tuple[Grouping, ...] = ()
    pivoted: bool = False
    unmatched: bool = False
    by_group: bool = False
    slots: int = 0
    slots_by: str = ""
    falling: bool = False
    told_apart: tuple[str, ...] | None = None
    beside: tuple[Beside, ...] = ()
    keys: tuple[str, ...] = ()
    other: str = ""

    @property
    def width(self) -> int:
        """How many values of a line a measure becomes."""
        return self.slots or (self.groups if self.pivoted else 1)

    derived: Derived | None = None
    facts: Facts | None = None

    @property
    def groups(self) -> int:
        """The number of groups of its groupings, 1 without any."""
        return math.prod(len(grouping.labels) for grouping in self.groupings)

    @property
    def tables(self) -> tuple[LocalQuery, ...]:
        """What is computed of each of its tables alone."""
        if not self.beside:
            return (self,)
        every = (Beside(self.table, self.ids or "", self.where), *self.beside)
        return tuple(
            replace(
                self,
                table=one.table,
                ids=one.ids,
                where=one.where,
                measures=tuple(replace(measure, of=0) for measure in self.measures if measure.of == place),
                beside=(),
            )
            for place, one in enumerate(every)
        )
