"""Another id counted once of a person's rows, over two owners: COUNT(DISTINCT other id) where persons are made.

How many values the two have together is what each has, less those that both have. The pairs of person and value of one
owner are looked up among the other's, and the matches added up by person on shares: a star join, which then meets the
other owner's persons line by line.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from glovebox.contract.terms import Contract
from glovebox.planner.facts import MOST_ROWS, ONE, ZERO
from glovebox.planner.plan import Dimension, Spine, Star, Total
from glovebox.planner.scope import Side
from glovebox.planner.statement import Statement
from glovebox.protocols.expression import Expression, Match, Operation, Shared
from glovebox.schema.local import LocalQuery

OWNERS = 2
SHARED = Operation("select", (Match(0), ONE, ZERO))
"""Of a pair, whether the other owner has it too."""


def check_counted(statement: Statement, contract: Contract, select: exp.Select, side: Side) -> None:
    """Return if another id can be counted once of these rows of several owners."""
    if contract.protocol or contract.privacy:
        clause = "protocol" if contract.protocol else "privacy"
        sentence = "Another id is counted once over owners only with a third party, without noise"
        statement.refuse(select, clause, sentence, "COUNT(*), or counts of each owner's own")
    if len(side.branches) > OWNERS:
        sentence = f"Another id is counted once over {OWNERS} owners, not over {len(side.branches)} yet"
        statement.refuse(select, "table", sentence, f"a UNION ALL of {OWNERS} owners' tables")
    if side.table.rows > MOST_ROWS:
        hint = f"a contract whose tables have at most {MOST_ROWS} rows"
        statement.refuse(select, "rows", f"{side.table.name} has too many rows for this", hint)


def counted_spine(
    queries: Sequence[LocalQuery],
    pairs: Sequence[LocalQuery],
    choices: tuple[Expression, ...],
    columns: tuple[Expression, ...],
    totals: tuple[Total, ...],
    helper: int,
) -> Spine:
    """The spine of one owner's persons beside another's. queries, pairs: the owner's and the other's.

    choices, columns: of persons, over their values, the other's persons as table 0, and, as column 0 of several owners,
    how many values both have of a person.
    """
    (query, other), (facts, table) = queries, pairs
    dimensions = (Dimension(table, (SHARED,)), Dimension(other, (), True))
    return Spine(query, (), Star((facts,), dimensions, helper, ((Shared(0, 0, 1),),), choices, columns, totals))
