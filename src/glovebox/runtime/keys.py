"""The keys of one session: fresh, bound to everything that was agreed, gone with the worker.

The transcript is a hash of all that the session is about; each pair's secret is X25519 of two fresh keys, salted with
it. So parties that agreed on different things share no secret, and the first frame of a link, a MAC under the pair's
secret, fails between them.
"""

from __future__ import annotations

import hashlib
import hmac
import ssl
from collections.abc import Iterable, Mapping, Sequence

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from glovebox.errors import BadFrame
from glovebox.runtime.tls import session_certificate, session_context

SECRET_BYTES = 32
LINKS_AHEAD = 2  # a context takes 2 ms; of three parties one dials two, one is dialled by two, and one does both


class SessionKeys:
    """The keys that a worker makes for one session. `exchange` and `certificate` are public and go into the acceptance.

    session: 16 bytes. party: number in the contract. Both may be told later (`of`), for keys that are made ahead.
    exchange: X25519 public key, 32 bytes. certificate: DER.
    """

    def __init__(self, session: bytes = b"", party: int = -1) -> None:
        self.session = session
        self.party = party
        self.certificate, self.tls_key = session_certificate()
        self._tls = {server: [self._made(server) for _ in range(LINKS_AHEAD)] for server in (False, True)}
        self._exchange_key = X25519PrivateKey.generate()
        self.exchange = self._exchange_key.public_key().public_bytes_raw()

    def _made(self, server: bool) -> ssl.SSLContext:
        return session_context(self.certificate, self.tls_key, server=server)

    def tls(self, *, server: bool) -> ssl.SSLContext:
        """TLS for one more link, which trusts nobody yet; that of the first links is made already."""
        return self._tls[server].pop() if self._tls[server] else self._made(server)

    def of(self, session: bytes, party: int) -> SessionKeys:
        """These keys, for this party of this session."""
        self.session, self.party = session, party
        return self

    def __repr__(self) -> str:
        return f"<SessionKeys of party {self.party} in {self.session.hex()[:4]}>"

    def pair_secret(self, peer: int, exchange: bytes, transcript: bytes, name: str = "") -> bytes:
        """The 32 bytes shared with one peer: HKDF-SHA256(X25519, salt = transcript, info = "pair" || i || j), i < j.

        exchange: the peer's public key, from its signed acceptance; name: of the peer, for the error. Raises BadFrame
        for a key of small order.
        """
        try:
            shared = self._exchange_key.exchange(X25519PublicKey.from_public_bytes(exchange))
        except ValueError as problem:  # not 32 bytes, or the result is all zero (RFC 7748, 6.1)
            raise BadFrame(f"{name or f'party {peer}'} sent no good X25519 key", party=name, step="linked") from problem
        i, j = sorted((self.party, peer))
        info = b"pair" + _number(i) + _number(j)
        return HKDF(algorithm=SHA256(), length=SECRET_BYTES, salt=transcript, info=info).derive(shared)


def session_transcript(
    contract: bytes,
    statement: str,
    parameters: Mapping[str, str],
    plan_hash: bytes,
    session: bytes,
    parties: Sequence[tuple[int, str]],
    acceptances: Sequence[bytes],
) -> bytes:
    """SHA-256 over all that a session is about, each part behind its length.

    parties: number and role of each, in order. acceptances: every signed acceptance, whole, in party order.
    """
    parts = [
        b"glovebox/1/session",
        contract,
        statement.encode(),
        _joined(_joined((name.encode(), value.encode())) for name, value in sorted(parameters.items())),
        plan_hash,
        session,
        _joined(_joined((_number(party), role.encode())) for party, role in parties),
        *acceptances,
    ]
    return hashlib.sha256(_joined(parts)).digest()


def hello(secret: bytes, sender: int) -> bytes:
    """The MAC that opens a link in the direction of `sender`: 32 bytes."""
    return hmac.digest(secret, b"hello" + _number(sender), "sha256")


def _number(party: int) -> bytes:
    return party.to_bytes(2, "little")


def _joined(parts: Iterable[bytes]) -> bytes:
    """One byte string that can be read back in one way only: each part behind its length, 8 bytes little-endian."""
    return b"".join(len(part).to_bytes(8, "little") + part for part in parts)
