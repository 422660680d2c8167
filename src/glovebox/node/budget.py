"""What a question costs, whether its budget covers it, and what the parties' ledgers say of each other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from glovebox.contract.terms import SIZE_EPSILON, Contract, epsilon_text
from glovebox.errors import BudgetError, IntegrityError
from glovebox.node.messages import Acceptance, Failed, Head, Signed, Void, decode, encode, open_signed, signed
from glovebox.planner.plan import Joined, Plan, owners

if TYPE_CHECKING:
    from glovebox.node.node import Node


def cost_of(plan: Plan) -> dict[int, int]:
    """Millionths of epsilon that a question takes of each owner; nothing without noise."""
    more = SIZE_EPSILON if isinstance(plan.source, Joined) and plan.source.homomorphic else 0
    return dict.fromkeys(owners(plan), plan.noise.epsilon + more) if plan.noise else {}


def check_budget(contract: Contract, cost: dict[int, int], spent: dict[int, int], holds: list[dict[int, int]]) -> None:
    """Return if the budget covers a question beside what is spent and held; BudgetError with what is left if not."""
    if contract.privacy is None:
        return
    for owner, amount in cost.items():
        left = contract.privacy.epsilon_total - spent.get(owner, 0) - sum(hold.get(owner, 0) for hold in holds)
        if amount > left:
            name = contract.parties[owner].name
            raise BudgetError(
                f"the budget of {name} does not cover the question",
                step="privacy.epsilon_total",
                detail=(
                    f"It costs epsilon {epsilon_text(amount)}; of {epsilon_text(contract.privacy.epsilon_total)} "
                    f"there is {epsilon_text(max(0, left))} left.",
                ),
                hint="a question that was answered before costs nothing: glovebox answers",
            )


def own_head(node: Node, contract: Contract, me: int) -> Signed:
    """This node's ledger of a contract as it stands, signed."""
    number, digest = node.ledger.head(contract.hash)
    return signed(node.key, me, Head(contract.hash, me, number, digest, node.ledger.spent(contract.hash)))


def seen_heads(node: Node, contract: Contract, me: int) -> tuple[Signed, ...]:
    """The newest heads of the others' ledgers that this node holds."""
    return tuple(decode(data) for party, data in node.ledger.heads(contract.hash).items() if party != me)


def compare_ledgers(node: Node, contract: Contract, session: bytes, acceptances: dict[int, Acceptance]) -> None:
    """Hold every party's head against what anyone has seen of it; then the most that anyone knows to be spent counts.

    Raises IntegrityError where a ledger has gone back, this node's own included.
    """
    heads = {party: _opened(contract, party, acceptance.head) for party, acceptance in acceptances.items()}
    noted = {party: _opened(contract, party, decode(data)) for party, data in node.ledger.heads(contract.hash).items()}
    newest = dict(noted)
    for acceptance in acceptances.values():
        for envelope in acceptance.seen:
            seen = _opened(contract, envelope.party, envelope)
            if seen.party not in newest or seen.number > newest[seen.party].number:
                newest[seen.party] = seen
    for party, head in heads.items():
        later = newest.get(party, head)
        if head.number < later.number or (head.number == later.number and head.hash != later.hash):
            name = contract.parties[party].name
            raise IntegrityError(
                f"the ledger of {name} was rolled back",
                code="ledger_rolled_back",
                party=name,
                step="started",
                detail=(f"It has {head.number} entries, and {name} has signed that it had {later.number}.",),
                hint=f"the newest ledger.sqlite of {name}",
            )
    note_heads(node, contract, [acceptance.head for acceptance in acceptances.values() if acceptance.head])
    known: dict[int, int] = {}
    for head in heads.values():
        for owner, amount in head.spent.items():
            known[owner] = max(known.get(owner, 0), amount)
    if missing := node.ledger.raise_to(contract.hash, session, known):
        told = {contract.parties[owner].name: epsilon_text(amount) for owner, amount in missing.items()}
        node.log.write("raised", session=session.hex(), **told)


def note_heads(node: Node, contract: Contract, envelopes: Iterable[Signed]) -> None:
    """Keep heads that other parties signed."""
    for envelope in envelopes:
        head = _opened(contract, envelope.party, envelope)
        node.ledger.note_head(contract.hash, head.party, head.number, encode(envelope))


def _opened(contract: Contract, party: int, envelope: Signed | None) -> Head:
    """A party's head, in its own signed envelope. Raises IntegrityError that names the party if it is none."""
    if not 0 <= party < len(contract.parties):
        raise IntegrityError("a message names a party that the contract does not have", step="started")
    name = contract.parties[party].name
    if envelope is None or envelope.party != party:
        raise IntegrityError(f"{name} did not say how far its ledger goes", party=name, step="started")
    head = open_signed(envelope, contract.parties[party].key, Head)
    sound = all(0 <= owner < len(contract.parties) and amount >= 0 for owner, amount in head.spent.items())
    if head.contract != contract.hash or head.party != party or head.number < 0 or not sound:
        raise IntegrityError(f"{name} sent what is not the head of its ledger", party=name, step="started")
    return head


def verify_void(contract: Contract, plan: Plan, session: bytes, void: Void) -> None:
    """Return if every computing party signed that its shares of the opening had not left. Raises IntegrityError."""
    said = {envelope.party: envelope for envelope in void.failed}
    for party in plan.computing:
        if party not in said:
            raise IntegrityError(f"{contract.parties[party].name} did not sign that nothing was revealed", step="void")
        failed = open_signed(said[party], contract.parties[party].key, Failed)
        if failed.session != session or failed.party != party or failed.revealing:
            raise IntegrityError("a party did not sign that nothing of this session was revealed", step="void")
