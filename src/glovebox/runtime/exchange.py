"""What parties send each other of secret numbers: shares of what one has, of products, and of what opens.

Field integers in object arrays (n,), and nothing of MPyC. Every frame has its exact size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from glovebox.errors import BadFrame
from glovebox.runtime.shares import at_zero, decode, encode, split, width

if TYPE_CHECKING:
    from glovebox.runtime.links import Link

Numbers = NDArray[np.object_]


class Exchange:
    """One party's links to all others of m > 2 threshold. names: of the parties, by index, for errors."""

    def __init__(self, me: int, links: Mapping[int, Link], threshold: int, names: Mapping[int, str]) -> None:
        self.me, self.m, self.threshold = me, len(links) + 1, threshold
        self._links, self._names = links, names

    def __repr__(self) -> str:
        return f"<Exchange of party {self.me} of {self.m}>"

    def deal(self, label: str, values: Numbers, modulus: int) -> Numbers:
        """Send everyone a share of degree t of each value; this party's own."""
        dealt = split(values, modulus, self.threshold, self.m)
        for peer, link in self._links.items():
            link.post(label, encode(dealt[peer].tolist(), modulus))
        return dealt[self.me]

    async def taken(self, label: str, peer: int, modulus: int, count: int) -> Numbers:
        """What one peer dealt, or its shares."""
        data = await self._links[peer].receive(label, count * width(modulus))
        try:
            values = decode(data, modulus, count)
        except ValueError as error:
            name = self._names.get(peer, f"party {self._links[peer].peer}")
            raise BadFrame(f"{name} {error}", party=name, step=label) from None
        return np.array(values, dtype=object)

    async def reshared(self, label: str, values: Numbers, modulus: int) -> Numbers:
        """Shares of degree t of values whose shares have degree 2t [GRR98], from 2t + 1 senders. One round.

        The senders are always the first, as in the check: among an even number a liar can deal a share that is on no
        polynomial, and of what that makes of a product, others say something else, which would tell the other factor.
        """
        senders = range(2 * self.threshold + 1)
        mine = self.deal(label, values, modulus) if self.me in senders else None
        shares = {}
        for sender in senders:
            shares[sender] = mine if sender == self.me else await self.taken(label, sender, modulus, len(values))
        return _combined(shares, modulus)

    async def opened(self, label: str, shares: Numbers, modulus: int, degree: int) -> Numbers:
        """The values of shares of a degree, of which each party is sent as many. One round."""
        data, count = encode(shares.tolist(), modulus), len(shares)
        for k in range(1, degree + 1):
            self._links[(self.me + k) % self.m].post(label, data)
        seen = {self.me: shares}
        for k in range(degree, 0, -1):
            peer = (self.me - k) % self.m
            seen[peer] = await self.taken(label, peer, modulus, count)
        return _combined(seen, modulus)


def _combined(shares: Mapping[int, Numbers | None], modulus: int) -> Numbers:
    lines: Sequence[tuple[int, Numbers]] = [(party, line) for party, line in shares.items() if line is not None]
    weights = at_zero(tuple(party for party, _ in lines), modulus)
    total: Numbers = sum(weight * line for weight, (_, line) in zip(weights, lines, strict=True)) % modulus
    return total
