"""Which of a table's events belong to a row, and which of several tables a row is matched with: as expressions.

A table sends at most K events of a key, as K times and K of each payload, in order of time; an unused slot has payloads
of 0, and a time later than any moment that is asked for. Bits that compare a moment with these times fall with the
slot, so the difference of neighbours is one slot's bit, and costs nothing (psi.md 17). In a row without a match they
are noise, so each is joined with the match bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from glovebox.protocols.expression import Constant, Expression, Match, Operation, Payload


def last_until(times: Sequence[Payload], moment: Expression, most: int | None = None) -> list[Expression]:
    """For each slot, whether it is the last event at or before a moment, and at most so long before it; one at most.

    times: one table's, with bounds that hold for unused slots too. A slot costs a comparison, two with `most`, and one
    AND, or two.
    """
    until = [_not(_less(moment, time)) for time in times]
    bits = [_differ(one, after) for one, after in pairwise(until)] + until[-1:]
    if most is not None:
        earliest = Operation("subtract", (moment, Constant(most)))
        bits = [_and(bit, _not(_less(time, earliest))) for bit, time in zip(bits, times, strict=True)]
    return [_and(Match(time.table), bit) for bit, time in zip(bits, times, strict=True)]


def first_after(times: Sequence[Payload], moment: Expression, most: int | None = None) -> list[Expression]:
    """For each slot, whether it is the first event later than a moment, and at most so long after it; one at most.

    Without `most` an unused slot may be it, whose payloads are 0. The price is that of `last_until`.
    """
    after = [_less(moment, time) for time in times]
    bits = after[:1] + [_differ(one, before) for before, one in pairwise(after)]
    if most is not None:
        latest = Operation("add", (moment, Constant(most)))
        bits = [_and(bit, _not(_less(latest, time))) for bit, time in zip(bits, times, strict=True)]
    return [_and(Match(time.table), bit) for bit, time in zip(bits, times, strict=True)]


def first_of(tables: Sequence[int]) -> list[Expression]:
    """For each table, whether it is the first of these that a row matches; one at most. An AND for each but the first.

    For a person's several keys, in order: table i is then the run under key i.
    """
    bits: list[Expression] = [Match(tables[0])]
    met: Expression = bits[0]
    for table in tables[1:]:
        bits.append(_and(Match(table), _not(met)))
        met = _differ(met, bits[-1])
    return bits


def any_of(bits: Sequence[Expression]) -> Expression:
    """Whether one of these bits is set, at most one of which is: costs nothing."""
    found = bits[0]
    for bit in bits[1:]:
        found = _differ(found, bit)
    return found


def one_of(bits: Sequence[Expression], values: Sequence[Expression]) -> Expression:
    """The value whose bit is set, at most one of which is; else 0. A choice for each."""
    chosen = [Operation("select", (bit, value, Constant(0))) for bit, value in zip(bits, values, strict=True)]
    total: Expression = chosen[0]
    for value in chosen[1:]:
        total = Operation("add", (total, value))
    return total


def _less(x: Expression, y: Expression) -> Operation:
    return Operation("less", (x, y))


def _and(x: Expression, y: Expression) -> Operation:
    return Operation("and", (x, y))


def _not(x: Expression) -> Operation:
    return Operation("not", (x,))


def _differ(x: Expression, y: Expression) -> Operation:
    return _not(Operation("equal", (x, y)))
