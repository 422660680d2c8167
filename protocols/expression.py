"""Typed expressions over aligned rows, as a plan holds them: data that each party checks and prices before it runs.

The set is closed. A row is one of QUERY's, with its values, columns that nobody knows, and for each TABLE a match bit
and that table's payloads. A number has a range, from the contract's bounds, that holds in every row with a match; where
a row has none a payload is noise, and so is what is made of it, until a bit that is 0 in such rows makes it 0 (psi.md
17).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from msgspec import Struct

from glovebox.errors import Refused

MOST = 1 << 62  # |x| below it: differences of two keep their sign mod 2^64, and totals their bound (psi.md 10)

Operator = Literal[
    "add", "subtract", "negate", "multiply",
    "less", "equal", "within",
    "and", "or", "not", "select",
]  # fmt: skip
"""`equal`: of numbers or of bits. `within`: a number, and constants low and high that belong to it. `and`, `or`: of two
or more bits. `select`: a bit, and two numbers or bits of which it takes the first if it is set. What is made of
constants alone is a constant, and none of these."""


class Value(Struct, frozen=True, tag_field="node", tag="value", forbid_unknown_fields=True):
    """A column of QUERY's numbers, from low to high; a bit is one from 0 to 1, compared with a constant."""

    index: int
    low: int
    high: int


class Payload(Struct, frozen=True, tag_field="node", tag="payload", forbid_unknown_fields=True):
    """A column of a TABLE's numbers, from low to high in rows with a match."""

    table: int
    index: int
    low: int
    high: int


class Match(Struct, frozen=True, tag_field="node", tag="match", forbid_unknown_fields=True):
    """The bit that says whether a row has a match in a TABLE."""

    table: int


class Shared(Struct, frozen=True, tag_field="node", tag="shared", forbid_unknown_fields=True):
    """A column of QUERY's rows that nobody knows, from low to high in all of them."""

    index: int
    low: int
    high: int


class Constant(Struct, frozen=True, tag_field="node", tag="constant", forbid_unknown_fields=True):
    """A public number."""

    number: int


class Operation(Struct, frozen=True, cache_hash=True, tag_field="node", tag="operation", forbid_unknown_fields=True):
    """An operator of the closed set and what it works on."""

    operator: Operator
    arguments: tuple[Value | Payload | Shared | Match | Constant | Operation, ...]


Expression = Value | Payload | Shared | Match | Constant | Operation


@dataclass(frozen=True)
class Kind:
    """What is known of an expression beforehand.

    bit: a bit, else a number from low to high. known: to QUERY, or public. matched: of a bit, the tables in whose rows
    without a match it is 0. noisy: those in whose rows without a match it may be noise.
    """

    bit: bool
    low: int = 0
    high: int = 1
    known: bool = False
    matched: frozenset[int] = frozenset()
    noisy: frozenset[int] = frozenset()


@lru_cache(1 << 14)
def kind_of(expression: Expression) -> Kind:
    """Check an expression and what it is made of.

    ValueError if it is malformed, Refused if a number in it may be too large.
    """
    match expression:
        case Value(low=low, high=high):
            kind = Kind(False, low, high, known=True)
        case Payload(table=table, low=low, high=high):
            kind = Kind(False, low, high, noisy=frozenset({table}))
        case Shared(low=low, high=high):
            kind = Kind(False, low, high)
        case Match(table=table):
            kind = Kind(True, matched=frozenset({table}))
        case Constant(number=number):
            kind = Kind(False, number, number, known=True)
        case Operation(operator=operator, arguments=arguments):
            kind = _operation(operator, [kind_of(one) for one in arguments], arguments)
    if kind.low > kind.high:
        raise ValueError("a range has its lower end first")
    if max(-kind.low, kind.high) >= MOST:
        raise Refused(
            "a number made of several owners' columns could reach 2^62",
            step="expression",
            hint="narrower bounds of the columns in the contract",
        )
    return kind


def parts_of(expressions: Sequence[Expression]) -> list[Expression]:
    """All that the expressions are made of and they themselves, each once, parts before what is made of them."""
    found: dict[Expression, None] = {}
    for expression in expressions:
        _add_parts(expression, found)
    return list(found)


def _add_parts(expression: Expression, found: dict[Expression, None]) -> None:
    if expression in found:
        return
    if isinstance(expression, Operation):
        for argument in expression.arguments:
            _add_parts(argument, found)
    found[expression] = None


def _operation(operator: Operator, kinds: list[Kind], arguments: tuple[Expression, ...]) -> Kind:
    if not _fits(operator, kinds, arguments) or all(isinstance(one, Constant) for one in arguments):
        raise ValueError(f"`{operator}` does not work on these")
    known, noisy = all(kind.known for kind in kinds), _union(kind.noisy for kind in kinds)
    match operator, kinds:
        case (("less" | "equal" | "within" | "not"), _):
            return Kind(True, known=known, noisy=noisy)
        case "and", _:
            matched = _union(kind.matched for kind in kinds)
            return Kind(True, known=known, matched=matched, noisy=noisy - matched)
        case "or", _:
            matched = frozenset.intersection(*(kind.matched for kind in kinds))
            return Kind(True, known=known, matched=matched, noisy=noisy - matched)
        case "select", [condition, x, y]:
            noisy = condition.noisy | (x.noisy - condition.matched) | y.noisy
            matched = x.matched & y.matched
            return Kind(x.bit, min(x.low, y.low), max(x.high, y.high), known, matched, noisy - matched)
        case _:
            low, high = _range(operator, kinds)
            return Kind(False, low, high, known, noisy=noisy)


def _union(sets: Iterable[frozenset[int]]) -> frozenset[int]:
    return frozenset[int]().union(*sets)


def _fits(operator: Operator, kinds: list[Kind], arguments: tuple[Expression, ...]) -> bool:
    """Whether the arguments are as many, and of the types, that the operator works on."""
    types = [kind.bit for kind in kinds]
    match operator:
        case "add" | "subtract" | "multiply" | "less":
            return types == [False, False]
        case "equal":
            return types in ([False, False], [True, True])
        case "negate":
            return types == [False]
        case "within":
            return types == [False] * 3 and all(isinstance(one, Constant) for one in arguments[1:])
        case "and" | "or":
            return len(types) > 1 and all(types)
        case "not":
            return types == [True]
        case "select":
            return types in ([True, False, False], [True, True, True])


def _range(operator: Operator, kinds: list[Kind]) -> tuple[int, int]:
    match operator, kinds:
        case "negate", [x]:
            return -x.high, -x.low
        case "add", [x, y]:
            return x.low + y.low, x.high + y.high
        case "subtract", [x, y]:
            return x.low - y.high, x.high - y.low
        case _, [x, y]:
            ends = [a * b for a in (x.low, x.high) for b in (y.low, y.high)]
            return min(ends), max(ends)
    raise ValueError(f"`{operator}` does not make a number")
