"""What a contract of two parties alone changes, in plain words: who learns what, and on which assumptions."""

from __future__ import annotations

from glovebox.algebra.lpn import VERSION
from glovebox.contract.lines import Fault
from glovebox.contract.terms import HOMOMORPHIC, LOW_TRAFFIC, SIZE_EPSILON, Contract, epsilon_text


def check_homomorphic(contract: Contract) -> None:
    """Return if the homomorphic mode can keep what a contract says; a Fault else."""
    receivers = {contract.rules.receive, *(one.receive for one in contract.questions if one.receive is not None)}
    if receivers != {contract.rules.receive} or len(contract.rules.receive) != 1:
        sentence = "in the homomorphic mode one and the same party gets every answer"
        raise Fault("contract_homomorphic", ("rules", "receive"), sentence, 'one party, or protocol = "two-party"')
    if contract.privacy is None and not contract.rules.exact:
        sentence = "in the homomorphic mode the receiver holds groups against the threshold, which needs noise"
        hint = 'a [privacy] budget, or protocol = "two-party"'
        raise Fault("contract_homomorphic", ("rules", "groups_of_at_least"), sentence, hint)


LPN = f", on learning parity with noise (LPN, parameter table {VERSION}), which spares bytes and is less tried"


def promises(contract: Contract) -> list[str]:
    """For `contract show`, in place of who could collude: there is nobody else."""
    one, other = (party.name for party in contract.parties)
    if contract.protocol == HOMOMORPHIC:
        return _homomorphic(contract, one, other)
    noise = LPN if contract.protocol == LOW_TRAFFIC else ""
    return [
        f"protocol {contract.protocol}: {one} and {other} compute alone, with nobody between them",
        "neither learns which ids match, how many, or any total before it opens; what opens goes to those who get the "
        "answers; both learn the padded sizes of the tables and the text of the question",
        "that holds while both run the protocol as it is written: a party whose program deviates could learn the "
        "other's values, or move the answer, and is not always noticed; nor would it be with a third party",
        f"it rests on Diffie-Hellman in the group ristretto255{noise}, and on AES and SHA-256 behaving as ideal "
        "functions; with a neutral third party it would rest on AES and HMAC, and on no two of the three pooling what "
        "they see",
        "an owner that puts in ids which it only guesses learns of them what the answers tell",
    ]


def _homomorphic(contract: Contract, one: str, other: str) -> list[str]:
    receiver, owner = (one, other) if contract.rules.receive == (0,) else (other, one)
    told = (
        "exactly"
        if contract.rules.exact
        else f"with noise, which costs epsilon {epsilon_text(SIZE_EPSILON)} more a session"
    )
    return [
        f"protocol {contract.protocol}: {one} and {other} compute alone, with nobody between them",
        f"{receiver} learns how many ids match, {told}, beside its answers; it learns sums of groups below the "
        "threshold with their noise, and does not show them; nothing else",
        f"{owner} learns nothing but the padded sizes and the text of the question",
        f"that holds while both run the protocol as it is written: {receiver} could read any value of {owner}, behind "
        "the answers' noise",
        "it rests on Diffie-Hellman in the group ristretto255, on ring learning with errors (8192 places, 150 bits), "
        "and on SHA-512 behaving as an ideal function",
        "an owner that puts in ids which it only guesses learns of them what the answers tell",
    ]


NOISE = (
    "the noise of an answer is drawn whole by the party that does not get it, and by both, each a whole one, where "
    "both do, for each knows its own; the promise is not kept if an owner puts in more rows of a person than "
    "rows_per_id, or values outside a range"
)
"""Who draws the noise of two parties' answers, and against whom it holds."""
