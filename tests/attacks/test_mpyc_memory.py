"""A peer fills plain MPyC's memory in three ways; Glovebox's links hold a window (threats.md M14 to M16)."""

from __future__ import annotations

import asyncio
import contextlib
import struct

import numpy as np
import pytest

from glovebox.errors import BadFrame, PeerLost
from glovebox.runtime.frames import Kind, head
from glovebox.runtime.links import UNSENT_BYTES
from glovebox.runtime.mailbox import WINDOW_BYTES

from ..runtime.pairs import linked_pair
from ..waiting import PATIENCE_S, wait_until
from .plain_mpyc import base_port, connected, parties, resident_mib, wait_for
from .tls_mesh import mesh

pytestmark = pytest.mark.attack

MIB = 1 << 20

SENDS = """
async def main():
    await mpc.start()
    if mpc.pid == 2:
        os.kill(os.getpid(), signal.SIGSTOP)
    for _ in range(10):
        mpc.transfer(bytes(16 << 20), senders=[0], receivers=[2])
        await asyncio.sleep(0.02)
    Path(f"sent{mpc.pid}").touch()
    await asyncio.sleep(20)

mpc.run(main())
"""


def test_a_frozen_receiver_fills_plain_mpycs_sender(tmp_path):
    with parties(tmp_path, SENDS) as running:
        assert wait_for(tmp_path / "sent0")
        assert resident_mib(running[0]) - resident_mib(running[1]) > 100


WAITS = """
async def main():
    await mpc.start()

mpc.run(main())
"""

NOBODY_WAITS = [struct.pack("<qI", i, MIB) + bytes(MIB) for i in range(100)]
FOUR_GIB = [struct.pack("<qI", 1, 2**32 - 1), *[bytes(MIB)] * 100]


@pytest.mark.parametrize("flood", [NOBODY_WAITS, FOUR_GIB], ids=["frames for nobody", "a frame of 4 GiB"])
def test_a_stranger_fills_plain_mpycs_receiver(tmp_path, flood):
    base = base_port()
    with parties(tmp_path, WAITS, (1,), base) as running:
        stranger = connected(base + 1)
        before = resident_mib(running[1])
        stranger.sendall(bytes(18))
        for piece in flood:
            stranger.sendall(piece)
        assert wait_until(lambda: resident_mib(running[1]) > before + 80)
        stranger.close()


async def test_a_glovebox_sender_waits_for_a_frozen_receiver():
    async with linked_pair(largest=16 * MIB) as (left, right):
        right._transport.pause_reading()
        sent = 0
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                for i in range(100):
                    await left.send(f"frame{i}", bytes(16 * MIB))
                    sent += 16 * MIB
        assert left._unsent <= UNSENT_BYTES + 16 * MIB
        assert sent < WINDOW_BYTES


async def test_glovebox_ends_a_session_for_frames_that_nobody_waits_for():
    async with linked_pair() as (left, right):
        waiting = asyncio.create_task(left.receive("awaited", 8))
        with contextlib.suppress(PeerLost):
            for i in range(100):
                await right.send(f"other{i}", bytes(MIB))
                await asyncio.sleep(0)
        with pytest.raises(BadFrame, match="more than 67108864 bytes"):
            async with asyncio.timeout(PATIENCE_S):
                await waiting


async def test_glovebox_refuses_a_large_frame_at_its_header():
    async with mesh(largest=MIB) as (engines, links):
        links[2][0]._transport.write(head(Kind.DATA, "shamir/0000000000000001", 2**32 - 1))
        runtime, array = engines[0].runtime, engines[0].integers(64).array
        ((a,),) = runtime.input([array(np.array([1], dtype=object))], senders=[2])
        with pytest.raises(BadFrame) as caught:
            async with asyncio.timeout(PATIENCE_S):
                await engines[0].shares(a)
        assert caught.value.party == "third"
