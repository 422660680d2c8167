"""A worker that starts slowly is waited for; one that was frozen is lost after a silence, even before its session.

Workers are forks of one process: what they keep from each other, and what becomes of them when that process is lost.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from glovebox.errors import PeerError
from glovebox.node import workers
from glovebox.node.channel import Keys
from glovebox.node.messages import SESSION_BYTES
from glovebox.node.workers import Workers

from ..faults.halts import runs
from ..waiting import PATIENCE_S

SESSION = bytes(SESSION_BYTES)


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(workers, "SILENCE_S", 2.5)


@pytest.fixture
async def started():
    found = Workers()
    yield found
    await found.end()


async def until(true):
    async with asyncio.timeout(PATIENCE_S):
        while not true():
            await asyncio.sleep(0.02)


async def lost(worker):
    with pytest.raises(PeerError) as caught:
        await worker.prepare(SESSION, 0)
    assert caught.value.code == workers.WORKER_LOST


async def test_a_worker_that_starts_slowly_is_waited_for(impatient, monkeypatch, started):
    monkeypatch.setattr(workers, "COMMAND", [sys.executable, str(Path(__file__).parent / "slow_worker.py")])
    assert isinstance(await started.new().prepare(SESSION, 0), Keys)


async def test_a_worker_that_was_frozen_before_it_had_a_session_is_lost_after_a_silence(impatient, started):
    worker = started.new()
    await until(lambda: worker.pid)
    os.kill(worker.pid, signal.SIGSTOP)
    await lost(worker)
    await worker.end()
    assert not runs(worker.pid)
    assert isinstance(await started.new().prepare(SESSION, 0), Keys)


@pytest.mark.parametrize("harm", [signal.SIGSTOP, signal.SIGKILL])
async def test_without_what_starts_workers_they_are_lost_and_the_next_is_started_anew(impatient, started, harm):
    living = started.new()
    await until(lambda: living.pid)
    os.kill(living.nursery.pid, harm)
    await lost(started.new())
    await living.end()
    await until(lambda: not runs(living.pid))
    assert isinstance(await started.new().prepare(SESSION, 0), Keys)


async def test_no_two_workers_make_the_same_keys(started):
    made = [await started.new().prepare(SESSION, 0) for _ in range(2)]
    assert made[0].exchange != made[1].exchange
    assert made[0].certificate != made[1].certificate


async def test_a_worker_has_no_open_file_but_its_channel_and_is_forked_from_a_single_thread(started):
    first, second = started.new(), started.new()
    await until(lambda: first.pid and second.pid)
    status = Path(f"/proc/{first.nursery.pid}/status").read_text()
    assert status.split("Threads:")[1].split()[0] == "1"
    await first.prepare(SESSION, 0)
    await second.prepare(SESSION, 0)
    kept = [sockets_of(pid) for pid in (first.nursery.pid, first.pid, second.pid)]
    assert not kept[0] & (kept[1] | kept[2]) and not kept[1] & kept[2]
    assert [len(each) for each in kept[1:]] == [3, 3]  # the channel, and the pair that wakes an event loop


def sockets_of(pid):
    return {link for each in Path(f"/proc/{pid}/fd").iterdir() if "socket" in (link := str(each.readlink()))}
