"""Three parties of plain MPyC 0.11 on loopback, to show what Glovebox's engine must not inherit.

Payloads only create an empty file in the test's own directory.
"""

from __future__ import annotations

import pickle
import secrets
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..waiting import PATIENCE_S, wait_until

PREFACE = """
import asyncio, os, pickle, signal, sys
from pathlib import Path
import numpy as np
from mpyc.runtime import mpc
import mpyc.runtime
"""


class Touch:
    """Unpickled, it creates a file, and then is the object it carries."""

    def __init__(self, path: Path, carried: object = None) -> None:
        self.path, self.carried = path, carried

    def __reduce__(self):
        code = f"(open({str(self.path)!r}, 'w').close(), __import__('pickle').loads({pickle.dumps(self.carried)!r}))[1]"
        return eval, (code,)


def base_port() -> int:
    """A port with two free ones after it."""
    while True:
        base = 20000 + secrets.randbelow(10000)
        try:
            for port in range(base, base + 3):
                socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return base


@contextmanager
def parties(
    folder: Path, program: str, which: tuple[int, ...] = (0, 1, 2), base: int = 0, options: tuple[str, ...] = ()
) -> Iterator[dict[int, subprocess.Popen]]:
    """Run a program at some of three parties; they are killed at the end."""
    script = folder / "program.py"
    script.write_text(PREFACE + textwrap.dedent(program))
    base = base or base_port()
    processes = {
        i: subprocess.Popen(
            [sys.executable, str(script), "-M3", f"-I{i}", f"-B{base}", "--no-log", *options],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for i in which
    }
    try:
        yield processes
    finally:
        for process in processes.values():
            process.kill()
        for process in processes.values():
            process.communicate()


def wait_for(path: Path, seconds: float = PATIENCE_S) -> bool:
    """Whether a file appears in time."""
    return wait_until(path.exists, seconds)


def connected(port: int, seconds: float = PATIENCE_S) -> socket.socket:
    """A connection to a port as soon as somebody listens there."""
    end = time.monotonic() + seconds
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.02)


def resident_mib(process: subprocess.Popen) -> float:
    """Memory of a process."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024
