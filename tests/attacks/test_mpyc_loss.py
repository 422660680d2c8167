"""A killed or frozen peer leaves plain MPyC waiting for ever; Glovebox says who was lost (threats.md M3 to M6)."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import numpy as np
import pytest

from glovebox.errors import PeerLost

from ..waiting import PATIENCE_S, wait_until
from .plain_mpyc import parties, wait_for
from .tls_mesh import mesh

pytestmark = pytest.mark.attack

ENDS = """
async def main():
    await mpc.start()
    secint = mpc.SecInt(32)
    a = mpc.input(secint.array(np.array([1, 2])), senders=0)
    await mpc.gather(a)
    Path(f"ready{mpc.pid}").touch()
    if mpc.pid == 2:
        os.kill(os.getpid(), getattr(signal, END))
    while True:
        a = a * a - a
        await mpc.gather(a)

mpc.run(main())
"""


@pytest.mark.parametrize("end", ["SIGKILL", "SIGSTOP"])
def test_plain_mpyc_waits_for_ever(tmp_path, end):
    with parties(tmp_path, ENDS.replace("END", repr(end))) as running:
        assert all(wait_for(tmp_path / f"ready{i}") for i in range(3))
        for party in (running[0], running[1]):  # where it ends: with a traceback that names nobody
            assert wait_until(lambda party=party: waits(party) or (end == "SIGKILL" and party.poll() == 1))


def waits(party) -> bool:
    """Whether a process lives for a second more and computes nothing in it."""
    if party.poll() is not None:
        return False
    before = ticks(party.pid)  # it is not reaped before the next poll
    time.sleep(1)
    return party.poll() is None and ticks(party.pid) == before


def ticks(pid: int) -> int:
    """CPU time of a process."""
    return sum(map(int, Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]))


async def squares(shamir, seconds):
    """Multiply until something happens, or for some time."""
    runtime, array = shamir.runtime, shamir.integers(64).array
    ((a,),) = runtime.input([array(np.array([1, 2], dtype=object))], senders=[0])
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        a = a * a - a
        await shamir.shares(a)


def kill(links):
    for link in links.values():
        link._transport.abort()


def freeze(links):
    for link in links.values():
        link._timer.cancel()
        link._transport.pause_reading()
        link.post = lambda *_: None


@pytest.mark.parametrize(("end", "silence_s"), [(kill, 5), (freeze, 1)])
async def test_glovebox_says_who_was_lost_and_where(end, silence_s):
    async with mesh(silence_s=silence_s) as (engines, links):
        working = [asyncio.create_task(squares(engine, PATIENCE_S)) for engine in engines]
        await asyncio.sleep(0.2)
        end(links[2])
        done, _ = await asyncio.wait(working[:2], timeout=PATIENCE_S)
        working[2].cancel()
        errors = [task.exception() for task in working[:2]]
        assert len(done) == 2
    assert [(type(error), error.party) for error in errors] == [(PeerLost, "third")] * 2
    assert all(error.step.startswith("shamir/") for error in errors)
    assert all(task.done() for engine in engines[:2] for task in engine._engine.tasks)


RAISES = """
async def main():
    await mpc.start()
    secint = mpc.SecInt(32)

    @mpc.coroutine
    async def bad() -> asyncio.Future:
        await asyncio.sleep(0)
        raise ValueError

    if mpc.pid == 0:
        bad()
    await asyncio.sleep(20)

try:
    mpc.run(main())
except RuntimeError as error:
    print(error)
"""


def test_an_exception_in_a_coroutine_stops_plain_mpycs_event_loop(tmp_path):
    with parties(tmp_path, RAISES) as running:
        out = running[0].communicate(timeout=PATIENCE_S)[0]
    assert "Event loop stopped before Future completed" in out


async def test_an_exception_in_a_coroutine_ends_glovebox_session_only():
    async with mesh() as (engines, _):
        runtime = engines[0].runtime

        @runtime.coroutine
        async def bad() -> asyncio.Future:
            await asyncio.sleep(0)
            raise ValueError("4242")

        bad()
        with pytest.raises(Exception, match=r"failed: ValueError at test_mpyc_loss\.py") as caught:
            ((a,),) = runtime.input([engines[0].integers(64).array(np.array([1], dtype=object))], senders=[1])
            await engines[0].shares(a)
        assert "4242" not in repr(caught.value)
        await asyncio.sleep(0.01)  # the loop runs
