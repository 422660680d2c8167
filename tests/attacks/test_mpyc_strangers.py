"""Who says "I am 0" first is believed by plain MPyC, also under its TLS option (threats.md M2, M9, M12)."""

from __future__ import annotations

import asyncio
import pickle
import ssl
import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from glovebox.runtime.preamble import Preamble, encode
from glovebox.runtime.shares import recombined
from glovebox.runtime.tls import session_context, trust

from ..runtime.pairs import SESSION
from .plain_mpyc import Touch, base_port, connected, parties, wait_for
from .tls_mesh import mesh

pytestmark = pytest.mark.attack

SUMS = """
async def main():
    await mpc.start()
    Path(f"started{mpc.pid}").touch()
    secint = mpc.SecInt(32)
    a = mpc.input(secint.array(np.array([1, 2])), senders=0)
    await mpc.output(a)
    Path(f"ended{mpc.pid}").touch()
    await mpc.shutdown()

mpc.run(main())
"""

PRSS_KEY = bytes(16)  # for the one set {0, i} of three parties whose key party 0 sends to party i
COUNTER = hash((1, 0))  # of the first protocol call in any program: a hash of small integers is the same anywhere


def claim(folder: Path, party: int) -> bytes:
    """What a process that is no party says to be party 0, with a pickle for the first input."""
    evil = pickle.dumps(Touch(folder / f"ran{party}", np.array([0, 0], dtype=object)))
    return (0).to_bytes(2, "little") + PRSS_KEY + struct.pack(f"<qI{len(evil)}s", COUNTER, len(evil), evil)


def test_plain_mpyc_takes_a_stranger_for_party_0_and_runs_its_code(tmp_path):
    base = base_port()
    with parties(tmp_path, SUMS, (1, 2), base) as running:
        strangers = [connected(base + i) for i in (1, 2)]
        for i, stranger in zip((1, 2), strangers, strict=True):
            stranger.sendall(claim(tmp_path, i))
        assert wait_for(tmp_path / "ran1")
        assert wait_for(tmp_path / "ran2")
        with parties(tmp_path, SUMS, (0,), base) as late:
            assert not wait_for(tmp_path / "ended0", 2)  # the true party 0 waits for ever
            assert late[0].poll() is None
        for stranger in strangers:
            stranger.close()
        del running


def test_plain_mpyc_under_tls_takes_party_2_for_party_0(tmp_path):
    certificates(tmp_path / ".config")
    base = base_port()
    with parties(tmp_path, SUMS, (1, 2), base, ("--ssl",)):
        strangers = []
        for i in (1, 2):
            context = ssl.create_default_context(cafile=str(tmp_path / ".config" / "mpyc_ca.crt"))
            context.load_cert_chain(tmp_path / ".config" / "party_2.crt", tmp_path / ".config" / "party_2.key")
            strangers.append(context.wrap_socket(connected(base + i), server_hostname=f"MPyC party {i}"))
            strangers[-1].sendall(claim(tmp_path, i))
        assert wait_for(tmp_path / "ran1")
        for stranger in strangers:
            stranger.close()


def certificates(folder: Path) -> None:
    """A certificate authority and certificates of three parties, where MPyC's --ssl looks for them."""
    folder.mkdir()
    keys = {name: ec.generate_private_key(ec.SECP256R1()) for name in ("mpyc_ca", "party_0", "party_1", "party_2")}
    now = datetime.now(UTC)
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mpyc ca")])
    for name, key in keys.items():
        title = f"MPyC party {name[-1]}"
        authority = name == "mpyc_ca"
        builder = (
            x509.CertificateBuilder()
            .subject_name(issuer if authority else x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, title)]))
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(title)]), critical=False)
        )
        certificate = builder.sign(keys["mpyc_ca"], SHA256())
        (folder / f"{name}.crt").write_bytes(certificate.public_bytes(Encoding.PEM))
        (folder / f"{name}.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


async def test_glovebox_computes_with_the_true_party_whoever_comes_first(tmp_path):
    """Strangers say they are 0: one in the clear, one as MPyC would, and party 2 with its own good certificate."""
    told = []

    async def strangers(keys, addresses):
        for i in (1, 2):
            host, port = addresses[i].split(":")
            for first in (encode(Preamble(SESSION, 0)), b""):
                _, writer = await asyncio.open_connection(host, int(port))
                writer.write(first + claim(tmp_path, i))
                told.append(writer)
        host, port = addresses[1].split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(encode(Preamble(SESSION, 0)))
        context = session_context(keys[2].certificate, keys[2].tls_key, server=False)
        trust(context, keys[1].certificate)
        told.append(asyncio.create_task(greet(writer, context)))

    async def greet(writer, context):
        await writer.start_tls(context, server_hostname="")
        writer.write(claim(tmp_path, 1))
        await writer.drain()

    async with mesh(before=strangers) as (engines, _):

        async def product(shamir):
            runtime, array = shamir.runtime, shamir.integers(64).array
            ((a,),) = runtime.input([array(np.array([6, -7], dtype=object))], senders=[0])
            return await shamir.shares(a * a)

        shares = await asyncio.gather(*map(product, engines))
        p = engines[0].integers(64).field.modulus
        assert recombined(dict(enumerate(shares)), p, 1, "test") == [36, 49]
    assert not list(tmp_path.iterdir())
    for one in told:
        one.cancel() if isinstance(one, asyncio.Task) else one.close()
    await asyncio.gather(*(one for one in told if isinstance(one, asyncio.Task)), return_exceptions=True)
