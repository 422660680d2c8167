"""A statement's tables, sub-queries among them: a stack of owners' rows, persons, or one owner's own."""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from glovebox.contract.terms import Contract
from glovebox.planner.beside import side_by_side
from glovebox.planner.derived import first_side, is_own, own_side
from glovebox.planner.events import event_side, makes_events
from glovebox.planner.first_rows import takes_first
from glovebox.planner.gathering import makes_persons, person_side
from glovebox.planner.joins import scope_of
from glovebox.planner.scope import Scope, Side, table_side
from glovebox.planner.stack import union_side
from glovebox.planner.star import lines_side
from glovebox.planner.statement import Statement
from glovebox.planner.typed import Typed
from glovebox.schema.columns import Table


def scope_with_persons(statement: Statement, contract: Contract, given: Mapping[str, Typed]) -> Scope:
    """What the names of a statement stand for, sub-queries among its tables. given: typed parameters of the question.

    Refused for tables, joins or sub-queries that cannot be asked.
    """
    _natural(statement, contract)
    beside = lines_side(statement, contract, given) or side_by_side(statement, contract, given)

    def derived(node: exp.Subquery) -> Side:
        if takes_first(node):
            return first_side(statement, contract, node, given)
        if makes_events(node):
            return event_side(statement, contract, node, given)
        if makes_persons(node) and is_own(statement, contract, node):
            return own_side(statement, contract, node, given)
        return (person_side if makes_persons(node) else union_side)(statement, contract, node, given)

    return Scope(statement, contract, (beside,)) if beside else scope_of(statement, contract, derived)


def _natural(statement: Statement, contract: Contract) -> None:
    """NATURAL JOIN as USING the ids, if these are all that the tables have in common. Refused else."""
    before: list[Table] = []
    source, joins = statement.tree.args["from_"], statement.tree.args.get("joins") or []
    for node, join in zip([source.this, *(one.this for one in joins)], [None, *joins], strict=True):
        if not any(one.method for one in joins):
            return
        table = table_side(statement, contract, node).table
        if join is not None and join.method:
            names = {column.name for one in before for column in one.columns}
            common = [column.name for column in table.columns if column.name in names and not column.parts]
            ids = [name for name in common if (column := table.column(name)) and column.kind == "id"]
            if common != ids or len(ids) != 1:
                sentence = f"NATURAL JOIN is on all columns of one name: {', '.join(common) or 'there is none'}"
                statement.refuse(join, "sql", sentence[:200], f"JOIN … USING ({', '.join(ids) or 'id'})")
            join.set("method", None)
            join.set("using", [exp.to_identifier(ids[0])])
        before.append(table)
