"""A statistical audit of noise: what t parties who pool all they see learn of whether one person is in the tables.

From shares to the opened answer, by the product's own plan, with many groups at once: each group is one release. Two
sets of totals differ by what one person adds. A quarter of the releases chooses the event that tells the two best, the
others say how much more likely it is with the person than without: its logarithm is at most the promised epsilon.

    python -m benchmarks.audit              10^5 releases of each set and case; about a quarter of an hour

Such an audit finds mistakes, and proves nothing. `BUGS` are the mistakes that it must find.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glovebox.algebra.laplace import decay
from glovebox.contract.model import parse_contract
from glovebox.identity import key_text
from glovebox.node.steps import finishing_of
from glovebox.planner.plan import Plan
from glovebox.planner.question import plan_question
from glovebox.protocols import finishing as finishing_module
from glovebox.protocols import noise as noise_module
from glovebox.protocols.finishing import Finishing, finish
from glovebox.protocols.reveal import reveal_to_receivers, shares_for_opening
from glovebox.protocols.stacking import stacked_totals
from glovebox.runtime.context import Context
from glovebox.runtime.world import World

GROUPS, PARTIES, CURIOUS = 1000, 3, 0  # releases of one run; the curious party receives the answer, too
THRESHOLD, HIGH, MISSES = 25, 9, 1e-3
LABELS = ", ".join(f"'g{number}'" for number in range(GROUPS))
CONTRACT = parse_contract((
    "glovebox = 1\nname = 'audit'\nversion = 1\npurpose = 'An audit.'\nfrom = 2026-01-01\nuntil = 2026-12-31\n"
    + "".join(
        f"[[party]]\nname = 'p{n}'\nkey = '{key_text(bytes([n]) * 32)}'\naddress = 'p{n}:1'\n" for n in range(PARTIES)
    )
    + "".join(
        f"[[table]]\nowner = ['p0', 'p1', 'p2']\nname = '{name}'\nrows = 1000\n{person}\n[table.columns]\n"
        f"id = {{ type = 'id', form = 'integer' }}\n"
        f"c = {{ type = 'category', values = [{LABELS}], may = ['group'] }}\n"
        f"x = {{ type = 'integer', range = [0, {HIGH}], required = true, may = ['sum', 'avg'] }}\n"
        for name, person in [
            ("rows", "person = 'row'"), ("visits", "rows_per_id = 2\nsame_person_at_several = 'no'")
        ]
    )
    + f"[rules]\nask = ['p0']\nreceive = ['p0']\ngroups_of_at_least = {THRESHOLD}\nquestions = 'any'\n"
    "[privacy]\nepsilon_total = '6'\nepsilon_per_question = '1'\n"
).encode())  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A question and what is looked at. together: how many groups the person is in.

    people: of each group, with the person; at the threshold, whether a group shows tells the most. asked: how many
    times; each time the kept answer comes again, or where it is `fresh`, another one.
    """

    sql: str
    people: int = THRESHOLD
    together: int = 1
    asked: int = 1
    fresh: bool = False


CASES = {
    "count": Case("SELECT c, COUNT(*) AS n FROM rows GROUP BY c"),
    "sum": Case("SELECT c, SUM(x) AS s FROM rows GROUP BY c"),
    "average": Case("SELECT c, AVG(x) AS m FROM rows GROUP BY c"),
    "thresholded count": Case("SELECT c, COUNT(DISTINCT id) AS n FROM visits GROUP BY c", together=2),
    "two groups": Case("SELECT c, COUNT(DISTINCT id) AS n FROM visits GROUP BY c", 10 * THRESHOLD, 2),
    "repeated": Case("SELECT c, COUNT(*) AS n FROM rows GROUP BY c", asked=2),
}


@dataclass(frozen=True)
class Found:
    """How much more likely the best event is with the person, as epsilon: estimated, and at least but for `MISSES`."""

    estimate: float
    at_least: float


async def audited(case: Case, releases: int, seed: int) -> Found:
    """The audit of one case with so many releases of each set of totals."""
    plan = plan_question(CONTRACT, case.sql, {}, 0)
    return found(*[await _evidence(case, plan, bool(person), releases, seed + person) for person in (1, 0)])


