"""The parties that share a contract with this node: no one else gets through the handshake of a control link."""

from __future__ import annotations

import contextlib
import ssl

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from glovebox.contract.model import parse_contract
from glovebox.errors import GloveboxError
from glovebox.identity import public_bytes
from glovebox.node.contracts import revocation_of
from glovebox.node.control import tls_with
from glovebox.node.home import Home


class Acquaintances:
    """TLS for those who may come. key: this party's own."""

    def __init__(self, home: Home, key: Ed25519PrivateKey) -> None:
        self._home, self._key = home, key
        self._known, self._of = tuple[bytes, ...](), tuple[tuple[str, int], ...]()  # of which files

    def context(self) -> ssl.SSLContext:
        """The server's side of a control link, for the keys of all contracts in the home."""
        files = tuple(sorted((file.name, file.stat().st_mtime_ns) for file in self._home.contracts.iterdir()))
        if files != self._of:
            self._known, self._of = self._keys(), files
        return tls_with(self._key, self._known, server=True)

    def _keys(self) -> tuple[bytes, ...]:
        keys: set[bytes] = set()
        for path in self._home.contracts.glob("*.toml"):
            with contextlib.suppress(GloveboxError):
                keys.update(party.key for party in parse_contract(path.read_bytes()).parties)
        return tuple(sorted(key for key in keys - {public_bytes(self._key)} if revocation_of(self._home, key) is None))
