"""Outsiders against running nodes: whatever they send changes nothing (threats.md W1, W2, W5 to W7, F7)."""

from __future__ import annotations

import asyncio
import secrets
import ssl
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from glovebox.cli.fleet import anew
from glovebox.identity import public_bytes
from glovebox.runtime import tls
from glovebox.runtime.preamble import CONTROL, FORM, MAGIC, Preamble, encode
from glovebox.runtime.tls import control_context

from .hostile import QUESTION, claim, connect, evil, framed, is_closed, is_right, nodes, sessions
from .plain_mpyc import resident_mib

pytestmark = pytest.mark.attack

TO_CONTROL = encode(Preamble(CONTROL, 0))
IDLE = 300
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    with nodes(tmp_path_factory.mktemp("fleet")) as running:
        assert is_right(running.ask("left", anew(QUESTION)))
        yield running


def test_bytes_that_are_no_glovebox_are_closed_at_once(fleet, tmp_path):
    before = {party: sessions(fleet, party) for party in fleet.homes}
    words = (
        secrets.token_bytes(64 << 10),
        b"GET / HTTP/1.1\r\nHost: node\r\n\r\n",
        claim(tmp_path),
        evil(tmp_path),
        MAGIC.upper() + bytes(FORM.size),
        FORM.pack(MAGIC, 2, CONTROL, 0),  # another version of the wire
        encode(Preamble(secrets.token_bytes(16), 0)) + claim(tmp_path),  # an unknown session
        encode(Preamble(b"\xff" * 16, 65535)),
        TO_CONTROL + claim(tmp_path),
        TO_CONTROL + framed(evil(tmp_path)),
        TO_CONTROL + b"GET / HTTP/1.1\r\n\r\n",
    )
    for party in fleet.homes:
        for word in words:
            with connect(fleet, party) as connection:
                try:
                    connection.sendall(word)
                except ConnectionError:
                    continue  # closed before the last of 64 kB
                assert is_closed(connection) or word.startswith(TO_CONTROL), word[:40]
    assert {party: sessions(fleet, party) for party in fleet.homes} == before
    assert is_right(fleet.ask("left", anew(QUESTION)))
    assert not (tmp_path / "ran").exists()


def client(key, certificates):
    """A TLS client that shows these certificates (DER) and believes anybody."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if certificates:
        pem = "".join(ssl.DER_cert_to_PEM_cert(certificate) for certificate in certificates)
        return context, pem + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return context, ""


def leaf(issuer, signer, subject="leaf/1", life=DAY, authority=False):
    """A key and its certificate. issuer: the name it bears; signer: the key that signed it."""
    key = Ed25519PrivateKey.generate()
    return key, tls._certificate(subject, key.public_key(), issuer, signer, life, authority)


def shown(case, party_key):
    """What an outsider, or the holder of a party's key in a wrong way, shows in each case."""
    stranger, name = Ed25519PrivateKey.generate(), public_bytes(party_key).hex()
    match case:
        case "no certificate":
            return None, ()
        case "a stranger's, signed by itself":
            return stranger, (tls._certificate("me", stranger.public_key(), "me", stranger, DAY),)
        case "a stranger's leaf":
            key, certificate = leaf(public_bytes(stranger).hex(), stranger)
        case "a stranger's leaf in a party's name":
            key, certificate = leaf(name, stranger)
        case "an anchor like a party's, with its own key":
            return stranger, (tls._certificate(name, stranger.public_key(), name, stranger, DAY, authority=True),)
        case "one that ended":
            key, certificate = leaf(name, party_key, life=-timedelta(minutes=1))
        case "a chain signed by a party's leaf" | "a chain signed by an authority under a party":
            between_key, between = leaf(name, party_key, "between", authority="authority" in case)
            key, certificate = leaf("between", between_key)
            return key, (certificate, between)
        case "TLS 1.2" | "a party's true leaf":
            key, certificate = leaf(name, party_key)
    return key, (certificate,)


CASES = (
    "no certificate",
    "a stranger's, signed by itself",
    "a stranger's leaf",
    "a stranger's leaf in a party's name",
    "an anchor like a party's, with its own key",
    "one that ended",
    "a chain signed by a party's leaf",
    "a chain signed by an authority under a party",
    "TLS 1.2",
)


