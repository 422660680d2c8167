from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import time

import pytest

from glovebox.errors import BadFrame, PeerError, PeerLost
from glovebox.runtime import linking
from glovebox.runtime.frames import HEADER, Kind
from glovebox.runtime.keys import SessionKeys
from glovebox.runtime.linking import abort_links, open_session_links
from glovebox.runtime.links import SessionLink
from glovebox.runtime.mailbox import WINDOW_BYTES

from .check_link import LARGEST, check_link
from .pairs import Wire, gate, linked_pair, peers_of, session_keys

MIB = 1 << 20


async def test_a_session_link_is_a_link():
    await check_link(lambda: linked_pair(largest=LARGEST))


async def test_more_than_the_plan_says_is_refused_where_it_is_sent():
    async with linked_pair(largest=100) as (left, right):
        with pytest.raises(ValueError, match="more than the plan's largest, 100"):
            await left.send("a", bytes(101))
        left.post("b", bytes(100))
        await right.receive("b", 100)


# What the peer may not do.

HOSTILE = {
    "a frame of 2^63 bytes": (HEADER.pack(Kind.DATA, 4, 1 << 63) + b"join", "more than the plan's largest", "join"),
    "an unknown kind": (HEADER.pack(9, 0, 0), "unknown kind 9", "waits"),
    "a second hello": (HEADER.pack(Kind.HELLO, 0, 32) + bytes(32), "second hello", "waits"),
    "one label twice": ((HEADER.pack(Kind.DATA, 4, 0) + b"join") * 2, "two frames for one step", "join"),
    "random bytes": (bytes(range(200, 256)), "unknown kind", "waits"),
}


@pytest.mark.parametrize(("octets", "reason", "step"), HOSTILE.values(), ids=HOSTILE)
async def test_a_bad_frame_ends_the_link_at_both_ends(octets, reason, step):
    async with linked_pair() as (left, right):
        waiting = [asyncio.ensure_future(right.receive(label, 1)) for label in ("waits", "waits/too")]
        await asyncio.sleep(0)
        left._enqueue(octets)
        with pytest.raises(BadFrame, match=reason) as caught:
            await waiting[0]
        assert (caught.value.party, caught.value.step) == ("left", step)
        with pytest.raises(BadFrame):
            await waiting[1]
        with pytest.raises(PeerLost, match="right ended the session \\(bad_frame\\)"):
            await left.receive("a", 1)
        assert (await right.lost).code == "bad_frame"


async def test_frames_that_nobody_waits_for_while_somebody_waits():
    """400 MB of frames for later steps (F2): refused when the window is full."""
    async with linked_pair() as (left, right):
        waiting = asyncio.ensure_future(right.receive("now", 1))
        sent = 0
        with pytest.raises(PeerLost):
            for sent in range(400):
                await left.send(f"later/{sent}", bytes(MIB))
        assert sent < 64 + 32  # the window, what is unsent, and the kernel's buffers
        with pytest.raises(BadFrame, match="broke the protocol") as caught:
            await waiting
        assert (caught.value.party, caught.value.step) == ("left", "now")


async def test_a_slow_reader_slows_the_sender():
    """Nobody waits on this link: no error, and a bound on what lies about (F9, and the sender's side of F2)."""
    async with linked_pair() as (left, right):
        sent = 0

        async def send_all() -> None:
            nonlocal sent
            for number in range(200):
                await left.send(f"{number}", bytes(MIB))
                sent = number + 1

        sending = asyncio.create_task(send_all())
        while sent < WINDOW_BYTES // MIB:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.5)  # for a sender that goes on
        assert sent < 64 + 32
        assert left._unsent < 18 * MIB
        for number in range(200):
            await right.receive(f"{number}", MIB)
        await sending


async def test_a_peer_that_reads_nothing_stops_the_sender_and_is_not_taken_for_dead():
    async with linked_pair(silence_s=0.4) as (left, right):
        for number in range(70):
            left.post(f"{number}", bytes(MIB))
        await asyncio.sleep(1.2)  # right's window is full, so that it reads no heartbeats for three deadlines
        for number in range(70):
            await right.receive(f"{number}", MIB)
        right.post("back", b"1")
        await left.receive("back", 1)


