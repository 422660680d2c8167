"""Where an owner's rows lie while a session runs: in memory, or in files that have no name.

A file is unlinked as soon as it is open, so that nothing is left however the process ends. Its blocks are reserved at
once: a full disk is an error then, and no signal in the middle of a write. Mapped pages belong to the system's cache of
files and not to this process's private memory; `settle` gives them back to it.
"""

from __future__ import annotations

import math
import mmap
import os
import tempfile
import weakref
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glovebox.errors import DataError

MIB = 1 << 20


class Room:
    """Makes arrays. folder: for their files, 0700 and this session's alone; None: they lie in memory."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._maps: list[weakref.ref[mmap.mmap]] = []

    def __repr__(self) -> str:
        return "<Room in memory>" if self._folder is None else f"<Room of {len(self._maps)} files>"

    @property
    def in_memory(self) -> bool:
        """Whether its arrays take this process's memory."""
        return self._folder is None

    def array(self, shape: int | tuple[int, ...], dtype: type[Any]) -> NDArray[Any]:
        """An array whose contents are yet to be written. Raises DataError if the disk is full."""
        size = math.prod(shape if isinstance(shape, tuple) else (shape,)) * np.dtype(dtype).itemsize
        if self._folder is None or not size:
            return np.empty(shape, dtype)
        mapped = _mapped(self._folder, size)
        self._maps = [one for one in self._maps if one() is not None] + [weakref.ref(mapped)]
        return np.frombuffer(mapped, dtype).reshape(shape)

    def settle(self) -> None:
        """Give what was read and written back to the system's cache; nothing is lost."""
        for one in self._maps:
            if (mapped := one()) is not None:
                mapped.madvise(mmap.MADV_DONTNEED)

    def discard(self, *arrays: NDArray[Any]) -> None:
        """Give back disk and cache of contiguous parts of its arrays, which nobody reads any more."""
        for one in self._maps:
            mapped = one()
            if mapped is None:
                continue
            start = np.frombuffer(mapped, np.uint8).ctypes.data
            for array in arrays:
                begin = array.ctypes.data - start
                if 0 <= begin < len(mapped):
                    first, last = -(-begin // mmap.PAGESIZE), (begin + array.nbytes) // mmap.PAGESIZE
                    if first < last:
                        mapped.madvise(mmap.MADV_REMOVE, first * mmap.PAGESIZE, (last - first) * mmap.PAGESIZE)


def _mapped(folder: Path, size: int) -> mmap.mmap:
    handle, name = tempfile.mkstemp(dir=folder)  # 0600
    try:
        Path(name).unlink()
        os.posix_fallocate(handle, 0, size)
        return mmap.mmap(handle, size)
    except OSError as problem:
        sentence = f"the disk has no room for {-(-size // MIB):,} MiB of rows"
        raise DataError(sentence, step="loaded", hint="free space where the node's home lies") from problem
    finally:
        os.close(handle)


MEMORY = Room()
