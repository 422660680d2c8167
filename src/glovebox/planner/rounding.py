"""How many decimals ROUND of an aggregate asks for; receivers apply it to what was opened, all alike."""

from __future__ import annotations

from sqlglot import exp

from glovebox.planner.scope import Scope


def digits_of(scope: Scope, node: exp.Round) -> int:
    """How many decimals ROUND asks for. Refused where that is no number."""
    decimals = node.args.get("decimals")
    if decimals is None:
        return 0
    if not isinstance(decimals, exp.Literal) or decimals.is_string or not str(decimals.this).isdigit():
        scope.statement.refuse(node, "sql", "ROUND takes a number of decimals", "ROUND(…, 2)")
    return min(int(decimals.this), 18)
