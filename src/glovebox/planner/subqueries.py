"""A statement's tables, sub-queries among them: a stack of owners' rows, persons, or one owner's own."""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from glovebox.contract.terms import Contract
from glovebox.planner.beside import side_by_side
from glovebox.planner.derived import is_own, own_side
from glovebox.planner.events import event_side, makes_events
from glovebox.planner.gathering import makes_persons, person_side
from glovebox.planner.scope import Scope, Side, scope_of
from glovebox.planner.stack import union_side
from glovebox.planner.star import lines_side
from glovebox.planner.statement import Statement
from glovebox.planner.typed import Typed


def scope_with_persons(statement: Statement, contract: Contract, given: Mapping[str, Typed]) -> Scope:
    """What the names of a statement stand for, sub-queries among its tables. given: typed parameters of the question.

    Refused for tables, joins or sub-queries that cannot be asked.
    """
    beside = lines_side(statement, contract, given) or side_by_side(statement, contract, given)

    def derived(node: exp.Subquery) -> Side:
        if makes_events(node):
            return event_side(statement, contract, node, given)
        if makes_persons(node) and is_own(statement, contract, node):
            return own_side(statement, contract, node, given)
        return (person_side if makes_persons(node) else union_side)(statement, contract, node, given)

    return Scope(statement, contract, (beside,)) if beside else scope_of(statement, contract, derived)
