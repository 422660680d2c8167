"""What is opened of this party's own tables, to whom, across all contracts; and what differs from it by few people."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

import msgspec
from msgspec.structs import replace

from glovebox.contract.terms import Contract
from glovebox.node.messages import Proposal
from glovebox.node.state import Disclosure, State
from glovebox.planner.plan import Plan, local_query, own_queries
from glovebox.schema.columns import Table
from glovebox.schema.expressions import columns_of
from glovebox.schema.local import LocalQuery

MOST_COMPARED = 64
"""How many earlier questions, the newest ones, a question is held against."""


def disclosure_of(
    contract: Contract, plan: Plan, party: int, proposal: Proposal, close: Sequence[bytes]
) -> Disclosure | None:
    """What a session is about to open of a party's own table, if it reads one."""
    query = local_query(plan, party)
    if query is None:
        return None
    every = [one for each in own_queries(plan, party) for one in each.tables]
    columns = ",".join(dict.fromkeys(column for one in every for column in _columns(one)))
    receivers = ",".join(contract.names(plan.receivers))
    packed, told = msgspec.msgpack.encode(query), ",".join(map(bytes.hex, close))
    session, statement = proposal.session, proposal.statement
    return Disclosure(
        session, time.time(), contract.hash, contract.name, query.table, columns, receivers, statement, packed, told
    )


def compared_with(
    state: State, contract: Contract, plan: Plan, party: int, told: Callable[[bytes, str], Table | None]
) -> dict[bytes, bytes]:
    """Local parts of earlier questions to hold a question of exact answers against, by session: one of each filter.

    told: this party's table of a contract, by the contract's hash and the table's name, if its answers are exact. Those
    of a sub-query's rows are left out: what they filter by is no column of the table.
    """
    query = local_query(plan, party)
    if query is None or query.derived is not None or contract.privacy:
        return {}
    table, rows = contract.table(query.table, party), _rows(state, contract.hash, query.table)
    found: dict[bytes, bytes] = {}
    seen = [query.where]
    for session, digest, named, packed in state.disclosed_queries():
        earlier = msgspec.msgpack.decode(packed, type=LocalQuery)
        if len(found) == MOST_COMPARED or earlier.derived is not None:
            continue
        other = told(digest, named) if _rows(state, digest, named) == rows else None
        alike = other and all(other.column(name) == table.column(name) for name in columns_of(earlier.where))
        if alike and earlier.where not in seen:
            seen.append(earlier.where)
            found[session] = msgspec.msgpack.encode(replace(earlier, table=query.table))
    return found


def _rows(state: State, contract: bytes, table: str) -> tuple[str, ...] | None:
    """What a contract's table is bound to: rows are the same under two contracts that are bound to one."""
    binding = state.binding(contract, table)
    return binding and (binding.path, binding.format, binding.relation)


def _columns(query: LocalQuery) -> Iterator[str]:
    """The table's columns that an answer is made of: those counted by or summed, of the groups, and of the filter;
    in place of a sub-query's columns what they are made of."""
    derived = query.derived
    if derived is None:
        yield from _read(query)
        return
    made = {one.column.name: list(columns_of(one.measure.expression)) for one in derived.columns}
    made |= {kept.column.name: [kept.name] for kept in derived.keys}
    for column in _read(query):
        yield from made.get(column, [column])
    for expression in (derived.where, *(one.expression for one in derived.first)):
        yield from columns_of(expression)


def _read(query: LocalQuery) -> Iterator[str]:
    """The columns of the rows that a query reads."""
    yield from [query.ids, *query.keys] if query.ids else []
    yield from [query.other] if query.other else []
    yield from query.facts.keys if query.facts else ()
    yield from (grouping.column for grouping in query.groupings if grouping.column)
    indexes = [grouping.index for grouping in query.groupings]
    for expression in (*(measure.expression for measure in query.measures), *indexes, query.where):
        yield from columns_of(expression)
