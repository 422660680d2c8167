"""Sub-queries that put rows together by one id, of rows that are joined by others: a star join.

SELECT id, SUM(x) FROM facts JOIN table ON another id .. GROUP BY id makes a table of lines, which may be joined with
tables by that id. Without a sub-query the same is meant where people are counted by an id that no table is joined on:
the statement is then read as one over the lines of that id (`flat.py`).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from msgspec.structs import replace as replaced
from sqlglot import exp

from glovebox.contract.terms import Contract
from glovebox.errors import GloveboxError
from glovebox.planner.bands import Band
from glovebox.planner.beside import renamed
from glovebox.planner.conjuncts import conjuncts
from glovebox.planner.facts import ONE, FactRows
from glovebox.planner.flat import by_lines
from glovebox.planner.gathered import Gathered, Persons
from glovebox.planner.grouping import Key
from glovebox.planner.labelled import ALIAS, labelled
from glovebox.planner.meetings import Meeting
from glovebox.planner.persons import names_of
from glovebox.planner.plan import Dimension, Star, Total
from glovebox.planner.scope import Side, table_side
from glovebox.planner.sharing import Bit, Number, Sharing, Term, both, equal, less
from glovebox.planner.statement import Statement
from glovebox.planner.summaries import USES
from glovebox.planner.totals import Totals
from glovebox.planner.typed import NULL, Typed
from glovebox.protocols.expression import Expression, Match, Payload, Value
from glovebox.schema.columns import Column, Kind, Table
from glovebox.schema.expressions import Call, ColumnRef, Constant
from glovebox.schema.local import LocalQuery, Measure

LINES = "SELECT id, SUM(x) AS s FROM facts JOIN table ON … GROUP BY id"
HERE, ABSENT = Constant("integer", "1"), Constant("integer", "0")
PERSON = Value(0, 0, 1)
"""Of a line, whether it has an id."""


@dataclass(frozen=True)
class Lines:
    """A table of lines.

    terms: what its columns are there. beside: tables that are joined by the lines' id. flat: lines without an id count,
    for no line was asked for. free: columns by which groups are made and that take every label in turn.
    """

    facts: FactRows
    terms: dict[str, Term]
    beside: tuple[LocalQuery, ...] = ()
    flat: bool = False
    free: tuple[str, ...] = ()


def makes_lines(node: exp.Expr) -> bool:
    """Whether a sub-query puts rows of a join together."""
    inner = node.this if isinstance(node, exp.Subquery) else None
    return isinstance(inner, exp.Select) and bool(inner.args.get("joins")) and bool(inner.args.get("group"))


def lines_side(statement: Statement, contract: Contract, given: Mapping[str, Typed]) -> Side | None:
    """The side that lines are, if the statement reads such a sub-query, with the tables that it is joined with.

    Its columns have the names of sub-query and tables before theirs, and so have from then on the statement's own.
    """
    tree = statement.tree
    flat = by_lines(statement, contract)
    free = labelled(statement, contract, given)
    source = tree.args.get("from_")
    if source is None or not makes_lines(source.this):
        return None
    reading = _Reading(statement, contract, source.this, given)
    for name, column in free.items():
        reading.columns.append(replaced(column, name=f"{ALIAS}.{name}", required=True))
    for join in tree.args.get("joins") or []:
        reading.beside(join)
    tree.set("joins", [])
    renamed(statement, [column.name for column in reading.columns], reading.names)
    gathered = tuple(Gathered(column, "id" if column.kind == "id" else "sum") for column in reading.columns)
    facts = reading.facts.queries()
    queries, rows = (*facts, *reading.locals), sum(query.lines for query in facts)
    table = Table("lines", tuple(query.party for query in queries), rows, (), apart=True)
    table = replaced(table, columns=tuple(reading.columns))
    branches = tuple(branch for side in reading.sides for branch in side.branches)
    made = Lines(reading.facts, reading.terms, tuple(reading.locals), flat, tuple(f"{ALIAS}.{name}" for name in free))
    owners = tuple(dict.fromkeys(owner for side in reading.sides for owner in side.owners))
    return Side(
        reading.facts.facts.index,
        table,
        owners,
        frozenset(),
        branches=branches,
        persons=Persons(queries, gathered),
        lines=made,
    )


class _Reading:
    """Reads the sub-query's columns, and the tables beside it."""

    def __init__(
        self, statement: Statement, contract: Contract, node: exp.Subquery, given: Mapping[str, Typed]
    ) -> None:
        self.statement, self.contract = statement, contract
        select, alias = node.this, node.alias.lower()
        for part in ("order", "limit", "distinct", "having"):
            if select.args.get(part):
                statement.refuse(select, "sql", f"{part.upper()} has no place where lines are made on shares", LINES)
        keys = select.args["group"].expressions
        if len(keys) != 1 or not isinstance(keys[0], exp.Column):
            statement.refuse(select.args["group"], "sql", "Rows of a join are put together by one id", LINES)
        self.facts = FactRows(statement, contract, select, keys[0], given)
        self.sides = list(self.facts.scope.sides)
        self.names, self.locals = [alias], list[LocalQuery]()
        self.columns: list[Column] = []
        self.terms: dict[str, Term] = {}
        for item in select.expressions:
            name = (item.alias or (item.name if isinstance(item, exp.Column) else "")).lower()
            if not name:
                statement.refuse(item, "sql", "What a line has needs a name", "… AS name")
            self._column(item.unalias(), f"{alias}.{name}", name)

    def _add(self, column: Column, term: Term) -> None:
        self.columns.append(column)
        self.terms[column.name] = term

    def _column(self, node: exp.Expr, name: str, plain: str) -> None:
        """One column of the lines."""
        facts = self.facts
        if isinstance(node, exp.Column) and facts.scope.find(node) == (0, facts.line):
            column = replaced(facts.line, name=name, unique=True, required=False)
            return self._add(column, Term(there=equal(PERSON, 1)))
        if isinstance(node, exp.Filter) and isinstance(node.expression.this, exp.Exists):
            whole = facts.of_line(facts.add_rows(node.expression.this.this))
            column = Column(name, "integer", required=True, low=0, high=whole.high, may=("filter",))
            return self._add(column, Term(whole))
        condition, inner = (node.expression.this, node.this) if isinstance(node, exp.Filter) else (None, node)
        bits = facts.bit(condition)
        match inner:
            case exp.Count() if isinstance(inner.this, exp.Star):
                place = facts.add(ONE, bits)
            case exp.Count() if isinstance(inner.this, exp.Distinct) and len(inner.this.expressions) == 1:
                place = facts.add_once(inner.this.expressions[0], bits)
            case exp.Count() if not isinstance(inner.this, exp.Distinct):
                absent = exp.Is(this=inner.this.copy(), expression=exp.Null())
                place = facts.add(ONE, (*bits, *facts.bit(absent, False)))
            case exp.Sum():
                return self._sum(inner.this, name, bits)
            case _:
                self.statement.refuse(node, "sql", "Of a line's rows, counts and sums are taken here", LINES)
        shared = facts.of_line(place)
        column = Column(name, "integer", required=True, low=0, high=shared.high, may=("sum", "avg", "filter"))
        return self._add(column, Term(shared))

    def _sum(self, node: exp.Expr, name: str, bits: tuple[Expression, ...]) -> None:
        facts = self.facts
        number, scale, present = facts.mixing.number(node)
        shared = facts.of_line(facts.add(number, (*bits, *present)))
        nullable = bool(bits or present)
        there: Bit = True
        if nullable:
            there = less(0, facts.of_line(facts.add(ONE, (*bits, *present))))
        read = {facts.scope.find(column) for column in node.find_all(exp.Column)}
        may = tuple(use for use in USES if all(use in column.may or use in ("filter", "group") for _, column in read))
        may = tuple(use for use in may if use != "filter" or all("filter" in column.may for _, column in read))
        kind: Kind = "decimal" if scale else "integer"
        column = Column(name, kind, required=not nullable, scale=scale, low=shared.low, high=shared.high, may=may)
        self._add(column, Term(shared, scale, there))

    def beside(self, join: exp.Join) -> None:
        """A table that is joined by the lines' id: each of its columns that the statement may read."""
        statement = self.statement
        if not isinstance(join.this, exp.Table) or join.side or join.kind:
            statement.refuse(join, "sql", "Lines are joined with tables by their id, inner", "JOIN table USING (id)")
        side = table_side(statement, self.contract, join.this)
        alias = join.this.alias_or_name.lower()
        ids = self._joined_id(join, side, alias)
        self.sides.append(side)
        self.names.append(alias)
        number, measures = len(self.locals), list[Measure]()
        for column in side.table.columns:
            if column.kind not in ("integer", "decimal", "boolean", "category") or not column.may or column.parts:
                continue  # days and times are nothing that a line has
            made, labels = _number_of(column)
            low, high = (column.low or 0, column.high or 0) if not labels else (0, len(labels) - 1)
            low, high = min(low, 0), max(high, 0)
            measures.append(Measure("sum", made, column.scale, low, high))
            payload = Payload(number, len(measures) - 1, low, high)
            there: Bit = Match(number)
            if not column.required and column.kind != "category":
                absent = Call("case", (Call("is_null", (ColumnRef(column.name),)), ABSENT, HERE))
                measures.append(Measure("sum", absent, 0, 0, 1))
                there = both(there, equal(Payload(number, len(measures) - 1, 0, 1), 1))
            term = Term(payload, column.scale, there, labels=labels)
            if column.kind == "boolean":
                term = Term(there=there, bit=equal(payload, 1))
            self._add(replaced(column, name=f"{alias}.{column.name}"), term)
        self.locals.append(LocalQuery(side.owners[0], side.table.name, tuple(measures), side.table.rows, ids))

    def _joined_id(self, join: exp.Join, side: Side, alias: str) -> str:
        """The table's id by which lines find its rows; other conditions of ON go to WHERE."""
        line, found, others = self.facts.line, None, list[exp.Expr]()
        for part in conjuncts(join.args.get("on")):
            ends = [part.this, part.expression] if isinstance(part, exp.EQ) else []
            names = {end.table.lower(): end.name.lower() for end in ends if isinstance(end, exp.Column)}
            if set(names) == {self.names[0], alias}:
                found = names[self.names[0]], names[alias]
            else:
                others.append(part)
        using = join.args.get("using") or []
        if len(using) == 1:
            found = using[0].name.lower(), using[0].name.lower()
        own = self.terms.get(f"{self.names[0]}.{found[0]}") if found else None
        ids, whole = side.table.column(found[1]) if found else None, self.facts.facts
        places = zip(whole.branches, names_of(whole, line), strict=True)
        pairs = [{(one.index, name), (side.index, ids.name if ids else "")} for one, name in places]
        joins = [{(place.table, place.column) for place in known} for known in self.contract.rules.join]
        if own is None or ids is None or own.there != equal(PERSON, 1) or not all(pair in joins for pair in pairs):
            sentence = f"Lines are joined with {side.table.name} by their id, as the contract joins it"
            self.statement.refuse(join, "rules.join", sentence, f"JOIN {side.table.name} ON … = {line.name}")
        if not ids.unique or len(side.owners) > 1 or set(side.owners) & set(whole.owners):
            sentence = f"{side.table.name} is not another owner's table with one row an id"
            self.statement.refuse(join, "sql", sentence, "unique = true for that id")
        where = self.statement.tree.args.get("where")
        kept = [*([where.this] if where else []), *others]
        if others:
            self.statement.tree.set("where", exp.Where(this=exp.and_(*kept, copy=False)))
        return ids.name


