"""The node's log: what it was asked and did, one JSON line an entry, hash-chained and signed.

An entry covers the hash of the one before it, so that none can be taken out, put in or changed unseen. It is on disk
before what it tells of counts. Nothing in it depends on a row, or on an answer.
"""

from __future__ import annotations

import errno
import hashlib
import os
import time
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from glovebox.errors import IntegrityError
from glovebox.identity import key_bytes, key_text, public_bytes, sign, signature_bytes, signature_text, verify_signature

START = bytes(32)
DOMAIN = "log"
ROTATED, ROTATION = "rotated", "rotation"  # the entry at which the key changes; the domain of the new key's signature


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line: its number, Unix time, what happened, to what, and the hash of the line before."""

    number: int
    at: float
    event: str
    what: dict[str, str]
    previous: str
    signature: str = ""


class Log:
    """An append-only log file; one writer."""

    def __init__(self, path: Path, key: Ed25519PrivateKey) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._key = key
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self._number, self._head = _end_of(path, self._file)

    @property
    def head(self) -> bytes:
        """The hash of the last entry, 32 bytes."""
        return self._head

    @property
    def entries(self) -> int:
        """How many entries there are."""
        return self._number

    def write(self, event: str, **what: str) -> None:
        """Append an entry and wait until it is on disk."""
        entry = Entry(self._number, round(time.time(), 3), event, what, self._head.hex())
        signature = sign(self._key, DOMAIN, msgspec.json.encode(entry))
        line = msgspec.json.encode(msgspec.structs.replace(entry, signature=signature_text(signature)))
        size = os.fstat(self._file).st_size
        try:
            if os.write(self._file, line + b"\n") != len(line) + 1:
                raise OSError(errno.ENOSPC, "the log could not be written whole")
            os.fsync(self._file)
        except OSError:
            os.ftruncate(self._file, size)  # the next entry must not follow half of this one
            raise
        self._number, self._head = self._number + 1, hashlib.sha256(line).digest()

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def rotation(old: Ed25519PrivateKey, new: Ed25519PrivateKey, head: bytes) -> dict[str, str]:
    """What the entry `rotated` says, which the old key signs: both keys, and the new one's signature.

    head: of the log before the entry. The new key signs it too: whoever has the old one gives it no other past.
    """
    return {
        "old": key_text(public_bytes(old)),
        "new": key_text(public_bytes(new)),
        "signature": signature_text(sign(new, ROTATION, public_bytes(old) + head)),
    }


def log_keys(lines: list[tuple[Entry, bytes]], key: bytes) -> set[bytes]:
    """The keys of a log that `read_log` found good: the given one, and those before and after it."""
    rotated = [entry.what for entry, _ in lines if entry.event == ROTATED]
    return {key, *(key_bytes(what[name]) for what in rotated for name in ("old", "new"))}


def verify_log(path: Path, key: bytes) -> int:
    """Check every entry of a log file against the chain and the party's public key; return how many there are.

    Raises IntegrityError that names a line that does not hold, the first one unless a rotation is torn.
    """
    return len(read_log(path, key))


def read_log(path: Path, key: bytes) -> list[tuple[Entry, bytes]]:
    """Every entry of a log file, checked as `verify_log` does, with the head of the log after it.

    The party may have changed its key: the log then goes on under the next one, with an entry that both signed, and is
    as good under any of them.
    """
    found: list[tuple[Entry, bytes]] = []
    head = START
    *lines, torn = path.read_bytes().split(b"\n")
    signer, keys = _first_key(path.name, lines, key), set[bytes]()
    for number, line in enumerate([*lines, torn] if torn else lines, 1):
        try:
            entry = msgspec.json.decode(line, type=Entry)
            if entry.number != number - 1 or entry.previous != head.hex() or number > len(lines):
                raise IntegrityError("the chain is broken")
            if msgspec.json.encode(entry) != line:
                raise IntegrityError("the line is not as it was written")
            unsigned = msgspec.json.encode(msgspec.structs.replace(entry, signature=""))
            keys.add(signer)
            verify_signature(signer, DOMAIN, unsigned, signature_bytes(entry.signature))
            if entry.event == ROTATED:
                signer = _next_key(entry, signer)
        except (msgspec.DecodeError, ValueError, IntegrityError) as problem:
            raise _broken(path.name, number) from problem
        head = hashlib.sha256(line).digest()
        found.append((entry, head))
    if keys and key not in keys | {signer}:
        raise IntegrityError(f"{path.name} is the log of another key", step="line 1")
    return found


def _first_key(name: str, lines: list[bytes], key: bytes) -> bytes:
    """The key that a log began with: what its first rotation says, which that very key must have signed."""
    for number, line in enumerate(lines, 1):
        if b'"rotated"' in line:
            try:
                entry = msgspec.json.decode(line, type=Entry)
                if entry.event == ROTATED:
                    return key_bytes(entry.what.get("old", ""))
            except (msgspec.DecodeError, ValueError, IntegrityError) as problem:
                raise _broken(name, number) from problem
    return key


def _broken(name: str, number: int) -> IntegrityError:
    return IntegrityError(f"line {number} of {name} does not hold: it was changed or moved", step=f"line {number}")


def _next_key(entry: Entry, signer: bytes) -> bytes:
    """The key that signs what follows, which must have signed that it does, after this very past."""
    new = key_bytes(entry.what.get("new", ""))
    if key_bytes(entry.what.get("old", "")) != signer:
        raise IntegrityError("the chain is broken")
    past = bytes.fromhex(entry.previous)
    verify_signature(new, ROTATION, signer + past, signature_bytes(entry.what.get("signature", "")))
    return new


def _end_of(path: Path, file: int) -> tuple[int, bytes]:
    """The next number and the head; a last line that a power cut left torn is cut off."""
    data = path.read_bytes()
    whole = data.rfind(b"\n") + 1
    if whole != len(data):
        os.ftruncate(file, whole)
        os.fsync(file)
    lines = data[:whole].split(b"\n")[:-1]
    return len(lines), hashlib.sha256(lines[-1]).digest() if lines else START
