"""Which totals of an answer's groups other answers give: those of the contract's questions of the same rows.

An answer's groups add to totals by any of its group columns, so two answers have in common those by the columns that
both have, and if none the total of all. Where both group by different bands of one column it is not told here which
totals are common: then all groups of an answer show, or none.
So too where a LEFT JOIN's match makes groups, whose sums over both the owner of the rows knows.
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
from glovebox.planner.bands import keys_of
from glovebox.planner.conjuncts import conjuncts
from glovebox.planner.gathering import selects_of_persons
from glovebox.planner.grouping import Key
from glovebox.planner.plan import Nested, Plan, groupings_of
from glovebox.planner.scope import Scope
from glovebox.planner.statement import Statement, canonical_text
from glovebox.planner.subqueries import scope_with_persons
from glovebox.planner.typed import SAMPLES, Typed, parameter
from glovebox.planner.typing import Typing
from glovebox.protocols.suppression import Nesting
from glovebox.schema.expressions import Constant

Rows = tuple[frozenset[str], frozenset[str]]
Column = tuple[str, str, frozenset[str]]  # the table, what a group column is made by, and of which columns
Columns = frozenset[Column]


def nested(scope: Scope, keys: Sequence[Key], places: Sequence[int], person_groups: int, name: str) -> Nested | None:
    """What other questions of the contract tell of a question's groups; None if nothing.

    places: of each key among the plan's groupings. person_groups: how many groups a person may be in. name: of the
    approved question.
    """
    contract = scope.contract
    if contract.privacy or contract.rules.questions != "approved" or contract.rules.groups_of_at_least < 2:
        return None
    if any(side.persons and side.persons.by_match for side in scope.sides):
        return Nested(())
    asked = _asked(contract)
    own_rows, own = asked.get(name, (None, frozenset()))  # a match check has no groups
    others = [columns for rows, columns in asked.values() if rows == own_rows and not own <= columns]
    found = {columns & own for columns in others}
    if not found:
        return None
    banded = any(_bases(own - columns) & _bases(columns - own) for columns in others)
    if contract.protocol:
        statement = scope.statement
        sentence = "Another question of the contract tells a total of these groups, so that a hidden one could be told"
        statement.refuse(statement.tree, "protocol", sentence, "a contract with a neutral third party")
    if contract.rules.dominance_percent is not None and scope.statement.tree.find(exp.Sum, exp.Avg):
        sentence = "Another question of the contract tells a total of these sums, and so one that a person dominates"
        scope.statement.refuse(scope.statement.tree, "rules.dominance_percent", sentence, "COUNT alone in one of both")
    coarse = sorted(found, key=len)
    named = dict(zip(_named(scope, keys), places, strict=True))
    crossing = any(not above < below for above, below in pairwise(coarse))
    if banded or crossing or (person_groups > 1 and len(coarse) > 1):
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
def _asked(contract: Contract) -> dict[str, tuple[Rows, Columns]]:
    """What rows each approved question counts, and what its groups are made by, all with the same parameters."""
    found = {}
    for question in contract.questions:
        try:
            given = {name: _sample(name, kind) for name, kind in question.parameters}
            scope = scope_with_persons(Statement(question.sql), contract, given)
            found[question.name] = _rows(scope), _columns(scope, keys_of(scope, Typing(scope, given)))
        except Refused:
            continue  # it cannot be asked, so it tells nothing
    return found


def _sample(name: str, kind: str) -> Typed:
    """A parameter's stand-in: of a label one of any column, where a text would have to be of the column beside it."""
    text = SAMPLES[kind]
    return Typed(Constant("category", text), "category") if kind == "category" else parameter(name, kind, text)


def _rows(scope: Scope) -> Rows:
    """What decides which rows a question counts, or whose; columns that the parts of a UNION ALL make do not."""
    selects, tree = selects_of_persons(scope), scope.statement.tree
    conditions = [_bare(part, _made(scope)) for part in _conditions(tree)]
    for n, select in enumerate(selects):
        for part in [*_conditions(select), *_conditions(select, "having")]:
            conditions.append(f"{n or ''}{_bare(part, {})}")
    for join in [] if selects else tree.args.get("joins") or []:
        conditions += [_bare(part, {}) for part in conjuncts(join.args.get("on"))]
    parts = [
        (
            side.kind,
            [(one.owner, one.index, one.where) for one in side.branches],
            side.derived and (side.derived.ids, side.derived.where, side.derived.first),
        )
        for side in scope.sides
    ]
    return frozenset(map(str, parts)), frozenset(conditions)


def _conditions(select: exp.Select, clause: str = "where") -> list[exp.Expr]:
    found = select.args.get(clause)
    return list(conjuncts(found.this if found else None))


def _made(scope: Scope) -> dict[str, exp.Expr]:
    """What the columns of persons are called, and made of."""
    selects = selects_of_persons(scope)
    aliases = [one for one in selects[0].expressions if isinstance(one, exp.Alias)] if len(selects) == 1 else []
    return {one.alias.lower(): one.this for one in aliases}


def _bare(part: exp.Expr, made: dict[str, exp.Expr]) -> str:
    return canonical_text(_unqualified(part, made))


def _unqualified(part: exp.Expr, made: dict[str, exp.Expr]) -> exp.Expr:
    """A part, whatever its columns are qualified by, with what is made in place of its name."""

    def unqualified(node: exp.Expr) -> exp.Expr:
        if not isinstance(node, exp.Column):
            return node
        name = node.name.lower()
        return made[name].copy() if name in made else exp.column(name)

    return part.copy().transform(unqualified)


def _columns(scope: Scope, keys: Sequence[Key]) -> Columns:
    return frozenset(_named(scope, keys))


def _named(scope: Scope, keys: Sequence[Key]) -> list[Column]:
    found = []
    for key in keys:
        made = exp.column(key.name) if key.made is None else _unqualified(key.made, _made(scope))
        bases = frozenset(column.name.lower() for column in made.find_all(exp.Column))
        found.append((scope.sides[key.side].table.name, canonical_text(made), bases))
    return found


def _bases(columns: Columns) -> frozenset[tuple[str, str]]:
    return frozenset((table, base) for table, _, bases in columns for base in bases)
