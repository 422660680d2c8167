"""This party's next key: from a line of the log on that both keys signed, it takes the place of the one before.

The old key's file is kept beside the new one, for its holder to put away. A crash in between leaves the next
key's file: no node starts on such a home, and doing it again ends what was begun.
"""

from __future__ import annotations

import contextlib
import os
from contextlib import closing

from glovebox.audit.log import Log, read_log, rotation
from glovebox.contract.revocation import revocation
from glovebox.identity import key_text, new_key_file, public_bytes, read_key_file
from glovebox.node.contracts import note_revocation
from glovebox.node.home import Home, locked


def rotate(home: Home) -> str:
    """Make a new key this node's own; the line by which the old one is taken back, for the other parties.

    UsageError while the node runs.
    """
    lock = locked(home)
    try:
        old = home.key()
        new = read_key_file(home.next_key_file) if home.next_key_file.exists() else new_key_file(home.next_key_file)
        line = revocation(old, public_bytes(new))
        if not _is_logged(home, public_bytes(old), public_bytes(new)):
            with closing(Log(home.log_file, old)) as log:
                log.write("rotated", **rotation(old, new, log.head))
        note_revocation(home, line)
        with contextlib.suppress(FileExistsError):
            os.link(home.key_file, home.key_file.with_name(f"identity.{public_bytes(old).hex()[:8]}.old"))
        home.next_key_file.replace(home.key_file)
        return line
    finally:
        os.close(lock)


def _is_logged(home: Home, old: bytes, new: bytes) -> bool:
    lines = read_log(home.log_file, old) if home.log_file.is_file() else []
    return bool(lines) and lines[-1][0].what.get("new") == key_text(new)
