"""The shape of a join whose rows meet pair by pair: a total becomes one for each pair of slots, and these are added.

People are counted once: for them it is one total, of the ids that have any pair that counts.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from glovebox.planner.plan import Joined, Total
from glovebox.protocols.expression import Constant, Expression, Operation, Payload, Value
from glovebox.protocols.totals import Total as RowTotal
from glovebox.schema.local import LocalQuery, Measure

THERE = Measure("rows", None, 0, 0, 1)
"""Whether a slot has a row."""
Places = tuple[int, ...]
"""For each owner a slot, or a group of those whose rows of an id may have several."""


class Part(NamedTuple):
    """A total of the run: what it adds to, a total of the plan in a group of the owners with slots."""

    total: int
    groups: Places
    summed: RowTotal


class Paired:
    """Totals over pairs, with the choices and columns that they name. The first total counts people, under WHERE."""

    def __init__(self, source: Joined, totals: Sequence[Total]) -> None:
        self.source, self.owners, self.people = source, source.owners, totals[0]
        self.choices: dict[Expression, int] = {}  # in their order, with their places
        self.columns: dict[Expression, int] = {}
        self.placed: dict[tuple[Expression, Places], Expression] = {}
        self.payloads = sum(len(local.measures) * local.width for local in self.owners[1:])
        groups = [range(local.groups) if local.pivoted else range(1) for local in self.owners]
        self.parts = [
            Part(number, chosen, row)
            for number, total in enumerate(totals)
            for chosen in itertools.product(*groups)
            for row in self._rows(total, chosen)
        ]

    def _rows(self, total: Total, groups: Places) -> Iterator[RowTotal]:
        """A total of the plan in some groups, as totals of the run."""
        pairs = list(itertools.product(*(range(local.slots or 1) for local in self.owners)))
        bits = [self._bit(total, groups, pair) for pair in pairs]
        if of_people(self.source, total):
            met = bits[0] if len(bits) == 1 else Operation("or", tuple(bits))
            yield RowTotal(None, None, total.bits, self.choices.setdefault(met, len(self.choices)))
            return
        for pair, bit in zip(pairs, bits, strict=True):
            value, payload = self._product(total, pair)
            yield RowTotal(value, payload, total.bits, self.choices.setdefault(bit, len(self.choices)))

    def _bit(self, total: Total, groups: Places, pair: Places) -> Expression:
        """Whether a pair counts: its condition, the rows' groups, and measures of a row that are 0 or 1."""
        bits: list[Expression] = [self._at(self.source.choices[total.choice], pair)]
        for side, (at, local) in enumerate(factors(self.source, total)):
            if at is not None and local.measures[at].kind != "sum":
                bits.append(_is_set(self._leaf(side, at, pair)))
            if local.pivoted:
                bits.append(_is_set(self._leaf(side, len(local.measures) - local.groups + groups[side], pair)))
        if earlier := self._earlier(pair):
            bits.append(Operation("not", (earlier[0] if len(earlier) == 1 else Operation("or", tuple(earlier)),)))
        return bits[0] if len(bits) == 1 else Operation("and", tuple(bits))

    def _earlier(self, pair: Places) -> list[Expression]:
        """Whether a row's pairs with earlier slots pass, where only the first that does counts."""
        side = self.source.first
        if side is None:
            return []
        return [self._passes((*pair[:side], slot, *pair[side + 1 :])) for slot in range(pair[side])]

    def _passes(self, pair: Places) -> Expression:
        """Whether there is such a pair, and WHERE holds for it."""
        bits = [self._at(self.source.choices[self.people.choice], pair)]
        for side, local in enumerate(self.owners):
            if local.slots:
                bits.append(_is_set(self._leaf(side, local.measures.index(THERE), pair)))
        return bits[0] if len(bits) == 1 else Operation("and", tuple(bits))

    def _product(self, total: Total, pair: Places) -> tuple[int | None, int | None]:
        """QUERY's value and the payload that a pair adds, of the numbers that are multiplied."""
        if total.column is not None:
            column = self._at(self.source.columns[total.column], pair)
            return None, self._column(column)
        leaves = [
            self._leaf(side, at, pair)
            for side, (at, local) in enumerate(factors(self.source, total))
            if at is not None and local.measures[at].kind == "sum"
        ]
        value = next((leaf.index for leaf in leaves if isinstance(leaf, Value)), None)
        payloads = [leaf for leaf in leaves if isinstance(leaf, Payload)]
        if len(payloads) == 2:
            return value, self._column(Operation("multiply", tuple(payloads)))
        return value, payloads[0].index if payloads else None

    def _at(self, expression: Expression, pair: Places) -> Expression:
        """An expression over measures, for one slot of each owner."""
        found = self.placed.get((expression, pair))
        if found is None:
            found = self.placed[expression, pair] = self._made_at(expression, pair)
        return found

    def _made_at(self, expression: Expression, pair: Places) -> Expression:
        match expression:
            case Value(index):
                return self._leaf(0, index, pair)
            case Payload(table, index):
                return self._leaf(table + 1, index, pair)
            case Operation(operator, arguments):
                return Operation(operator, tuple(self._at(argument, pair) for argument in arguments))
        return expression

    def _leaf(self, side: int, measure: int, pair: Places) -> Value | Payload:
        local = self.owners[side]
        bounds, index = local.measures[measure], measure * local.width + pair[side]
        if side == 0:
            return Value(index, bounds.low, bounds.high)
        before = sum(len(other.measures) * other.width for other in self.owners[1:side])
        return Payload(0, before + index, bounds.low, bounds.high)

    def _column(self, column: Expression) -> int:
        """The place of a column among the payloads, behind the tables' own."""
        return self.payloads + self.columns.setdefault(column, len(self.columns))


def factors(source: Joined, total: Total) -> Iterator[tuple[int | None, LocalQuery]]:
    """The measure of each owner that a total multiplies, if it has one, and the owner."""
    return zip((total.query, total.table, total.second), source.owners, strict=False)


def of_people(source: Joined, total: Total) -> bool:
    """Whether a total counts ids that have any pair, and not pairs."""
    kinds = [local.measures[at].kind for at, local in factors(source, total) if at is not None]
    return total.column is None and all(kind == "people" for kind in kinds)


def _is_set(leaf: Expression) -> Expression:
    return Operation("equal", (leaf, Constant(1)))
