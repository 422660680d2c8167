"""Sums of what only some rows have, as sums of products of the owners' own numbers."""

from __future__ import annotations

from sqlglot import exp

from glovebox.planner.naming import default_name
from glovebox.planner.scope import Scope
from glovebox.planner.typing import Typing


def as_products(scope: Scope, typing: Typing) -> None:
    """SUM(CASE WHEN a condition of one owner THEN a number of another's ELSE 0 END) as the number times the condition.

    So no rows meet pair by pair. Where the number may be missing CASE stays, for it is missing only where the condition
    holds.
    """
    if len(scope.sides) > 1 and all(side.kind == "inner" for side in scope.sides):
        for item in list(scope.statement.tree.expressions):
            for aggregate in list(item.find_all(exp.Sum, exp.Avg)):
                aggregate.set("this", _as_product(scope, typing, aggregate.this))
                _as_filtered(scope, aggregate)


def _as_filtered(scope: Scope, aggregate: exp.AggFunc) -> None:
    """SUM(CASE WHEN c THEN x END) of several owners' columns as SUM(x) FILTER (WHERE c), which leaves out as much."""
    case = _case_of_one(aggregate.this)
    missing = case is not None and isinstance(case.args.get("default") or exp.null(), exp.Null)
    if case is None or not missing or len({scope.find(one)[0] for one in case.find_all(exp.Column)}) < 2:
        return
    conditions = [case.args["ifs"][0].this]
    whole: exp.Expr = aggregate
    if isinstance(aggregate.parent, exp.Filter):
        whole = aggregate.parent
        conditions.append(whole.expression.this)
    made = exp.Filter(this=aggregate.copy(), expression=exp.Where(this=exp.and_(*conditions)))
    made.this.set("this", case.args["ifs"][0].args["true"])
    whole.replace(exp.alias_(made, default_name(whole)) if isinstance(whole.parent, exp.Select) else made)


def _as_product(scope: Scope, typing: Typing, node: exp.Expr) -> exp.Expr:
    case = _case_of_one(node)
    if case is None:
        return node
    condition, value = case.args["ifs"][0].this, case.args["ifs"][0].args["true"]
    sides = [{scope.find(one)[0] for one in part.find_all(exp.Column)} for part in (condition, value)]
    apart = all(len(side) == 1 for side in sides) and sides[0] != sides[1]
    if not apart or case.args.get("default") != exp.Literal.number(0) or typing.typed(value).nullable:
        return node
    truth = exp.If(this=condition, true=exp.Literal.number(1))
    return exp.Mul(this=exp.paren(value), expression=exp.Case(ifs=[truth], default=exp.Literal.number(0)))


def _case_of_one(node: exp.Expr) -> exp.Case | None:
    """CASE WHEN one condition THEN a value, of whatever ELSE; None for all else."""
    case = node.unnest()
    return case if isinstance(case, exp.Case) and case.this is None and len(case.args["ifs"]) == 1 else None
