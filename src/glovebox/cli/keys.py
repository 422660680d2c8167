"""`glovebox key rotate|revoke|revoked`: this party's next key, and keys that count no more."""

from __future__ import annotations

from pathlib import Path

import cyclopts

from glovebox.cli.serving import HomeOption, home_of

key = cyclopts.App(name="key", help="Change this party's key, or take a key back.")


def register(app: cyclopts.App) -> None:
    """Add these commands."""
    app.command(key)


@key.command
def rotate(*, home: HomeOption = None) -> None:
    """Give this node a new key, while it is stopped. Prints the statement by which the old one is taken back."""
    from glovebox.identity import key_text, public_bytes
    from glovebox.node.rotation import rotate as changed

    place = home_of(home)
    print(changed(place).strip())
    print(f"# this node's key is {key_text(public_bytes(place.key()))}; each of its contracts needs a next version")


@key.command
def revoke(*, home: HomeOption = None) -> None:
    """Take back this node's key, which was lost or stolen: it refuses from now on. Prints the statement."""
    from glovebox.contract.revocation import revocation
    from glovebox.node.contracts import note_revocation

    place = home_of(home)
    line = revocation(place.key())
    stated = note_revocation(place, line)
    print(line.strip())
    print(f"# taken back at {stated.when}; this node refuses what is asked under a contract with this key")


@key.command
def revoked(statement: Path, *, home: HomeOption = None) -> None:
    """Note another party's statement: this node refuses from now on what is asked under a contract with that key."""
    from glovebox.identity import key_text
    from glovebox.node.contracts import note_revocation

    stated = note_revocation(home_of(home), statement.read_text())
    following = key_text(stated.successor) if stated.successor else "no other"
    print(f"{key_text(stated.key)} was taken back at {stated.when}; {following} follows")
