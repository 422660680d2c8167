"""The node's end of its socket: what the command line and the Python API ask of it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

import msgspec

import glovebox
from glovebox.errors import GloveboxError, Refused, UsageError
from glovebox.node.contracts import find_contract
from glovebox.node.coordinator import Question, ask
from glovebox.node.local import (
    LINE_BYTES,
    REQUESTS,
    Answered,
    Ask,
    CancelDone,
    CancelRequest,
    PartyFigures,
    Problem,
    Progress,
    Reply,
    Request,
    Status,
    StatusRequest,
)
from glovebox.node.messages import told
from glovebox.node.participant import Participant
from glovebox.node.progress import running

if TYPE_CHECKING:
    from glovebox.node.node import Node


async def serve_local(node: Node) -> asyncio.Server:
    """Listen on the home's socket; only processes of the same user are answered."""
    path = node.home.socket_file
    path.unlink(missing_ok=True)
    previous = os.umask(0o177)
    try:
        return await asyncio.start_unix_server(
            lambda reader, writer: _serve(node, reader, writer), path, limit=LINE_BYTES
        )
    finally:
        os.umask(previous)


async def _serve(node: Node, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    credentials = writer.get_extra_info("socket").getsockopt(
        socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")
    )
    try:
        if struct.unpack("3i", credentials)[1] != os.getuid():
            return
        request = REQUESTS.decode(await reader.readline())
        work = asyncio.ensure_future(_answer(node, request, writer))
        gone = asyncio.ensure_future(reader.read(1))  # the command line sends nothing more: this is its end
        await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
        gone.cancel()
        if not work.done():
            work.cancel()
        await asyncio.gather(work, return_exceptions=True)
    except (msgspec.MsgspecError, ConnectionError, ValueError):
        return
    finally:
        writer.close()


async def _answer(node: Node, request: Request, writer: asyncio.StreamWriter) -> None:
    async def reply(*messages: Reply) -> None:
        writer.write(b"".join(msgspec.json.encode(message) + b"\n" for message in messages))
        await writer.drain()

    try:
        match request:
            case Ask():
                await reply(await _ask(node, request, reply, writer))
            case StatusRequest():
                sessions = tuple(running(participant) for participant in node.participants.values())
                await reply(Status(node.name, glovebox.__version__, sessions, node.interrupted))
            case CancelRequest(session):
                await reply(await _cancel(node, session))
    except Exception as problem:
        await reply(problem_of(told(problem)))


async def _cancel(node: Node, begins: str) -> CancelDone:
    """End a session that was asked for here, at every node."""
    running = node.asking.keys() | node.participants.keys()
    found = [session for session in running if session.hex().startswith(begins)]
    if len(found) != 1:
        raise UsageError(f"{len(found)} running sessions begin with {begins!r}", hint="glovebox status")
    (session,) = found
    if session not in node.asking:
        asker = node.participants[session].asker_name
        raise Refused(
            f"session {session.hex()[:8]} is of {asker}", code="not_asker", hint=f"only {asker} can cancel it"
        )
    asking = node.asking[session]
    asking.cancel()
    await asyncio.wait([asking])
    return CancelDone(session.hex())


async def _ask(
    node: Node, request: Ask, reply: Callable[..., Awaitable[None]], writer: asyncio.StreamWriter
) -> Answered:
    contract = find_contract(node.home, request.contract)
    question = Question(request.statement, request.parameters, request.wait_s, request.dry_run)

    async def emit(events: Sequence[str], party: str) -> None:
        with contextlib.suppress(ConnectionError):
            await reply(*(Progress(event, party) for event in events))

    def watch(participant: Participant) -> None:
        if writer.transport.get_write_buffer_size() == 0:  # a command line that stands still holds up nothing
            writer.write(msgspec.json.encode(running(participant)) + b"\n")

    outcome = await ask(node, contract, question, emit, watch)
    stored = node.state.answer(outcome.session)
    figures = tuple(PartyFigures(contract.parties[end.party].name, end.bytes_sent) for end in outcome.ended)
    return Answered(
        outcome.session.hex(),
        msgspec.Raw(stored or b"null"),
        tuple(contract.parties[party].name for party in outcome.receivers),
        outcome.receipt,
        outcome.seconds,
        figures,
    )


def problem_of(error: GloveboxError) -> Problem:
    """An error as it goes to the command line, and into `--json`."""
    return Problem(error.code, error.summary, error.party, error.step, error.detail, error.hint, error.exit_code)
