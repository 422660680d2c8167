"""Tables joined by several ids, tried in the contract's order: each row of the first table takes its first match.

Every row is looked up by each id. Its first match is found on shares, and only then are the other table's columns read,
by conditions too: else a row whose match does not pass would take another person's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from sqlglot import exp

from glovebox.planner.grouping import Key
from glovebox.planner.scope import Scope
from glovebox.protocols.expression import Expression, Match, Operation, Payload
from glovebox.protocols.intersection import MOST_ROWS_OF_KEYS, JoinShape
from glovebox.schema.local import Measure


def check_keys(scope: Scope, keys: Sequence[Key]) -> None:
    """Return if a question's tables can be joined by several ids, or are joined by one. Refused for what cannot."""
    if not any(side.keys for side in scope.sides):
        return
    statement, rows = scope.statement, max(side.table.rows for side in scope.sides)
    (join,) = statement.tree.args["joins"]
    for sentence, hint in _not_served(scope):
        statement.refuse(join.args["on"], "rules.join", sentence, hint)
    if rows > MOST_ROWS_OF_KEYS:
        sentence = f"Rows that have several ids are matched all at once, and {rows} are too many"
        statement.refuse(join.args["on"], "rows", sentence, f"tables of at most {MOST_ROWS_OF_KEYS} rows; or one id")
    for number, side in enumerate(scope.sides):
        for column in (side.ids, *side.keys):
            if column and not column.unique:
                sentence = f"Of several ids each is one row's, and {side.table.name}.{column.name} repeats"
                hint = "unique = true for that id, or rows_per_id = 1 for the table"
                statement.refuse(join.args["on"], "columns.unique", sentence, hint, scope.owner(number))
    if any(key.side for key in keys):
        names = [side.table.name for side in scope.sides]
        sentence = f"Each row of {names[0]} takes its first match, so that only its own columns make groups"
        statement.refuse(statement.tree.args["group"], "sql", sentence, f"FROM {names[1]} JOIN {names[0]}")


def _not_served(scope: Scope) -> Iterator[tuple[str, str]]:
    """What a join by several ids is not served with, and what can be asked."""
    if scope.contract.protocol:
        yield "Two parties alone match one id of a row", "a join on one id, or a contract with a neutral third party"
    if scope.contract.privacy:
        yield "What one person changes by several ids gets no noise yet", "a join on one id"
    if any(side.derived for side in scope.sides):
        yield "A sub-query is joined on one id", "a join of the contract's tables, or on one id"
    if scope.statement.latest:
        yield "The first of a row's pairs is taken of a join on one id", "a join on one id"


def reads_first_match(scope: Scope, node: exp.Expr) -> bool:
    """Whether a condition of an inner join reads a row's first match of several ids, which it must not choose."""
    last = scope.sides[-1]
    return bool(last.keys) and last.kind == "inner" and any(scope.find(one)[0] for one in node.find_all(exp.Column))


def by_first_match(shape: JoinShape, keys: int, payloads: Sequence[Measure]) -> JoinShape:
    """The shape of a run of several keys, from that of one: what it says of a match is of a row's first.

    payloads: the measures of TABLE.
    """
    columns = [_of_first(one, keys) for one in shape.columns]
    first = keys * shape.payloads
    totals = []
    for total in shape.totals:
        place = total.payload
        if place is not None and place < shape.payloads:
            bounds = payloads[place]
            column = _of_first(Payload(0, place, bounds.low, bounds.high), keys)
            if column not in columns:
                columns.append(column)
            place = shape.payloads + columns.index(column)
        totals.append(total._replace(payload=None if place is None else first + place - shape.payloads))
    choices = tuple(_of_first(one, keys) for one in shape.choices)
    return replace(shape, keys=keys, totals=tuple(totals), choices=choices, columns=tuple(columns))


def _of_first(expression: Expression, keys: int) -> Expression:
    """An expression over one table and its match, of the first that a row has by several keys."""
    match expression:
        case Match():
            return Operation("or", tuple(Match(key) for key in range(keys)))
        case Payload(_, index, low, high):
            *earlier, last = (Payload(key, index, low, high) for key in range(keys))
            found: Expression = last
            for payload in reversed(earlier):
                found = Operation("select", (Match(payload.table), payload, found))
            return found
        case Operation(operator, arguments):
            return Operation(operator, tuple(_of_first(argument, keys) for argument in arguments))
    return expression
