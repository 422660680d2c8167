"""Which totals of an answer's groups other answers give: those of the contract's questions with fewer group columns.

Only approved questions can be asked where answers are exact, so all of them are known. Two count the same rows if they
read the same tables, joined alike, under the same conditions; how conditions are written counts, but for their order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np
from sqlglot import exp

from glovebox.contract.terms import Contract
from glovebox.errors import Refused
from glovebox.planner.grouping import Key, group_keys
from glovebox.planner.plan import Nested, Plan, groupings_of
from glovebox.planner.scope import Scope, scope_of
from glovebox.planner.stack import union_side
from glovebox.planner.statement import Statement, canonical_text, conjuncts
from glovebox.planner.typing import SAMPLES, Typed, Typing, parameter
from glovebox.protocols.suppression import Nesting

Rows = tuple[frozenset[str], frozenset[str]]
Columns = frozenset[tuple[str, str]]


def nested(scope: Scope, keys: Sequence[Key], places: Sequence[int], person_groups: int) -> Nested | None:
    """What other questions of the contract tell of a question's groups; None if nothing.

    places: of each key among the plan's groupings. person_groups: how many groups a person may be in.
    """
    contract = scope.contract
    if contract.privacy or contract.rules.questions != "approved" or contract.rules.groups_of_at_least < 2:
        return None
    own = _columns(scope, keys)
    found = {columns for rows, columns in _asked(contract) if rows == _rows(scope) and columns < own}
    if not found:
        return None
    if contract.protocol:
        statement = scope.statement
        sentence = "Another question of the contract tells a total of these groups, so that a hidden one could be told"
        statement.refuse(statement.tree, "protocol", sentence, "a contract with a neutral third party")
    coarse = sorted(found, key=len)
    named = dict(zip(_named(scope, keys), places, strict=True))
    if any(not above < below for above, below in pairwise(coarse)) or (person_groups > 1 and len(coarse) > 1):
        return Nested(())
    levels = tuple(tuple(sorted(named[column] for column in columns)) for columns in coarse)
    return Nested(levels, person_groups > 1)


def nesting_of(plan: Plan) -> Nesting | None:
    """The same for the protocol: which groups stand under which totals."""
    if plan.nested is None:
        return None
    sizes = [len(grouping.labels) for grouping in groupings_of(plan)]
    axes = list(dict.fromkeys([*(axis for level in plan.nested.levels for axis in level), *range(len(sizes))]))
    places = np.arange(math.prod(sizes)).reshape(sizes).transpose(axes).reshape(-1)
    totals = tuple(math.prod(sizes[axis] for axis in level) for level in plan.nested.levels)
    return Nesting(tuple(places.tolist()), totals, plan.nested.several)


@lru_cache(64)
def _asked(contract: Contract) -> tuple[tuple[Rows, Columns], ...]:
    """What rows each approved question counts, and what its groups are made by."""
    found = []
    for question in contract.questions:
        try:
            given = {name: parameter(name, kind, SAMPLES[kind]) for name, kind in question.parameters}
            scope = _scope(contract, Statement(question.sql), given)
            found.append((_rows(scope), _columns(scope, group_keys(scope, Typing(scope, given)))))
        except Refused:
            continue  # it cannot be asked, so it tells nothing
    return tuple(found)


def _scope(contract: Contract, parsed: Statement, given: dict[str, Typed]) -> Scope:
    return scope_of(parsed, contract, lambda node: union_side(parsed, contract, node, given))


def _rows(scope: Scope) -> Rows:
    """What decides which rows a question counts."""
    tree = scope.statement.tree
    where = tree.args.get("where")
    conditions = list(conjuncts(where.this if where else None))
    for join in tree.args.get("joins") or []:
        conditions += conjuncts(join.args.get("on"))
    tables = {f"{side.kind} {side.table.name} {side.owners} {side.branches}" for side in scope.sides}
    return frozenset(tables), frozenset(_bare(condition) for condition in conditions)


def _bare(condition: exp.Expr) -> str:
    """A condition's text, whatever its columns are qualified by."""

    def unqualified(node: exp.Expr) -> exp.Expr:
        return exp.column(node.name.lower()) if isinstance(node, exp.Column) else node

    return canonical_text(condition.copy().transform(unqualified))


def _columns(scope: Scope, keys: Sequence[Key]) -> Columns:
    return frozenset(_named(scope, keys))


def _named(scope: Scope, keys: Sequence[Key]) -> list[tuple[str, str]]:
    return [(scope.sides[key.side].table.name, key.name) for key in keys]
