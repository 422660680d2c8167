"""The lines of several tables of one owner, put together by their ids: each table is loaded for itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from glovebox.data.loading import LoadedRows
from glovebox.data.snapshot import snapshot_of
from glovebox.errors import DataError, GloveboxError
from glovebox.schema.local import LocalQuery


def together(query: LocalQuery, loaded: Sequence[LoadedRows]) -> LoadedRows:
    """One line for each id that any of the tables has. loaded: of each of `query.tables` its own lines.

    What an id has no rows of is zero, and of a least number its `high`. DataError for more lines than the plan has.
    """
    if len(loaded) == 1:
        return loaded[0]
    if len({one.ids.shape[1] for one in loaded}) > 1:
        raise GloveboxError("ids of one owner's tables differ in form", code="plan", step="loaded")
    ids = np.concatenate([one.ids for one in loaded])
    keys, places = np.unique(ids.view(np.dtype((np.void, ids.shape[1]))).ravel(), return_inverse=True)
    if len(keys) > query.lines:
        raise DataError(f"{query.table} and what is beside it have more ids than the plan has lines", step="loaded")
    of_table = np.split(places, np.cumsum([len(one.ids) for one in loaded])[:-1])
    values, taken = np.zeros((len(query.measures), len(keys)), np.int64), [0] * len(loaded)
    for line, measure in zip(values, query.measures, strict=True):
        line[:] = measure.high if measure.kind == "least" else 0
        line[of_table[measure.of]] = loaded[measure.of].values[taken[measure.of]]
        taken[measure.of] += 1
    return LoadedRows(
        keys.view(np.uint8).reshape(len(keys), ids.shape[1]),
        values,
        snapshot_of([one.snapshot for one in loaded]),
        sum(one.null_ids for one in loaded),
        sum(one.ids_without_form for one in loaded),
    )
