"""Tables to join for the tests of the row engine, and their join in plain Python."""

from __future__ import annotations

import numpy as np

from glovebox.protocols.intersection import JoinShape, Rows

COUNT = (None, None, 32)
EVERYTHING = (COUNT, (0, None, 64), (None, 0, 64), (0, 0, 64))


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


def in_the_clear(shape: JoinShape, query: Rows, table: Rows) -> list[int]:
    """The totals, by a dictionary."""
    rows = {bytes(one): index for index, one in enumerate(table.ids)}
    pairs = [(index, rows[bytes(one)]) for index, one in enumerate(query.ids) if bytes(one) in rows]

    def product(value: int | None, payload: int | None, q: int, t: int) -> int:
        v = 1 if value is None else int(query.values[value, q])
        return v if payload is None else v * int(table.values[payload, t])

    return [sum(product(value, payload, q, t) for q, t in pairs) for value, payload, _ in shape.totals]


def opened(shape: JoinShape, query: np.ndarray, helper: np.ndarray) -> list[int]:
    """The totals that two parties' shares add to, as signed integers of their ring."""
    totals = []
    for (_, _, bits), u, v in zip(shape.totals, query, helper, strict=True):
        assert int(u) < 1 << bits
        assert int(v) < 1 << bits
        total = (int(u) + int(v)) % (1 << bits)
        totals.append(total - (1 << bits) if total >> (bits - 1) else total)
    return totals
