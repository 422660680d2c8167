"""A party's local part of a run: its own tables, read in its own database, and earlier answers that are close to it."""

from __future__ import annotations

from pathlib import Path

import msgspec

from glovebox.data.database import Database, open_database
from glovebox.data.differing import people_between
from glovebox.data.facts import LoadedFacts, load_facts
from glovebox.data.groups import LoadedGroups, load_groups
from glovebox.data.loading import LoadedRows, load_rows
from glovebox.data.pairs import load_pairs
from glovebox.data.passes import Told
from glovebox.data.room import MEMORY, Room
from glovebox.data.together import together
from glovebox.errors import IntegrityError
from glovebox.node.channel import BoundTable, Job
from glovebox.planner.plan import Plan, Stacked, local_queries
from glovebox.schema.local import LocalQuery

LOADING_THREADS = 2
SMALL = 1 << 16
"""Rows of a table that one thread reads, and whose database is not closed, which takes 2 ms: what it holds goes with
this process."""

Loaded = LoadedRows | LoadedGroups | LoadedFacts
_queries: msgspec.msgpack.Decoder[LocalQuery] = msgspec.msgpack.Decoder(LocalQuery)  # made once, before workers fork


class LocalPart:
    """What one party reads for one job. unused: a database for its first table. told: called with how far it is.

    near: when all is read, earlier sessions whose answers count the same people but for a few.
    """

    def __init__(self, job: Job, plan: Plan, unused: Database, told: Told) -> None:
        self._job, self._plan, self._told = job, plan, told
        self._database: Database | None = unused
        self._left_open: list[Database] = []
        self.near: tuple[bytes, ...] = ()

    def read(self) -> dict[int, Loaded]:
        """What this party loads of the plan, by place. Raises DataError; IntegrityError for rows other than bound."""
        queries = enumerate(local_queries(self._plan))
        return {place: self._read(query) for place, query in queries if query.party == self._job.party}

    def _read(self, query: LocalQuery) -> Loaded:
        bound = {one.table.name: one for one in self._job.bound}
        every = [self._read_one(one, bound[one.table]) for one in query.tables]
        if query.beside:
            return together(query, [loaded for loaded in every if isinstance(loaded, LoadedRows)])
        return every[0]

    def _read_one(self, query: LocalQuery, bound: BoundTable) -> Loaded:
        source = bound.source
        folder, memory_mib = Path(self._job.temporary), self._job.database_mib
        unused, self._database = self._database, None  # for the first table
        threads = 1 if bound.table.rows <= SMALL else LOADING_THREADS
        database = open_database([source], folder, memory_mib, threads, unused)
        try:
            told = self._told
            loaded: Loaded
            if isinstance(self._plan.source, Stacked):
                loaded = load_groups(database, query, bound.table, source, bound.salt, told)
            elif query.facts is not None:
                loaded = load_facts(database, query, bound.table, source, bound.salt, told)
            elif query.other:
                loaded = load_pairs(database, query, bound.table, source, bound.salt, told)
            else:
                room = Room(Path(self._job.temporary)) if self._job.on_disk else MEMORY
                loaded = load_rows(database, query, bound.table, source, bound.salt, told, room)
            if loaded.snapshot != bound.snapshot:
                raise IntegrityError(f"the rows of {bound.table.name} are not those that were bound", step="loaded")
            if not query.other:  # pairs are of the same people as the lines beside them
                self.near += self._differing(database, query, bound)
            return loaded
        finally:
            if bound.table.rows > SMALL or source.format == "duckdb":  # an attached file is locked
                database.close()
            else:
                self._left_open.append(database)

    def _differing(self, database: Database, query: LocalQuery, bound: BoundTable) -> tuple[bytes, ...]:
        """Earlier sessions that counted the same people of this table but for fewer than the threshold."""
        few = range(1, self._plan.threshold)
        if not few:
            return ()
        every = {session: _queries.decode(one) for session, one in self._job.earlier.items()}
        others = {session: one for session, one in every.items() if one.table == query.table}
        counts = people_between(database, bound.table, bound.source, query, list(others.values()))
        return tuple(session for session, count in zip(others, counts, strict=True) if count in few)