async def _evidence(case: Case, plan: Plan, person: bool, releases: int, seed: int) -> NDArray[np.float64]:
    """For each release, how much more likely what the curious party sees is with the person."""
    shape, with_person, without = finishing_of(plan), *_totals(case, plan)
    totals = np.repeat((with_person if person else without)[:, None], GROUPS, axis=1)
    heard = []
    async with World(PARTIES, seed=seed, shamir=True, deadline_s=3600) as world:
        for _ in range(-(-releases * case.together // GROUPS)):
            with _own_noise() as own:
                answers = await world.run(_answered, inputs=[totals] * PARTIES, finishing=shape, case=case)
            heard.append(_likelier(case, shape, with_person, without, answers[CURIOUS], own))
    return np.concatenate(heard)[:releases]


async def _answered(ctx: Context, totals: Any, *, finishing: Finishing, case: Case) -> list[Any]:
    """What the curious party opens, each time that it asks."""
    mine = totals * (ctx.party == 0)
    secret = await stacked_totals(
        ctx.narrow("stacking"), finishing.bits, finishing.most, finishing.groups, ctx.parties, mine
    )
    opening, opened = b"", []
    for time in range(case.asked):
        if case.fresh or not time:
            finished = await finish(ctx.narrow(f"finish{time}"), finishing, secret)
            opening = await shares_for_opening(ctx.narrow(f"opening{time}"), finishing, finished)
        opened.append(await reveal_to_receivers(ctx.narrow(f"reveal{time}"), finishing, opening, (CURIOUS,), "audit"))
    return opened


def _totals(case: Case, plan: Plan) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Every total of one group with a person who has the largest value, and without."""
    assert plan.noise is not None
    most = np.array([person // case.together for person in plan.noise.persons], np.int64)
    return most * case.people, most * (case.people - 1)


@contextlib.contextmanager
def _own_noise() -> Iterator[list[NDArray[np.int64]]]:
    """What the curious party itself puts in, total by total."""
    own: list[NDArray[np.int64]] = []
    draw_halves = noise_module.halves

    def noted(q: Any, count: int, draw: Any) -> NDArray[np.int64]:
        drawn = draw_halves(q, count, draw)
        if draw.__self__.party == CURIOUS:
            own.append(drawn)
        return drawn

    noise_module.halves = noted
    try:
        yield own
    finally:
        noise_module.halves = draw_halves


def _likelier(
    case: Case, shape: Finishing, more: NDArray[np.int64], fewer: NDArray[np.int64], answers: list[Any], own: list[Any]
) -> NDArray[np.float64]:
    """How much more likely the promised noise makes what is seen, less the party's own noise, with the person."""
    noisy = [number for number, one in enumerate(shape.decays) if one]
    evidence = np.zeros(shape.groups)
    for time, opened in enumerate(answers if case.fresh else answers[:1]):
        if (opened.parts != answers[time if case.fresh else -1].parts).any():
            raise AssertionError("a question that is asked again has another answer")
        for place, part in enumerate(shape.parts):
            q = shape.decays[part.total] or decay(1, 1)
            seen = opened.parts[place].astype(np.float64) - own[time * len(noisy) + noisy.index(part.total)]
            told = (np.abs(seen - fewer[part.total]) - np.abs(seen - more[part.total])) * q.s / q.t
            evidence += np.where(opened.shown, told, 0)
        people, q = shape.people, shape.decays[shape.people] or decay(1, 1)
        rest = shape.threshold - own[time * len(noisy) + noisy.index(people)]  # that the others' noise takes people to
        reached, without = (_reached(rest - one[people], q.s / q.t) for one in (more, fewer))
        shown = np.log(reached / without) * all(part.total != people for part in shape.parts)  # else the number says it
        evidence += np.where(opened.shown, shown, np.log((1 - reached) / (1 - without)))
    summed: NDArray[np.float64] = evidence.reshape(-1, case.together).sum(axis=1)
    return summed


def _reached(least: NDArray[np.int64], rate: float) -> NDArray[np.float64]:
    """The chance that a discrete Laplace is `least` or more."""
    tail = np.exp(-rate * np.abs(least - (least <= 0))) / (1 + math.exp(-rate))
    return np.clip(np.where(least > 0, tail, 1 - tail), 1e-12, 1 - 1e-12)


def found(with_person: NDArray[np.float64], without: NDArray[np.float64]) -> Found:
    """The best event {evidence >= c} or {evidence < c}: chosen by every fourth release, told by the others."""
    fourth = np.arange(len(with_person)) % 4 == 0
    chosen, counted = zip(*((one[fourth], one[~fourth]) for one in (with_person, without)), strict=True)
    edges = np.unique(np.concatenate(chosen))
    events = [(edge, above) for edge in edges[:: max(1, len(edges) // 200)] for above in (True, False)]
    best = max(events, key=lambda event: _at_least(*_counts(chosen, *event)))
    k, n, other, m = _counts(counted, *best)
    return Found(math.log((k + 0.5) / (n + 1)) - math.log((other + 0.5) / (m + 1)), _at_least(k, n, other, m))


def _counts(samples: Any, edge: float, above: bool) -> tuple[int, int, int, int]:
    """How many of how many with the likelier side first: with the person above an edge, without below it."""
    sides = samples if above else samples[::-1]
    first, second = ((one >= edge) if above else (one < edge) for one in sides)
    return int(first.sum()), len(first), int(second.sum()), len(second)


def _at_least(k: int, n: int, other: int, m: int) -> float:
    """A lower bound of the logarithm of how much likelier an event is [Clopper and Pearson 1934]."""
    low, high = _low(k, n), 1 - _low(m - other, m)
    return math.log(low / high) if low > 0 else -math.inf


def _low(k: int, n: int) -> float:
    """The chance at which k or more of n happen once in 2 / MISSES times: by bisection."""
    if k == 0:
        return 0.0
    low, high = 0.0, k / n
    counts = np.arange(k, n + 1)
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])
    ways = logs[n] - logs[counts] - logs[n - counts]
    for _ in range(30):
        p = (low + high) / 2
        tail = np.exp(ways + counts * math.log(p) + (n - counts) * math.log1p(-p)).sum()
        low, high = (p, high) if tail < MISSES / 2 else (low, p)
    return low


@contextlib.contextmanager
def _replaced(module: Any, name: str, function: Any) -> Iterator[None]:
    before = getattr(module, name)
    setattr(module, name, function)
    try:
        yield
    finally:
        setattr(module, name, before)


def _half_the_sensitivity() -> contextlib.AbstractContextManager[None]:
    noisy = finishing_module.noisy_totals

    def sharper(ctx: Context, bits: int, totals: Any, decays: Any) -> Any:
        return noisy(ctx, bits, totals, tuple(one and decay(2 * one.s, one.t) for one in decays))

    return _replaced(finishing_module, "noisy_totals", sharper)


def _a_part_missing() -> contextlib.AbstractContextManager[None]:
    draw_halves = noise_module.halves

    def drawn(q: Any, count: int, draw: Any) -> NDArray[np.int64]:
        return draw_halves(q, count, draw) * (draw.__self__.party != 1)

    return _replaced(noise_module, "halves", drawn)


@contextlib.contextmanager
def _an_exact_threshold() -> Iterator[None]:
    noisy, shown, exact = finishing_module.noisy_totals, finishing_module._shown, {}

    async def noted(ctx: Context, bits: int, totals: Any, decays: Any) -> Any:
        exact[ctx.party] = totals
        return await noisy(ctx, bits, totals, decays)

    with (
        _replaced(finishing_module, "noisy_totals", noted),
        _replaced(finishing_module, "_shown", lambda ctx, shape, _: shown(ctx, shape, exact[ctx.party])),
    ):
        yield


def _float_noise() -> contextlib.AbstractContextManager[None]:
    def cut(q: Any, count: int, draw: Any) -> NDArray[np.int64]:
        random, scale = np.random.default_rng(list(draw(16))), q.t / q.s
        return (random.gamma(0.5, scale, count) - random.gamma(0.5, scale, count)).astype(np.int64)

    return _replaced(noise_module, "halves", cut)


BUGS: dict[str, tuple[Case, Callable[[], contextlib.AbstractContextManager[None]]]] = {
    "noise for half the sensitivity": (CASES["count"], _half_the_sensitivity),
    "one party's part is missing": (CASES["count"], _a_part_missing),
    "two answers are paid once": (replace(CASES["repeated"], fresh=True), contextlib.nullcontext),
    "the threshold is held against the exact count": (CASES["thresholded count"], _an_exact_threshold),
    "floating-point noise, cut to integers": (CASES["count"], _float_noise),
}


async def with_bug(name: str, releases: int, seed: int) -> Found:
    """The audit of a product with a planted mistake."""
    case, planted = BUGS[name]
    with planted():
        return await audited(case, releases, seed)


async def main(releases: int) -> None:
    """Print what is found of every case, and of every planted mistake."""
    for name, case in CASES.items():
        one = await audited(case, releases, seed=1)
        print(f"{name}: epsilon {one.estimate:.3f}, at least {one.at_least:.3f}; promised 1", flush=True)
    for name in BUGS:
        one = await with_bug(name, releases, seed=1)
        print(f"{name}: epsilon {one.estimate:.3f}, at least {one.at_least:.3f}; found: {one.at_least > 1}", flush=True)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10**5))
