"""ROUND of an aggregate: applied to what was opened, by every receiver alike."""

from __future__ import annotations

from msgspec.structs import replace
from sqlglot import exp

from glovebox.planner.plan import Output
from glovebox.planner.scope import Scope


def digits_of(scope: Scope, node: exp.Round) -> int:
    """How many decimals ROUND asks for. Refused where that is no number."""
    decimals = node.args.get("decimals")
    if decimals is None:
        return 0
    if not isinstance(decimals, exp.Literal) or decimals.is_string or not str(decimals.this).isdigit():
        scope.statement.refuse(node, "sql", "ROUND takes a number of decimals", "ROUND(…, 2)")
    return min(int(decimals.this), 18)


def rounded(output: Output, digits: int | None) -> Output:
    """The output, rounded after opening where ROUND was asked for."""
    return replace(output, digits=digits)
