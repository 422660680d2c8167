"""Glovebox: answers questions over data that no one may see.

`glovebox.connect(home).ask("SELECT …")` asks through the node of a home: see docs/python.md.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from glovebox.connection import Connection

__version__ = "0.1.0"


def connect(home: Path | str | None = None) -> Connection:
    """The running node of a home, to ask through. home: `GLOVEBOX_HOME` or the XDG default if not given."""
    from glovebox.connection import Connection
    from glovebox.node.home import Home, default_home

    return Connection(Home(Path(home or default_home()).absolute()))
