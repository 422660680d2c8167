"""Every error a person can meet.

An error says who, at which step, what was expected, what came, and what to do. It never holds a value of a row:
texts are written by Glovebox, and what a library's exception says stays out of them.
"""

from __future__ import annotations


class GloveboxError(Exception):
    """Base of all errors that reach a person.

    code: a short fixed name, the same in logs, messages between nodes and `--json`.
    party: the name of the party that refused, failed or was lost; "" for this node itself.
    step: where it happened: a clause (`rules.join`), an event (`matched`) or a protocol step (`join/shard0/table`).
    detail: further lines, in the order a person reads them. hint: what would work instead.
    """

    code = "error"
    exit_code = 1

    def __init__(
        self,
        summary: str,
        *,
        code: str | None = None,
        party: str = "",
        step: str = "",
        detail: tuple[str, ...] = (),
        hint: str = "",
    ) -> None:
        super().__init__(summary)
        self.summary = summary
        self.code = code or type(self).code
        self.party = party
        self.step = step
        self.detail = detail
        self.hint = hint

    def lines(self) -> list[str]:
        """The error as a person reads it."""
        at = f" ({self.step})" if self.step else ""
        return [
            f"{self.summary}{at}",
            *(f"  {line}" for line in self.detail),
            *([f"  Try:  {self.hint}"] if self.hint else []),
        ]


class UsageError(GloveboxError):
    """The command line was not understood, or asks for what is not there."""

    code = "usage"
    exit_code = 2


class Refused(GloveboxError):
    """A contract, or a party that holds to it, says no."""

    code = "refused"
    exit_code = 3


class DataError(GloveboxError):
    """A table does not hold what the contract says; counts only, never a value."""

    code = "data"
    exit_code = 4


class Cancelled(GloveboxError):
    """The asker gave its question up; `party` is the asker. 130 is what a shell makes of Ctrl-C."""

    code = "cancelled"
    exit_code = 130


class PeerError(GloveboxError):
    """Another party's node could not be reached, failed, or broke the protocol."""

    code = "peer"
    exit_code = 5


class PeerLost(PeerError):
    """A link to a party ended before the session did, or its heartbeat stopped."""

    code = "peer_lost"


class OutOfMemory(PeerError):
    """A party's worker needed more memory than its node gives a session; `party` is that one."""

    code = "out_of_memory"


class BadFrame(PeerError):
    """A party sent bytes that the protocol does not allow at this step."""

    code = "bad_frame"


class Busy(PeerError):
    """A node has no free session now; asking again later may work."""

    code = "busy"


class BudgetError(GloveboxError):
    """The privacy budget does not cover the question."""

    code = "budget"
    exit_code = 6


class IntegrityError(GloveboxError):
    """A signature, a hash chain, a receipt or a share of an opening does not verify."""

    code = "integrity"
    exit_code = 7
