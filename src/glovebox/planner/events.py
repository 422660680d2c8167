"""Rows of persons that stand apart, each with the next at any owner: LEAD(x) OVER (PARTITION BY id ORDER BY time).

An owner's line has its rows of a person in their order, as many as one may have by the contract's rows_per_id. The next
after one of them is the owner's own next, or one of another owner's that comes before it: found on shares, row by row.
Of rows at one time those of the party that the contract names first come first.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NoReturn

from msgspec.structs import replace
from sqlglot import exp

from glovebox.contract.terms import Contract
from glovebox.planner.bands import Band
from glovebox.planner.gathered import Events, Gathered, Persons
from glovebox.planner.gathering import Gathering, side_of
from glovebox.planner.latest import nexts_of
from glovebox.planner.pairs import MOST_PAIRS
from glovebox.planner.plan import Total
from glovebox.planner.scope import Side
from glovebox.planner.sharing import Bit, Number, Sharing, Term, both, chosen, either, equal, less, negated, plus
from glovebox.planner.statement import Statement
from glovebox.planner.totals import Totals
from glovebox.planner.typed import Typed
from glovebox.protocols.expression import Match, Payload, Value
from glovebox.schema.expressions import ColumnRef, Expression
from glovebox.schema.local import Measure

if TYPE_CHECKING:
    from glovebox.planner.meetings import Meeting

NEXT = "LEAD(x) OVER (PARTITION BY id ORDER BY a time)"
Leaf = Callable[[Measure], Value | Payload]


def makes_events(node: exp.Expr) -> bool:
    """Whether a sub-query takes the next of rows."""
    return isinstance(node, exp.Subquery) and bool(nexts_of(node))


def event_side(statement: Statement, contract: Contract, node: exp.Subquery, given: Mapping[str, Typed]) -> Side:
    """The side that such a sub-query is. given: typed parameters of the question."""
    select, windows = node.this, nexts_of(node)

    def no(part: exp.Expr, sentence: str, hint: str = NEXT) -> NoReturn:
        statement.refuse(part, "sql", sentence, hint)

    for clause in ("group", "having", "distinct", "limit", "joins"):
        if select.args.get(clause):
            no(select, f"{clause.upper()} has no place where rows have a next")
    ids, times = windows[0].args.get("partition_by") or [], windows[0].args["order"].expressions
    alike = all((one.args.get("partition_by") or [], one.args["order"].expressions) == (ids, times) for one in windows)
    if not alike or len(ids) != 1 or len(times) != 1 or times[0].args.get("desc"):
        no(windows[0], "The next is told by one id and one time, that rises, and alike in all columns")
    if contract.privacy:
        statement.refuse(node, "privacy", "What comes next gets no noise yet", "a contract without [privacy]")
    own = exp.select(ids[0].copy()).from_(select.args["from_"].this, copy=False).group_by(ids[0].copy())
    if where := select.args.get("where"):
        own.set("where", where)
    gathering = Gathering(statement, contract, own, given)
    gathering.check_joined()
    time = _time(gathering, times[0].this, no)
    columns, nexts = [], {}
    for item in select.expressions:
        name = item.alias_or_name.lower()
        if not name:
            no(item, "A column of rows that have a next needs a name", "… AS name")
        window = item.unalias()
        made = _column(gathering, window.this.this if window in windows else window, name)
        if window in windows:
            if made.how != "least":
                no(item, "Of what comes next a number, a day or a label is taken")
            nexts[name] = made
            made = Gathered(replace(made.column, required=False), made.how)
        columns.append(made)
    pairs = gathering.summaries.most**2 * (len(gathering.side.branches) - 1)
    if pairs > MOST_PAIRS:
        sentence = f"A person's rows meet those of other owners here in up to {pairs} pairs"
        hint = f"a contract with rows_per_id for at most {MOST_PAIRS} pairs"
        statement.refuse(windows[0], "rows_per_id", sentence, hint)
    order = [branch.columns.get(times[0].this.name.lower(), ColumnRef(times[0].this.name.lower()))
             for branch in gathering.side.branches]  # fmt: skip
    queries = tuple(
        replace(query, slots_by=one.name)
        for query, one in zip(gathering.queries(), order, strict=True)
        if isinstance(one, ColumnRef)
    )
    if len(queries) < len(order):
        no(times[0], "Rows are ordered by a column of each owner's", "a column of the tables themselves")
    events = Events(gathering.summaries.most, time, nexts)
    return side_of(gathering.side, Persons(queries, tuple(columns), None, events), node.alias)


def _time(gathering: Gathering, node: exp.Expr, no: Callable[[exp.Expr, str, str], NoReturn]) -> Gathered:
    column = gathering.scope.find(node)[1] if isinstance(node, exp.Column) else None
    if column is not None and column.kind == "timestamp":
        no(node, "Rows have a next by a number or a day, and by a time not yet", "ORDER BY a day")
    if column is None or column.kind not in ("integer", "decimal", "date") or not column.required:
        no(node, "Rows are ordered by a number or a day that is never missing", "required = true for that column")
    if "compare" not in column.may:
        sentence = f"{column.name} may not be compared with another owner's column"
        hint = 'a column with may = ["compare"]'
        gathering.statement.refuse(node, f"columns.{column.name}.may", sentence, hint)
    return _column(gathering, node, column.name)


def _column(gathering: Gathering, node: exp.Expr, name: str) -> Gathered:
    """A column of a row, as what the one row comes to."""
    if isinstance(node, exp.Column) and gathering.scope.find(node)[1] == gathering.ids:
        return gathering.summaries.column(node, name)
    typed = gathering.typing.typed(node)
    columns = [gathering.side.table.column(one) for one in typed.values]
    summed = typed.sort == "number" and not all(one and {"filter", "group"} & set(one.may) for one in columns)
    kind = exp.LogicalOr if typed.sort == "boolean" else exp.Sum if summed else exp.Min
    return gathering.summaries.column(kind(this=node.copy()), name)


def totals_of_events(meeting: Meeting, totals: Totals, bands: Sequence[Band]) -> tuple[Total, ...]:
    """What an owner's rows add: for each total one for each bucket. People are counted where no earlier owner has one
    of theirs that counts; where nothing is told of them, and one is enough for a group, at each owner for itself."""
    events = meeting.persons.events
    if events is None:
        raise TypeError("these are no events")
    where = totals.where(0)
    rows = [_Row(meeting, slot, where, bands) for slot in range(1, events.slots + 1)]
    rules, tree = totals.scope.contract.rules, totals.scope.statement.tree
    once = rules.groups_of_at_least > 1 or tree.find(exp.Distinct) is not None
    tables = [table for table, other in enumerate(meeting.others) if once and other < meeting.place]
    earlier = [_Row(meeting, slot, where, bands, table) for table in tables for slot in range(1, events.slots + 1)]
    found = []
    for total in totals.totals:
        measure = totals.measures[0][total.query or 0]
        people = measure.kind == "people"
        own = [row.measured(measure) for row in rows]
        before = [row.measured(measure) for row in earlier] if people else []
        for place in range(len(rows[0].picked)):
            if people:
                here = either(*(both(bit, *row.picked[place]) for row, (bit, _) in zip(rows, own, strict=True)))
                met = either(*(both(bit, *row.picked[place]) for row, (bit, _) in zip(earlier, before, strict=True)))
                found.append(meeting.total(total, both(here, negated(met)), None))
                continue
            number: Number = 0
            for row, (bit, added) in zip(rows, own, strict=True):
                number = plus(number, chosen(both(bit, *row.picked[place]), 1 if added is None else added, 0))
            found.append(meeting.total(total, meeting.valid, number))
    return tuple(found)


class _Columns(dict[str, Term]):
    """The columns of a row, each made when it is asked for."""

    def __init__(self, made: Callable[[str], Term]) -> None:
        super().__init__()
        self.made = made

    def __missing__(self, name: str) -> Term:
        self[name] = self.made(name)
        return self[name]


class _Row:
    """A row of a person in its slot: the owner's own, or that of another table."""

    def __init__(
        self, meeting: Meeting, slot: int, where: Expression | None, bands: Sequence[Band], table: int | None = None
    ) -> None:
        self.meeting, self.slot, self.table = meeting, slot, table
        events = meeting.persons.events
        if events is None:
            raise TypeError("these are no events")
        self.events = events
        self.sharing = Sharing(_Columns(self._column))
        time = events.time.measures[meeting.place_of(table)]
        there = less(self._leaf(_in(time, slot)), _none(time))
        matched: Bit = True if table is None else Match(table)
        self.picked = list(itertools.product(*(band.bits(self.sharing) for band in bands)))
        self.here = both(matched, there, True if where is None else self.sharing.bit(where))

    def _leaf(self, measure: Measure) -> Value | Payload:
        return self.meeting.value(measure) if self.table is None else self.meeting.payload(self.table, measure)

    def _column(self, name: str) -> Term:
        """A column of the row. ValueError for what comes next after another owner's."""
        if name not in self.events.nexts:
            gathered = next(one for one in self.meeting.persons.columns if one.column.name == name)
            return _term(gathered, self.meeting.place_of(self.table), self._leaf, self.slot)
        if self.table is not None:
            raise ValueError("people are not counted by what comes next")
        return _next(self.meeting, self.events, self.slot, self.events.nexts[name])

    def measured(self, measure: Measure) -> tuple[Bit, Number | None]:
        """Whether the row counts, and what it adds; None for one."""
        bit, number = self.meeting.measured(measure, self.sharing)
        return both(self.here, bit), number


