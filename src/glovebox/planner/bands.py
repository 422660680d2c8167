"""GROUP BY over a table of persons: groups by numbers that nobody knows, as conditions that pick them.

A key is a label, a truth, a whole number of a small range, or CASE with a label in every branch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from sqlglot import exp

from glovebox.contract.columns import check_label
from glovebox.contract.lines import Fault
from glovebox.planner.domains import MISSING
from glovebox.planner.grouping import Key, group_keys, meant
from glovebox.planner.scope import Scope
from glovebox.planner.sharing import Bit, Sharing, both, either, inside, negated
from glovebox.planner.typed import Typed
from glovebox.planner.typing import Typing
from glovebox.schema.expressions import Call, Constant, Expression
from glovebox.schema.local import Grouping, LabelSort

MOST_BANDS = 100
"""Of all keys together: each is a bit of every row."""


@dataclass(frozen=True)
class Band(Key):
    """One key. value: what the labels are values of; else whens, each with its label."""

    value: Typed | None = None
    whens: tuple[tuple[Expression, str], ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """The public domain."""
        return self.groupings[0].labels

    def bits(self, sharing: Sharing) -> list[Bit]:
        """For each label whether a row has it."""
        if self.value is None:
            return self._of_case(sharing)
        return [self._of_value(sharing, self.value.expression, label) for label in self.labels]

    def _of_value(self, sharing: Sharing, expression: Expression, label: str) -> Bit:
        if label == MISSING:
            return negated(sharing.there(expression))
        match self.groupings[0].sort:
            case "boolean":
                return sharing.bit(expression, label == "true")
            case "label":
                return sharing.bit(Call("=", (expression, Constant("category", label))))
        steps = steps_of(expression)
        term = sharing.number(steps.inner)
        return both(inside(term.value, *steps.ends(int(label), term.scale)), term.there)

    def _of_case(self, sharing: Sharing) -> list[Bit]:
        """CASE takes the first condition that is true, else its last label."""
        found: dict[str, Bit] = dict.fromkeys(self.labels, False)
        none: Bit = True
        for when, label in self.whens:
            bit = sharing.bit(when)
            found[label] = either(found[label], both(none, bit))
            none = both(none, negated(bit))
        return [found[label] for label in self.labels]


@dataclass(frozen=True)
class Steps:
    """A whole number as `factor` times floor(inner / divisor) and `offset`, which rises in steps with another."""

    inner: Expression
    factor: int = 1
    offset: int = 0
    divisor: int = 1

    def ends(self, value: int, scale: int) -> tuple[int, int]:
        """Between which units of 10**-scale `inner` is where this number is `value`, both included."""
        first, unit = (value - self.offset) // self.factor * self.divisor, 10**scale
        return first * unit, (first + self.divisor) * unit - 1


def steps_of(expression: Expression) -> Steps:
    """The steps of a whole number that constants stretch, like `floor(age / 10) * 10`."""
    match expression:
        case Call("integer", (inner,)) if isinstance(inner, Call) and inner.operator in ("floor", "*", "+", "-"):
            return steps_of(inner)
        case Call("floor", (inner, Constant("integer", text))):
            return Steps(inner, divisor=int(text))
        case Call("*", (inner, Constant("integer", text))) | Call("*", (Constant("integer", text), inner)):
            found, by = steps_of(inner), int(text)
            if by > 0:
                return replace(found, factor=found.factor * by, offset=found.offset * by)
        case Call("+", (inner, Constant("integer", text))) | Call("+", (Constant("integer", text), inner)):
            found = steps_of(inner)
            return replace(found, offset=found.offset + int(text))
        case Call("-", (inner, Constant("integer", text))):
            found = steps_of(inner)
            return replace(found, offset=found.offset - int(text))
    return Steps(expression)


def keys_of(scope: Scope, typing: Typing) -> list[Key]:
    """The keys of a statement, in its order. Refused for what makes no groups, and for too many."""
    return _band_keys(scope, typing) if scope.sides[0].persons else group_keys(scope, typing)


def _band_keys(scope: Scope, typing: Typing) -> list[Key]:
    tree = scope.statement.tree
    group = tree.args.get("group")
    bands = [_band(scope, typing, meant(scope, tree, node).unnest()) for node in group.expressions] if group else []
    count = math.prod(len(band.labels) for band in bands)
    if group and count > MOST_BANDS:
        hint = f"at most {MOST_BANDS}, for they are made on shares"
        scope.statement.refuse(group, "sql", f"These are {count} groups", hint)
    return list(bands)


def band_of(scope: Scope, keys: list[Key], node: exp.Expr) -> int | None:
    """Which key a selected expression is, if it is one."""
    for number, key in enumerate(keys):
        if key.made is not None and _same(scope, key.made, node.unnest()):
            return number
    return None


def _same(scope: Scope, one: exp.Expr, other: exp.Expr) -> bool:
    if isinstance(one, exp.Column) and isinstance(other, exp.Column):
        return scope.find(one) == scope.find(other)
    return one == other


def _band(scope: Scope, typing: Typing, node: exp.Expr) -> Band:
    labels: tuple[str, ...]
    sort: LabelSort
    if isinstance(node, exp.Case) and node.this is None and _label(node.args["ifs"][0].args["true"]) is not None:
        return _of_labels(scope, typing, node)
    typed = typing.typed(node)
    typing.allow(node, typed, "group")
    match typed.sort:
        case "boolean":
            labels, sort = ("false", "true"), "boolean"
        case "category" if typed.column:
            labels, sort = typed.column.values, "label"
        case "number" if typed.scale == 0 and typed.high - typed.low < MOST_BANDS * steps_of(typed.expression).factor:
            step = steps_of(typed.expression).factor
            labels, sort = tuple(str(number) for number in range(typed.low, typed.high + 1, step)), "number"
        case _:
            hint = f"CASE WHEN … THEN 'label' … ELSE 'label' END, or a whole number of at most {MOST_BANDS} values"
            scope.statement.refuse(node, "sql", "This makes no groups of a public domain", hint)
    name = node.name.lower() if isinstance(node, exp.Column) else ""
    every = (*labels, MISSING) if typed.nullable else labels
    return Band(0, name, (Grouping(every, sort=sort),), node, typed)


def _label(node: exp.Expr | None) -> str | None:
    return node.this if isinstance(node, exp.Literal) and node.is_string else None


def _of_labels(scope: Scope, typing: Typing, node: exp.Case) -> Band:
    whens: list[tuple[Expression, str]] = []
    branches = [(branch.this, branch.args["true"]) for branch in node.args["ifs"]]
    for when, then in [*branches, (None, node.args.get("default"))]:
        label = _label(then)
        if label is None:
            scope.statement.refuse(node, "sql", "CASE makes groups by a label in every branch", "ELSE 'label'")
        try:
            check_label(label, ())
        except Fault as fault:
            scope.statement.refuse(then, "sql", f"This cannot be a label: {fault.sentence}", fault.hint)
        condition = Typed(Constant("boolean", "true"), "boolean") if when is None else typing.condition(when)
        typing.allow(node, condition, "filter")
        whens.append((condition.expression, label))
    labels = tuple(dict.fromkeys(label for _, label in whens))
    return Band(0, "", (Grouping(labels),), node, None, tuple(whens))