# Silence.


async def test_heartbeats_keep_an_idle_link_alive_while_a_kernel_computes():
    async with linked_pair(silence_s=0.4) as (left, right):
        kernel = asyncio.to_thread(hashlib.pbkdf2_hmac, "sha256", b"", b"", 1_500_000)  # releases the GIL
        started = time.monotonic()
        waiting = asyncio.ensure_future(right.receive("a", 1))
        await kernel
        await asyncio.sleep(max(0, 1 - (time.monotonic() - started)))
        left.post("a", b"1")
        await waiting


async def test_a_party_that_stood_still_itself_blames_nobody():
    async with linked_pair(silence_s=0.4) as (left, right):
        time.sleep(1)  # the whole process, as after a SIGSTOP
        await asyncio.sleep(0.2)
        left.post("a", b"1")
        await right.receive("a", 1)


async def test_a_silent_network_is_a_lost_peer_within_the_deadline():
    """No packet arrives and nothing is closed (F10): both ends give up, each naming the other."""
    wire = Wire()
    async with linked_pair(silence_s=0.5, wire=wire) as (left, right):
        waiting = [asyncio.ensure_future(link.receive("step", 1)) for link in (left, right)]
        await asyncio.sleep(0.7)
        wire.stop()
        started = time.monotonic()
        errors = await asyncio.gather(*waiting, return_exceptions=True)
        assert time.monotonic() - started < 4
        assert [(type(e), e.party, e.step) for e in errors] == [(PeerLost, "right", "step"), (PeerLost, "left", "step")]
        assert all("nothing came from it for 0.5 s" in error.summary for error in errors)


# The end.


async def test_a_crash_is_no_goodbye():
    async with linked_pair() as (left, right):
        await left.send("a", b"1")
        waiting = asyncio.ensure_future(right.receive("b", 1))
        await asyncio.sleep(0.05)
        left._transport.abort()
        with pytest.raises(PeerLost, match="left was lost: the link ended without a goodbye") as caught:
            await waiting
        assert (caught.value.party, caught.value.step) == ("left", "b")
        with pytest.raises(PeerLost):  # truncation must not look like an end, even for what came
            await right.receive("a", 1)
        with pytest.raises(PeerLost):
            await right.send("c", b"1")


async def test_goodbye_waits_for_all_that_was_sent_and_for_the_other_to_finish():
    """Who is done first says goodbye and stays until the other, still busy for several beats, is done too."""
    async with linked_pair(silence_s=2) as (left, right):
        await left.send("a", bytes(MIB))
        closing = asyncio.create_task(left.close())
        await asyncio.sleep(1.3)
        assert not closing.done()
        assert len(await right.receive("a", MIB)) == MIB
        right.post("late", b"nobody waits for it any more")
        await right.close()
        await closing
        assert not left.lost.done() and not right.lost.done()
        with pytest.raises(ValueError, match="after goodbye"):
            left.post("b", b"1")


async def test_a_peer_that_never_says_goodbye_is_not_waited_for_for_ever():
    async with linked_pair(silence_s=0.4) as (left, right):
        started = time.monotonic()
        await left.close()
        assert time.monotonic() - started < 4
        assert not right.lost.done()


async def test_an_abort_ends_the_other_side_at_once_and_names_who_failed():
    async with linked_pair() as (left, right):
        left._names = right._names = {0: "left", 1: "right", 2: "third"}
        waiting = asyncio.ensure_future(right.receive("step", 1))
        await asyncio.sleep(0)
        started = time.monotonic()
        left.abort("peer_lost", "third")
        with pytest.raises(PeerLost, match=r"left ended the session for a fault of third \(peer_lost\)") as caught:
            await waiting
        assert time.monotonic() - started < 2
        assert (caught.value.party, caught.value.step) == ("third", "step")
        with pytest.raises(PeerLost, match="this party ended the session"):
            await left.receive("a", 1)


@pytest.mark.parametrize("blamed", ["", "left", "nobody we know"])
async def test_an_abort_that_blames_nobody_else_names_its_sender(blamed):
    async with linked_pair() as (left, right):
        left.abort("data", blamed)
        with pytest.raises(PeerLost, match=r"left ended the session \(data\)") as caught:
            await right.receive("a", 1)
        assert caught.value.party == "left"