def _in(measure: Measure | None, slot: int) -> Measure:
    if measure is None:
        raise TypeError("every owner has rows of its own")
    return replace(measure, slot=slot)


def _none(measure: Measure | None) -> int:
    """What stands for the least of nothing."""
    return 0 if measure is None else measure.high


def _term(gathered: Gathered, place: int, leaf: Leaf, slot: int) -> Term:
    """A column of the row in a slot."""
    if gathered.how == "id":
        return Term()
    column, measure = gathered.column, _in(gathered.measures[place], slot)
    there: Bit = True
    if gathered.there:
        there = equal(leaf(_in(gathered.there[place], slot)), 1)
    match gathered.how:
        case "any":
            return Term(bit=equal(leaf(measure), 1), there=there)
        case "sum":
            return Term(leaf(measure), column.scale, there)
    value = leaf(measure)
    if gathered.there is not None:
        there = less(value, measure.high)
    return Term(value, column.scale, there, labels=column.values)


def _next(meeting: Meeting, events: Events, slot: int, wanted: Gathered) -> Term:
    """A column of the row that comes next after one of the owner's own."""
    of, none = wanted.measures[0], _none(events.time.measures[0])
    time: Number = none
    value: Number = _none(of)
    for place, candidate in _candidates(meeting, events, slot, wanted):
        closer = less(candidate[0], time) if place else True
        time, value = chosen(closer, candidate[0], time), chosen(closer, candidate[1], value)
    there = less(time, none)
    if wanted.there is not None:
        there = both(there, less(value, _none(of)))
    return Term(value, wanted.column.scale, there, labels=wanted.column.values)


def _candidates(
    meeting: Meeting, events: Events, slot: int, wanted: Gathered
) -> Iterator[tuple[int, tuple[Number, Number]]]:
    """Each owner's first row after that in a slot, by its time and the column that is wanted; by the owners' order."""
    none = _none(events.time.measures[0]), _none(wanted.measures[0])
    now = meeting.value(_in(events.time.measures[meeting.place], slot))
    for place in range(len(meeting.persons.queries)):
        measures = events.time.measures[place], wanted.measures[place]
        found: tuple[Number, Number] = none
        time: Number
        value: Number
        if place == meeting.place:
            if slot < events.slots:
                time, value = (meeting.value(_in(measure, slot + 1)) for measure in measures)
                found = time, value
            yield place, found
            continue
        table = meeting.others.index(place)
        for other in range(events.slots, 0, -1):
            time, value = (meeting.payload(table, _in(measure, other)) for measure in measures)
            after = less(now, time) if place < meeting.place else negated(less(time, now))
            bit = both(Match(table), after)
            found = chosen(bit, time, found[0]), chosen(bit, value, found[1])
        yield place, found
