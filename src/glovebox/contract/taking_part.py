"""Which parties compute a question together, by the contract alone (session.md, "Who takes part")."""

from __future__ import annotations

from glovebox.contract.terms import Contract

LEAST = 3  # MPyC's threshold (m - 1) // 2 must be at least 1: with two, each share is the secret


def computing_parties(contract: Contract, owners: tuple[int, ...]) -> tuple[int, ...]:
    """The parties that compute a question over tables of these owners, in the contract's order.

    The owners, and if they are fewer than three, others in the contract's order until there are three: first those
    that neither ask nor receive, then the rest.
    """
    others = [number for number in range(len(contract.parties)) if number not in owners]
    interested = {*contract.rules.ask, *contract.rules.receive}
    others.sort(key=lambda number: number in interested)  # stable: the contract's order within both kinds
    return tuple(sorted((*owners, *others[: max(0, LEAST - len(owners))])))
