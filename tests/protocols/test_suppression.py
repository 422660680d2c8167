"""No hidden group is told by the groups that show and the totals that other answers give: a solver tries.

Could a party tell anything beyond the leakage line? The messages are those of `test_threshold.py`, and shares of
products; what opens is in `finishing.py`: of a group that is hidden for another's sake the same zeros as of a small
one. Receivers see which groups are hidden, and not why.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

from glovebox.protocols.finishing import Finishing, Part, finish
from glovebox.protocols.stacking import stacked_totals
from glovebox.protocols.suppression import Nesting
from glovebox.runtime.world import World

from .opening import opened

MOST = 10**4


async def finished(ctx, people, *, finishing):
    mine = np.array([people], dtype=np.int64) * (ctx.party == 0)
    secret = await stacked_totals(ctx, 64, finishing.most, finishing.groups, ctx.parties, mine)
    return await ctx.shamir.shares(await finish(ctx, finishing, secret))


async def answers(people, threshold, nesting, zero_shown=False, m=3):
    """What is opened of tables of one shape, side by side: (tables, groups) shown, and people."""
    tables = np.array(people).reshape(len(people), -1)
    shape = Finishing(tables.shape[1], (MOST,), 0, threshold, zero_shown, (Part("total"),), nesting=nesting)
    async with World(m, shamir=True, deadline_s=120) as world:
        found = []
        for table in tables:
            outs = await world.run(finished, inputs=[table] * m, finishing=shape)
            found.append(np.array(opened(outs)).reshape(2, -1))
    return np.stack([one[0] for one in found]).astype(bool), np.stack([one[1] for one in found])


def nesting(shape: tuple[int, ...], *kept: tuple[int, ...], several: bool = False) -> Nesting:
    """Of a table of that shape, the totals over all axes but those kept, from the coarsest on."""
    axes = [axis for level in kept for axis in level]
    order = list(dict.fromkeys([*axes, *range(len(shape))]))
    places = np.arange(math.prod(shape)).reshape(shape).transpose(order).reshape(-1)
    return Nesting(tuple(places.tolist()), tuple(math.prod(shape[axis] for axis in level) for level in kept), several)


def expected(people, threshold, shape, kept, zero_shown=False):
    """The rule in the clear: (groups,) shown."""
    order = np.array(nesting(shape, *kept).order)
    levels = [people[order].reshape(math.prod(shape[axis] for axis in level), -1).sum(axis=1) for level in kept]
    levels.append(people[order])
    mask = None
    for level in levels:
        shown = (level >= threshold) | (zero_shown & (level == 0))
        if mask is not None:
            lines, sizes = shown.reshape(len(mask), -1), level.reshape(len(mask), -1)
            for line, size in zip(lines, sizes, strict=True):
                if not line.all() and size[~line].sum() < threshold and (size >= threshold).any():
                    line[np.flatnonzero(size >= threshold)[-1]] = False
            shown = (lines & mask[:, None]).reshape(-1)
        mask = shown
    return mask[np.argsort(order)]


@pytest.mark.parametrize("zero_shown", [False, True])
@pytest.mark.parametrize(
    ("shape", "kept"), [((6,), [()]), ((3, 4), [(0,)]), ((3, 4), [(1,)]), ((2, 3, 2), [(), (1,), (1, 0)])]
)
async def test_the_rule_is_applied_to_each_line(shape, kept, zero_shown):
    random = np.random.default_rng(len(shape))
    people = random.choice([0, 1, 4, 9, 10, 11, 30, 400], (12, math.prod(shape)))
    people[0], people[1], people[2] = 0, 10, 9
    shown, told = await answers(people, 10, nesting(shape, *kept), zero_shown)
    for table, mask, values in zip(people, shown, told, strict=True):
        assert (mask == expected(table, 10, shape, kept, zero_shown)).all(), table
        assert (values == table * mask).all()


@pytest.mark.parametrize("m", [4, 5])
async def test_more_parties_suppress_alike(m):
    people = [[30, 4, 11, 25], [30, 40, 11, 25]]
    shown, _ = await answers(people, 10, nesting((4,), ()), m=m)
    assert shown.tolist() == [[True, False, True, False], [True] * 4]


async def test_where_people_are_in_several_groups_a_large_one_is_always_among_the_hidden():
    people = [[9, 9, 9, 40, 50], [30, 40, 11, 25, 9], [9, 9, 9, 9, 9]]
    shown, _ = await answers(people, 10, nesting((5,), (), several=True))
    assert shown.tolist() == [[False] * 3 + [True, False], [True] * 3 + [False] * 2, [False] * 5]


async def test_where_totals_cross_all_groups_show_or_none():
    shown, told = await answers([[30, 40, 10, 0], [30, 9, 10, 0]], 10, nesting((2, 2)), zero_shown=True)
    assert shown.tolist() == [[True] * 4, [False] * 4]
    assert told.tolist() == [[30, 40, 10, 0], [0] * 4]


def extent(equations: np.ndarray, sums: np.ndarray, place: int) -> tuple[float, float]:
    """The least and the most that one of several unknowns, none below 0, may be: the simplex method, Bland's rule."""
    ends = []
    for sign in (1, -1):
        rows, count = equations.shape
        flip = np.where(sums < 0, -1, 1)[:, None]
        table = np.hstack([equations * flip, np.eye(rows), sums[:, None] * flip]).astype(float)
        basis = list(range(count, count + rows))
        for cost in (np.r_[np.zeros(count), np.ones(rows)], sign * np.eye(1, count + rows, place)[0]):
            while True:
                reduced = cost - cost[basis] @ table[:, :-1]
                entering = np.flatnonzero(reduced[: count + rows * bool(cost[-1])] < -1e-9)
                if not len(entering):
                    break
                column = table[:, entering[0]]
                ratios = np.where(column > 1e-9, table[:, -1] / np.where(column > 1e-9, column, 1), np.inf)
                if np.isinf(ratios.min()):
                    return 0.0, np.inf
                leaving = min(np.flatnonzero(ratios <= ratios.min() + 1e-9), key=lambda row: basis[row])
                table[leaving] /= table[leaving, entering[0]]
                others = np.arange(rows) != leaving
                table[others] -= np.outer(table[others, entering[0]], table[leaving])
                basis[leaving] = entering[0]
        ends.append(next((table[row, -1] for row, unknown in enumerate(basis) if unknown == place), 0.0))
    return ends[0], ends[1]


