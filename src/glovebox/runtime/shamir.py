"""The finishing engine of one party in one session: what protocols see of it, and nothing of MPyC.

Products and openings are noted, to be checked together before anything of an answer opens (`protocols/verified.py`).
"""

from __future__ import annotations

import asyncio
import math
from asyncio import Future
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from glovebox.algebra.streams import Stream, derive
from glovebox.errors import PeerError, Refused
from glovebox.runtime.coroutines import running
from glovebox.runtime.engine import MOST_PARTIES, SEC_PARAM, Engine, modulus
from glovebox.runtime.exchange import Exchange
from glovebox.runtime.noted import Dealt, Noted, Numbers
from glovebox.runtime.prss import Subset, agree_keys, subsets
from glovebox.runtime.shares import of_set

if TYPE_CHECKING:
    from glovebox.runtime.links import Link


class Shamir:
    """The finishing engine of one party in one session: secure integers shared among the computing parties.

    index: this party's place among them; m: how many; threshold: how many curious parties learn nothing.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.index = engine.pid
        self.m = len(engine.parties)
        self.threshold: int = engine.threshold

    def __repr__(self) -> str:
        return f"<Shamir {self.index} of {self.m}>"

    @property
    def runtime(self) -> Engine:
        """MPyC's runtime, made the one of the running task."""
        running.set(self._engine)
        return self._engine

    def integers(self, bits: int) -> Any:
        """MPyC's type of secure integers -2**(bits-1) <= x < 2**(bits-1); `.array` is that of arrays of them."""
        return self.runtime.SecInt(bits)

    async def shares(self, array: Any) -> list[int]:
        """This party's shares of a secure array, row-major, when they are computed."""
        values: list[int] = (await self.numbers(array)).reshape(-1).tolist()
        return values

    async def numbers(self, array: Any) -> Numbers:
        """The same in the array's shape.

        Raises what ended the session if it failed: PeerLost, BadFrame, or an error of this party's own.
        """
        ready = self.runtime.gather(array)
        if isinstance(ready, Future):
            await asyncio.wait({ready, self._engine.failure}, return_when=asyncio.FIRST_COMPLETED)
            if self._engine.failure.done():
                raise self._engine.failure.exception() or PeerError("the session has ended", step="shamir")
        numbers: Numbers = (await ready).value
        return numbers

    async def dealt(
        self, label: str, senders: Sequence[int], mine: Numbers | None, shape: tuple[int, ...], bits: int
    ) -> list[Numbers]:
        """This party's shares of what each sender has, all of one shape. mine: of a sender. One round."""
        p, count = modulus(bits), math.prod(shape)
        own = None if mine is None else self._engine.exchange.deal(label, mine.reshape(-1) % p, p)
        shares = []
        for sender in senders:
            share = own if sender == self.index else await self._engine.exchange.taken(label, sender, p, count)
            if share is not None:
                shares.append(share.reshape(shape))
        return shares

    async def multiplied(self, label: str, x: Numbers, y: Numbers, bits: int) -> Numbers:
        """Shares of products, of shares of one shape, noted to be checked. One round."""
        return await self._engine.multiplied(label, x, y, modulus(bits))

    async def opened_masked(self, label: str, shares: Numbers, bits: int) -> list[int]:
        """What shares (n,) of degree t are of, to all parties, for it stands under masks; noted. One round."""
        p = modulus(bits)
        opened: list[int] = (await self._engine.opened(label, shares % p, p, self.threshold)).tolist()
        return opened

    def masks(
        self, label: str, bits: int, count: int, places: int, less: int = 0
    ) -> tuple[Numbers, Numbers, list[NDArray[np.uint64]]]:
        """What all sets of m - t parties draw: shares (count,) of the sum of masks, and of their lowest places' sum.

        And the lowest words of each set's masks, (count,), empty where this party is none of the set. Masks are as long
        as the field allows, for a number under one of them may hang on a lie: their sum stays below 2^(bits + 61), half
        of the field, and each has SEC_PARAM bits more than a number of bits - 3 among up to six parties. less: by how
        many bits they are shorter, to stand above so many others.
        """
        p, lowest = modulus(bits), []
        long = bits + SEC_PARAM + 1 - math.comb(self.m, self.threshold).bit_length() - less
        whole = low = np.zeros(count, object)
        for subset, stream in self.sets(label):
            if stream is None:
                lowest.append(np.zeros(0, np.uint64))
                continue
            words = stream.read((-(-long // 64), count), np.uint64)
            words[-1] &= np.uint64((1 << (long - 1) % 64 + 1) - 1)
            lowest.append(words[0])
            drawn = sum(line.astype(object) << 64 * place for place, line in enumerate(words))
            whole = whole + drawn * self.weight(subset, p)
            low = low + (drawn & (1 << places) - 1) * self.weight(subset, p)
        return whole, low, lowest

    def sets(self, label: str) -> list[tuple[Subset, Stream | None]]:
        """All sets of m - t parties, each with a stream that its members draw alike; None where this party is none.

        What a set draws is shared without a word: a member's share is the number times its `weight` [CDI05]. So nobody
        can share it wrongly, and of t parties there is a set that has none.
        """
        keys = self._engine._prss_keys
        return [
            (subset, Stream(derive(keys[subset], label)) if subset in keys else None)
            for subset in subsets(self.m, self.threshold)
        ]

    def weight(self, subset: Subset, modulus: int) -> int:
        """This party's share of a 1 that a set shares."""
        return of_set(self.index, subset, self.m, modulus)

    def of_shares(self, bits: int, shares: Numbers) -> Any:
        """The secure array of which these are this party's shares, of degree t."""
        array = self.integers(bits).array
        return array(array.sectype.field.array(shares % array.sectype.field.modulus, check=False))

    def note_dealt(self, label: str, dealer: int, shares: Numbers, own: Numbers | None, bits: int) -> None:
        """Have it checked that what one party dealt is nothing but 0 and 1. own: the bits, at that party."""
        self.noted.in_field(modulus(bits))
        self.noted.dealt[label] = Dealt(dealer, shares, own)

    async def settled(self) -> Noted:
        """All that is noted since this was called before, when nothing of it is under way."""
        engine = self._engine
        while engine.tasks and not engine.failure.done():
            await asyncio.wait({*engine.tasks, engine.failure}, return_when=asyncio.FIRST_COMPLETED)
        if engine.failure.done():
            raise engine.failure.exception() or PeerError("the session has ended", step="shamir")
        noted, engine.noted = engine.noted, Noted()
        return noted

    @property
    def exchange(self) -> Exchange:
        """What shares of numbers travel by."""
        return self._engine.exchange

    @property
    def noted(self) -> Noted:
        """What is to be checked."""
        return self._engine.noted

    def close(self) -> None:
        """End what still runs and forget the keys."""
        self._engine.fail(PeerError("the session has ended", step="shamir"))
        self._engine._prss_keys.clear()
        self._engine._prfs.clear()


async def open_shamir(
    me: int, links: Mapping[int, Link], transcript: bytes, names: Mapping[int, str] | None = None
) -> Shamir:
    """The finishing engine over authenticated links to all other computing parties, by index; 3 <= m <= 9.

    names: of the parties, by index, for errors. Agrees the keys of pseudorandom secret sharing (`prss.py`). Refused
    below three parties, where the threshold would be 0 and each share the secret itself.
    """
    m = len(links) + 1
    if not 3 <= m <= MOST_PARTIES or set(links) | {me} != set(range(m)):
        raise Refused(f"secure finishing needs 3 to {MOST_PARTIES} computing parties", step="shamir")
    threshold = (m - 1) // 2
    keys = await agree_keys(me, links, threshold, transcript)
    return Shamir(Engine(me, links, threshold, keys, names or {}))
