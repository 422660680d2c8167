"""Whether a party takes part in what it is asked: the proposal, the contract, the question, and the data as bound."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from glovebox.contract.model import Contract
from glovebox.errors import DataError, IntegrityError, Refused
from glovebox.node.binding import bound_source
from glovebox.node.channel import BoundTable
from glovebox.node.contracts import check_standing
from glovebox.node.messages import SESSION_BYTES, Proposal, Signed, claimed, open_signed
from glovebox.node.participant import Participant
from glovebox.planner import matching
from glovebox.planner.memory import Need, need_of
from glovebox.planner.plan import Plan, members, own_queries, session_parties
from glovebox.planner.question import check_contract_in_force, plan_question
from glovebox.schema.columns import Table

if TYPE_CHECKING:
    from glovebox.node.node import Node


async def consider(node: Node, envelope: Signed) -> Participant:
    """Check a proposal as this node alone sees it; raises the refusal as an error.

    The proposal must be the asker's, under a contract in force that all signed, for a question that the contract
    allows to it, over data as bound; and a session must be free.
    """
    proposal = claimed(envelope, Proposal)
    contract = node.contract(proposal.contract)
    if proposal.asker != envelope.party or not 0 <= envelope.party < len(contract.parties):
        raise IntegrityError("the proposal is not signed by its asker", step="proposed")
    open_signed(envelope, contract.parties[envelope.party].key, Proposal)
    if len(proposal.session) != SESSION_BYTES or not any(proposal.session) or node.state.knows(proposal.session):
        raise Refused("this session id was used before", code="session_used", step="proposed")
    check_contract_in_force(contract, datetime.now(UTC).date())
    check_standing(node.home, contract)
    plan = await asyncio.to_thread(plan_question, contract, proposal.statement, proposal.parameters, proposal.asker)
    me = node.number_in(contract)
    if me not in session_parties(plan):
        raise Refused("this party has no part in the question", code="no_part", step="proposed")
    _check_reached(contract, plan)
    _check_allowance(node, contract, plan, proposal.statement)
    need = need_of(plan, contract, me)
    _check_memory(node, plan, me, need)
    return Participant(node, contract, proposal, plan, need, _bound_tables(node, contract, plan, me))


def _check_reached(contract: Contract, plan: Plan) -> None:
    """Return if the asker reaches all parties of a session, and of any two one the other. Raises Refused.

    Who only dials out asks for itself: nobody can propose to it, and two such parties would wait for each other.
    """
    for party in session_parties(plan):
        stated = contract.parties[party]
        if stated.dials_out and party != plan.asker:
            sentence = f"{stated.name} only dials out, so that it takes part in no question but its own"
            hint = f"{stated.name} asks it, or opens the port of its address"
            raise Refused(sentence, code="dials_out", step="party.dial", hint=hint)


def _check_allowance(node: Node, contract: Contract, plan: Plan, statement: str) -> None:
    """Return if a match check may be asked once more; every party counts for itself. Raises Refused."""
    if plan.clause != matching.CLAUSE:
        return
    asked, allowed = node.state.asked(contract.hash, statement), contract.rules.overlap_checks
    if asked >= allowed:
        sentence = f"the contract allows {allowed} match checks of this join, and {asked} were asked"
        hint = "glovebox answers, for what they told"
        raise Refused(sentence, code="match_spent", step=matching.CLAUSE, hint=hint)


def _check_memory(node: Node, plan: Plan, me: int, need: Need) -> None:
    """Return if this node gives a session what the plan needs here. Raises Refused."""
    limit = node.settings.memory_mib
    if me in members(plan) and need.mib > limit:
        sentence = f"the question needs {need.mib:,} MiB of memory at {node.name}, which gives a session {limit:,} MiB"
        hint = f"memory_mib = {need.mib} in the node.toml of {node.name}, or a contract with fewer rows"
        raise Refused(sentence, code="memory", party=node.name, step="memory_mib", hint=hint)


def _bound_tables(node: Node, contract: Contract, plan: Plan, me: int) -> tuple[BoundTable, ...]:
    """The tables that this party brings, if their files are still what they were when they were bound."""
    tables = dict.fromkeys(one.table for query in own_queries(plan, me) for one in query.tables)
    return tuple(_bound_table(node, contract, contract.table(name, me)) for name in tables)


def _bound_table(node: Node, contract: Contract, table: Table) -> BoundTable:
    binding = node.state.binding(contract.hash, table.name)
    if binding is None:
        hint = f"glovebox data add CONTRACT {table.name} SOURCE"
        raise DataError(f"{node.name} has bound no data to {table.name} yet", party=node.name, hint=hint)
    source = bound_source(binding, node.settings, table.name)
    return BoundTable(table, source, binding.salt, binding.snapshot)
