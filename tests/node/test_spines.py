"""Several spines' totals in one process: exact, at the price that the plan states, in traffic that no data changes."""

from datetime import date
from decimal import Decimal
from functools import partial

import numpy as np
import pytest

from glovebox.data.loading import LoadedRows
from glovebox.node.spines import spine_totals
from glovebox.planner.cost import plan_cost
from glovebox.planner.question import plan_question
from glovebox.runtime.engine import modulus
from glovebox.runtime.world import World

from ..planner.clear import loaded_by
from ..planner.clear import spine_totals as of_spines
from ..planner.spines import lines_by_key, measured
from ..planner.spines import spine_totals as in_the_clear
from ..planner.test_counted_once import CONTRACT, OWNERS
from ..planner.test_derived import write
from ..planner.test_distinct import CONTRACT as DISTINCT
from ..planner.test_distinct import STACK, written
from ..planner.test_stack_joins import ALL as EVERY
from ..planner.test_stack_joins import PAIRS
from ..protocols.joins import encoded
from ..protocols.opening import opened

ALL = " UNION ALL ".join(f"SELECT '{owner}' AS h, * FROM {owner}.s " for owner in OWNERS)
TWO = " UNION ALL ".join(f"SELECT '{owner}' AS h, * FROM {owner}.s " for owner in OWNERS[1:])
PERSONS = "SELECT id, COUNT(DISTINCT h) AS owners, COUNT(*) AS n, SUM(x) AS s, MAX(y) AS most, bool_or(f) AS f"
QUESTIONS = [
    f"SELECT COUNT(DISTINCT id), SUM(x), COUNT(DISTINCT id) FILTER (WHERE x > 0) AS k FROM ({ALL}) u",
    f"SELECT c, COUNT(DISTINCT id), COUNT(*) FROM ({TWO}) u GROUP BY c",
    "SELECT owners, COUNT(*), SUM(s), SUM(CASE WHEN most > 2 THEN 1 ELSE 0 END) AS k, AVG(n) "
    f"FROM ({PERSONS} FROM ({ALL}) u "
    "GROUP BY id) p WHERE s <> 7 GROUP BY owners",
    f"SELECT COUNT(*), COUNT(*) FILTER (WHERE s > 5) AS k, SUM(s) FROM ({PERSONS} FROM ({TWO}) u GROUP BY id) p",
    "SELECT COUNT(*), SUM(u.y), COUNT(DISTINCT u.id) FROM p1.s u "
    "WHERE NOT EXISTS (SELECT 1 FROM p0.s t WHERE t.id = u.id AND x > 0) "
    "AND EXISTS (SELECT 1 FROM p2.s t WHERE t.id = u.id)",
]


def table(seed, n=60):
    draw = np.random.default_rng(seed)
    return [
        {"id": int(draw.integers(40)), "x": int(draw.integers(-9, 10)), "y": int(draw.integers(-9, 10)),
         "f": bool(draw.integers(2)), "c": "uvw"[draw.integers(3)]} for _ in range(n)
    ]  # fmt: skip


def loaded(query, rows):
    """What an owner's database makes of these rows."""
    lines = lines_by_key(query, rows)
    labels = query.groupings[0].labels if query.groupings else ()
    keys = np.array([key[0] * 10 + (labels.index(key[1][0]) if query.by_group else 0) for key in lines], np.uint64)
    values = [[measured(query, index, line) for line in lines.values()] for index in range(len(query.measures))]
    groups = keys.astype(np.int64) % 10 if query.by_group else None
    return LoadedRows(
        encoded(keys), np.array(values, np.int64).reshape(len(values), len(lines)), bytes(32), 0, 0, groups
    )


async def totals_of(ctx, own, *, plan):
    return await ctx.shamir.shares(await spine_totals(ctx, plan, own))


async def run(plan, tables, load=loaded):
    inputs = [{} for _ in range(3)]
    for place, query in enumerate(plan.source.owners):
        inputs[query.party][place] = load(query, tables[query.party])
    async with World(shamir=True, seed=5) as world:
        outs = await world.run(totals_of, inputs=inputs, plan=plan)
        return opened(outs), world.meter


