"""A party with its true key is asked, and answers as no honest node does: the asker is told who it was.

The party's node is played by the test, at the party's address and with its key.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
from contextlib import asynccontextmanager

import pytest
from msgspec.structs import replace

from glovebox.cli.fleet import anew
from glovebox.errors import GloveboxError, PeerLost
from glovebox.identity import sign
from glovebox.node.control import accept_control
from glovebox.node.local import Ask, talk
from glovebox.node.messages import Ended, Event, Failed, Proposal, Refusal, Signed, Start, claimed, encode, signed
from glovebox.runtime.preamble import read_preamble
from glovebox.runtime.tls import control_context

from ..waiting import PATIENCE_S, wait_until
from .hostile import HEADER, QUESTION, Hostile, count, evil, framed, is_right, nodes, packed, sessions
from .plain_mpyc import resident_mib

pytestmark = pytest.mark.attack


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    with nodes(tmp_path_factory.mktemp("fleet"), "deadline_s = 8.0\n") as running:
        yield running


@asynccontextmanager
async def played(fleet, play):
    """While this lasts, `play(link, hostile)` answers each control link in the place of right's node."""
    hostile = Hostile(fleet, "right")
    tasks = []

    async def serve(connection):
        await read_preamble(connection)
        context = control_context(hostile.key, [fleet.keys["left"], fleet.keys["notary"]], server=True)
        link = await accept_control(context, connection, PATIENCE_S)
        try:
            await play(link, hostile)
            await asyncio.sleep(PATIENCE_S)
        except PeerLost:
            return
        finally:
            link._writer.transport.abort()

    async def listen(listener):
        while True:
            connection, _ = await asyncio.get_running_loop().sock_accept(listener)
            connection.setblocking(False)
            tasks.append(asyncio.ensure_future(serve(connection)))

    host, _, port = fleet.addresses["right"].partition(":")
    with socket.create_server((host, int(port))) as listener:
        listener.setblocking(False)
        tasks.append(asyncio.ensure_future(listen(listener)))
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)


async def asked(fleet, dry_run=False, wait_s=1.0):
    """The error that left is told when it asks."""
    with pytest.raises(GloveboxError) as caught:
        async for _ in talk(fleet.homes["left"], Ask(str(fleet.contract), anew(QUESTION), {}, wait_s, dry_run)):
            pass
    return caught.value


def replies(hostile, session, folder):
    """Bytes in the place of an acceptance, and the code and exit code that the asker must be told."""
    good = hostile.acceptance(session)
    refusal = Refusal(session, 1, "refused", "rules.ask", "no", (), "", 3)
    body = evil(folder)
    shouted = replace(
        refusal, exit_code=0, code="\x1b[2J", summary="\x1b]0;pwned\x07\r\n" * 200, detail=("\x9b1m",) * 1000
    )
    return {
        "a pickle": (framed(body), "bad_frame", 5),
        "a pickle as body": (
            framed(encode(Signed(1, body, sign(hostile.key, "message/acceptance", body)))), "bad_frame", 5
        ),
        "random": (framed(secrets.token_bytes(5000)), "bad_frame", 5),
        "4 GiB announced": (HEADER.pack((4 << 30) - 1) + bytes(1 << 16), "bad_frame", 5),
        "nothing": (b"", "node_lost", 5),
        "half a message": (framed(encode(hostile.sign(good)))[:50], "node_lost", 5),
        "another message": (framed(encode(hostile.sign(Start(session, ())))), "bad_frame", 5),
        "unsigned": (framed(encode(Signed(1, packed(good), b""))), "integrity", 7),
        "signed by another": (framed(encode(signed(Hostile(hostile.fleet).key, 1, good))), "integrity", 7),
        "signed as something else": (
            framed(encode(Signed(1, packed(good), sign(hostile.key, "contract", packed(good))))), "integrity", 7
        ),
        "in the notary's name": (framed(encode(signed(hostile.key, 2, replace(good, party=2)))), "integrity", 7),
        "of another session": (framed(encode(hostile.sign(hostile.acceptance(bytes(16))))), "integrity", 7),
        "a refusal that says all is well": (framed(encode(hostile.sign(replace(refusal, exit_code=0)))), "refused", 1),
        "a refusal that shouts": (framed(encode(hostile.sign(shouted))), " [2J", 1),
        "busy for ever": (framed(encode(hostile.sign(replace(refusal, code="busy")))), "busy", 3),
    }  # fmt: skip


async def test_a_bad_answer_to_a_proposal_ends_the_question(fleet, tmp_path):
    fleet.stop("right")
    before = resident_mib(fleet.processes["left"])
    for name in replies(Hostile(fleet, "right"), bytes(16), tmp_path):

        async def play(link, hostile, name=name):
            proposal = claimed(await link.receive(PATIENCE_S), Proposal)
            link._writer.write(replies(hostile, proposal.session, tmp_path)[name][0])
            await link._writer.drain()
            if name in ("nothing", "half a message"):
                await link.close()

        _, code, exit_code = replies(Hostile(fleet, "right"), bytes(16), tmp_path)[name]
        async with played(fleet, play):
            error = await asked(fleet, dry_run=True)
        assert (error.party, error.code, error.exit_code) == ("right", code, exit_code), name
        assert "right" in error.summary
        shown = "\n".join(error.lines())
        assert len(shown) < 8000
        assert all(character.isprintable() for line in error.lines() for character in line), name
    assert not (tmp_path / "ran").exists()
    assert resident_mib(fleet.processes["left"]) - before < 32
    fleet.start("right")
    assert is_right(await fleet.ask_async("left", anew(QUESTION)))


