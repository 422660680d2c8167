"""The parties that share a contract with this node: no one else gets through the handshake of a control link.

A TLS context takes a certificate, an anchor a party and some 300 KiB, so one serves all connections until the contracts
change, or its leaf has lived for half its time.
"""

from __future__ import annotations

import contextlib
import ssl
import time

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from glovebox.contract.model import parse_contract
from glovebox.errors import GloveboxError
from glovebox.identity import public_bytes
from glovebox.node.contracts import revocation_of
from glovebox.node.control import RENEWED_S
from glovebox.node.home import Home
from glovebox.runtime.tls import control_context


class Acquaintances:
    """TLS for those who may come. key: this party's own."""

    def __init__(self, home: Home, key: Ed25519PrivateKey) -> None:
        self._home, self._key = home, key
        self._made, self._of = 0.0, tuple[tuple[str, int], ...]()
        self._context: ssl.SSLContext | None = None

    def context(self) -> ssl.SSLContext:
        """The server's side of a control link, for the keys of all contracts in the home."""
        files = tuple(sorted((file.name, file.stat().st_mtime_ns) for file in self._home.contracts.iterdir()))
        if self._context is None or files != self._of or time.monotonic() - self._made > RENEWED_S:
            self._context = control_context(self._key, self._keys(), server=True)
            self._made, self._of = time.monotonic(), files
        return self._context

    def _keys(self) -> list[bytes]:
        keys: set[bytes] = set()
        for path in self._home.contracts.glob("*.toml"):
            with contextlib.suppress(GloveboxError):
                keys.update(party.key for party in parse_contract(path.read_bytes()).parties)
        return sorted(key for key in keys - {public_bytes(self._key)} if revocation_of(self._home, key) is None)
