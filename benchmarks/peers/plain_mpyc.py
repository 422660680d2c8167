"""Plain MPyC: a joined COUNT and SUM on Shamir shares, as well as we could write it with MPyC's own arrays.

The owners put their ids into bins (`bins.py`) and share them. On shares: the product of all differences of a bin, which
is zero where an id matches; one minus its power p - 1, which is the match bit; the sum of the bits, and of the bits
times the amounts. For p = 2^61 - 1 the power takes 60 squarings and 8 products, fewer than MPyC's own comparison of
secure integers takes random bits.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any

import numpy as np

from benchmarks.peers.bins import all_bins_each, bins_for, depth_for, one_bin_each
from benchmarks.peers.party import tell, this_party

TOTALS = "nothing but the answer, to both owners, and to all the row counts; its links are not encrypted"
ABOUT = {
    "name": "plain MPyC",
    "package": "mpyc",
    "parties": 3,
    "security": "semi-honest, one corrupt party of three; a party or a stranger can run code at the others by a pickle",
    "reveals": {"count": TOTALS, "join": TOTALS},
    "reveals_more": {"count": False, "join": False},
    "largest": 10_000,
}
PRIME = (1 << 61) - 1


def main() -> None:
    """Parties 0 and 1 own tables, party 2 owns none."""
    party = this_party()
    ids, values = party.table()
    counts = [sum(1 for _ in (party.file.parent / name).open()) - 1 for name in ("left.csv", "right.csv")]
    addresses = [part for address in party.addresses() for part in ("-P", address)]
    sys.argv = ["plain_mpyc", *addresses, "-I", str(party.number), "--no-log"]
    from mpyc.runtime import mpc

    seconds: list[float] = []
    answer: list[int] | None = None

    async def runs() -> None:
        nonlocal answer
        await mpc.start()
        for number in range(party.runs):
            await mpc.barrier(f"run {number}")
            began = time.perf_counter()
            answer = await joined(mpc, party.number, ids, values, max(counts), party.work)
            seconds.append(time.perf_counter() - began)
        await mpc.shutdown()

    mpc.run(runs())
    tell(seconds, answer)


async def joined(mpc: Any, me: int, ids: list[str], values: list[int], n: int, work: str) -> list[int] | None:
    """COUNT, and SUM of party 0's values, over the ids of both. Both tables have n ids."""
    field = mpc.SecFld(PRIME)
    bins = bins_for(n)
    one, amounts = np.zeros(bins, np.int64), np.zeros(bins, np.int64)
    many = np.zeros((depth_for(n, bins), bins), np.int64)
    if me == 0:
        one, amounts = one_bin_each(ids, values, b"session")
    if me == 1:
        many = all_bins_each(ids, b"session")
    x, v = mpc.input(field.array(one), senders=0), mpc.input(field.array(amounts), senders=0)
    bits = 1 - power(product(mpc, mpc.input(field.array(many), senders=1) - x))
    wanted = [mpc.np_sum(bits)] + ([bits @ v] if work == "join" else [])
    opened = [await mpc.output(each, receivers=[0, 1]) for each in wanted]
    return [int(each) for each in opened] if me < 2 else None


def product(mpc: Any, rows: Any) -> Any:
    """The product of all rows, by halves."""
    while rows.shape[0] > 1:
        half = rows.shape[0] // 2
        left = rows[2 * half :]
        rows = rows[:half] * rows[half : 2 * half]
        if left.shape[0]:
            rows = mpc.np_concatenate((rows, left))
    return rows[0]


def power(x: Any) -> Any:
    """x^(p - 1), p - 1 = 2 (2^60 - 1): a power 2^k - 1 gives 2^2k - 1 by k squarings and a product."""
    ones, k = x, 1
    for bit in "11100":  # 60 is 111100 in binary
        squared = ones
        for _ in range(k):
            squared = squared * squared
        ones, k = squared * ones, 2 * k
        if bit == "1":
            ones, k = ones * ones * x, k + 1
    if k != 60:
        raise RuntimeError("the chain does not end at 2^60 - 1")
    return ones * ones


if __name__ == "__main__":
    asyncio.set_event_loop(asyncio.new_event_loop())
    main()
