"""Mutual TLS 1.3 in which a party is its key: control links between nodes, session links between workers.

Control links trust the identity keys of a contract. Python's `ssl` cannot pin a bare key, and OpenSSL looks a trust
anchor up by its subject; so each key becomes an anchor certificate `CN=<hex of the key>` (its own signature means
nothing and is made by a throw-away key), and a peer shows a leaf that its identity key signed for one day. Who it is
is then read off the issuer, with the leaf's signature checked again here. Session links trust exactly one certificate,
the one in the peer's signed acceptance, byte for byte.
"""

from __future__ import annotations

import os
import secrets
import ssl
import tempfile
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from glovebox.errors import PeerError
from glovebox.identity import public_bytes

CLOCK_SKEW = timedelta(days=2)  # how far the clocks of two parties may differ: time decides nothing here but this
CERTIFICATE_LIFE = CLOCK_SKEW
ANCHOR_LIFE = timedelta(days=3650)  # made anew for each context, so any span that covers the leaves will do
SESSION_LIFE = ANCHOR_LIFE  # it is known byte for byte, and may have waited long for its session


def control_context(key: Ed25519PrivateKey, peers: Iterable[bytes], *, server: bool) -> ssl.SSLContext:
    """TLS for a control link: shows a leaf signed by this identity key, trusts the public keys of `peers` only."""
    context = _context(server)
    for peer in set(peers):
        context.load_verify_locations(cadata=_anchor(peer))
    leaf_key = Ed25519PrivateKey.generate()
    leaf = _certificate(
        subject=f"leaf/{secrets.token_hex(16)}",  # unique: OpenSSL must never take a leaf for an anchor
        public=leaf_key.public_key(),
        issuer=public_bytes(key).hex(),
        signer=key,
        life=CERTIFICATE_LIFE,
    )
    _load(context, leaf, leaf_key)
    return context


def control_peer(tls: ssl.SSLObject | ssl.SSLSocket) -> bytes:
    """The 32-byte identity key that the peer of a control link proved to hold. Raises PeerError."""
    shown = tls.getpeercert(binary_form=True)
    if shown is None:
        raise PeerError("the other side showed no certificate", step="control")
    try:
        leaf = x509.load_der_x509_certificate(shown)
        names = leaf.issuer.get_attributes_for_oid(NameOID.COMMON_NAME)
        issuer = bytes.fromhex(str(names[0].value))
        Ed25519PublicKey.from_public_bytes(issuer).verify(leaf.signature, leaf.tbs_certificate_bytes)
    except (IndexError, ValueError, InvalidSignature) as problem:
        raise PeerError("the other side's certificate is signed by no identity key", step="control") from problem
    return issuer


def session_certificate() -> tuple[bytes, Ed25519PrivateKey]:
    """A self-signed certificate (DER) for one party of one session, and its private key."""
    key = Ed25519PrivateKey.generate()
    name = secrets.token_hex(16)  # no two share a subject
    return _certificate(name, key.public_key(), name, key, SESSION_LIFE), key


def session_context(certificate: bytes, key: Ed25519PrivateKey, *, server: bool) -> ssl.SSLContext:
    """TLS for a session's link: shows this certificate (DER) and trusts nobody yet."""
    context = _context(server)
    _load(context, certificate, key)
    return context


def trust(context: ssl.SSLContext, certificate: bytes) -> None:
    """Have a link's TLS trust its peer's certificate (DER). Raises PeerError if it is none."""
    try:
        context.load_verify_locations(cadata=certificate)
    except (ssl.SSLError, ValueError) as problem:
        raise PeerError("a party's session certificate cannot be read", step="linked") from problem


def verify_session_peer(tls: ssl.SSLObject | ssl.SSLSocket, certificate: bytes, name: str) -> None:
    """Return if the peer showed exactly this certificate; raise PeerError naming the party if not."""
    if tls.getpeercert(binary_form=True) != certificate:
        raise PeerError(f"somebody else answers for {name}", party=name, step="linked")


def _context(server: bool) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False  # a party is its key, wherever it runs
    context.verify_mode = ssl.CERT_REQUIRED
    if server:
        context.num_tickets = 0  # nothing is ever resumed
    return context


def _anchor(key: bytes) -> bytes:
    """The trust anchor (DER) of an identity key; it may sign leaves, and no authority under it."""
    name = key.hex()
    public = Ed25519PublicKey.from_public_bytes(key)
    return _certificate(name, public, name, Ed25519PrivateKey.generate(), ANCHOR_LIFE, authority=True)


def _certificate(
    subject: str,
    public: Ed25519PublicKey,
    issuer: str,
    signer: Ed25519PrivateKey,
    life: timedelta,
    authority: bool = False,
) -> bytes:
    # The signed bytes are DER and begin with 0x30, so they are no message of `identity.sign` ("glovebox/1/…").
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + life)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=0 if authority else None), critical=True)
        .sign(signer, None)
        .public_bytes(Encoding.DER)
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _load(context: ssl.SSLContext, certificate: bytes, key: Ed25519PrivateKey) -> None:
    """Give a context its certificate and key. `ssl` reads them from a path only, so they lie in memory under one."""
    pem = ssl.DER_cert_to_PEM_cert(certificate).encode()
    pem += key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    if hasattr(os, "memfd_create"):
        with os.fdopen(os.memfd_create("certificate", os.MFD_CLOEXEC), "wb", buffering=0) as file:
            file.write(pem)
            context.load_cert_chain(f"/proc/self/fd/{file.fileno()}")
    else:  # not Linux: a file that only this user can read, for as long as the call lasts
        with tempfile.NamedTemporaryFile() as file:
            file.write(pem)
            file.flush()
            context.load_cert_chain(file.name)
