"""Local expressions over columns that are made on shares: what each column is there is given.

What is unknown in SQL is neither true nor false here: a condition is asked for as the bit that it is true, or as the
bit that it is false. Constants are folded, so that nothing is evaluated that is public.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from glovebox.protocols.expression import Constant as Public
from glovebox.protocols.expression import Expression as Shared
from glovebox.protocols.expression import Operation, Operator, kind_of
from glovebox.schema.expressions import Call, ColumnRef, Constant, Expression

Bit = Shared | bool
Number = Shared | int
MOST_STEPS = 100
"""Of a number that is rounded down: each is a comparison of every row."""


class Term(NamedTuple):
    """A column, or what is made of columns. value: in units of 10**-scale; of a label its place in `labels`; of a day,
    days since 1970. there: that it is not NULL. bit: of a truth, in place of the value."""

    value: Number = 0
    scale: int = 0
    there: Bit = True
    bit: Bit = False
    labels: tuple[str, ...] = ()


NULL = Term(there=False)


class Sharing:
    """Turns local expressions into expressions on shares. columns: what each column of theirs is there."""

    def __init__(self, columns: Mapping[str, Term]) -> None:
        self.columns = columns

    def bit(self, expression: Expression, wanted: bool = True) -> Bit:
        """The bit that a condition is true, or that it is false."""
        match expression:
            case Constant("boolean", text):
                return (text == "true") == wanted
            case Call("and" | "or" as operator, arguments):
                bits = [self.bit(argument, wanted) for argument in arguments]
                return both(*bits) if (operator == "and") == wanted else either(*bits)
            case Call("not", (argument,)):
                return self.bit(argument, not wanted)
            case Call("is_null", (argument,)):
                there = self.there(argument)
                return negated(there) if wanted else there
            case Call("=" | "<>" | "<" | "<=" | ">" | ">=" as operator, (left, right)):
                one, other = self._operands(left, right)
                said = _compared(operator, one.value, other.value)
                return both(said if wanted else negated(said), one.there, other.there)
            case ColumnRef(name):
                term = self.columns[name]
                return both(term.bit if wanted else negated(term.bit), term.there)
        return False  # NULL

    def there(self, expression: Expression) -> Bit:
        """The bit that an expression is not NULL."""
        match expression:
            case ColumnRef(name):
                return self.columns[name].there
            case Call("and" | "or" | "not" | "=" | "<>" | "<" | "<=" | ">" | ">="):
                return either(self.bit(expression), self.bit(expression, False))
            case Call("is_null") | Constant("boolean"):
                return True
        return self.number(expression).there

    def number(self, expression: Expression) -> Term:
        """A number, a day or a label."""
        match expression:
            case ColumnRef(name):
                return self.columns[name]
            case Constant("integer" | "decimal", text):
                scale = len(text.partition(".")[2])
                return Term(int(Decimal(text).scaleb(scale)), scale)
            case Constant("date", text):
                return Term((date.fromisoformat(text) - date(1970, 1, 1)).days)
            case Constant(text=text):
                return NULL if expression.type == "null" else Term(labels=(text,))
            case Call("case", arguments):
                return self._case(arguments)
            case Call("integer", (argument,)) if self._is_truth(argument):
                yes, no = self.bit(argument), self.bit(argument, False)
                return Term(chosen(yes, 1, 0), 0, either(yes, no))
            case Call("integer" | "days", (argument,)):
                return self.number(argument)
            case Call("floor", (argument, Constant("integer", text))):
                return self._floored(self.number(argument), int(text))
            case Call("negate", (argument,)):
                term = self.number(argument)
                return term._replace(value=times(term.value, -1))
            case Call("+" | "-" as operator, (left, right)):
                one, other = self._at_one_scale(self.number(left), self.number(right))
                value = plus(one.value, other.value if operator == "+" else times(other.value, -1))
                return Term(value, one.scale, both(one.there, other.there))
            case Call("*", (left, right)):
                one, other = self.number(left), self.number(right)
                value = times(one.value, other.value)
                return Term(value, one.scale + other.scale, both(one.there, other.there))
        raise ValueError("no number on shares")

    @staticmethod
    def _floored(term: Term, divisor: int) -> Term:
        """A number over a constant, rounded down: the least that it may be, and one more for each step it reaches."""
        unit = divisor * 10**term.scale
        if isinstance(term.value, int):
            return Term(term.value // unit, 0, term.there)
        kind = kind_of(term.value)
        first, last = kind.low // unit, kind.high // unit
        if last - first > MOST_STEPS:
            raise ValueError(f"a number has {last - first} steps, and {MOST_STEPS} are compared")
        found: Number = first
        for step in range(first + 1, last + 1):
            found = plus(found, chosen(less(term.value, step * unit), 0, 1))
        return Term(found, 0, term.there)

    def _is_truth(self, expression: Expression) -> bool:
        match expression:
            case ColumnRef(name):
                return self.columns[name].bit is not False
            case Constant(kind):
                return kind == "boolean"
            case Call(operator):
                return operator in ("and", "or", "not", "is_null", "=", "<>", "<", "<=", ">", ">=")

    def _operands(self, left: Expression, right: Expression) -> tuple[Term, Term]:
        if self._is_truth(left) or self._is_truth(right):
            left, right = Call("integer", (left,)), Call("integer", (right,))
        one, other = self.number(left), self.number(right)
        if one.labels or other.labels:
            labels = max(one.labels, other.labels, key=len)
            return _numbered(one, labels), _numbered(other, labels)
        return self._at_one_scale(one, other)

    @staticmethod
    def _at_one_scale(one: Term, other: Term) -> tuple[Term, Term]:
        scale = max(one.scale, other.scale)
        first, second = (
            term._replace(value=times(term.value, 10 ** (scale - term.scale)), scale=scale) for term in (one, other)
        )
        return first, second

    def _case(self, arguments: tuple[Expression, ...]) -> Term:
        found = self.number(arguments[-1])
        for place in range(len(arguments) - 3, -1, -2):
            when, then = self.bit(arguments[place]), self.number(arguments[place + 1])
            one, other = self._at_one_scale(then, found)
            value = one.value if other.there is False else other.value
            if one.there is not False and other.there is not False:
                value = chosen(when, one.value, other.value)
            there = either(both(when, one.there), both(negated(when), other.there))
            if one.there is True and other.there is True:
                there = True
            found = Term(value, one.scale, there)
        return found


def _numbered(term: Term, labels: tuple[str, ...]) -> Term:
    """A label by its place among those of a column. ValueError for two columns of different labels."""
    if term.labels == labels or not term.labels:
        return term
    if isinstance(term.value, int) and term.labels[0] in labels:
        return term._replace(value=labels.index(term.labels[0]))
    raise ValueError("labels of two columns are not one another's")


def _compared(operator: str, one: Number, other: Number) -> Bit:
    match operator:
        case "<":
            return less(one, other)
        case ">":
            return less(other, one)
        case "<=":
            return negated(less(other, one))
        case ">=":
            return negated(less(one, other))
        case "=":
            return equal(one, other)
    return negated(equal(one, other))


def public(number: Number) -> Shared:
    """A number as an expression."""
    return Public(number) if isinstance(number, int) else number


def negated(bit: Bit) -> Bit:
    """NOT."""
    if isinstance(bit, bool):
        return not bit
    return bit.arguments[0] if isinstance(bit, Operation) and bit.operator == "not" else Operation("not", (bit,))


def both(*bits: Bit) -> Bit:
    """AND of any number of bits."""
    if any(bit is False for bit in bits):
        return False
    left = tuple(dict.fromkeys(bit for bit in bits if not isinstance(bit, bool)))
    return True if not left else left[0] if len(left) == 1 else Operation("and", left)


def either(*bits: Bit) -> Bit:
    """OR of any number of bits."""
    if any(bit is True for bit in bits):
        return True
    left = tuple(dict.fromkeys(bit for bit in bits if not isinstance(bit, bool)))
    return False if not left else left[0] if len(left) == 1 else Operation("or", left)


def chosen(bit: Bit, one: Number, other: Number) -> Number:
    """One number where the bit is set, else another."""
    if isinstance(bit, bool):
        return one if bit else other
    return one if one == other else Operation("select", (bit, public(one), public(other)))


def plus(one: Number, other: Number) -> Number:
    """The sum of two numbers."""
    if isinstance(one, int) and isinstance(other, int):
        return one + other
    if 0 in (one, other):
        return other if one == 0 else one
    return Operation("add", (public(one), public(other)))


def times(one: Number, other: Number) -> Number:
    """The product of two numbers."""
    if isinstance(one, int) and isinstance(other, int):
        return one * other
    if 1 in (one, other):
        return other if one == 1 else one
    return 0 if 0 in (one, other) else Operation("multiply", (public(one), public(other)))


def less(one: Number, other: Number) -> Bit:
    """one < other."""
    return one < other if isinstance(one, int) and isinstance(other, int) else _test("less", one, other)


def inside(number: Number, low: int, high: int) -> Bit:
    """low <= number <= high."""
    if isinstance(number, int):
        return low <= number <= high
    kind = kind_of(number)
    low, high = max(low, kind.low), min(high, kind.high)
    if low >= high:
        return low == high and equal(number, low)
    return Operation("within", (number, Public(low), Public(high)))


def equal(one: Number, other: Number) -> Bit:
    """one = other."""
    return one == other if isinstance(one, int) and isinstance(other, int) else _test("equal", one, other)


def _test(operator: Operator, one: Number, other: Number) -> Bit:
    return Operation(operator, (public(one), public(other)))
