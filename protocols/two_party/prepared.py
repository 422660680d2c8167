"""Random transfers in both directions, made before the question, and given out once.

Functionality  as correlations.py, once for each direction
Parties        QUERY and TABLE
Security       as correlations.py, or silent.py
Leakage        the numbers of transfers
Rounds         6 + F; F is 1 for silent ones, else 0
Bytes          16704 + 3.125 N + S; both directions' transfers, or keys of the first rounds and trees, see `sizes`
Source         two-party.md 2.1
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from glovebox.protocols.two_party import correlations, silent
from glovebox.protocols.two_party.correlations import Chosen, Sent
from glovebox.runtime.context import Context, Role

U8 = NDArray[np.uint8]
U16 = NDArray[np.uint16]
U64 = NDArray[np.uint64]


@dataclass(frozen=True)
class Needs:
    """How many transfers a run takes, by who chooses."""

    query_nibbles: int = 0
    query_blocks: int = 0
    table_nibbles: int = 0
    table_blocks: int = 0

    def __add__(self, other: Needs) -> Needs:
        return Needs(*(mine + theirs for mine, theirs in zip(self.numbers, other.numbers, strict=True)))

    def __mul__(self, times: int) -> Needs:
        return Needs(*(times * number for number in self.numbers))

    def __or__(self, other: Needs) -> Needs:
        """What covers both, one at a time."""
        return Needs(*map(max, self.numbers, other.numbers))

    def covers(self, other: Needs) -> bool:
        """Whether a run with other needs can be served."""
        return all(mine >= theirs for mine, theirs in zip(self.numbers, other.numbers, strict=True))

    @property
    def numbers(self) -> tuple[int, int, int, int]:
        """All four, in order."""
        return (self.query_nibbles, self.query_blocks, self.table_nibbles, self.table_blocks)

    @property
    def turned(self) -> Needs:
        """The same with QUERY and TABLE in each other's place."""
        return Needs(self.table_nibbles, self.table_blocks, self.query_nibbles, self.query_blocks)

    @property
    def transfers(self) -> int:
        """Keys in all: a nibble takes four."""
        return 4 * (self.query_nibbles + self.table_nibbles) + self.query_blocks + self.table_blocks

    @property
    def size(self) -> int:
        """Bytes that the transfers take in either party's memory, at most."""
        return 2 * (self.query_nibbles + self.table_nibbles) + 17 * (self.query_blocks + self.table_blocks)


class SentBlocks(NamedTuple):
    """keys (n, 2); the choosers' are these or these ^ difference; first: the number of the first in its direction."""

    keys: U64
    difference: U64
    first: int


class ChosenBlocks(NamedTuple):
    """bits (n / 8,) packed, keys (n, 2), and the number of the first in its direction."""

    bits: U8
    keys: U64
    first: int


class Prepared:
    """One party's transfers of both directions; each is handed out once, in the same order at both parties.

    All numbers asked for are multiples of 8. ValueError where there are too few left.
    """

    def __init__(self, sent: Sent, chosen: Chosen) -> None:
        self._sent, self._chosen = sent, chosen
        self._used = [0, 0, 0, 0]

    def __repr__(self) -> str:
        return f"<Prepared: {self._used} used of {self._sent!r}, {self._chosen!r}>"

    def sent_nibbles(self, n: int) -> U16:
        """Tables of the next transfers that this party offers: (n,)."""
        return self._sent.tables[self._next(0, n, len(self._sent.tables))]

    def sent_blocks(self, n: int) -> SentBlocks:
        """The next blocks that the other party chose from."""
        piece = self._next(1, n, len(self._sent.keys))
        return SentBlocks(self._sent.keys[piece], self._sent.difference, piece.start)

    def chosen_nibbles(self, n: int) -> tuple[U8, U8]:
        """Places (n / 2,) and pads (n / 8,) of the next transfers that this party chooses in."""
        piece = self._next(2, n, 2 * len(self._chosen.places))
        octets = slice(piece.start // 8, piece.stop // 8)
        return self._chosen.places[piece.start // 2 : piece.stop // 2], self._chosen.pads[octets]

    def chosen_blocks(self, n: int) -> ChosenBlocks:
        """The next blocks that this party chose."""
        piece = self._next(3, n, len(self._chosen.keys))
        bits = self._chosen.bits[piece.start // 8 : piece.stop // 8]
        return ChosenBlocks(bits, self._chosen.keys[piece], piece.start)

    def _next(self, kind: int, n: int, there: int) -> slice:
        begin = self._used[kind]
        if n % 8 or begin + n > there:
            raise ValueError(f"{n} transfers are asked for, {there - begin} are left")
        self._used[kind] += n
        return slice(begin, begin + n)


def sizes(needs: Needs, low_traffic: bool = False) -> dict[str, float]:
    """The sizes of the card."""
    made_by = silent if low_traffic else correlations
    query = made_by.sizes(needs.query_nibbles, needs.query_blocks)
    table = made_by.sizes(needs.table_nibbles, needs.table_blocks)
    return {name: query.get(name, 0) + table.get(name, 0) for name in ("N", "S")} | {"F": int(low_traffic)}


async def prepare(ctx: Context, needs: Needs, low_traffic: bool = False) -> Prepared:
    """Make the transfers that a run with these needs will use up. Needs no data, and no question."""
    by_query, by_table, made_by = (
        ctx.narrow("by_query"),
        ctx.narrow("by_table"),
        silent if low_traffic else correlations,
    )
    if ctx.role is Role.QUERY:
        chosen = await made_by.chosen_transfers(by_query, needs.query_nibbles, needs.query_blocks)
        return Prepared(await made_by.sent_transfers(by_table, needs.table_nibbles, needs.table_blocks), chosen)
    sent = await made_by.sent_transfers(by_query, needs.query_nibbles, needs.query_blocks)
    return Prepared(sent, await made_by.chosen_transfers(by_table, needs.table_nibbles, needs.table_blocks))
