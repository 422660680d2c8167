"""What one curious party reads off an opened product in plain MPyC, and not in Glovebox.

MPyC tests for zero by opening a r for a random r. Each party sees all shares of a(X) r(X), so the polynomial, finds its
two roots, and takes one of them for the root of a(X): with its own share a(i) that gives a(0). Of the two candidates
the wrong one is a random field element, the right one the secret, a small number. Comparisons use the same step.
"""

from __future__ import annotations

import json

import numpy as np
import pytest

from glovebox.runtime import engine, exchange
from glovebox.runtime.world import World

from ..waiting import PATIENCE_S
from .plain_mpyc import parties

pytestmark = pytest.mark.attack

SECRETS = [4242, -17, 99]

CURIOUS = """
import json
from mpyc import thresha
seen = []
recombine = thresha.np_recombine

def noted(field, points, *rest):
    seen.append([(x, getattr(share, "value", share)) for x, share in points])
    return recombine(field, points, *rest)

async def main():
    thresha.np_recombine = noted
    await mpc.start()
    secint = mpc.SecInt(64)
    a = mpc.input(secint.array(np.array(SECRETS if mpc.pid == 2 else [0, 0, 0])), senders=2)
    own = await mpc.gather(a)
    seen.clear()
    await mpc.np_is_zero_public(a)
    if mpc.pid == 0:
        print(json.dumps([secint.field.modulus, own.value.tolist(), [(x, share.tolist()) for x, share in seen[-1]]]))
    await mpc.shutdown()

mpc.run(main())
"""


def candidates(p: int, own: int, points: list[tuple[int, int]]) -> set[int]:
    """What party 0 (at x = 1) may take a(0) for: its share `own`, and all three shares of a(X) r(X)."""
    (x1, y1), (x2, y2), (x3, y3) = points
    d1 = y1 * pow((x1 - x2) * (x1 - x3), -1, p)
    d2 = y2 * pow((x2 - x1) * (x2 - x3), -1, p)
    d3 = y3 * pow((x3 - x1) * (x3 - x2), -1, p)
    a, b = d1 + d2 + d3, -(d1 * (x2 + x3) + d2 * (x1 + x3) + d3 * (x1 + x2))
    c = d1 * x2 * x3 + d2 * x1 * x3 + d3 * x1 * x2
    square = (b * b - 4 * a * c) % p
    root = pow(square, (p + 1) // 4, p)  # p % 4 == 3
    if root * root % p != square:
        return set()
    zeros = [(-b + sign * root) * pow(2 * a, -1, p) % p for sign in (1, -1)]
    secrets = [own * zero * pow(zero - 1, -1, p) % p for zero in zeros]
    return {secret - p if secret > p // 2 else secret for secret in secrets}


def test_plain_mpyc_lets_one_party_find_the_others_secret(tmp_path):
    with parties(tmp_path, CURIOUS.replace("SECRETS", str(SECRETS))) as running:
        out = running[0].communicate(timeout=PATIENCE_S)[0]
    p, own, points = json.loads(out)
    for i, secret in enumerate(SECRETS):
        assert secret in candidates(p, own[i], [(x, share[i]) for x, share in points])


async def test_glovebox_masks_what_it_opens(monkeypatch):
    seen = []
    combined = exchange._combined

    def noted(shares, modulus):
        seen.append([(party + 1, line) for party, line in sorted(shares.items())])
        return combined(shares, modulus)

    async def tested(ctx, mine):
        runtime, array = ctx.shamir.runtime, ctx.shamir.integers(64).array
        ((a,),) = runtime.input([array(np.array(SECRETS, dtype=object))], senders=[2])
        shares = await ctx.shamir.shares(a)
        zero = await runtime.np_is_zero_public(a)
        return shares, zero.tolist()

    monkeypatch.setattr(exchange, "_combined", noted)
    async with World(shamir=True) as world:
        results = await world.run(tested, inputs=[None] * 3)
    assert [zero for _, zero in results] == [[False] * 3] * 3
    points = next(points for points in seen if len(points) == 3)  # every party sees the same
    found = [candidates(engine.modulus(64), results[0][0][i], [(x, s[i]) for x, s in points]) for i in range(3)]
    assert all(abs(candidate) > 2**64 for each in found for candidate in each)
