"""A worker that starts slowly is waited for; one that was frozen is lost after a silence, even before its session."""

import os
import signal
import sys
from pathlib import Path

import pytest

from glovebox.errors import PeerError
from glovebox.node import workers
from glovebox.node.channel import Keys
from glovebox.node.messages import SESSION_BYTES
from glovebox.node.workers import Worker

SESSION = bytes(SESSION_BYTES)


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(workers, "SILENCE_S", 2.5)


async def test_a_worker_that_starts_slowly_is_waited_for(impatient, monkeypatch):
    monkeypatch.setattr(workers, "COMMAND", [sys.executable, str(Path(__file__).parent / "slow_worker.py")])
    worker = Worker()
    try:
        assert isinstance(await worker.prepare(SESSION, 0), Keys)
    finally:
        await worker.end()


async def test_a_worker_that_was_frozen_before_it_had_a_session_is_lost_after_a_silence(impatient):
    worker = Worker()
    try:
        os.kill(worker.pid, signal.SIGSTOP)
        with pytest.raises(PeerError) as caught:
            await worker.prepare(SESSION, 0)
        assert caught.value.code == workers.WORKER_LOST
    finally:
        worker.kill()
        await worker.end()
