"""The few shapes of SQL trees that this room builds.

A node stands in one place of one tree: an argument that stands in one already is copied. Copying every argument, at
every level, was a third of what the loading of a few rows took.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TypeVar

from sqlglot import exp

Node = exp.Expr
"""A node of a tree."""

Tree = TypeVar("Tree", bound=Node)


def placed(node: Tree) -> Tree:
    """The node, which may now be put into a tree: a copy where it stands in one."""
    return node if node.parent is None else node.copy()


def call(function: str, *arguments: Node) -> Node:
    """A call of a DuckDB function by that very name."""
    return exp.Anonymous(this=function, expressions=[placed(argument) for argument in arguments])


def name(column: str) -> Node:
    """A column by its quoted name."""
    return exp.column(column, quoted=True)


def string(text: str) -> Node:
    """A text of this program; what comes from a contract or a question is bound instead."""
    return exp.Literal.string(text)


def epoch() -> Node:
    """The first day of 1970, from which days are counted."""
    return cast(string("1970-01-01"), "DATE")


def number(value: int) -> Node:
    """An integer."""
    return exp.Literal.number(value)


def cast(value: Node, type: str) -> Node:
    """CAST(value AS type)."""
    return exp.Cast(this=placed(value), to=_type(type).copy())


def try_cast(value: Node, type: str) -> Node:
    """TRY_CAST(value AS type): NULL where it fails, so that no error can print the cell."""
    return exp.TryCast(this=placed(value), to=_type(type).copy())


@functools.cache
def _type(type: str) -> exp.DataType:
    return exp.DataType.build(type, dialect="duckdb")


def all_of(relation: Node) -> exp.Select:
    """SELECT * FROM relation."""
    return exp.select(exp.Star(), copy=False).from_(placed(relation), copy=False)


def nested(inner: exp.Select, alias: str, *selected: Node) -> exp.Select:
    """SELECT selected FROM (inner) AS alias."""
    columns = map(placed, selected)
    return exp.select(*columns, copy=False).from_(placed(inner).subquery(alias, copy=False), copy=False)


def aliased(value: Node, alias: str) -> Node:
    """Value AS "alias"."""
    return exp.alias_(placed(value), alias, quoted=True, copy=False)


def full_match(value: Node, pattern: str) -> Node:
    """Whether the whole text matches a regular expression."""
    return call("regexp_full_match", value, string(pattern))


def when(condition: Node, value: Node, otherwise: Node | None = None) -> Node:
    """CASE WHEN condition THEN value ELSE otherwise END."""
    case = exp.Case(ifs=[exp.If(this=placed(condition), true=placed(value))])
    if otherwise is not None:
        case.set("default", placed(otherwise))
    return case


def is_null(value: Node) -> Node:
    """Value IS NULL."""
    return exp.paren(exp.Is(this=exp.paren(placed(value), copy=False), expression=exp.null()), copy=False)


def not_(value: Node) -> Node:
    """NOT value."""
    return exp.Not(this=exp.paren(placed(value), copy=False))


def both(*values: Node) -> Node:
    """All of the values."""
    return exp.and_(*map(placed, values), copy=False)


def any_of(values: Sequence[Node]) -> Node:
    """Whether one of the conditions is true: NULL counts as false."""
    return call("coalesce", either(*values), exp.false()) if values else exp.false()


def either(*values: Node) -> Node:
    """One of the values at least."""
    return exp.or_(*map(placed, values), copy=False)


def compare(kind: type[exp.Binary], left: Node, right: Node) -> Node:
    """A binary operator over two values."""
    return exp.paren(kind(this=placed(left), expression=placed(right)), copy=False)
