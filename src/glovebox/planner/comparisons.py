"""Comparisons of one owner's values, with constants read as what stands beside them."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from sqlglot import exp

from glovebox.planner.typed import NULL, Typed, is_like, moment, with_article
from glovebox.schema.expressions import Constant, Operator

if TYPE_CHECKING:
    from glovebox.planner.typing import Typing

COMPARISON: dict[type[exp.Expr], Operator] = {
    exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">=",
}  # fmt: skip


def compared(typing: Typing, node: exp.Expr, operator: Operator, left: Typed, right: Typed) -> Typed:
    """The truth that a value is =, <, .. another. Refused for what has no such order, and for ids."""
    left, right = _as(typing, node, left, right), _as(typing, node, right, left)
    if "id" in (left.sort, right.sort):
        hint = "JOIN … USING, COUNT(DISTINCT id), or IS NOT NULL"
        typing.refuse(node, "columns", "Ids are joined and counted, never compared", hint)
    if left.sort != right.sort or (left.sort in ("category", "boolean") and operator not in ("=", "<>")):
        if left.sort == right.sort:
            typing.refuse(node, "sql", f"{with_article(left.sort)} has no order here", "=, <> or IN")
        hint = "IS NULL" if "null" in (left.sort, right.sort) else f"{with_article(left.sort)} on both sides"
        sentence = f"{with_article(left.sort)} cannot be compared with {with_article(right.sort).lower()}"
        typing.refuse(node, "sql", sentence, hint)
    _check_met(typing, node, left, right)
    return typing.boolean(node, operator, (left, right))


def among(typing: Typing, node: exp.In) -> Typed:
    """Whether a value is one of some constants."""
    if node.args.get("query"):
        hint = "JOIN (SELECT s.id, COUNT(*) AS n FROM s JOIN t ON t.key = s.key GROUP BY s.id) q, by that id"
        typing.refuse(node, "sql", "IN a sub-query within another asks of the same id, and of no other", hint)
    if not node.expressions:
        typing.refuse(node, "sql", "IN stands before a list of constants", "IN ('a', 'b')")
    value = typing.typed(node.this)
    found = [compared(typing, node, "=", value, typing.typed(item)) for item in node.expressions]
    return found[0] if len(found) == 1 else typing.boolean(node, "or", tuple(found))


def like(typing: Typing, node: exp.Like | exp.ILike) -> Typed:
    """Whether a category is one of those of the contract's labels that are like a pattern."""
    value, pattern = typing.typed(node.this), node.expression
    if value.column is None or value.sort != "category" or not isinstance(pattern, exp.Literal):
        typing.refuse(node, "sql", "LIKE stands between a category and a constant", "category LIKE 'a%'")
    folded = str.lower if isinstance(node, exp.ILike) else str
    wanted = folded(str(pattern.this))
    found = [exp.Literal.string(label) for label in value.column.values if is_like(folded(label), wanted)]
    if not found:
        hint = ", ".join(f"'{label}'" for label in value.column.values[:8])
        clause = f"columns.{value.column.name}.values"
        typing.refuse(node, clause, "The contract has no value like this here", hint, typing.scope.owner(value.side))
    one = among(typing, exp.In(this=node.this, expressions=found))
    return typing.boolean(node, "not", (one,)) if node.args.get("negate") else one


def _check_met(typing: Typing, node: exp.Expr, left: Typed, right: Typed) -> None:
    """Refuse to compare what two owners have of a person, where the contract lets their columns not be compared."""
    persons, names = typing.scope.sides[0].persons, left.values | right.values
    held = [
        {place for place, measure in enumerate(one.measures) if measure}
        for one in (persons.columns if persons else ())
        if one.column.name in names
    ]
    if len({place for places in held if len(places) == 1 for place in places}) > 1:
        typing.allow(node, Typed(NULL, "boolean", 0, values=names), "compare")


def _as(typing: Typing, node: exp.Expr, one: Typed, beside: Typed) -> Typed:
    """A text constant, as what stands beside it: a label of its column, or a date."""
    if one.sort not in ("text", "date") or not isinstance(one.expression, Constant):
        return one
    text = one.expression.text
    if beside.sort == "timestamp" and one.sort == "date":
        return moment("timestamp", text) or one
    if one.sort == "text" and beside.sort in ("date", "timestamp"):
        found = moment(beside.sort, text)
        return found or typing.refuse(node, "sql", f"This is no {beside.sort}", "'2026-12-31'")
    if one.sort == "text" and beside.sort == "category" and beside.column is not None:
        if text not in beside.column.values:
            labels = [f"'{value}'" for value in beside.column.values]
            meant = difflib.get_close_matches(f"'{text}'", labels, n=1) if len(labels) > 8 else []
            hint = f"did you mean {meant[0]}?" if meant else ", ".join(labels[:8])
            clause = f"columns.{beside.column.name}.values"
            typing.refuse(node, clause, "The contract has no such value here", hint, typing.scope.owner(beside.side))
        return Typed(Constant("category", text), "category")
    return one
