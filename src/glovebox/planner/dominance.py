"""Sums that one person dominates do not show: no one's part may be above a share of the total that the contract names.

For a join on ids that are unique on both sides, a row is a person, and the greatest of the rows' values is one person's
part; a sub-query that adds up each id's rows has such ids. Of values that may be below zero a share means nothing, and
statistics of higher powers tell more than a share.
"""

from __future__ import annotations

from sqlglot import exp

from glovebox.planner.aggregates import aggregated
from glovebox.planner.conditions import Conditions
from glovebox.planner.extremes import least_of
from glovebox.planner.finished import HAVING_LIMIT
from glovebox.planner.totals import Totals
from glovebox.protocols.having import Bound

CLAUSE = "rules.dominance_percent"


def dominance_of(totals: Totals, tree: exp.Select) -> tuple[Bound, ...]:
    """Of every sum and average of a statement, that percent x sum - 100 x greatest value >= 0."""
    percent = totals.scope.contract.rules.dominance_percent
    if percent is None:
        return ()
    found = []
    for node in tree.find_all(exp.AggFunc):
        is_own = not node.find_ancestor(exp.From, exp.Join)  # what a sub-query adds up is a person's
        if is_own and not isinstance(node, exp.Count):
            found.append(_bound(totals, node, percent))
    return tuple(dict.fromkeys(found))


def _bound(totals: Totals, node: exp.AggFunc, percent: int) -> Bound:
    refuse = totals.scope.statement.refuse
    if totals.scope.contract.protocol:
        refuse(node, CLAUSE, "Two owners alone do not judge this", "a contract with a neutral third, or COUNT")
    if not isinstance(node, exp.Sum | exp.Avg) or totals.mixing.is_mixed(node.this):
        hint = "COUNT, SUM or AVG of one owner's column"
        refuse(node, CLAUSE, "One person's part of this cannot be told from the whole", hint)
    if not all(side.ids and side.ids.unique and not side.keys for side in totals.scope.sides) or totals.outer:
        hint = "a join on ids that are unique on both sides, of a sub-query that adds up each id's rows"
        refuse(node, CLAUSE, "What one person adds to this total is not known here", hint)
    value = totals.typing.typed(node.this)
    if value.low < 0:
        refuse(node, CLAUSE, "Of a total of values below zero nobody has a share", "a column of values from 0 on")
    outer = node.parent if isinstance(node.parent, exp.Filter) else None
    filters = totals.conditions(outer.expression.this) if outer else Conditions()
    total = aggregated(totals, "total", outer or node)
    least = least_of(totals, "greatest", exp.Max(this=node.this.copy()), value, filters)  # of minus the values
    units = 10 ** max(0, least.scale - total.scale), 10 ** max(0, total.scale - least.scale)
    bound = Bound(((total.total, percent * units[0]), (least.total, 100 * units[1])), 0)
    if bound.most([max(-one.low, one.high) for one in totals.totals]) >= HAVING_LIMIT:
        refuse(
            node, CLAUSE, "This total could be too large to compare a person's part with", "a column of a smaller range"
        )
    return bound
