"""The parts of a condition, and of any chain of one connective."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp


def conjuncts(node: exp.Expr | None) -> Iterator[exp.Expr]:
    """The parts of a condition that must all hold."""
    if node is not None:
        yield from chain(node, exp.And)


def chain(node: exp.Expr, kind: type[exp.Expr]) -> Iterator[exp.Expr]:
    """The parts of a chain of one connective."""
    while isinstance(node, exp.Paren):
        node = node.this
    if type(node) is kind:
        yield from chain(node.this, kind)
        yield from chain(node.expression, kind)
    else:
        yield node


def is_key(part: exp.Expr) -> bool:
    """Whether a condition is that two columns are equal."""
    return isinstance(part, exp.EQ) and isinstance(part.this, exp.Column) and isinstance(part.expression, exp.Column)
