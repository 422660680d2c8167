"""A question's text as a tree: one SELECT of known parts, and errors that point at their place in the text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NoReturn

import sqlglot
from sqlglot import exp

from glovebox.errors import Refused

MOST_CHARACTERS = 1 << 14
MOST_NODES = 2_000
DIALECT = "duckdb"

# What a question may be made of. Whatever is not here is refused before anything looks at it.
ALLOWED: frozenset[type[exp.Expr]] = frozenset({
    exp.Select, exp.From, exp.Join, exp.Table, exp.TableAlias, exp.Subquery, exp.Union, exp.Alias, exp.Identifier,
    exp.Where, exp.Group, exp.Order, exp.Ordered, exp.Column, exp.Star, exp.Paren,
    exp.Count, exp.Distinct, exp.Sum, exp.Avg, exp.Filter, exp.Round,
    exp.Literal, exp.Boolean, exp.Null, exp.Placeholder, exp.Cast, exp.DataType, exp.Neg,
    exp.Add, exp.Sub, exp.Mul, exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.And, exp.Or, exp.Not,
    exp.Is, exp.In, exp.Between, exp.Case, exp.If,
})  # fmt: skip
PARTS = frozenset({"expressions", "from_", "joins", "where", "group", "order"})
SERVED = "SELECT aggregates FROM one or two tables, JOIN, WHERE, FILTER, GROUP BY and ORDER BY"


class Statement:
    """A parsed statement and its text, for errors."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tree = _parsed(text)
        for count, node in enumerate(self.tree.walk()):
            if count > MOST_NODES:
                raise Refused("the question is too long", step="sql", hint="ask for less at once")
            if type(node) not in ALLOWED:
                self.refuse(node, "sql", f"{_called(node)} cannot be asked here", SERVED)
            if isinstance(node, exp.Select):
                self._check_parts(node)

    def _check_parts(self, select: exp.Select) -> None:
        for part, value in select.args.items():
            if value and part not in PARTS:
                where = value if isinstance(value, exp.Expr) else select
                self.refuse(where, "sql", f"{part.upper().rstrip('_')} cannot be asked here", SERVED)

    def refuse(self, node: exp.Expr, step: str, sentence: str, hint: str = "") -> NoReturn:
        """Refuse the question because of a part of it; step is the clause that stands against it."""
        raise Refused(sentence, step=step, detail=self.place(node), hint=hint)

    def place(self, node: exp.Expr) -> tuple[str, ...]:
        """The line of the text where a part stands, and a line of carets under it."""
        spots = [(part.meta["start"], part.meta["end"]) for part in node.walk() if "start" in part.meta]
        if not spots:
            return ()
        start, end = min(spot[0] for spot in spots), max(spot[1] for spot in spots) + 1
        first = self.text.rfind("\n", 0, start) + 1
        last = self.text.find("\n", start)
        line = self.text[first : last if last >= 0 else len(self.text)]
        start, end = start - first, min(end - first, len(line))
        cut = max(0, start - 40)
        shown = ("… " if cut else "") + line[cut : cut + 100]
        return (shown, " " * (start - cut + (2 if cut else 0)) + "^" * max(1, min(end, cut + 100) - start))


def _parsed(text: str) -> exp.Select:
    if len(text) > MOST_CHARACTERS:
        raise Refused(f"a question has at most {MOST_CHARACTERS} characters", step="sql")
    try:
        trees = sqlglot.parse(text, dialect=DIALECT)
    except (sqlglot.errors.SqlglotError, RecursionError, ValueError) as problem:
        raise Refused("this is not SQL that can be read", step="sql", detail=_near(problem), hint=SERVED) from problem
    if len(trees) != 1 or not isinstance(trees[0], exp.Select):
        raise Refused("a question is one SELECT", step="sql", hint=SERVED)
    return trees[0]


def _near(problem: Exception) -> tuple[str, ...]:
    found = getattr(problem, "errors", None)
    if not found:
        return ()
    return (f"line {found[0].get('line')}, near {str(found[0].get('highlight'))[:40]!r}",)


def _called(node: exp.Expr) -> str:
    if isinstance(node, exp.Anonymous):
        return f"the function {str(node.this)[:40]}"
    return node.key.upper().replace("_", " ")


def canonical_text(tree: exp.Expr) -> str:
    """One text for all that differ only in layout, comments and the case of keywords."""
    return tree.sql(dialect=DIALECT, comments=False, normalize_functions="lower", pretty=False)


def conjuncts(node: exp.Expr | None) -> Iterator[exp.Expr]:
    """The parts of a condition that must all hold."""
    if isinstance(node, exp.And):
        yield from conjuncts(node.this)
        yield from conjuncts(node.expression)
    elif isinstance(node, exp.Paren):
        yield from conjuncts(node.this)
    elif node is not None:
        yield node