def _number_of(column: Column) -> tuple[Call | ColumnRef, tuple[str, ...]]:
    """A column as a number of its owner's, and the labels that it numbers."""
    if column.kind == "boolean":
        return Call("integer", (ColumnRef(column.name),)), ()
    if column.kind != "category":
        return ColumnRef(column.name), ()
    arguments: list[Call | Constant] = []
    for place, label in enumerate(column.values):
        equals = Call("=", (ColumnRef(column.name), Constant("category", label)))
        arguments += [equals, Constant("integer", str(place))]
    return Call("case", (*arguments, NULL)), column.values


class LineMeeting(Meeting):
    """Lines as rows that nobody knows: what each adds to the totals of a question."""

    def __init__(self, lines: Lines, persons: Persons) -> None:
        self.lines, self.persons = lines, persons
        self.choices, self.columns = {}, {}
        self.sharing = Sharing(lines.terms)
        some = less(0, lines.facts.of_line(0))
        beside = [Match(number) for number in range(len(lines.beside))]
        self.valid = both(some, *beside, *([] if lines.flat else [equal(PERSON, 1)]))
        self.first = self.valid

    def totals(self, totals: Totals, bands: Sequence[Band]) -> tuple[Total, ...]:
        """What lines add: for each total one for each bucket; free columns have the label of the bucket."""
        free = [place for place, band in enumerate(bands) if self._name(band) in self.lines.free]
        found: dict[tuple[int, tuple[int, ...]], Total] = {}
        for labels in itertools.product(*(range(len(bands[place].labels)) for place in free)):
            taken = dict(zip(free, labels, strict=True))
            terms = {self._name(bands[place]): _taken(bands[place], at) for place, at in taken.items()}
            self.sharing = Sharing({**self.lines.terms, **terms})
            where = totals.where(0)
            here = both(self.first, *([] if where is None else [self.sharing.bit(where)]))
            bits = [
                [(taken[place], True)] if place in taken else list(enumerate(band.bits(self.sharing)))
                for place, band in enumerate(bands)
            ]
            for number, total in enumerate(totals.totals):
                counted, value = self._counted(totals.measures[0][total.query or 0])
                for picked in itertools.product(*bits):
                    choice = both(here, counted, *(bit for _, bit in picked))
                    found[number, tuple(at for at, _ in picked)] = self.total(total, choice, value)
        return tuple(found[place] for place in sorted(found))

    def _name(self, band: Band) -> str:
        expression = band.value.expression if band.value else None
        return expression.name if isinstance(expression, ColumnRef) else ""

    def _counted(self, measure: Measure) -> tuple[Bit, Number | None]:
        """Where a measure of a line counts, and what it adds; people are lines with an id."""
        if measure.kind == "people" and measure.expression is None:
            return equal(PERSON, 1), None
        return self.measured(measure, self.sharing)


