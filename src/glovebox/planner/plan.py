"""The plan: a small, closed, typed structure whose canonical bytes all nodes hash and compare.

Built from the contract, the statement and its parameters only: no SQL text, no library object, no private size.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Literal

import msgspec
from msgspec import Struct

from glovebox.protocols.expression import Expression, Match
from glovebox.protocols.having import Bound
from glovebox.protocols.quantile import Rank
from glovebox.schema.local import Grouping, LocalQuery

PLAN_FORMAT = 1
INEXACT = -1
"""The scale of a formula whose value is no exact decimal."""


FormulaOperator = Literal["+", "-", "*", "/", "mean", "negate", "sqrt", "abs", "nullif", "coalesce", "round"]


class Total(Struct, frozen=True, forbid_unknown_fields=True):
    """One hidden total of a group: the sum over matching ids of a product, or over owners of a measure.

    Joined: query, table and second are indexes of measures of these owners; a missing one counts as 1, all missing is
    the number of matching ids. Stacked: query is the index of every owner's measure, the others are None.
    bits: the ring it is summed in, 32 for counts (0 <= total < 2**31), 64 else (|total| < 2**62).
    low, high: bounds of the total, from the contract.
    choice: of a joined question, which of its choices decides what rows are summed. column: a column of several owners'
    that is summed in place of a measure of each. outer: "left", with the query's rows that have no match, as if each
    counted 1 there; "anti", those alone. least: not the sum is wanted but the least of one number, the column or a
    measure of kind least; `high` stands for the least of nothing. Other measures then say with 1 which lines count.
    ranks: not the sum is wanted but, added, the numbers at these ranks: of a measure of kind counts, or, joined, of the
    values that measures of kind least in the places `slots` say of a line of the query. most: how many numbers of a
    group there are at most. side: of which of the question's tables the values are.
    """

    query: int | None
    table: int | None
    bits: Literal[32, 64]
    low: int
    high: int
    choice: int = 0
    column: int | None = None
    second: int | None = None
    outer: Literal["", "left", "anti"] = ""
    least: bool = False
    ranks: tuple[Rank, ...] = ()
    most: int = 0
    slots: tuple[int, ...] = ()
    side: int = 0


class Joined(Struct, frozen=True, tag="joined", forbid_unknown_fields=True):
    """Two or three owners' tables joined on an id: one run of the row-level protocol.

    helper: None where two owners are alone. second: the helper's own table, if three are joined. The groups are
    numbered by those of the query, within each by those of the table, and then of the second. choices: conditions by
    which matching rows are summed. columns: numbers of several owners' columns. Values are the query's measures,
    payloads of table 0 and 1 those of the table and the second. apart: a match in a table is none in the other.
    first: of a row's pairs that pass, only the one with the first slot of this owner counts (its place among `owners`).
    homomorphic: two owners alone match by Diffie-Hellman and sum encrypted columns of the table's. lpn: they make
    transfers by learning parity with noise, with the parameter table of this version; 0 is without.
    """

    query: LocalQuery
    table: LocalQuery
    helper: int | None
    choices: tuple[Expression, ...] = (Match(0),)
    columns: tuple[Expression, ...] = ()
    second: LocalQuery | None = None
    apart: bool = False
    homomorphic: bool = False
    lpn: int = 0
    first: int | None = None

    @property
    def owners(self) -> tuple[LocalQuery, ...]:
        """Every owner's local part: the query's, the table's and the second's."""
        return (self.query, self.table) if self.second is None else (self.query, self.table, self.second)


class Stacked(Struct, frozen=True, tag="stacked", forbid_unknown_fields=True):
    """Tables of one schema at three or more owners: each sums its own, the totals are added."""

    owners: tuple[LocalQuery, ...]


class Dimension(Struct, frozen=True, forbid_unknown_fields=True):
    """A table that the facts name by a key.

    given: numbers that each fact gets of it, 0 where it has no match. of_lines: the key is that of the lines, which
    have its match and payloads too.
    """

    table: LocalQuery
    given: tuple[Expression, ...]
    of_lines: bool = False


class Star(Struct, frozen=True, tag="star", forbid_unknown_fields=True):
    """Owners' rows beside tables that they name by several keys, put together to lines on shares.

    facts: like rows, of each owner its own; lines of several owners with one id are one, whose columns are added.
    levels: numbers of every row, over the facts' measures and what the dimensions give in their order, which are summed
    for the next level's, over whose columns are the numbers of that; the last level's are the lines. choices, columns:
    of the lines, over the columns of the last level, the dimensions of lines as tables, and value 0: 1 where the line
    has an id. totals: for each total of the plan one for each bucket, of a choice and a column.
    """

    facts: tuple[LocalQuery, ...]
    dimensions: tuple[Dimension, ...]
    helper: int
    levels: tuple[tuple[Expression, ...], ...]
    choices: tuple[Expression, ...]
    columns: tuple[Expression, ...]
    totals: tuple[Total, ...]
    buckets: tuple[Grouping, ...] = ()

    @property
    def owners(self) -> tuple[LocalQuery, ...]:
        """Every owner's local part: those of the facts, and each dimension's."""
        return (*self.facts, *(dimension.table for dimension in self.dimensions))


class Spine(Struct, frozen=True, forbid_unknown_fields=True):
    """One owner's lines, and those of others with the same keys: what they add to each of the plan's totals.

    totals: of the join, for each total of the plan one for each bucket; a star join has its own. join: None where the
    owner's lines alone are enough; each total is then the sum of a measure of the query. Of a star join the query's
    lines are those that it puts its facts together to, with values that are the query's measures.
    """

    query: LocalQuery
    totals: tuple[Total, ...]
    join: Joined | Star | None = None


class Spines(Struct, frozen=True, tag="spines", forbid_unknown_fields=True):
    """Spines whose totals add: of like tables every owner's in turn.

    owners: what each owner loads, once, all lines before pairs of ids; a spine takes the measures that it names of it.
    buckets: group keys behind those of the owners' columns, of numbers that no owner knows: conditions of the totals
    pick them.
    """

    owners: tuple[LocalQuery, ...]
    spines: tuple[Spine, ...]
    buckets: tuple[Grouping, ...] = ()


class Output(Struct, frozen=True, forbid_unknown_fields=True):
    """One column of the answer.

    group     the label of grouping `index`
    count     total `total`
    sum       total `total` / 10**scale; NULL where total `over` is 0, if there is one
    average   total `total` / 10**scale / total `over`, NULL where that is 0; both are opened and divided after
    quotient  the same, divided on shares in units of 10**-(scale + 6), round half even; only the quotient is opened
    band      how many of `edges` total `total` reaches; nothing else of it is opened
    extreme   total `total` / 10**scale, or minus that if it is `negative`; NULL where the total is `high`. A number, or
              days or microseconds since 1970 that show as a date or a time
    quantile  total `total` / 10**scale, the middle of the `high` numbers that it adds; NULL where total `over` is 0. Of
              a decimal it has as many digits, the rest cut off, as in DuckDB. May be a date, as an extreme
    between   from total `total` on to total `upper`, the part of the way that (n - 1) low / high has after the point,
              n being total `over`, which is opened too; else as a quantile
    formula   `operator` of `arguments`, which are outputs too; all that they are made of is opened. NULL where an
              argument is, but for coalesce, and for what has no value: a division by zero, a root of less than zero, a
              mean of no values: noise may leave their count, its second argument, below zero
    constant  of a formula: `low` / 10**scale
    low, high: of a quotient, bounds of a value that is averaged, in units of 10**-scale.
    scale: of a formula, its value's decimals, or INEXACT.
    digits: what ROUND(.., digits) asked for, applied after opening, half away from zero.
    """

    name: str
    kind: Literal[
        "group", "count", "sum", "average", "quotient", "band", "extreme", "quantile", "between", "formula", "constant"
    ]
    index: int = 0
    total: int = 0
    over: int | None = None
    upper: int = 0
    scale: int = 0
    low: int = 0
    high: int = 0
    digits: int | None = None
    edges: tuple[int, ...] = ()
    negative: bool = False
    unit: Literal["", "date", "timestamp"] = ""
    operator: FormulaOperator | None = None
    arguments: tuple[Output, ...] = ()

    def leaves(self) -> Iterator[Output]:
        """The aggregates that it is made of."""
        if self.kind == "formula":
            for argument in self.arguments:
                yield from argument.leaves()
        elif self.kind not in ("group", "constant"):
            yield self


class Order(Struct, frozen=True, forbid_unknown_fields=True):
    """One key by which the opened rows are sorted: an output. NULLs and suppressed values stand last, as in DuckDB."""

    output: int
    descending: bool = False


class Noise(Struct, frozen=True, forbid_unknown_fields=True):
    """What a question with noise costs, and what the noise hides.

    epsilon: of the question, in millionths, shared alike by all totals with noise. persons: for each total the most
    that one person adds to it or takes from it, over all groups together; 0 for a total that nothing is opened of.
    """

    epsilon: int
    persons: tuple[int, ...]


class Nested(Struct, frozen=True, forbid_unknown_fields=True):
    """Totals of the answer's groups that other questions of the contract tell: more than small groups is hidden then.

    levels: the groupings that each of those questions keeps, from the coarsest on, each among those of the next; none
    where they cross, and all groups show or none. several: a person may be in several groups.
    """

    levels: tuple[tuple[int, ...], ...]
    several: bool = False


class Plan(Struct, frozen=True, forbid_unknown_fields=True):
    """What a question becomes.

    computing: party numbers in the contract's order; receivers: those who get the answer.
    totals[people] is the number of people of a group, which the threshold is held against.
    threshold: groups_of_at_least. zero_shown: an empty group shows as zero and not as suppressed.
    clause: the clause of the contract that allows the opening, e.g. "question reach-by-format".
    order: how receivers sort the rows; without it they stand in the order of the groups' domains.
    having: what a group's totals must meet, judged on shares; a group that does not is left out, and so then is one
    that is too small. limit: how many rows receivers keep, of groups that all open.
    noise: of an answer under differential privacy; every total that is opened, and people, has it.
    nested: what other questions tell of an exact answer's groups. dominance: what sums must meet for a group to show.
    """

    plan_format: int
    contract: bytes
    computing: tuple[int, ...]
    asker: int
    receivers: tuple[int, ...]
    source: Joined | Stacked | Spines | Star
    totals: tuple[Total, ...]
    people: int
    threshold: int
    zero_shown: bool
    outputs: tuple[Output, ...]
    clause: str
    order: tuple[Order, ...] = ()
    noise: Noise | None = None
    nested: Nested | None = None
    having: tuple[Bound, ...] = ()
    dominance: tuple[Bound, ...] = ()
    limit: int | None = None


def members(plan: Plan) -> list[int]:
    """The parties whose workers take part, in the contract's order: those who compute, and those who receive."""
    return sorted({*plan.computing, *plan.receivers})


