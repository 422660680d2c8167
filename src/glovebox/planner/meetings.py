"""A question over persons: one spine an owner, whose rows count where no earlier owner has the person; the first
owner's alone where it has a row of all whom the question counts.

Every column of a person is the owner's own and what is found of it at later owners; conditions, groups and sums of such
columns are evaluated on shares, row by row.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from msgspec.structs import replace

from glovebox.errors import GloveboxError
from glovebox.planner.bands import Band
from glovebox.planner.distinct import counted_spine
from glovebox.planner.events import totals_of_events
from glovebox.planner.gathered import PERSON_HERE, Gathered, Measures, Persons
from glovebox.planner.grouping import Key
from glovebox.planner.plan import Joined, Spine, Spines, Total
from glovebox.planner.shape import MOST_TOTALS
from glovebox.planner.sharing import (
    Bit,
    Number,
    Sharing,
    Term,
    both,
    chosen,
    either,
    equal,
    less,
    negated,
    plus,
    public,
    times,
)
from glovebox.planner.spines import MOST_OWNERS
from glovebox.planner.totals import Totals
from glovebox.protocols.expression import Constant, Expression, Match, Operation, Payload, Shared, Value
from glovebox.schema.local import LocalQuery, Measure

MOST_CHOICES = 400


def met(totals: Totals, keys: Sequence[Key], computing: tuple[int, ...]) -> tuple[Spines, tuple[Total, ...]]:
    """The spines of a question over persons, and its totals. Refused for too many owners, or conditions."""
    persons, statement = totals.scope.sides[0].persons, totals.scope.statement
    if persons is None:
        raise TypeError("these are no persons")
    if not 2 <= len(persons.queries) <= MOST_OWNERS:
        sentence = f"Persons of {len(persons.queries)} owners cannot meet yet"
        statement.refuse(statement.tree, "table", sentence, f"two or {MOST_OWNERS} owners")
    bands = [key for key in keys if isinstance(key, Band)]
    size = len(totals.totals) * math.prod(len(band.groupings[0].labels) for band in bands)
    if size > MOST_TOTALS:
        sentence = f"These are {size} totals of every row"
        hint = f"fewer groups or columns: at most {MOST_TOTALS} totals"
        statement.refuse(statement.tree.args.get("group") or statement.tree, "sql", sentence, hint)
    try:
        meetings = [Meeting(persons, place) for place in range(1 if persons.held else len(persons.queries))]
        found = [meeting.totals(totals, bands) for meeting in meetings]
    except ValueError as problem:
        sentence, hint = f"This cannot be evaluated on shares: {problem}", "simpler conditions, fewer groups or columns"
        statement.refuse(statement.tree, "sql", sentence, hint)
    loaded = [
        replace(query, measures=tuple(dict.fromkeys(one for each in meetings for one in each.measures_of(place))))
        for place, query in enumerate(persons.queries)
    ]
    spines = [meeting.spine(each, computing) for meeting, each in zip(meetings, found, strict=True)]
    buckets = tuple(band.groupings[0] for band in bands)
    return Spines((*loaded, *persons.pairs), tuple(spines), buckets), tuple(totals.totals)


class Meeting:
    """One owner's persons beside those of the others. place: the owner's, among all."""

    def __init__(self, persons: Persons, place: int) -> None:
        self.persons, self.place = persons, place
        self.others = [other for other in range(len(persons.queries)) if other != place]
        self.values: dict[Measure, int] = {}  # with its place, as all of these
        self.payloads: dict[int, dict[Measure, int]] = {other: {} for other in self.others}
        self.choices: dict[Expression, int] = {}
        self.columns: dict[Expression, int] = {}
        tables = 1 + len(persons.queries[place].beside)
        self.valid = either(*(equal(self.value(replace(PERSON_HERE, of=table)), 1) for table in range(tables)))
        once = [gathered.measures[0] for gathered in persons.columns if gathered.how == "distinct"]
        most = next((measure.high for measure in once if measure), 0)
        self.common: Number = Shared(0, 0, most) if once and place == 0 else 0
        columns = () if persons.events else persons.columns  # of events each row has its own
        self.sharing = Sharing({gathered.column.name: self._term(gathered) for gathered in columns})
        earlier = [Match(table) for table, other in enumerate(self.others) if other < place]
        self.first = both(self.valid, *(negated(match) for match in earlier))

    def totals(self, totals: Totals, bands: Sequence[Band]) -> tuple[Total, ...]:
        """What this owner's persons add: for each total one for each bucket."""
        if self.persons.events:
            return totals_of_events(self, totals, bands)
        wheres = [where for where in (self.persons.where, totals.where(0)) if where is not None]
        here = both(self.first, *map(self.sharing.bit, wheres))
        bits = [band.bits(self.sharing) for band in bands]
        found = []
        for total in totals.totals:
            measure = totals.measures[0][total.query or 0]
            counted, number = self.measured(measure, self.sharing)
            for picked in itertools.product(*bits):
                found.append(self.total(total, both(here, counted, *picked), number))
        return tuple(found)

    def place_of(self, table: int | None) -> int:
        """The place of a table's owner among all; None: of the owner's own."""
        return self.place if table is None else self.others[table]

    def measures_of(self, place: int) -> dict[Measure, int]:
        """The measures of an owner that this meeting takes."""
        return self.values if place == self.place else self.payloads[place]

    def spine(self, totals: tuple[Total, ...], computing: tuple[int, ...]) -> Spine:
        """The spine of this meeting."""
        query, *tables = (self._local(place) for place in (self.place, *self.others))
        second = tables[1] if len(tables) > 1 else None
        others = (one for one in computing if one not in (query.party, tables[0].party))
        helper = second.party if second else next(others)
        choices, columns = tuple(self.choices), tuple(self.columns)
        if isinstance(self.common, Shared):
            return counted_spine((query, *tables), self.persons.pairs, choices, columns, totals, helper)
        joined = Joined(query, tables[0], helper, choices, columns, second, apart=second is not None)
        return Spine(query, totals, joined)

    def _local(self, place: int) -> LocalQuery:
        return replace(self.persons.queries[place], measures=tuple(self.measures_of(place)))

    def value(self, measure: Measure) -> Value:
        """A measure of the owner's own."""
        return Value(self.values.setdefault(measure, len(self.values)), measure.low, measure.high)

    def payload(self, table: int, measure: Measure) -> Payload:
        """A measure of another owner's; noise where there is no match."""
        payloads = self.payloads[self.others[table]]
        return Payload(table, payloads.setdefault(measure, len(payloads)), measure.low, measure.high)

    def _later(self) -> list[int]:
        """The tables of owners behind this one: a person at one before it is not counted here."""
        return [table for table, other in enumerate(self.others) if other > self.place]

    def _term(self, gathered: Gathered) -> Term:
        scale, labels = gathered.column.scale, gathered.column.values
        there: Bit = self._is_any(gathered.there) if gathered.there else True
        match gathered.how:
            case "id":
                return Term(there=there)
            case "any":
                return Term(bit=self._is_any(gathered.measures), there=there)
            case "sum":
                return Term(self._sum(gathered.measures), scale, there)
            case "distinct":
                return Term(plus(self._sum(gathered.measures), times(self.common, -1)))
        value, none = self._least(gathered.measures)
        if gathered.there is not None:
            there = both(there, less(value, none))
        return Term(times(value, -1) if gathered.negative else value, scale, there, labels=labels)

    def _is_any(self, measures: Measures) -> Bit:
        """Whether one of the measures, 0 or 1, is 1."""
        own = measures[self.place]
        bits: list[Bit] = [] if own is None else [equal(self.value(own), 1)]
        for table in self._later():
            measure = measures[self.others[table]]
            if self._is_match(table, measure):
                bits.append(Match(table))
            elif measure is not None:
                bits.append(both(Match(table), equal(self.payload(table, measure), 1)))
        return either(*bits)

    def _is_match(self, table: int, measure: Measure | None) -> bool:
        """Whether a measure of another owner's is 1 for all its lines."""
        return measure == PERSON_HERE and not self.persons.queries[self.others[table]].beside

    def _sum(self, measures: Measures) -> Number:
        own = measures[self.place]
        total: Number = 0 if own is None else self.value(own)
        for table in self._later():
            measure = measures[self.others[table]]
            if self._is_match(table, measure):
                total = plus(total, chosen(Match(table), 1, 0))
            elif measure is not None:
                total = plus(total, chosen(Match(table), self.payload(table, measure), 0))
        return total

    def _least(self, measures: Measures) -> tuple[Number, int]:
        """The least of the measures, and what stands for the least of nothing."""
        none = next(measure.high for measure in measures if measure is not None)
        own = measures[self.place]
        value: Number = none if own is None else self.value(own)
        for table in self._later():
            measure = measures[self.others[table]]
            if measure is not None:
                other = chosen(Match(table), self.payload(table, measure), none)
                value = other if value == none else chosen(less(other, value), other, value)
        return value, none

    @staticmethod
    def measured(measure: Measure, sharing: Sharing) -> tuple[Bit, Number | None]:
        """Where a measure of a person counts, and what it adds; None for one."""
        if measure.expression is None:
            return True, None
        if measure.kind != "sum":
            return sharing.there(measure.expression), None
        term = sharing.number(measure.expression)
        return term.there, times(term.value, 10 ** (measure.scale - term.scale))

    def total(self, total: Total, choice: Bit, number: Number | None) -> Total:
        """A total of what rows add where a bit is set; None for one each."""
        if isinstance(number, Operation) and number.operator == "select":
            bit, one, other = number.arguments
            if (one, other) == (Constant(1), Constant(0)):
                choice, number = both(choice, bit), None
        if isinstance(choice, bool) or number == 0:
            choice, number = self._nowhere(), None
        found = replace(total, query=None, choice=self._placed(self.choices, choice))
        if number is None or number == 1:
            return found
        if isinstance(number, Value):
            return replace(found, query=number.index)
        column = chosen(self.valid, number, 0) if isinstance(number, int) else number
        return replace(found, column=self._placed(self.columns, public(column)))

    def _nowhere(self) -> Expression:
        """A bit that is never set."""
        if isinstance(self.valid, bool):
            raise GloveboxError("a person is no constant", code="plan")
        return Operation("and", (self.valid, Operation("not", (self.valid,))))

    @staticmethod
    def _placed(among: dict[Expression, int], one: Expression) -> int:
        """The place of an expression. ValueError for one too many, before more of them are made."""
        place = among.setdefault(one, len(among))
        if place == MOST_CHOICES:
            raise ValueError(f"these are more than {MOST_CHOICES} conditions or numbers of every row")
        return place
