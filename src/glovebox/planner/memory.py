"""What memory each party's worker needs for a plan, by public sizes alone, so that it is known before it starts.

A node refuses a session that needs more than it gives; the worker then runs under that bound. What is counted is what
the kernel counts under RLIMIT_DATA, private memory as it is asked for; pages of libraries come on top, once a machine.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from glovebox.contract.terms import Contract
from glovebox.data.encoding import encoded_bytes
from glovebox.data.identifiers import DIGEST_BYTES, key_bytes
from glovebox.errors import GloveboxError
from glovebox.planner.answer import parts_of
from glovebox.planner.plan import Joined, Plan, Stacked, Star, Total, groupings_of, joins_of, local_query, stars_of
from glovebox.planner.ranked import ranked_bytes
from glovebox.planner.shape import join_shape, joint_shape, star_shapes
from glovebox.protocols import star_shape, tally
from glovebox.protocols.intersection import JoinShape, in_hand, largest_frame, shards_of
from glovebox.protocols.rows import traffic as row_traffic
from glovebox.protocols.two_party import intersection as joint
from glovebox.protocols.two_party.homomorphic import Lists
from glovebox.runtime.links import UNSENT_BYTES
from glovebox.runtime.mailbox import window_bytes
from glovebox.schema.local import LocalQuery

MIB = 1 << 20
WORKER_MIB = 320  # measured: interpreter, libraries and kernels 236, the database's threads 40, finishing, slack
DATABASE_MIB = 128  # with less DuckDB cannot sort or group what it then spills
DISK_BYTES = 128 << 20  # of rows: more lie in files, from where a shard is read at a time
LAYING_BYTES = 48 << 20  # rows that are read and laid into their shards at once
HASH_ROW_BYTES = 48  # two owners alone: a row's hash and shard, and what sorting them takes
SHARD_ROW_BYTES = 256  # of a shard in work: ids, pseudonyms, masks, table, tags, vectors; measured with 1 to 3 words
ROWS_TOGETHER = 4  # of several tables: each's own lines, all ids, these sorted, and what they come to
RANKED_BYTES = 80  # of a count, and of a value of a row: as it is ordered, added up, and searched
STAR_KEY_BYTES = 64 + 8 + 16  # of a row's key: encoded, its place, and its order
LEAST_BYTES = 32  # of a number whose least is wanted: as it is chosen, halved, and a copy of each
SILENT_BYTES = 64 << 20  # two short vectors of 5 MiB, and trees in work: 2^17 leaves, half of them six times over
NUMBER_BYTES = 1 << 10  # of a group's number in finishing, with what is noted to be checked: measured 780
NOISED_BYTES = 8 << 10  # of one that gets noise: measured 3,700 with 18 bits a half
QUOTIENT_BYTES = 32 << 10  # measured 14,000 to 29,000
NIBBLE_BYTES, BLOCK_BYTES = 4, 24  # of a transfer between two owners: 2 and 16, half as much again while they are made


POINT_BYTES = 600  # of an id in the homomorphic mode: item, point, multiple, their lists and sets


class Need(NamedTuple):
    """Memory of one worker in bytes. columns: rows in memory; matching: what the row-level run adds, or finishing.

    disk: rows that lie in files instead, as they are loaded and again by shard.
    """

    columns: int
    matching: int
    disk: int = 0

    @property
    def mib(self) -> int:
        """In all. The local database, the matching and the finishing take turns."""
        return WORKER_MIB + -(-self.columns // MIB) + max(DATABASE_MIB, -(-self.matching // MIB))

    def database_mib(self, limit_mib: int) -> int:
        """What is left for the local database."""
        return max(DATABASE_MIB, limit_mib - WORKER_MIB - -(-self.columns // MIB))


def need_of(plan: Plan, contract: Contract, party: int) -> Need:
    """What a party's worker needs."""
    if party not in plan.computing:
        return Need(0, 0)
    need = _rows(plan, contract, party)
    return need._replace(matching=max(need.matching, _finishing(plan)))


def _finishing(plan: Plan) -> int:
    """Bytes of the groups' totals as secure integers, with what is compared of them and all quotients at once."""
    parts = parts_of(plan)
    numbers = len(plan.totals) + len(parts) + len(plan.having) + len(plan.dominance)
    quotients = sum(part.kind == "quotient" for part in parts)
    noised = sum(person > 0 for person in plan.noise.persons) if plan.noise else 0
    groups = math.prod(len(grouping.labels) for grouping in groupings_of(plan))
    return groups * (NUMBER_BYTES * numbers + NOISED_BYTES * noised + QUOTIENT_BYTES * quotients)


