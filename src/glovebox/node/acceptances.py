"""What the parties of a session accepted, as its start shows it: all, each signed, of one plan; and who dials whom."""

from __future__ import annotations

import glovebox
from glovebox.contract.model import Contract
from glovebox.data.identifiers import recipe_digest
from glovebox.errors import IntegrityError, Refused
from glovebox.node.messages import Acceptance, Start, open_signed, words
from glovebox.planner.plan import PLAN_FORMAT, Plan, plan_hash, session_parties


def open_start(contract: Contract, plan: Plan, session: bytes, start: Start) -> dict[int, Acceptance]:
    """Every party's acceptance, in party order, its signature checked.

    Raises IntegrityError for what is not the start of this session, Refused for a party whose program is another.
    """
    if start.session != session:
        raise IntegrityError("the start of another session was sent for this one", step="started")
    if [envelope.party for envelope in start.acceptances] != session_parties(plan):
        raise IntegrityError("the start lacks an acceptance, or has them out of order", step="started")
    acceptances = {}
    for envelope in start.acceptances:
        acceptance = open_signed(envelope, contract.parties[envelope.party].key, Acceptance)
        if acceptance.session != session or acceptance.party != envelope.party:
            raise IntegrityError("an acceptance of another session was sent for this one", step="started")
        if acceptance.plan_format != PLAN_FORMAT or acceptance.plan != plan_hash(plan):
            raise _differs(contract, acceptance, "plan_differs", "the plan of {} differs from this node's")
        if acceptance.recipe != recipe_digest():
            sentence = "{} brings ids to other forms than this node, so that the same id might not match"
            raise _differs(contract, acceptance, "recipe_differs", sentence)
        acceptances[acceptance.party] = acceptance
    return acceptances


def _differs(contract: Contract, acceptance: Acceptance, code: str, sentence: str) -> Refused:
    name = contract.parties[acceptance.party].name
    return Refused(
        sentence.format(name),
        code=code,
        step="started",
        detail=(f"{name} runs version {words(acceptance.version)}, this node {glovebox.__version__}",),
        hint="the same version at every party",
    )


def dialled_by(contract: Contract, me: int) -> tuple[int, ...]:
    """The parties that one dials in a session: those of a higher number, but for who takes no connections."""
    out = [party.dials_out for party in contract.parties]
    others = [party for party in range(len(out)) if party != me]
    return tuple(party for party in others if out[me] or (me < party and not out[party]))