def _taken(band: Band, at: int) -> Term:
    """A free column where it has the label in a place."""
    return Term(int(band.labels[at])) if band.groupings[0].sort == "number" else Term(at, labels=band.labels)


def star_of(totals: Totals, keys: Sequence[Key], computing: tuple[int, ...]) -> tuple[Star, tuple[Total, ...]]:
    """The star join of a question over lines, and its totals."""
    side, statement = totals.scope.sides[0], totals.scope.statement
    if side.lines is None or side.persons is None:
        raise TypeError("these are no lines")
    lines, bands = side.lines, [key for key in keys if isinstance(key, Band)]
    if len({key.name for key in bands} & set(lines.free)) < len(lines.free):
        statement.refuse(statement.tree, "sql", "Rows of an id and labels are counted by these labels", "GROUP BY them")
    meeting = LineMeeting(lines, side.persons)
    try:
        found = meeting.totals(totals, bands)
    except ValueError as problem:
        sentence, hint = f"This cannot be evaluated on shares: {problem}", "simpler conditions, fewer groups or columns"
        statement.refuse(statement.tree, "sql", sentence, hint)
    dimensions = (*lines.facts.dimensions(), *(Dimension(local, (), True) for local in lines.beside))
    facts = lines.facts.queries()
    by_line = len(lines.beside) + (len(facts) > 1)
    facts = tuple(_with_lines(query, by_line) for query in facts)
    owners = {one.table.party for one in dimensions}
    if totals.scope.contract.rules.groups_of_at_least > 1 and len(owners) < len(dimensions):
        sentence = "Of two tables of one owner it is not told yet which earlier answers differ by few people"
        statement.refuse(statement.tree, "rules.groups_of_at_least", sentence, "one table of each owner")
    others = [party for party in computing if party not in owners | {query.party for query in facts}]
    helper = others[0] if others else max(owners)
    buckets = tuple(band.groupings[0] for band in bands)
    made = tuple(meeting.choices), tuple(meeting.columns)
    return Star(facts, dimensions, helper, lines.facts.levels(), *made, found, buckets), tuple(totals.totals)


def _with_lines(query: LocalQuery, times: int) -> LocalQuery:
    """A query of facts with the id of their lines as so many keys more."""
    if query.facts is None:
        raise GloveboxError("facts have keys", code="plan")
    return replaced(query, facts=replaced(query.facts, keys=(*query.facts.keys, *[query.ids or ""] * times)))
