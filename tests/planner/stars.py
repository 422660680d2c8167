"""A star join's answer with each owner's real local part, and its protocol among parties of one process."""

import numpy as np

from glovebox.data.database import open_database
from glovebox.data.facts import load_facts
from glovebox.data.loading import load_rows
from glovebox.data.sources import source_at
from glovebox.node.star import star_rows
from glovebox.planner.answer import answer_of, parts_of
from glovebox.planner.plan import local_queries
from glovebox.planner.shape import star_shapes
from glovebox.protocols.star import star_totals
from glovebox.protocols.star_shape import traffic
from glovebox.runtime.world import World

from .clear import SALT, opened_part


async def answered(plan, contract, files, directory):
    """The answer. files: the file of each (party's name, table)."""
    own = [{} for _ in contract.parties]
    for place, query in enumerate(local_queries(plan)):
        own[query.party][place] = loaded_by(query, contract, files, directory)
    shapes = star_shapes(plan.source)
    async with World(len(own)) as world:
        shares = await world.run(at_each, inputs=[star_rows(each, len(shapes)) for each in own], shapes=shapes)
    assert world.meter.size == traffic(shapes)["B"]
    assert world.meter.rounds <= traffic(shapes)["R"]
    held = [shares[party][place] for place, one in enumerate(shapes) for party in (one.query, one.helper)]
    summed = sum(held).reshape(len(plan.totals), -1)
    totals = np.array([signed(row, total.bits) for row, total in zip(summed, plan.totals, strict=True)])
    for total, groups in zip(plan.totals, totals, strict=True):
        assert all(total.low <= group <= total.high for group in groups.tolist())
    shown = totals[plan.people] >= plan.threshold
    if plan.zero_shown:
        shown |= totals[plan.people] == 0
    opened = np.array([opened_part(part, totals) for part in parts_of(plan)], object).reshape(-1, len(shown))
    return answer_of(plan, shown, opened * shown)


async def at_each(ctx, mine, shapes):
    return await star_totals(ctx, shapes, *mine)


def signed(row, bits):
    return row.view(np.int64) if bits == 64 else row.astype(np.uint32).view(np.int32).astype(np.int64)


def loaded_by(query, contract, files, directory):
    source = source_at(files[contract.parties[query.party].name, query.table], relation=query.table)
    database = open_database([source], directory, 1024, 2)
    try:
        load = load_facts if query.facts else load_rows
        return load(database, query, contract.table(query.table, query.party), source, SALT)
    finally:
        database.close()