def acceptances(hostile, session):
    """Signed acceptances that no honest worker makes, and the code that the asker must be told."""
    other = hostile.acceptance(session).certificate
    return {
        "another plan": (hostile.acceptance(session, plan=secrets.token_bytes(32)), "plan_differs"),
        "another recipe for ids": (hostile.acceptance(session, recipe=bytes(32)), "recipe_differs"),
        "a key of small order": (hostile.acceptance(session, exchange=bytes(32)), "bad_frame"),
        "no key": (hostile.acceptance(session, exchange=b""), "bad_frame"),
        "no certificate": (hostile.acceptance(session, certificate=b""), "bad_frame"),
        "half a certificate": (hostile.acceptance(session, certificate=other[: len(other) // 2]), "bad_frame"),
    }


async def test_an_acceptance_with_bad_keys_ends_the_session(fleet):
    fleet.stop("right")
    opened = count(fleet, "left", "openings"), count(fleet, "notary", "openings")
    for name in acceptances(Hostile(fleet, "right"), bytes(16)):

        async def play(link, hostile, name=name):
            proposal = claimed(await link.receive(PATIENCE_S), Proposal)
            await link.send(hostile.sign(acceptances(hostile, proposal.session)[name][0]))

        async with played(fleet, play):
            error = await asked(fleet)
        code = acceptances(Hostile(fleet, "right"), bytes(16))[name][1]
        assert error.code == code, (name, error.lines())
        assert "right" in error.summary, (name, error.lines())
        assert error.exit_code in (3, 5)
        assert await asyncio.to_thread(wait_until, lambda: ended_at_both(fleet)), name
    assert opened == (count(fleet, "left", "openings"), count(fleet, "notary", "openings"))
    fleet.start("right")
    assert is_right(await fleet.ask_async("left", anew(QUESTION)))


def ended_at_both(fleet):
    return {sessions(fleet, party)[0][1] for party in ("left", "notary")} <= {"failed", "released"}


def followed(hostile, session, folder):
    """Bytes after the start, in the place of events and of an end."""
    told = Failed(session, 1, "worker_lost", "linked", "notary was lost", "notary", 0)
    body = evil(folder)
    return {
        "a pickle": framed(encode(Signed(1, body, sign(hostile.key, "message/event", body)))),
        "unsigned": framed(encode(Signed(1, packed(told), b""))),
        "it blames the notary": framed(encode(hostile.sign(told))),
        "it failed, and all is well": framed(encode(hostile.sign(replace(told, code="x", blamed="")))),
        "events that are none, then 4 GiB": framed(encode(hostile.sign(Event(session, 1, ("\x1b[2J",))))) * 1000
        + HEADER.pack((4 << 30) - 1),
        "closes": b"",
    }


async def test_what_a_party_tells_after_the_start_is_only_its_word(fleet, tmp_path):
    fleet.stop("right")
    opened = count(fleet, "left", "openings"), count(fleet, "notary", "openings")
    for name in followed(Hostile(fleet, "right"), bytes(16), tmp_path):

        async def play(link, hostile, name=name):
            proposal = claimed(await link.receive(PATIENCE_S), Proposal)
            await link.send(hostile.sign(hostile.acceptance(proposal.session)))
            claimed(await link.receive(PATIENCE_S), Start)
            link._writer.write(followed(hostile, proposal.session, tmp_path)[name])
            await link._writer.drain()
            if name == "closes":
                await link.close()

        async with played(fleet, play):
            error = await asked(fleet)
        assert error.exit_code != 0
        lines = error.lines()
        assert error.party == "right" or "  right says so" in lines, (name, lines)
        assert all(character.isprintable() for line in lines for character in line)
    assert not (tmp_path / "ran").exists()
    assert opened == (count(fleet, "left", "openings"), count(fleet, "notary", "openings"))
    fleet.start("right")
    assert is_right(await fleet.ask_async("left", anew(QUESTION)))


async def test_an_end_without_a_run_is_no_end(fleet):
    """right says that it has ended before anybody is linked; its worker never comes."""

    async def play(link, hostile):
        proposal = claimed(await link.receive(PATIENCE_S), Proposal)
        await link.send(hostile.sign(hostile.acceptance(proposal.session)))
        await link.receive(PATIENCE_S)
        await link.send(hostile.sign(Ended(proposal.session, 1, secrets.token_bytes(32), 0, bytes(32))))

    fleet.stop("right")
    async with played(fleet, play):
        error = await asked(fleet)
    assert (error.party, error.code, error.exit_code) == ("right", "peer_absent", 5)
    fleet.start("right")
    assert is_right(await fleet.ask_async("left", anew(QUESTION)))
