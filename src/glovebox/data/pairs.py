"""The pairs of two ids that an owner's rows have, each once."""

from __future__ import annotations

import numpy as np
from sqlglot import exp

from glovebox.data.database import Database, Parameters, batches
from glovebox.data.encoding import encode_ids, encoded_bytes
from glovebox.data.identifiers import DIGEST_BYTES, composed, key, key_bytes
from glovebox.data.loading import LoadedRows, id_column
from glovebox.data.measures import condition
from glovebox.data.passes import Told, kept_rows, untold, without_surplus
from glovebox.data.sources import Source
from glovebox.data.trees import call, is_null, name, not_
from glovebox.data.view import view_of
from glovebox.schema.columns import Table
from glovebox.schema.local import LocalQuery

PAIR_BYTES = encoded_bytes(DIGEST_BYTES)
"""Of a pair's key, a hash of both ids."""


def load_pairs(
    database: Database, query: LocalQuery, table: Table, source: Source, salt: bytes, told: Told = untold
) -> LoadedRows:
    """One line for each pair of ids in a row that passes the filter; its ids are the pair's key and the first id's.

    Raises DataError for a table that is not as it should.
    """
    view, line = view_of(database, table, source), id_column(table, query.ids or "")
    every, snapshot = kept_rows(database, view, source, salt, told)
    every, parameters = without_surplus(view, every, line), Parameters()
    pair = [name(view.name_of(column.name)) for column in (line, id_column(table, query.other))]
    there = [not_(is_null(one)) for one in pair]
    pairs = exp.select(pair[0].as_("id"), pair[1].as_("other")).distinct().from_(every.subquery("every"))
    pairs = pairs.where(condition(query, view, parameters), *there)
    keys = call("unhex", call("sha256", composed([name("id"), name("other")]))).as_("pair"), key(line, name("id"))
    keyed, w = exp.select(keys[0], keys[1].as_("key")).from_(pairs.subquery("pairs")), key_bytes(line)
    found = [np.zeros((0, PAIR_BYTES + encoded_bytes(w)), np.uint8)]
    for batch in batches(database, keyed, parameters):
        both = encode_ids(batch.column("pair"), DIGEST_BYTES), encode_ids(batch.column("key"), w)
        found.append(np.concatenate(both, axis=1))
    ids = np.concatenate(found)
    return LoadedRows(ids, np.zeros((0, len(ids)), np.int64), snapshot, 0, 0)