def _rows(plan: Plan, contract: Contract, party: int) -> Need:
    """What a computing party needs until the groups' totals are there."""
    query = local_query(plan, party)
    if isinstance(plan.source, Stacked):
        return Need(ranked_bytes(plan), 0)
    if isinstance(plan.source, Star):
        return _star(plan.source, contract, party)
    runs = [_alone(*run) if run[0].helper is None else _helped(*run) for run in joins_of(plan)]
    stars = [_star(one, contract, party) for one in stars_of(plan)]
    matching = max([*runs, *(one.matching for one in stars)], default=0)  # one after the other
    if query is None:
        return Need(0, matching)
    row = _row_bytes(query, contract)
    loaded = ROWS_TOGETHER if query.beside else 1
    columns = loaded * row * query.lines + sum(one.columns for one in stars)
    helped = isinstance(plan.source, Joined) and plan.source.helper is not None
    if helped and columns > DISK_BYTES:
        return Need(0, matching + LAYING_BYTES, 2 * columns)
    return Need(columns, matching + max(row, HASH_ROW_BYTES) * query.lines)


def _star(source: Star, contract: Contract, party: int) -> Need:
    """The same of a star join, whose rows are all in memory: of the facts each key, its place and the values."""
    shapes, columns = star_shapes(source), 0
    for query in source.owners:
        if query.party == party:
            keys = len(query.facts.keys) if query.facts else 0
            columns += query.lines * (_row_bytes(query, contract) + STAR_KEY_BYTES * keys)
    frame = star_shape.largest_frame(shapes)
    gates = max(2 * (cost["O"] + cost["D"]) for shape in shapes for cost in map(row_traffic, shape.expressed))
    lines = sum(8 * len(shape.levels[-1]) * shape.n for shape in shapes if len(shapes) > 1)  # kept for the others'
    rows = round(gates + SHARD_ROW_BYTES) * max(shape.n for shape in shapes)
    return Need(columns, 2 * (window_bytes(frame) + UNSENT_BYTES) + 4 * frame + rows + lines)


def _helped(source: Joined, totals: tuple[Total, ...]) -> int:
    """Bytes that a run of three takes beside the rows: shards in hand, and what waits on the links to two others."""
    shape = join_shape(source, totals)
    number, shard = shards_of(shape)
    links = 2 * (window_bytes(largest_frame(shape)) + UNSENT_BYTES)
    rows = max(shard.keys * shard.layout.size, *(table.rows for table in shard.tables))
    return links + min(number, in_hand(shard)) * (SHARD_ROW_BYTES * rows + _gate_bytes(shard) * shard.layout.size)


def _gate_bytes(shard: JoinShape) -> int:
    """Bytes of a row of QUERY in gates: what is opened of it, as share, mask and value, what is dealt, and minima."""
    gates = row_traffic(shard.expressed)
    counted = sum(RANKED_BYTES * shard.planes * tally.traffic(one.tally, shard.blocks)["e"] for one in shard.ranked)
    least = LEAST_BYTES * len(shard.leasts) * shard.planes
    return round(2 * (gates["O"] + gates["D"]) + counted / shard.layout.size) + least


def _alone(source: Joined, totals: tuple[Total, ...]) -> int:
    """The same of two owners alone: all transfers are made before the first shard."""
    if source.homomorphic:
        return _encrypted(source, totals)
    shape = joint_shape(source, totals)
    link, needs, (_, shard) = (
        window_bytes(joint.largest_frame(shape)) + UNSENT_BYTES,
        joint.needs_of(shape),
        shape.shards,
    )
    nibbles, blocks = needs.query_nibbles + needs.table_nibbles, needs.query_blocks + needs.table_blocks
    transfers = NIBBLE_BYTES * nibbles + BLOCK_BYTES * blocks
    transfers += SILENT_BYTES * (source.lpn > 0)
    return link + transfers + 2 * SHARD_ROW_BYTES * max(shape.size().bins, shard.n_table)


def _encrypted(source: Joined, totals: tuple[Total, ...]) -> int:
    """The same in the homomorphic mode: points as Python bytes, and ciphertexts with their masks and transforms."""
    shape = join_shape(source, totals)
    lists = Lists(shape.n_query, shape.n_table, len(shape.totals) * shape.table_groups, True)
    link = window_bytes(lists.largest_frame) + UNSENT_BYTES
    return link + POINT_BYTES * sum(lists.sizes) + 6 * 2 * lists.largest_frame


def _row_bytes(query: LocalQuery, contract: Contract) -> int:
    """Bytes of a loaded row: its id, 8 for each measure and for its group."""
    column = contract.table(query.table, query.party).column(query.ids or "")
    if column is None:
        raise GloveboxError("the plan joins on what is no id of the table", code="plan", step="memory")
    key = encoded_bytes(DIGEST_BYTES if query.by_group or query.keys else key_bytes(column))
    ids = (1 + len(query.keys)) * key + (encoded_bytes(DIGEST_BYTES) if query.other else 0)
    return ids + 8 * (len(query.measures) * query.width + bool(query.groupings))
