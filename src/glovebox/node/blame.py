"""Whose fault it is that a session failed: what parties say of themselves, and, which counts less, of each other."""

from __future__ import annotations

from glovebox.contract.model import Contract
from glovebox.errors import BadFrame, Busy, GloveboxError, IntegrityError, PeerError
from glovebox.node.messages import Failed, Refusal, words
from glovebox.node.workers import WORKER_LOST
from glovebox.runtime.links import BLAMED

NODE_LOST = "node_lost"
MOST_LINES = 12  # of what another party says of an error


class Hearsay(PeerError):
    """A party says that another one is at fault."""


def refused_by(name: str, refusal: Refusal) -> GloveboxError:
    """A party's refusal as an error, in that party's words."""
    kind = Busy if refusal.code == Busy.code else GloveboxError
    summary = f"refused by {name}" if kind is not Busy else f"{name} is busy"
    error = kind(
        summary,
        code=words(refusal.code),
        party=name,
        step=words(refusal.step),
        detail=tuple(words(line) for line in (refusal.summary, *refusal.detail)[:MOST_LINES]),
        hint=words(refusal.hint),
    )
    error.exit_code = _exit_code(refusal.exit_code)
    return error


def failed_at(name: str, failed: Failed, contract: Contract) -> GloveboxError:
    """What a party tells of its run's end; whom it blames is only its word, but for itself."""
    blamed = failed.blamed if contract.number(failed.blamed) is not None else name
    gone = failed.code in (WORKER_LOST, NODE_LOST)
    code = "peer_lost" if gone and blamed != name else words(failed.code)
    summary, step = words(failed.summary), words(failed.step)
    kind = PeerError if blamed == name else Hearsay
    error = kind(summary, code=code, party=blamed, step=step, detail=(f"{name} says so",))
    error.exit_code = PeerError.exit_code if failed.blamed or code == WORKER_LOST else _exit_code(failed.exit_code)
    return error


def _exit_code(told: int) -> int:
    """The exit code that a party gives its error: never 0, which would say that all is well."""
    return told if GloveboxError.exit_code <= told <= IntegrityError.exit_code else GloveboxError.exit_code


def rank(error: BaseException) -> int:
    """The lower, the more an error says; up to 1 nobody else need be heard.

    A node says that its own worker is gone, or is gone itself; a party failed, or was seen to break the protocol; a
    link was lost, whose cause may lie behind the party lost; one party says that another broke the protocol or never
    came, or that it lost another, which may only have left for that reason.
    """
    match error:
        case Hearsay(code=code):
            return 3 if code in (BadFrame.code, "peer_absent") else 4
        case GloveboxError(code="peer_lost" | "peer_absent"):
            return 2
        case GloveboxError(code=code):
            return 0 if code in (WORKER_LOST, NODE_LOST) else 4 if code == BLAMED else 1
    return 5