@pytest.mark.parametrize("question", QUESTIONS)
async def test_totals_are_exact_at_the_stated_price(question):
    plan = plan_question(CONTRACT, question, {}, 0)
    tables = dict(enumerate(table(seed) for seed in range(3)))
    (totals, meter), p = await run(plan, tables), modulus(64)
    expected = np.array(in_the_clear(plan, tables), object)
    assert [total - p if total > p // 2 else total for total in totals] == expected.reshape(-1).tolist()
    joined = [frame for frame in meter.frames if "/join/" in frame.step]
    assert sum(frame.size for frame in joined) == plan_cost(plan).size
    _, other = await run(plan, dict(enumerate((table(7, 3), [], table(9, 90)))))
    assert frames_of(meter) == frames_of(other)


async def test_what_is_counted_once_is_exact_at_the_stated_price(tmp_path):
    """Nor does the traffic depend on how many pairs both owners have, or how many a line has."""
    persons = f"SELECT device, COUNT(DISTINCT cust) AS k, COUNT(DISTINCT h) AS b FROM {STACK} GROUP BY device"
    question = f"SELECT b, COUNT(*) AS n, SUM(k) AS s FROM ({persons}) p WHERE k > 1 GROUP BY b"
    plan, p = plan_question(DISTINCT, question, {}, 0), modulus(64)
    every = (table_of_pairs(1), table_of_pairs(2)), ([("d0", 1, 1, "u")] * 9, []), (table_of_pairs(3, 3), [])
    meters = []
    for number, tables in enumerate(every):
        (tmp_path / str(number)).mkdir()
        files = written(tables, tmp_path / str(number))
        load = partial(loaded_by, contract=DISTINCT, files=files, directory=tmp_path, by_id=True)
        totals, meter = await run(plan, [None] * 3, lambda query, _, load=load: load(query))
        expected = of_spines(plan, [load(query) for query in plan.source.owners])
        assert [total - p if total > p // 2 else total for total in totals] == expected.reshape(-1).tolist()
        matched = [frame for frame in meter.frames if "/join/" in frame.step or "/star/" in frame.step]
        assert sum(frame.size for frame in matched) == plan_cost(plan).size
        meters.append(frames_of(meter))
    assert meters[0] == meters[1] == meters[2]


BESIDE = [
    f"SELECT COUNT(*) AS n, SUM(u.y) AS s FROM {EVERY} u JOIN d ON u.id = d.id WHERE u.day <= d.day",
    f"SELECT u.c, d.c AS e, COUNT(*) AS n, SUM(u.y - d.y) AS s FROM {EVERY} u JOIN d ON u.id = d.id "
    "WHERE u.x > d.x OR u.f GROUP BY u.c, d.c ORDER BY 1, 2",
]


@pytest.mark.parametrize("question", BESIDE)
async def test_rows_of_a_stack_meet_anothers_pair_by_pair(tmp_path, question):
    """Each from its owner's file, two of an id at most."""
    plan, p, held = plan_question(PAIRS, question, {}, 0), modulus(64), [days_of(seed) for seed in range(3)]
    files = {(f"p{party}", "d" if party == 2 else "s"): tmp_path / f"{party}.csv" for party in range(3)}
    for path, rows in zip(files.values(), held, strict=True):
        write(path, rows)
    load = partial(loaded_by, contract=PAIRS, files=files, directory=tmp_path, by_id=True)
    totals, meter = await run(plan, [None] * 3, lambda query, _: load(query))
    expected = np.array(in_the_clear(plan, dict(enumerate(held))), object)
    assert [total - p if total > p // 2 else total for total in totals] == expected.reshape(-1).tolist()
    assert sum(frame.size for frame in meter.frames if "/join/" in frame.step) == plan_cost(plan).size


def days_of(party):
    """Nobody is at both owners of the stack."""
    draw = np.random.default_rng(party)
    places = range(20) if party == 2 else range(10 * party, 10 * party + 10)
    return [
        {"id": place, "x": int(draw.integers(-9, 10)), "y": Decimal(int(draw.integers(-99, 100))) / 10,
         "f": bool(draw.integers(2)), "c": "uvw"[draw.integers(3)], "day": date(2026, 1, int(draw.integers(1, 16))),
         "hour": None} for place in places for _ in range(draw.integers(3))
    ]  # fmt: skip


def table_of_pairs(seed, n=30):
    draw = np.random.default_rng(seed)
    return [(f"d{draw.integers(6)}", int(draw.integers(9)), 1, "u") for _ in range(n)]


def frames_of(meter):
    """What goes over each link, whatever comes first of what does not wait for another."""
    return {link: sorted(frames) for link, frames in meter.shape().items()}
