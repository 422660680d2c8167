"""The command line talks to its own node over a Unix socket in the home: one JSON line asked, JSON lines answered.

Nothing of the engine is imported here, so that a command starts at once; `answering.py` is the node's end.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec
from msgspec import Struct

from glovebox.errors import GloveboxError, PeerError, UsageError
from glovebox.node.home import Home

LINE_BYTES = 1 << 20


class Ask(Struct, frozen=True, tag="ask", forbid_unknown_fields=True):
    """Ask a question under a contract: its name, hash or file."""

    contract: str
    statement: str
    parameters: dict[str, str] = {}
    wait_s: float = 30.0
    dry_run: bool = False


class StatusRequest(Struct, frozen=True, tag="status", forbid_unknown_fields=True):
    """What is the node doing?"""


class CancelRequest(Struct, frozen=True, tag="cancel", forbid_unknown_fields=True):
    """Give up a session that was asked for here. session: the first digits of its id."""

    session: str


class CancelDone(Struct, frozen=True, tag="cancelled"):
    """The session is over."""

    session: str


class Progress(Struct, frozen=True, tag="progress"):
    """An event of the session at one party."""

    event: str
    party: str


class Running(Struct, frozen=True, tag="running"):
    """A session that runs here.

    step: what it does, or the last event that it reached; done of `of` parts of it, 0 of 0 where there are none to
    count. share: of the whole, from 0 to 1. seconds: since the start. left_s: about how long it will still take, None
    while that is unknown.
    """

    session: str
    contract: str
    asker: str
    step: str
    done: int = 0
    of: int = 0
    share: float = 0.0
    seconds: float = 0.0
    left_s: float | None = None


class PartyFigures(Struct, frozen=True):
    """What a run cost one party."""

    party: str
    bytes_sent: int


class Answered(Struct, frozen=True, tag="answered"):
    """The question was answered; answer is the canonical JSON, `null` for an asker that is no receiver."""

    session: str
    answer: msgspec.Raw
    receivers: tuple[str, ...]
    receipt: str
    seconds: float
    parties: tuple[PartyFigures, ...]


class Status(Struct, frozen=True, tag="status"):
    """The node as it is now."""

    name: str
    version: str
    sessions: tuple[Running, ...]
    interrupted: int = 0  # sessions that its last stop cut off


class Problem(Struct, frozen=True, tag="problem"):
    """An error, field by field."""

    code: str
    summary: str
    party: str
    step: str
    detail: tuple[str, ...]
    hint: str
    exit_code: int


Request = Ask | StatusRequest | CancelRequest
Reply = Progress | Running | Answered | Status | CancelDone | Problem
REQUESTS: msgspec.json.Decoder[Request] = msgspec.json.Decoder(Request)
_replies: msgspec.json.Decoder[Reply] = msgspec.json.Decoder(Reply)


def error_of(problem: Problem) -> GloveboxError:
    """The error of a reply."""
    error = GloveboxError(
        problem.summary, code=problem.code, party=problem.party, step=problem.step, detail=problem.detail,
        hint=problem.hint,
    )  # fmt: skip
    error.exit_code = problem.exit_code
    return error


async def talk(home: Home, request: Request) -> AsyncIterator[Reply]:
    """Send a request to the node of a home; yield its replies. Raises the error that a reply tells of."""
    try:
        reader, writer = await asyncio.open_unix_connection(home.socket_file, limit=LINE_BYTES)
    except OSError as problem:
        raise UsageError("this node does not run", hint="glovebox serve") from problem
    try:
        writer.write(msgspec.json.encode(request) + b"\n")
        while line := await reader.readline():
            match _replies.decode(line):
                case Problem() as told:
                    raise error_of(told)
                case other:
                    yield other
                    if not isinstance(other, Progress | Running):
                        return
        raise PeerError("this party's node ended before it answered", code="node_lost", hint="glovebox serve")
    finally:
        writer.close()