def session_parties(plan: Plan) -> list[int]:
    """All parties of a session, in the contract's order: they accept, and they sign the receipt."""
    return sorted({*plan.computing, *plan.receivers, plan.asker})


def local_queries(plan: Plan) -> tuple[LocalQuery, ...]:
    """What each owner computes alone."""
    return plan.source.owners


def owners(plan: Plan) -> list[int]:
    """The parties whose rows the question reads, in the contract's order: those whose budget it costs."""
    return sorted({query.party for query in local_queries(plan)})


def local_query(plan: Plan, party: int) -> LocalQuery | None:
    """What a party computes alone, the first of it, or None where it owns none of the tables."""
    return next(iter(own_queries(plan, party)), None)


def own_queries(plan: Plan, party: int) -> tuple[LocalQuery, ...]:
    """What a party computes alone: of a star join, of each of its tables that are named."""
    return tuple(query for query in local_queries(plan) if query.party == party)


def groupings_of(plan: Plan) -> tuple[Grouping, ...]:
    """The groupings of the answer, which outputs of kind group are numbered by; its groups are in row-major order."""
    match plan.source:
        case Joined(owners=owners):
            return tuple(grouping for local in owners for grouping in local.groupings)
        case Stacked(owners=owners):
            return owners[0].groupings
        case Star(buckets=buckets):
            return buckets
        case Spines(spines=(Spine(query=query, join=join), *_), buckets=buckets):
            first = (query,) if join is None else join.owners
            return (*(grouping for local in first for grouping in local.groupings), *buckets)
    raise ValueError("a plan has a spine at least")


def joins_of(plan: Plan) -> tuple[tuple[Joined, tuple[Total, ...]], ...]:
    """The runs of the row-level protocol and their totals: one of a joined question, those of the spines that join."""
    match plan.source:
        case Joined():
            return ((plan.source, plan.totals),)
        case Spines(spines=spines):
            return tuple((spine.join, spine.totals) for spine in spines if isinstance(spine.join, Joined))
    return ()


def stars_of(plan: Plan) -> tuple[Star, ...]:
    """The star joins of a plan: its source, or those of spines."""
    match plan.source:
        case Star():
            return (plan.source,)
        case Spines(spines=spines):
            return tuple(spine.join for spine in spines if isinstance(spine.join, Star))
    return ()


def canonical(plan: Plan) -> bytes:
    """The plan's bytes: MessagePack, fields in the order of the structs."""
    return msgspec.msgpack.encode(plan)


def plan_hash(plan: Plan) -> bytes:
    """SHA-256 of the plan's canonical bytes, 32 bytes."""
    return hashlib.sha256(b"glovebox/1/plan\0" + canonical(plan)).digest()