async def test_an_abort_does_not_wait_behind_what_is_unsent():
    async with linked_pair(largest=8 * MIB) as (left, right):
        for number in range(40):
            left.post(f"{number}", bytes(8 * MIB))
        await asyncio.sleep(0.02)
        left.abort("data")
        received = 0
        with pytest.raises(PeerLost, match=r"left ended the session \(data\)"):
            for received in range(40):
                await right.receive(f"{received}", 8 * MIB)
        assert received < 20


# What lies between.


async def exchange(left: SessionLink, right: SessionLink) -> bytes:
    """A little session: three frames one way, one back, and goodbye; what right received and left confirmed."""
    for number in range(3):
        await left.send(f"{number}", bytes([number]) * 3000)
    received = b"".join([bytes(await right.receive(f"{number}", 3000)) for number in range(3)])
    right.post("digest", hashlib.sha256(received).digest())
    if await left.receive("digest", 32) != hashlib.sha256(received).digest():
        raise AssertionError
    await asyncio.gather(left.close(), right.close())
    return received


async def run_over(wire: Wire) -> bytes:
    async with linked_pair(silence_s=1, wire=wire) as (left, right):
        received = await exchange(left, right)
        for link in (left, right):
            link.check("goodbye")
        return received


GOOD = b"".join(bytes([number]) * 3000 for number in range(3))
SENT = 10_500  # bytes that left sends, about: 1.2 KB for handshake and hello, then the frames


@pytest.mark.parametrize("fault", ["cut_at", "flip_at"])
async def test_a_cut_or_a_changed_bit_anywhere_is_an_error_and_never_a_result(fault, monkeypatch):
    """W12. Before hello, left dials again and the session is good; from the first frame on there is no result."""
    monkeypatch.setattr(linking, "HANDSHAKE_S", 0.5)  # a changed length makes the other side wait for more
    good = 0
    for at in range(0, SENT, 70):
        wire = Wire(**{fault: at})
        try:
            received = await asyncio.wait_for(run_over(wire), 8)
        except PeerError:
            continue
        assert received == GOOD
        assert wire.connections > 1 or wire.up <= at, f"{fault} {at}: a result over a broken wire"
        good += 1
    assert good >= 1


# Real processes.


def be_left(keys: list[SessionKeys], address: str) -> None:
    """In a child: link, then wait for a frame that never comes; the exit code says that right was lost."""

    async def run() -> None:
        peers = peers_of(keys[0], keys, ["", address])
        links = await open_session_links(keys[0], peers, asyncio.Queue(), largest=1, silence_s=1)
        await links[1].receive("never", 1)

    try:
        asyncio.run(run())
    except PeerLost as error:
        os._exit(77 if error.party == "right" else 1)
    finally:
        os._exit(1)


@pytest.mark.parametrize(("how", "silence_s"), [(signal.SIGKILL, 20), (signal.SIGSTOP, 1)])
def test_a_killed_or_a_frozen_process_is_lost_and_ends_itself_when_it_thaws(how, silence_s):
    keys = session_keys(2)
    where, tell = os.pipe()
    child = os.fork()
    if child == 0:
        be_left(keys, os.read(where, 100).decode())

    async def run() -> None:
        async with gate() as (address, arrivals):
            os.write(tell, address.encode())
            peers = peers_of(keys[1], keys, ["", address])
            links = await open_session_links(keys[1], peers, arrivals, largest=1, silence_s=silence_s)
            waiting = asyncio.ensure_future(links[0].receive("step", 1))
            await asyncio.sleep(0.1)
            os.kill(child, how)
            started = time.monotonic()
            with pytest.raises(PeerLost) as caught:
                await waiting
            assert time.monotonic() - started < 10
            assert (caught.value.party, caught.value.step) == ("left", "step")
            await abort_links(links.values(), caught.value)

    try:
        asyncio.run(run())
    finally:
        os.kill(child, signal.SIGCONT if how == signal.SIGSTOP else 0)
        _, status = os.waitpid(child, 0)
        os.close(where)
        os.close(tell)
    assert os.waitstatus_to_exitcode(status) == (77 if how == signal.SIGSTOP else -signal.SIGKILL)
