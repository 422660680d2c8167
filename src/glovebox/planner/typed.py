"""Typed expressions and constants: what a value is, and within which range."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Literal

from glovebox.errors import Refused
from glovebox.schema.columns import Column
from glovebox.schema.expressions import Call, Constant, Expression

Sort = Literal["number", "boolean", "category", "id", "date", "timestamp", "text", "null"]
NULL = Constant("null", "")
MOST = 1 << 62
"""The ends of a value that the contract gives no range."""
SAMPLES = {
    "date": "2026-12-31", "timestamp": "2026-12-31T00:00:00", "integer": "1", "decimal": "1.0", "boolean": "true",
    "category": "a label",
}  # fmt: skip
DIGITS = re.compile(r"[0-9]{1,18}(\.[0-9]{1,18})?")


@dataclass(frozen=True)
class Typed:
    """An expression, its type, and the side whose columns it reads (None: constants only).

    scale, low, high: of a number, in units of 10**-scale. nullable: it may be NULL.
    values, conditions: the columns that are added up, and those that are compared.
    """

    expression: Expression
    sort: Sort
    side: int | None = None
    scale: int = 0
    low: int = 0
    high: int = 0
    nullable: bool = False
    values: frozenset[str] = frozenset()
    conditions: frozenset[str] = frozenset()
    column: Column | None = None


def at_scale(typed: Typed, scale: int) -> tuple[int, int]:
    """The range of a number in units of 10**-scale."""
    factor = 10 ** (scale - typed.scale)
    return typed.low * factor, typed.high * factor


def negated(one: Typed) -> Typed:
    """Minus a number."""
    return replace(one, expression=Call("negate", (one.expression,)), low=-one.high, high=-one.low, column=None)


def number(text: str) -> Typed | None:
    """An exact number as a typed constant, or None."""
    plain = text.removeprefix("-")
    if not DIGITS.fullmatch(plain):
        return None
    whole, _, decimals = plain.partition(".")
    value = int(whole + decimals) * (-1 if text.startswith("-") else 1)
    return Typed(Constant("decimal" if decimals else "integer", text), "number", None, len(decimals), value, value)


def moment(kind: str, text: str) -> Typed | None:
    """A date or a time as a typed constant, or None."""
    try:
        if kind == "date":
            return Typed(Constant("date", date.fromisoformat(text).isoformat()), "date")
        return Typed(Constant("timestamp", datetime.fromisoformat(text).isoformat()), "timestamp")
    except ValueError:
        return None


def all_of(conditions: Sequence[Expression]) -> Expression | None:
    """That all hold; None of none."""
    return Call("and", tuple(conditions)) if len(conditions) > 1 else next(iter(conditions), None)


def is_like(text: str, pattern: str) -> bool:
    """LIKE: % is any letters, _ is one. In at most len(text) len(pattern) steps, whatever the pattern."""
    at = here = 0
    last, from_there = -1, 0  # the last %, and where in the text what follows it is looked for
    while at < len(text):
        if here < len(pattern) and pattern[here] == "%":
            last, from_there = here, at
            here += 1
        elif here < len(pattern) and pattern[here] in ("_", text[at]):
            at, here = at + 1, here + 1
        elif last >= 0:
            from_there += 1
            at, here = from_there, last + 1
        else:
            return False
    return not pattern[here:].strip("%")


def with_article(sort: str) -> str:
    """ "A number", "An id"."""
    return f"{'An' if sort[0] in 'aeiou' else 'A'} {sort}"


def parameter(name: str, kind: str, text: str) -> Typed:
    """A parameter's text as a typed constant. Refused if it is no value of that type."""
    found: Typed | None = None
    match kind:
        case "integer" | "decimal":
            found = number(text)
            if found and kind == "integer" and found.scale:
                found = None
        case "date" | "timestamp":
            found = moment(kind, text)
        case "boolean" if text in ("true", "false"):
            found = Typed(Constant("boolean", text), "boolean", high=1)
        case "category":
            found = Typed(Constant("text", text), "text")
    if found is None:
        detail = (f"The parameter {name} is not {with_article(kind).lower()}.",)
        hint = f"--parameter.{name} {SAMPLES[kind]!r}"
        raise Refused("the question is refused", code="parameters", step="question", detail=detail, hint=hint)
    return found
