"""What a session's receipt says, built alike by every party from what it knows itself."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

from glovebox.audit.receipts import commitment as commitment_to
from glovebox.audit.receipts import receipt_text
from glovebox.contract.model import Contract
from glovebox.contract.terms import HOMOMORPHIC, SIZE_EPSILON, epsilon_text
from glovebox.errors import IntegrityError
from glovebox.node.messages import Acceptance, Proposal
from glovebox.planner.plan import Plan, owners, plan_hash


def run_id(contract: Contract, proposal: Proposal, acceptances: dict[int, Acceptance]) -> bytes:
    """SHA-256 of contract, snapshots, statement and parameters: the same question over the same data."""
    found = (acceptances[party].snapshot for party in sorted(acceptances))
    snapshots = [snapshot for snapshot in found if snapshot]  # of the tables' owners, whoever asks
    return _hashed("run", contract, proposal, snapshots)


def question_id(contract: Contract, proposal: Proposal, snapshot: bytes) -> bytes:
    """The same with one party's own snapshot alone: what it knows of a run before the others have accepted."""
    return _hashed("question", contract, proposal, [snapshot])


def _hashed(domain: str, contract: Contract, proposal: Proposal, snapshots: list[bytes]) -> bytes:
    parts = (contract.hash, snapshots, proposal.statement, sorted(proposal.parameters.items()))
    return hashlib.sha256(f"glovebox/1/{domain}\0".encode() + msgspec.msgpack.encode(parts)).digest()


def receipt_for(
    contract: Contract,
    plan: Plan,
    proposal: Proposal,
    acceptances: dict[int, Acceptance],
    *,
    began: str,
    ended: str,
    commitment: str,
    logs: Mapping[int, str],
) -> str:
    """The receipt's text. Only began, ended, commitment and the others' logs are not every party's own knowledge.

    logs: the head of each party's log in hexadecimal digits. All sign all of them, so that none of them can show
    another history later (`verify_log` with receipts).
    """

    def names(parties: Iterable[int]) -> str:
        return ", ".join(contract.parties[party].name for party in parties)

    fields = {
        "contract": contract_field(contract),
        "statement": proposal.statement,
        "parameters": ", ".join(f"{name}={value}" for name, value in sorted(proposal.parameters.items())) or "none",
        "asker": names([plan.asker]),
        "receivers": names(plan.receivers),
        "computed by": names(plan.computing),
        "session": proposal.session.hex(),
        "run": run_id(contract, proposal, acceptances).hex(),
        "plan": plan_hash(plan).hex(),
        "groups of at least": str(plan.threshold),
        "sizes": ", ".join(f"{table.name} {table.rows}" for table in contract.tables),
    }
    if contract.protocol:
        fields["protocol"] = contract.protocol
    if contract.protocol == HOMOMORPHIC:
        how = f"with noise of epsilon {epsilon_text(SIZE_EPSILON)}" if plan.noise else "exactly"
        fields["told besides"] = f"how many ids match, to {names(plan.receivers)}, {how}"
    if plan.noise:
        fields["epsilon"] = f"{epsilon_text(plan.noise.epsilon)} of {names(owners(plan))} each"
    for party, acceptance in acceptances.items():
        name = contract.parties[party].name
        fields[f"snapshot of {name}"] = acceptance.snapshot.hex() or "none"
        fields[f"version at {name}"] = acceptance.version
        fields[log_field(name)] = logs[party]
    return receipt_text(fields | {"began": began, "ended": ended, "commitment": commitment})


def contract_field(contract: Contract) -> str:
    """The receipt's field for its contract."""
    return f"{contract.name} v{contract.version} sha256:{contract.hash.hex()}"


def log_field(party: str) -> str:
    """The receipt's field for the head of a party's log."""
    return f"log of {party}"


class AnswerFile(Struct, frozen=True):
    """An answer with the salt of its commitment, in hexadecimal digits, as `answers SESSION --json` prints it."""

    answer: msgspec.Raw
    salt: str


def commitment_of_file(path: Path) -> str:
    """The commitment, in hex, of an answer that `answers SESSION --json` printed to a file. Raises IntegrityError."""
    try:
        stored = msgspec.json.decode(path.read_bytes(), type=AnswerFile)
        return commitment_to(bytes.fromhex(stored.salt), bytes(stored.answer)).hex()
    except (msgspec.MsgspecError, ValueError) as problem:
        raise IntegrityError(f"{path.name} is not an answer as Glovebox writes it") from problem
