"""`contract draft`: this party's card and its own sources, described."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from glovebox.contract.draft import drafted
from glovebox.contract.terms import Party
from glovebox.data.description import described
from glovebox.data.sources import SERVER, source_at
from glovebox.errors import UsageError
from glovebox.identity import public_bytes
from glovebox.node.binding import database_over
from glovebox.node.home import Home
from glovebox.schema.columns import Table


def draft_contract(home: Home, given: Sequence[Path], relation: str | None) -> str:
    """The text of a draft over these sources. Raises UsageError or DataError for one that cannot be read."""
    if not given:
        raise UsageError("nothing is there to draft from", hint="glovebox contract draft FILE ...")
    settings = home.settings()
    tables: list[tuple[Table, tuple[str, ...]]] = []
    for path in given:
        title = table_name(relation or (str(path).removeprefix(SERVER) if str(path).startswith(SERVER) else path.stem))
        if any(table.name == title for table, _ in tables):
            raise UsageError(f"two sources would be the table {title}", hint="give one of the files another name")
        source = source_at(path, None, relation or title, settings.postgres)
        with database_over(home, source) as database:
            found = described(database, source, title)
        tables.append((found.table, found.left_out))
    party = Party(settings.name, public_bytes(home.key()), settings.listen)
    return drafted(party, tables, datetime.now(UTC).date())


def table_name(text: str) -> str:
    """A name for a table, like a file's or a relation's."""
    name = re.sub(r"[^a-z0-9_-]+", "_", text.rpartition(".")[2].lower()).strip("_-")[:63]
    return name if name[:1].isalpha() else f"t_{name}"[:63]
