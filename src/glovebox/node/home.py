"""A node's home: one directory with its settings, key, contracts, state, log and command socket."""

from __future__ import annotations

import fcntl
import os
import sys
import tomllib
from pathlib import Path
from typing import Annotated

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Meta

from glovebox.data.sources import Server
from glovebox.errors import UsageError
from glovebox.identity import new_key_file, read_key_file

SETTINGS_FILE = "node.toml"
SETTINGS_BYTES = 1 << 16
SOCKET_PATH_BYTES = 107 if sys.platform == "linux" else 103  # and a zero: unix(7), unix(4)


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `node.toml` may say.

    name: this party's name in its contracts. listen: host:port to listen on. sessions: how many run at once.
    deadline_s: how long a silent peer is waited for. session_s: how long one session may run. memory_mib: what one
    session's worker may take, its local database included. ahead_mib: of what is made while the node is idle for a
    contract of two parties, 0 for nothing. metrics: a loopback host:port for `/metrics` and `/health`. postgres:
    servers that tables may be bound to, by name.
    """

    name: str
    listen: str
    sessions: Annotated[int, Meta(ge=1, le=64)] = 2
    deadline_s: Annotated[float, Meta(ge=0.5, le=600)] = 10.0
    session_s: Annotated[float, Meta(ge=1)] = 3600.0
    memory_mib: int = 2048
    ahead_mib: int = 512
    metrics: str | None = None
    postgres: dict[str, Server] = {}


class Home:
    """The places of a node's files, and its settings and key. Raises UsageError where the path is too long."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.settings_file = root / SETTINGS_FILE
        self.key_file = root / "identity.key"
        self.next_key_file = root / "identity.key.next"
        self.contracts = root / "contracts"
        self.state_file = root / "state.sqlite"
        self.ledger_file = root / "ledger.sqlite"
        self.log_file = root / "log" / "log.jsonl"
        self.socket_file = root / "node.sock"
        if (size := len(os.fsencode(self.socket_file))) > SOCKET_PATH_BYTES:
            raise UsageError(
                f"the path of this home is too long: a socket in it would have {size} bytes, of {SOCKET_PATH_BYTES}",
                hint="a directory nearer to the root: --home DIR",
            )
        self.lock_file = root / "node.lock"
        self.temporary = root / "tmp"

    def settings(self) -> Settings:
        """Read `node.toml`; a key it does not know, or a value of the wrong kind, is an error."""
        if not self.settings_file.is_file():
            raise UsageError(
                f"{self.root} is no node's home yet", hint="glovebox identity --new NAME --listen HOST:PORT"
            )
        text = self.settings_file.read_bytes()[:SETTINGS_BYTES]
        try:
            return msgspec.convert(tomllib.loads(text.decode()), Settings)
        except (UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as problem:
            raise UsageError(f"{SETTINGS_FILE} is not understood: {problem}") from problem

    def key(self) -> Ed25519PrivateKey:
        """This party's identity key."""
        return read_key_file(self.key_file)

    def make(self, name: str, listen: str) -> Ed25519PrivateKey:
        """Make a new home with a new key; a home that has one is left alone."""
        if self.key_file.exists():
            raise UsageError(f"{self.root} has an identity already", hint="glovebox identity")
        for folder in (self.root, self.contracts, self.log_file.parent, self.temporary):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        key = new_key_file(self.key_file)
        self.settings_file.write_text(f'name = "{name}"\nlisten = "{listen}"\n')
        return key


def locked(home: Home) -> int:
    """The home's lock, held while the node runs: two nodes on one home would break its log and state."""
    file = os.open(home.lock_file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as problem:
        os.close(file)
        raise UsageError(f"another node runs on {home.root}") from problem
    return file


def default_home() -> Path:
    """`GLOVEBOX_HOME`, or the XDG data directory."""
    if named := os.environ.get("GLOVEBOX_HOME"):
        return Path(named)
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "glovebox"
