"""A party's identity: one Ed25519 key, and signatures that say what they are for.

Every signature covers `"glovebox/1/" + domain + NUL + message`, so that one made for a log entry can never pass for
one under a contract.
"""

from __future__ import annotations

import base64
import binascii
import os
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from glovebox.errors import IntegrityError, UsageError

PREFIX = "ed25519:"
KEY_BYTES = 32
SIGNATURE_BYTES = 64


def key_text(key: bytes) -> str:
    """A public key as it stands in a contract: `ed25519:` and unpadded URL-safe base64 of its 32 bytes."""
    return PREFIX + base64.urlsafe_b64encode(key).rstrip(b"=").decode()


def key_bytes(text: str) -> bytes:
    """The 32 bytes of a public key text. Raises ValueError for anything but the one form `key_text` writes."""
    if not text.startswith(PREFIX):
        raise ValueError(f"a key begins with {PREFIX}")
    try:
        key = base64.urlsafe_b64decode(text[len(PREFIX) :] + "=")
    except (binascii.Error, ValueError) as problem:
        raise ValueError("a key is 43 characters of URL-safe base64") from problem
    if len(key) != KEY_BYTES or key_text(key) != text:
        raise ValueError("a key is 43 characters of URL-safe base64")
    return key


def public_bytes(key: Ed25519PrivateKey) -> bytes:
    """The 32 bytes of the public half of a private key."""
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def sign(key: Ed25519PrivateKey, domain: str, message: bytes) -> bytes:
    """A 64-byte signature over a message, good for one domain only."""
    return key.sign(_tagged(domain, message))


def verify_signature(key: bytes, domain: str, message: bytes, signature: bytes) -> None:
    """Return if the signature is that key's over the message in this domain; raise IntegrityError if not."""
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, _tagged(domain, message))
    except (InvalidSignature, ValueError) as problem:
        raise IntegrityError(f"a {domain} signature does not verify") from problem


def _tagged(domain: str, message: bytes) -> bytes:
    return b"glovebox/1/" + domain.encode() + b"\0" + message


def signature_text(signature: bytes) -> str:
    """A signature as it stands in a line of text: padded base64."""
    return base64.b64encode(signature).decode()


def signature_bytes(text: str) -> bytes:
    """The bytes of a signature text. Raises IntegrityError for anything but the one form `signature_text` writes."""
    try:
        signature = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as problem:
        raise IntegrityError("a signature is not base64") from problem
    if len(signature) != SIGNATURE_BYTES or signature_text(signature) != text:
        raise IntegrityError("a signature is not 64 bytes of base64")
    return signature


def new_key_file(path: Path) -> Ed25519PrivateKey:
    """Make a key and write its 32 secret bytes to a new file that only its owner can read."""
    key = Ed25519PrivateKey.generate()
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(key.private_bytes_raw())
        file.flush()
        os.fsync(file.fileno())
    return key


def read_key_file(path: Path) -> Ed25519PrivateKey:
    """Read a key file; refuse one that others than its owner could read."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode & 0o777
            secret = file.read(KEY_BYTES + 1)
    except FileNotFoundError as problem:
        raise UsageError("this node has no identity yet", hint="glovebox identity --new NAME") from problem
    if mode & 0o077:
        raise UsageError(f"the key file {path.name} can be read by others (mode {mode:o})", hint=f"chmod 600 {path}")
    if len(secret) != KEY_BYTES:
        raise IntegrityError(f"the key file {path.name} is not 32 bytes long")
    return Ed25519PrivateKey.from_private_bytes(secret)
