"""Finishing alone: from ring shares of group totals to the opened answer, threshold and averages on shares.

Three parties in one process (`World`), memory links without delay: seconds are all three parties' work on one core, and
bytes and rounds are those of the protocols' frames, the same as over TLS.
"""

from __future__ import annotations

import statistics
import time
from fractions import Fraction
from typing import Any

import numpy as np

from glovebox.algebra.laplace import decay
from glovebox.protocols.conversion import secure_totals
from glovebox.protocols.finishing import Finishing, Part, finish
from glovebox.protocols.noise import most_noise
from glovebox.protocols.quotient import MICRO
from glovebox.protocols.reveal import reveal_to_receivers, shares_for_opening
from glovebox.protocols.verified import verified
from glovebox.runtime.context import Context, Role
from glovebox.runtime.world import ROLES, World

PEOPLE, CENTS, THRESHOLD = 1_000_000, 500_000, 25
RINGS = (32, 64)  # of the two totals of a group: people, and the sum of their amounts
RECEIVERS = (0, 1)
SUMS = (Part("total", 0), Part("total", 1))
NOISE = (decay(1, 2), decay(1, 2 * CENTS))  # epsilon 1 shared by both totals, and one person has one row
AVERAGES = (Part("quotient", 1, 0, 0, CENTS), Part("null", over=0))
WORKLOADS = {"threshold": SUMS, "threshold, noise": SUMS, "threshold, averages": AVERAGES}


async def measured(workload: str, groups: int, runs: int) -> dict[str, Any]:
    """Figures of one shape, after one run to warm up."""
    parts = WORKLOADS[workload]
    noise = NOISE if "noise" in workload else ()
    finishing = Finishing(groups, (PEOPLE, PEOPLE * CENTS), 0, THRESHOLD, False, parts, noise)
    totals, query, helper = _shared(groups)
    seconds, right = [], True
    async with World(seed=1, shamir=True, deadline_s=3600) as world:
        for _ in range(runs + 1):
            began = time.perf_counter()
            opened = (await world.run(_answered, query=query, helper=helper, finishing=finishing)).query
            seconds.append(time.perf_counter() - began)
            right = right and _is_right(opened, totals, parts, noise)
        size, rounds = world.meter.size, world.meter.rounds
        checks = sum(frame.size for frame in world.meter.frames if frame.step.startswith("verified/"))
        checks += sum(frame.size for frame in world.meter.frames if "/checked/" in frame.step)
    del seconds[0]
    return {
        "workload": f"finishing, {workload}",
        "rows": groups,
        "line": "memory",
        "runs": runs,
        "seconds": round(statistics.median(seconds), 4),
        "spread_seconds": [round(min(seconds), 4), round(max(seconds), 4)],
        "bytes_per_row": round(size / groups, 2),
        "check_bytes": checks,
        "rounds": rounds,
        "equal": right,
        "security": "active but for inputs, one corrupt party of three, static",
        "reveals": "to two parties what is opened of a group of 25 and more, of others that they are smaller",
    }


async def _answered(ctx: Context, mine: Any, *, finishing: Finishing) -> Any:
    secret = await secure_totals(
        ctx.narrow("conversion"),
        finishing.bits,
        RINGS,
        finishing.most,
        finishing.groups,
        ROLES[Role.QUERY],
        ROLES[Role.HELPER],
        mine,
    )
    finished = await finish(ctx.narrow("finish"), finishing, secret)
    await verified(ctx.narrow("verified"))
    opening = await shares_for_opening(ctx.narrow("opening"), finishing, finished)
    return await reveal_to_receivers(ctx.narrow("reveal"), finishing, opening, RECEIVERS, "benchmark")


def _shared(groups: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Totals (2, groups), every third group too small to show, and ring shares of them at QUERY and HELPER."""
    random = np.random.default_rng(groups)
    people = np.where(np.arange(groups) % 3, random.integers(THRESHOLD, PEOPLE, groups), THRESHOLD - 1)
    totals = np.stack([people, people * random.integers(0, CENTS, groups)])
    query = random.integers(0, 1 << 63, totals.shape, dtype=np.uint64)
    helper = totals.view(np.uint64) - query
    ring = np.array([(1 << bits) - 1 for bits in RINGS], np.uint64)[:, None]
    return totals, query & ring, helper & ring


def _is_right(opened: Any, totals: np.ndarray[Any, Any], parts: tuple[Part, ...], noise: tuple[Any, ...]) -> bool:
    """Whether what was opened is exact; with noise, whether it is as near as halves of noise reach."""
    shown, lines = _in_the_clear(totals, parts)
    if not noise:
        return (opened.shown.tolist(), opened.parts.tolist()) == (shown, lines)
    far = [most_noise(one, len(ROLES)) for one in noise]
    return all(
        abs(value - true) <= reach or not seen
        for line, exact, reach in zip(opened.parts, totals, far, strict=True)
        for value, true, seen in zip(line, exact, opened.shown, strict=True)
    )


def _in_the_clear(totals: np.ndarray[Any, Any], parts: tuple[Part, ...]) -> tuple[list[bool], list[list[int]]]:
    """What must be opened."""
    shown = [bool(people >= THRESHOLD) for people in totals[0]]
    lines = []
    for part in parts:
        values = [_value(part, [int(total) for total in group]) for group in totals.T]
        lines.append([value if visible else 0 for value, visible in zip(values, shown, strict=True)])
    return shown, lines


def _value(part: Part, totals: list[int]) -> int:
    match part.kind:
        case "total":
            return totals[part.total]
        case "null":
            return int(totals[part.over] == 0)
    return round(Fraction(MICRO * totals[part.total], totals[part.over])) if totals[part.over] else 0
