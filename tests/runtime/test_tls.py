from __future__ import annotations

import os
import ssl
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding

from glovebox.errors import PeerError
from glovebox.identity import public_bytes
from glovebox.runtime import tls
from glovebox.runtime.tls import (
    control_context,
    control_peer,
    session_certificate,
    session_context,
    trust,
    verify_session_peer,
)

retailer, publisher, stranger = (Ed25519PrivateKey.generate() for _ in range(3))


def shake(client: ssl.SSLContext, server: ssl.SSLContext) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """Both ends of a handshake in memory, each with a first byte of the other; raises what either side meets."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (client.wrap_bio(down, up), server.wrap_bio(up, down, server_side=True))
    for _ in range(4):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    for end in ends:
        end.write(b"1")
    for end in ends:
        end.read(1)  # a refused TLS 1.3 client learns it here (W7)
    return ends


def certificate(
    subject: str,
    issuer: str,
    signer: Ed25519PrivateKey,
    key: Ed25519PrivateKey,
    *,
    authority=False,
    starts_in_h=-1,
) -> bytes:
    """Any certificate, also such as Glovebox never makes."""
    start = datetime.now(UTC) + timedelta(hours=starts_in_h)
    name = [x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)]) for text in (subject, issuer)]
    return (
        x509.CertificateBuilder(*reversed(name), key.public_key(), 1, start, start + timedelta(days=1))
        .add_extension(x509.BasicConstraints(authority, None), critical=True)
        .sign(signer, None)
        .public_bytes(Encoding.DER)
    )


def showing(leaf: bytes, key: Ed25519PrivateKey, *peers: bytes, chain: bytes = b"") -> ssl.SSLContext:
    """A client that shows a certificate of its own choice, and perhaps the one that signed it."""
    context = control_context(key, peers, server=False)
    tls._load(context, leaf, key)
    if chain:
        pem = "".join(map(ssl.DER_cert_to_PEM_cert, (leaf, chain))).encode() + tls_pem(key)
        file = os.memfd_create("chain")
        os.write(file, pem)
        context.load_cert_chain(f"/proc/self/fd/{file}")
        os.close(file)
    return context


def tls_pem(key: Ed25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, tls.PrivateFormat.PKCS8, tls.NoEncryption())


def name_of(key: Ed25519PrivateKey) -> str:
    return public_bytes(key).hex()


def test_both_ends_of_a_control_link_learn_the_others_key():
    client = control_context(retailer, [public_bytes(publisher)], server=False)
    server = control_context(publisher, [public_bytes(stranger), public_bytes(retailer)], server=True)
    ours, theirs = shake(client, server)
    assert control_peer(ours) == public_bytes(publisher)
    assert control_peer(theirs) == public_bytes(retailer)
    assert ours.version() == "TLSv1.3"


def test_keys_may_be_given_twice_and_none_is_nobody():
    client = control_context(retailer, [public_bytes(publisher)] * 2, server=False)
    shake(client, control_context(publisher, [public_bytes(retailer)] * 2, server=True))
    with pytest.raises(ssl.SSLError):
        shake(client, control_context(publisher, [], server=True))


def test_a_stranger_is_refused_on_either_side():
    server = control_context(publisher, [public_bytes(retailer)], server=True)
    with pytest.raises(ssl.SSLError):
        shake(control_context(stranger, [public_bytes(publisher)], server=False), server)
    with pytest.raises(ssl.SSLError):
        shake(control_context(retailer, [public_bytes(stranger)], server=False), server)


def test_every_leaf_has_a_subject_of_its_own():
    server = control_context(publisher, [public_bytes(retailer)], server=True)
    subjects = set()
    for _ in range(3):
        _, theirs = shake(control_context(retailer, [public_bytes(publisher)], server=False), server)
        subjects.add(x509.load_der_x509_certificate(theirs.getpeercert(True)).subject)
    assert len(subjects) == 3


FORGED = {
    "in the retailer's name, signed by a stranger": (
        "signature failure", lambda: certificate("leaf/1", name_of(retailer), stranger, stranger), None
    ),
    "named as the retailer, signed by itself": (
        "self-signed certificate", lambda: certificate(name_of(retailer), name_of(retailer), stranger, stranger), None
    ),
    "signed by a leaf of the retailer": (
        "invalid CA certificate",
        lambda: certificate("leaf/2", "leaf/1", stranger, stranger),
        lambda: certificate("leaf/1", name_of(retailer), retailer, stranger),
    ),
    "signed by an authority under the retailer": (
        "path length constraint exceeded",
        lambda: certificate("leaf/2", "authority", stranger, stranger),
        lambda: certificate("authority", name_of(retailer), retailer, stranger, authority=True),
    ),
    "expired": (
        "expired", lambda: certificate("leaf/1", name_of(retailer), retailer, stranger, starts_in_h=-72), None
    ),
    "not yet valid": (
        "not yet valid", lambda: certificate("leaf/1", name_of(retailer), retailer, stranger, starts_in_h=24), None
    ),
}  # fmt: skip


@pytest.mark.parametrize(("reason", "leaf", "chain"), FORGED.values(), ids=FORGED)
def test_a_control_link_refuses_a_certificate(reason, leaf, chain):
    client = showing(leaf(), stranger, public_bytes(publisher), chain=chain() if chain else b"")
    with pytest.raises(ssl.SSLCertVerificationError, match=reason):
        shake(client, control_context(publisher, [public_bytes(retailer)], server=True))


def test_the_check_of_forged_certificates_would_let_a_good_one_through():
    leaf = certificate("leaf/1", name_of(retailer), retailer, stranger)
    _, theirs = shake(
        showing(leaf, stranger, public_bytes(publisher)),
        control_context(publisher, [public_bytes(retailer)], server=True),
    )
    assert control_peer(theirs) == public_bytes(retailer)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_older_tls_is_refused(version):
    client = control_context(retailer, [public_bytes(publisher)], server=False)
    client.minimum_version = client.maximum_version = version
    with pytest.raises(ssl.SSLError):
        shake(client, control_context(publisher, [public_bytes(retailer)], server=True))


def test_who_shows_no_certificate_is_refused():
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    with pytest.raises(ssl.SSLError):
        shake(client, control_context(publisher, [public_bytes(retailer)], server=True))


def session_ends(
    shown_by_client: tuple[bytes, Ed25519PrivateKey], expected: bytes
) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    server_certificate, server_key = session_certificate()
    client = session_context(*shown_by_client, server=False)
    server = session_context(server_certificate, server_key, server=True)
    trust(client, server_certificate)
    trust(server, expected)
    return shake(client, server)


def test_a_session_link_takes_the_certificate_of_the_acceptance():
    client = session_certificate()
    _, theirs = session_ends(client, client[0])
    verify_session_peer(theirs, client[0], "retailer")


def test_and_no_other():
    client, other = session_certificate(), session_certificate()
    with pytest.raises(ssl.SSLError):
        session_ends(other, client[0])
    _, theirs = session_ends(client, client[0])
    with pytest.raises(PeerError, match="somebody else answers for retailer") as caught:
        verify_session_peer(theirs, other[0], "retailer")
    assert caught.value.party == "retailer"


def test_a_certificate_that_a_session_certificate_signed_is_refused():
    pinned, key = session_certificate()
    (named,) = x509.load_der_x509_certificate(pinned).subject
    below = certificate("below", str(named.value), key, stranger)
    with pytest.raises(ssl.SSLCertVerificationError, match="invalid CA certificate"):
        session_ends((below, stranger), pinned)


@pytest.mark.parametrize(("starts_in_h", "reason"), [(-72, "expired"), (24, "not yet valid")])
def test_a_session_certificate_outside_its_time_is_refused(starts_in_h, reason):
    name = "session/0"
    old = certificate(name, name, stranger, stranger, starts_in_h=starts_in_h)
    with pytest.raises(ssl.SSLCertVerificationError, match=reason):
        session_ends((old, stranger), old)


@pytest.mark.parametrize("bytes_of_a_peer", [b"", b"\x30\x03\x02\x01\x01", b"-----BEGIN CERTIFICATE-----", bytes(1000)])
def test_what_is_no_certificate(bytes_of_a_peer):
    own, key = session_certificate()
    with pytest.raises(PeerError, match="cannot be read"):
        trust(session_context(own, key, server=True), bytes_of_a_peer)


@pytest.mark.skipif(sys.platform != "linux", reason="keys lie in a memfd on Linux only")
def test_a_private_key_is_never_in_a_file_and_a_hardened_process_can_load_it(tmp_path):
    script = """
import tempfile
from glovebox.node.process import harden
from glovebox.runtime.keys import SessionKeys
tempfile.NamedTemporaryFile = None
harden()
SessionKeys()
"""
    subprocess.run([sys.executable, "-c", script], check=True, env={**os.environ, "TMPDIR": str(tmp_path)})
    assert list(Path(tmp_path).iterdir()) == []
