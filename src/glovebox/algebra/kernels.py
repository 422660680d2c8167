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
from types import ModuleType
from typing import Any, NamedTuple, Protocol, cast

import numpy as np
from numpy.typing import NDArray

U8 = NDArray[np.uint8]
U16 = NDArray[np.uint16]
U32 = NDArray[np.uint32]
U64 = NDArray[np.uint64]

MARK = 0x80  # behind an id (psi.md 4.1)
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

    def without_dense(self, y: U8, values: U64, sums: U64) -> U64:
        """What the sparse slots of each key must come to, beside the dense rows that it chooses: (n, words)."""

    def assign(self, x: U64, sparse: U64, lb: int, starts: U16, peeling: Peeling, table: U64) -> None:
        """Give each peeled key's slot the word with which its sparse slots come to theirs, last peeled first."""

    def decode(self, x: U64, y: U8, lb: int, sums: U64, starts: U16, table: U64) -> U64:
        """The values of keys: (words, n)."""

    def may_repeat(self, rows: U64, odd: int) -> bool:
        """Whether two rows may be equal: always where they are, else with n^2 / 2^64. rows: (n, words).

        odd: a secret multiplier of 64 bits, without which nobody can choose rows that make this slow.
        """

    def places(self, bins: U32, ends: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where each row goes, behind those before it of its bin: (n,). ends: of what bins have so far, moved on."""

    def put(self, rows: U64, places: NDArray[np.int64], out: U64) -> None:
        """out[places[i]] = rows[i], of (n, words)."""

    def mark_ends(self, data: U8, offsets: NDArray[np.integer[Any]], out: U8) -> None:
        """Write each text, 0x80 after it, and zeros to the row's end. Text i is data[offsets[i]:offsets[i + 1]]."""


class TransferKernels(Protocol):
    """What both forms offer for oblivious transfer. Bits, and nibbles, are packed with the first in the lowest bits."""

    def fold(self, leaves: U64, v: U64, u: U64) -> None:
        """v[j] = sum of the leaves with bit j in their place, u = sum of all.

        leaves: (16 or 32, n), v: (4 or 5, n), u: (n,).
        """

    def transposed(self, bits: U64) -> U64:
        """The bits of (64 a, b) words as (64 b, a) words: bit i of word w of row r is bit r of row 64 w + i."""

    def add_multiples(self, v: U64, masks: U64, u: U64) -> None:
        """v[j] ^= masks[j] & u[j // k], in place; v (k a, n), masks (k a,), u (a, n)."""

    def keys(self, planes: U64, begin: int, first: int, difference: U64 | None, out: U64) -> None:
        """The columns of planes (128, w) from word `begin` on as 16-byte blocks, with their numbers in word 0.

        first: the number of the first, mixed in as an XOR. out: (1, n, 2); or (2, n, 2) with a difference (2,), and
        then the blocks plus the difference, too.
        """

    def tables(self, blocks: U64, images: U64) -> U16:
        """The masks of 1-of-16 transfers of a bit [NP99]: (n,), bit x for choice x.

        blocks ^ images: (2, 4 n, 2), hashes for both values of each bit of the choice; word 0 of each is used.
        """

    def pads(self, blocks: U64, images: U64, choices: U8) -> U8:
        """The chooser's mask bits, packed: (n / 8,); hashes (4 n, 2), choices (n / 2,) nibbles; n a multiple of 8."""

    def offers(self, tables: U16, shifts: U8, own: U8, bits: U8) -> U16:
        """For each nibble y of `own`, bit x is [x = y] ^ its bit ^ mask bit x ^ shift: (n,); shifts, own (n / 2,)."""

    def taken(self, offers: U16, choices: U8, pads: U8) -> U8:
        """Bit `choice` of each offer ^ the mask bit, packed: (n / 8,)."""

    def lookup_sums(self, tables: U64, places: U8) -> U64:
        """The sum over i of tables[i, places[:, i]]: (n, 2); tables (t, 256, 2), places (n, t)."""

    def add_lookups(self, table: U64, planes: U64, sums: U64) -> None:
        """sums[r] ^= table[places of row r], in place; planes (8, n / 64) are the bits of the places of n rows."""

    def turned(self, nodes: U64) -> U64:
        """Words (a, b) of each row as (b, a ^ b), a linear orthomorphism [GKWY20]: (n, 2)."""

    def branched(self, nodes: U64, turned: U64, images: U64, out: U64, sums: U64) -> None:
        """Children of each node of some trees: turned ^ image, then that ^ node; and the sums of both by tree.

        nodes: (trees, n, 2); turned, images: (trees n, 2); out: (trees, 2 n, 2); sums: (trees, 2, 2).
        """

    def add_chosen(self, short: U64, places: U32, out: U64) -> None:
        """out[i] ^= the sum of the rows short[places[i]], in place; short (k, 2), places (n, 10), out (n, 2)."""

    def settle(self, places: U32, slots: int) -> U32:
        """Give every key one of its places to itself: the key of each slot, (slots,), or 2^32 - 1 where it is free.

        places: (n, 4). If some key got none, the result is empty.
        """


class CurveKernels(Protocol):
    """What both forms offer for batches in ristretto255: compiled, or libsodium for one element after the other.

    factor: a scalar, times which every element is taken; encodings come out, (n, 32). ValueError if a product is the
    identity, or an element none of the group.
    """

    def all_times(self, factor: bytes, encodings: U8) -> U8:
        """Of encoded elements (n, 32)."""

    def hashed_times(self, factor: bytes, uniform: U8) -> U8:
        """Of the elements that rows of uniform bytes (n, 64) stand for."""


@functools.cache
def kernels() -> Kernels:
    """The compiled form where numba's cache is private, else the numpy form."""
    return cast(Kernels, _form("loops", "arrays"))


@functools.cache
def transfer_kernels() -> TransferKernels:
    """The same for oblivious transfer."""
    return cast(TransferKernels, _form("transfer_loops", "transfer_arrays"))


@functools.cache
def curve_kernels() -> CurveKernels:
    """The same for batches in ristretto255."""
    return cast(CurveKernels, _form("curve", "curve_calls"))


def _form(compiled: str, plain: str) -> ModuleType:
    if not private_cache(CACHE):
        return importlib.import_module(f"glovebox.algebra.{plain}")
    config = importlib.import_module("numba").config  # imported where it is used: it takes half a second
    before, config.CACHE_DIR = config.CACHE_DIR, str(CACHE)
    try:
        return importlib.import_module(f"glovebox.algebra.{compiled}")
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
    chosen = importlib.import_module("glovebox.algebra.kernels")
    chosen.kernels()
    chosen.transfer_kernels()
    chosen.curve_kernels()
