"""What keeps a process's memory to itself, and within bounds."""

from __future__ import annotations

import ctypes
import resource
import sys

PR_SET_DUMPABLE = 4
LAST_WORDS_MIB = 64  # for a worker that is out of memory to say so


def harden() -> None:
    """No core dumps, and no reading of this process's memory by others of the same user (prctl(2))."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def limit_memory(mib: int, spent: bool = False) -> None:
    """From now on this process's private memory is at most so much: what asks for more gets a MemoryError.

    spent: it is out of memory, and needs a little for its last words.
    """
    most = (mib + LAST_WORDS_MIB) << 20
    resource.setrlimit(resource.RLIMIT_DATA, (most if spent else mib << 20, most))
