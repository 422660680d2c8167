"""Who may receive what a question tells."""

from __future__ import annotations

from glovebox.planner.scope import Scope


def check_receivers(scope: Scope, receivers: tuple[int, ...]) -> None:
    """Of a total of two owners' rows, each can subtract its own part: so neither may receive what is exact."""
    side, contract = scope.sides[0], scope.contract
    if len(scope.sides) == 1 and contract.protocol:
        hint = "a join of the two, or a contract with a neutral third party"
        sentence = "Two parties alone join tables, and stack none"
        scope.statement.refuse(scope.statement.tree.args["from_"].this, "protocol", sentence, hint)
    if side.persons and side.persons.held:
        return  # those who count are one owner's: what the others have of them is matched, and no part of a sum
    rows = side.lines.facts.facts if side.lines else side
    if len(scope.sides) > 1 or len(rows.owners) != 2 or contract.rules.exact or contract.privacy:
        return
    if set(receivers) & set(rows.owners):
        sentence = f"{rows.table.name} has two owners: each could subtract its own part from the answer"
        hint = "a contract with a third owner of that table, with [privacy], or with other receivers"
        scope.statement.refuse(scope.statement.tree.args["from_"].this, "table", sentence, hint)
