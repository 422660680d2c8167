"""`MATCH a WITH b`: how many ids of a join match, told as a band, before anyone relies on the join.

A match check is the question COUNT(DISTINCT id) over a join of the contract, of which only the band opens: which of
some public numbers the count reaches. Two checks over tables that differ by one person may still stand on two sides of
such a number, and then tell of that person: so the contract says how many may be asked.
"""

from __future__ import annotations

from msgspec.structs import replace
from sqlglot import exp

from glovebox.contract.terms import Contract, JoinColumn, Question
from glovebox.errors import Refused
from glovebox.planner.plan import Output, Plan

CLAUSE = "rules.overlap_checks"
WORD = "MATCH "
FIRST_EDGE = 10
"""The least count that is told from fewer, also where the contract shows groups of one."""


def is_match(statement: str) -> bool:
    """Whether a statement is a match check and no SQL."""
    return statement.startswith(WORD)


def match_statements(contract: Contract) -> list[str]:
    """The match checks of a contract, one a join, each in the one spelling that counts."""
    return [f"{WORD}{_place(contract, left)} WITH {_place(contract, right)}" for left, right in _joins(contract)]


def _joins(contract: Contract) -> list[tuple[JoinColumn, JoinColumn]]:
    """The joins of tables of one owner each."""
    return [pair for pair in contract.rules.join if all(len(contract.tables[end.table].owners) == 1 for end in pair)]


def match_question(contract: Contract, statement: str) -> Question:
    """The question behind a match check. Refused where the contract has no such join, or allows no check."""
    possible = match_statements(contract)
    if contract.rules.overlap_checks == 0:
        hint = "overlap_checks = 3 under [rules], in the next version of the contract"
        raise _refused(CLAUSE, "The contract allows no match check.", hint)
    if statement not in possible:
        raise _refused("rules.join", "The contract has no such join.", " or ".join(possible) or "a contract with joins")
    left, right = _joins(contract)[possible.index(statement)]
    ids = [_id(contract, place, alias) for place, alias in ((left, "l"), (right, "r"))]
    count = exp.Count(this=exp.Distinct(expressions=[exp.column(left.column, "l", quoted=True)])).as_("overlap")
    select = exp.select(count).from_(_table(contract, left, "l"))
    equal = [exp.EQ(this=one, expression=other) for one, other in zip(*ids, strict=True)]
    joined = select.join(_table(contract, right, "r"), on=exp.and_(*equal))
    return Question(name=statement, sql=joined.sql("duckdb"))


def banded(plan: Plan) -> Plan:
    """The plan of a match check: of its count, only the band opens."""
    total = plan.outputs[0].total
    output = Output("overlap", "band", total=total, edges=_edges(plan.threshold, plan.totals[total].high))
    return replace(plan, outputs=(output,), zero_shown=False, clause=CLAUSE)


def _edges(threshold: int, most: int) -> tuple[int, ...]:
    """The threshold, and behind it 10, 20, 50, 100, ... as far as the count can reach."""
    first = max(threshold, FIRST_EDGE)
    steps = (step * 10**power for power in range(len(str(most)) + 1) for step in (1, 2, 5))
    return (first, *(step for step in steps if first < step <= most))


def _place(contract: Contract, place: JoinColumn) -> str:
    table = contract.tables[place.table]
    return f"{contract.parties[table.owners[0]].name}.{table.name}.{place.column}"


def _id(contract: Contract, place: JoinColumn, alias: str) -> list[exp.Column]:
    """The columns that make an id."""
    names = contract.column(place).parts or (place.column,)
    return [exp.column(name, alias, quoted=True) for name in names]


def _table(contract: Contract, place: JoinColumn, alias: str) -> exp.Table:
    table = contract.tables[place.table]
    return exp.table_(table.name, db=contract.parties[table.owners[0]].name, quoted=True, alias=alias)


def _refused(step: str, sentence: str, hint: str) -> Refused:
    return Refused("the question is refused", code="match", step=step, detail=(sentence,), hint=hint)