def test_the_solver_finds_what_there_is_to_find():
    equations, sums = np.array([[1, 1, 0], [0, 1, 1]]), np.array([5, 3])
    assert [extent(equations, sums, place) for place in range(3)] == [(2, 5), (0, 3), (0, 3)]
    assert extent(np.array([[1]]), np.array([7]), 0) == (7, 7)


def narrowest(levels, shown) -> float:
    """The shortest range in which a solver that sees all answers places a number that is hidden in one of them.

    levels: people of a table on each level, from the coarsest on; shown: what each level's answer shows of them.
    """
    numbers, seen = np.concatenate(levels), np.concatenate(shown)
    starts = np.cumsum([0, *(len(level) for level in levels)])
    equations = []
    for upper, (above, level) in enumerate(pairwise(levels)):
        each = len(level) // len(above)
        for place in range(len(above)):
            line = np.zeros(len(numbers))
            line[starts[upper] + place] = -1
            line[starts[upper + 1] + each * place : starts[upper + 1] + each * (place + 1)] = 1
            equations.append(line)
    system = np.stack(equations)
    sums = -system[:, seen] @ numbers[seen]
    used = np.abs(system[:, ~seen]).any(axis=1)
    ranges = [extent(system[used][:, ~seen], sums[used], place) for place in range(int((~seen).sum()))]
    return min((most - least for least, most in ranges), default=np.inf)


def tables(count: int, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Random tables with many small groups, one a line."""
    random = np.random.default_rng(seed)
    sizes = random.choice([3.0, 12.0, 60.0], (count, 1)) * random.exponential(1, (count, math.prod(shape)))
    return np.where(random.random(sizes.shape) < 0.15, 0, sizes.astype(np.int64))


@pytest.mark.parametrize("zero_shown", [False, True])
@pytest.mark.parametrize(("shape", "count"), [((5,), 250), ((2, 3), 150), ((3, 4), 100)])
async def test_a_solver_recovers_no_hidden_cell_to_less_than_the_thresholds_range(shape, count, zero_shown):
    """In both forms together 1,000 tables; of each the total, the totals of its rows, and its cells, are asked for.

    All tables are answered in one run: what tells them apart is the first of the groups' columns.
    """
    threshold, people = 11, tables(count, shape, seed=sum(shape))
    whole = (count, *shape)
    levels, shown = [], []
    for depth in range(len(whole)):
        sizes = people.reshape(*whole[: depth + 1], -1).sum(axis=-1)
        above = [tuple(range(kept)) for kept in range(1, depth + 1)]
        totals = nesting(whole[: depth + 1], *above) if above else None
        mask, _ = await answers([sizes.reshape(-1)], threshold, totals, zero_shown)
        levels.append(sizes.reshape(count, -1))
        shown.append(mask[0].reshape(count, -1))
    assert 0.1 < shown[-1].mean() < 0.9
    unprotected = 0
    for table in range(count):
        sizes = [level[table] for level in levels]
        assert narrowest(sizes, [mask[table] for mask in shown]) >= threshold - 1
        large = [(level >= threshold) | (zero_shown & (level == 0)) for level in sizes]
        unprotected += narrowest(sizes, large) < threshold - 1
    assert unprotected > count / 10  # which shows that the solver would have
