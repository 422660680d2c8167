"""The choice between two forms of the same loops: compiled by numba (`loops`), or numpy (`arrays`).

`python -m glovebox.algebra.kernels` compiles, as the last step of an installation. numba's cache unpickles its own
files, so a cache that others could write to is ignored, and numpy does the work, slower.
"""

from __future__ import annotations

import functools
import importlib
import os
import stat
from pathlib import Path
from typing import NamedTuple, Protocol, cast

import numpy as np
from numpy.typing import NDArray

U8 = NDArray[np.uint8]
U16 = NDArray[np.uint16]
U32 = NDArray[np.uint32]
U64 = NDArray[np.uint64]

CACHE = Path(__file__).parent / "__pycache__" / "compiled"


class Peeling(NamedTuple):
    """Keys in an order in which each owns a slot that no later key touches.

    keys, slots: (peeled,) uint32. levels: ends of runs of keys that do not touch each other's slots; the compiled
    form, which goes key by key, leaves it empty.
    """

    keys: U32
    slots: U32
    levels: tuple[int, ...]


class Kernels(Protocol):
    """What both forms offer. lb, starts, sums, table as in `okvs`."""

    def peel(self, x: U64, lb: int, starts: U16, slots_in_all: int) -> Peeling:
        """Peel the graph of keys and slots; what is not in it is the core."""

    def assign(self, x: U64, y: U8, values: U64, lb: int, sums: U64, starts: U16, peeling: Peeling, table: U64) -> None:
        """Give each peeled key's slot the word that completes its value, last peeled first."""

    def decode(self, x: U64, y: U8, lb: int, sums: U64, starts: U16, table: U64) -> U64:
        """The values of keys: (words, n)."""


@functools.cache
def kernels() -> Kernels:
    """The compiled form where numba's cache is private, else the numpy form."""
    if not private_cache(CACHE):
        return cast(Kernels, importlib.import_module("glovebox.algebra.arrays"))
    config = importlib.import_module("numba").config  # imported where it is used: it takes half a second
    before, config.CACHE_DIR = config.CACHE_DIR, str(CACHE)
    try:
        return cast(Kernels, importlib.import_module("glovebox.algebra.loops"))
    finally:
        config.CACHE_DIR = before


def private_cache(folder: Path) -> bool:
    """Whether this user alone can write to a cache folder and all in it; it is made if it is missing."""
    try:
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        inside = [folder, *folder.rglob("*")]
        return all(_is_private(path.lstat()) for path in inside)
    except OSError:
        return False


def _is_private(status: os.stat_result) -> bool:
    return status.st_uid == os.geteuid() and not status.st_mode & 0o022 and not stat.S_ISLNK(status.st_mode)


if __name__ == "__main__":
    os.umask(0o022)
    importlib.import_module("glovebox.algebra.kernels").kernels()
