"""Tables to join for the tests of the row engine, and their join in plain Python."""

from __future__ import annotations

import numpy as np

from glovebox.protocols.expression import Constant, Match, Operation, Payload, Value
from glovebox.protocols.intersection import JoinShape
from glovebox.protocols.shards import Rows
from glovebox.protocols.totals import Total

COUNT = Total(None, None, 32)
EVERYTHING = (COUNT, Total(0, None, 64), Total(None, 0, 64), Total(0, 0, 64))


def once(table: int) -> Operation:
    """A table's first payload where a row matches it, else 0."""
    return Operation("select", (Match(table), Payload(table, 0, -(1 << 20), 1 << 20), Constant(0)))


def first(*earlier: int) -> Operation:
    """Whether a row is none of padding, which has 0 for its second value, and none of these tables has its id."""
    valid = Operation("equal", (Value(1, 0, 1), Constant(1)))
    absent = tuple(Operation("not", (Match(table),)) for table in earlier)
    return Operation("and", (valid, *absent)) if absent else valid


def encoded(keys: np.ndarray, blocks: int = 2) -> np.ndarray:
    """Ids as psi.md 4 encodes them: 8 bytes, 0x80, zeros."""
    ids = np.zeros((len(keys), 16 * blocks), np.uint8)
    ids[:, :8] = np.asarray(keys, np.uint64).view(np.uint8).reshape(-1, 8)
    ids[:, 8] = 0x80
    return ids


def owner(keys, values, blocks: int = 2) -> Rows:
    """An owner's rows; values (k, n)."""
    return Rows(encoded(np.asarray(keys, np.uint64), blocks), np.atleast_2d(np.asarray(values, np.int64)))


def two_tables(n_query: int, n_table: int, matches: int, seed: int = 0, measures: int = 1, low: int = -1000):
    """Two owners' rows with so many ids in both."""
    rng = np.random.default_rng(seed)
    keys = rng.permutation(n_query + n_table - matches).astype(np.uint64)
    query = rng.permutation(keys[:n_query])
    table = rng.permutation(keys[n_query - matches : n_query - matches + n_table])
    return (
        owner(query, rng.integers(low, 1000, (measures, n_query))),
        owner(table, rng.integers(low, 1000, (measures, n_table))),
    )


def grouped(rows: Rows, groups: int, seed: int = 0) -> Rows:
    """The rows, each in one of so many groups."""
    chosen = np.random.default_rng(seed).integers(0, groups, len(rows.ids))
    return Rows(rows.ids, rows.values, chosen)


def in_the_clear(shape: JoinShape, query: Rows, table: Rows, second: Rows | None = None) -> list[list[int]]:
    """The totals of each group, by a dictionary."""
    tables = [table] if second is None else [table, second]
    places = [{bytes(one): index for index, one in enumerate(each.ids)} for each in tables]
    sums = [[0] * shape.groups for _ in shape.totals]
    for q, one in enumerate(query.ids):
        if not all(bytes(one) in rows for rows in places):
            continue
        matches = [rows[bytes(one)] for rows in places]
        group = 0 if query.groups is None else int(query.groups[q])
        group *= shape.planes
        group += sum(int(each.groups[at]) for each, at in zip(tables, matches, strict=True) if each.groups is not None)
        payloads = [int(value) for each, at in zip(tables, matches, strict=True) for value in each.values[:, at]]
        for index, (value, payload, *_) in enumerate(shape.totals):
            v = 1 if value is None else int(query.values[value, q])
            sums[index][group] += v if payload is None else v * payloads[payload]
    return sums


def opened(shape: JoinShape, query: np.ndarray, helper: np.ndarray) -> list[list[int]]:
    """The totals that two parties' shares add to, as signed integers of their ring."""
    totals = []
    for total, mine, theirs in zip(shape.totals, query, helper, strict=True):
        ring = 1 << total.bits
        assert mine.shape == theirs.shape == (shape.groups,)
        assert all(int(share) < ring for share in (*mine, *theirs))
        sums = [(int(u) + int(v)) % ring for u, v in zip(mine, theirs, strict=True)]
        totals.append([one - ring if one >= ring // 2 else one for one in sums])
    return totals