def is_refused(fleet, case, file):
    """Whether the notary's node ends a handshake, and says nothing in it but an alert."""
    context, pem = client(*shown(case, fleet.homes["left"].key()))
    if pem:
        file.write_text(pem)
        context.load_cert_chain(file)
    if case == "TLS 1.2":
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    connection = connect(fleet, "notary", TO_CONTROL)
    try:
        with context.wrap_socket(connection) as link:
            return is_closed(link, 1)  # a refused TLS 1.3 client learns it at its first read
    except (ssl.SSLError, ConnectionError):
        return True


def test_only_a_partys_own_leaf_gets_through_the_handshake(fleet, tmp_path):
    before = sessions(fleet, "notary")
    for case in CASES:
        assert is_refused(fleet, case, tmp_path / "shown.pem"), case
    assert not is_refused(fleet, "a party's true leaf", tmp_path / "shown.pem")  # the cases fail for what they say
    assert sessions(fleet, "notary") == before
    assert is_right(fleet.ask("left", anew(QUESTION)))


def test_a_node_with_another_key_is_not_asked(fleet):
    """Somebody else answers at a party's address: the asker names the party that is not there (W7)."""
    told = []

    async def impostor(reader, writer):
        await reader.readexactly(FORM.size)
        context = control_context(Ed25519PrivateKey.generate(), fleet.keys.values(), server=True)
        try:
            await writer.start_tls(context)
            told.append(await reader.read(1))
        except (ssl.SSLError, ConnectionError):
            told.append(b"")
        writer.close()

    async def ask():
        host, _, port = fleet.addresses["notary"].partition(":")
        async with await asyncio.start_server(impostor, host, int(port)):
            return await fleet.ask_async("left", anew(QUESTION))

    fleet.stop("notary")
    with pytest.raises(Exception, match=r"notary .* is not the party of the contract") as caught:
        asyncio.run(ask())
    assert (caught.value.party, caught.value.exit_code, {*told}) == ("notary", 5, {b""})
    fleet.start("notary")
    assert is_right(fleet.ask("left", anew(QUESTION)))


def test_idle_connections_do_not_keep_parties_out(fleet):
    """300 that say nothing, half a preamble, or a preamble and nothing more, at each node (F7)."""
    assert is_right(fleet.ask("left", anew(QUESTION)))
    before = {party: resident_mib(process) for party, process in fleet.processes.items()}
    words = (b"", MAGIC, TO_CONTROL, TO_CONTROL + b"\x16\x03\x01")
    idle = [connect(fleet, party, words[i % 4]) for i in range(IDLE) for party in fleet.homes]
    try:
        assert is_right(fleet.ask("left", anew(QUESTION)))
        for party, process in fleet.processes.items():
            assert resident_mib(process) - before[party] < 64  # each of 64 half handshakes has 256 KiB of buffer
    finally:
        for connection in idle:
            connection.close()


def test_whoever_stops_in_the_middle_is_closed_in_time(fleet):
    true = control_context(fleet.homes["left"].key(), [fleet.keys["notary"]], server=False)
    linked = [true.wrap_socket(connect(fleet, "notary", TO_CONTROL)) for _ in range(2)]
    linked[1].sendall(framed(bytes(100))[:40])
    words = (b"", MAGIC[:1], MAGIC, TO_CONTROL[:-1], TO_CONTROL, TO_CONTROL + b"\x16\x03\x01")
    for connection in [*(connect(fleet, "notary", word) for word in words), *linked]:
        with connection:
            assert is_closed(connection)
    assert is_right(fleet.ask("left", anew(QUESTION)))


def test_outsiders_in_a_running_session_change_nothing(fleet, tmp_path):
    """They know the session's id, which crosses the wire in the clear, and come before the true parties do."""
    came = []

    def seen(event, party):
        if (event, party) == ("accepted", "left"):
            session = sessions(fleet, "left")[0][0]
            for node in ("right", "notary"):
                for number in (0, 1, 2, 9):
                    first = encode(Preamble(session, number))
                    came.extend((connect(fleet, node, first), connect(fleet, node, first + claim(tmp_path))))

    assert is_right(fleet.ask("left", anew(QUESTION), seen=seen))
    assert len(came) == 16
    for connection in came:
        with connection:
            assert is_closed(connection)
    assert not (tmp_path / "ran").exists()
    assert is_right(fleet.ask("left", anew(QUESTION)))
