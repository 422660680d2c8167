"""Keyed streams: what two parties with one secret draw alike, and a third sees as noise.

AES-128 in counter mode from a zero nonce, under a key that is derived for one label (psi.md 3). A stream is read front
to back; reading it in pieces gives the same bytes as reading it at once.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Any, TypeVar

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from numpy.typing import NDArray

KEY_BYTES = 16
SLICE_BYTES = 1 << 20  # a slice and its zeros stay in cache, and other threads run between two slices
ZEROS = bytes(SLICE_BYTES)

Item = TypeVar("Item", bound=np.generic)


def derive(secret: bytes, label: str) -> bytes:
    """The 16-byte AES key of one label under a pairwise secret (psi.md 3)."""
    return hmac.digest(secret, b"psi/1/" + label.encode(), hashlib.sha256)[:KEY_BYTES]


class Stream:
    """The keystream of one 16-byte key, read front to back."""

    def __init__(self, key: bytes) -> None:
        self._encryptor = Cipher(algorithms.AES(key), modes.CTR(bytes(16))).encryptor()
        self._read = 0

    def __repr__(self) -> str:
        return f"<Stream: {self._read} bytes read>"

    def read(self, shape: int | tuple[int, ...], dtype: type[Item]) -> NDArray[Item]:
        """The next items, as a new array."""
        out = np.empty(shape, dtype)
        self.fill(out)
        return out

    def bytes(self, count: int) -> bytes:
        """The next bytes."""
        return self.read(count, np.uint8).tobytes()

    def fill(self, out: NDArray[Any]) -> None:
        """Overwrite a C-contiguous array with the next bytes."""
        octets = out.reshape(-1).view(np.uint8).data
        for start in range(0, len(octets), SLICE_BYTES):
            piece = octets[start : start + SLICE_BYTES]
            self._encryptor.update_into(memoryview(ZEROS)[: len(piece)], piece)
        self._read += len(octets)
