"""Keys of pseudorandom secret sharing, one for each set of m - t parties.

Each member of a set sends 16 random bytes to the others of the set, over the authenticated links of the session; the
key is HKDF-SHA256 of all contributions in party order, salted with the session's transcript [CDI05]. So no member
alone chooses a key, and no key outlives or leaves its session. In sets of more than two, one might send others unlike
bytes, and what they draw would be no shares of one number: so any two compare a hash of the keys that both have.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import secrets
from collections.abc import Mapping
from itertools import combinations
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from glovebox.errors import IntegrityError

if TYPE_CHECKING:
    from glovebox.runtime.links import Link

CONTRIBUTION = 16  # bytes, the 128 bits of MPyC's keys
LABEL, SAME = "prss/contributions", "prss/same"

Subset = tuple[int, ...]


def sets_of(m: int) -> int:
    """How many sets of m - t parties there are among m, of which t may be corrupt."""
    return math.comb(m, (m - 1) // 2)


def subsets(m: int, threshold: int) -> list[Subset]:
    """All sets of m - threshold parties, in lexicographic order."""
    return list(combinations(range(m), m - threshold))


async def agree_keys(me: int, links: Mapping[int, Link], threshold: int, transcript: bytes) -> dict[Subset, bytes]:
    """The 16-byte keys of the sets that party `me` belongs to. links: to all other parties, by index.

    One round; among more than three parties two. Raises IntegrityError unless members of a set have the same key.
    """
    mine = [subset for subset in subsets(len(links) + 1, threshold) if me in subset]
    parts = {(subset, me): secrets.token_bytes(CONTRIBUTION) for subset in mine}

    async def exchange(peer: int) -> None:
        common = [subset for subset in mine if peer in subset]
        links[peer].post(LABEL, b"".join(parts[subset, me] for subset in common))
        data = bytes(await links[peer].receive(LABEL, CONTRIBUTION * len(common)))
        for i, subset in enumerate(common):
            parts[subset, peer] = data[CONTRIBUTION * i : CONTRIBUTION * (i + 1)]

    await asyncio.gather(*map(exchange, links))
    keys = {subset: _key(subset, b"".join(parts[subset, party] for party in subset), transcript) for subset in mine}

    async def compare(peer: int) -> None:
        common = hashlib.sha256(b"".join(keys[subset] for subset in mine if peer in subset)).digest()
        links[peer].post(SAME, common)
        if bytes(await links[peer].receive(SAME, len(common))) != common:
            raise IntegrityError("a party gave others different parts of a key", step=SAME)

    if len(links) > 2:  # else sets are of two, and nobody is told anything else
        await asyncio.gather(*map(compare, links))
    return keys


def _key(subset: Subset, contributions: bytes, transcript: bytes) -> bytes:
    hkdf = HKDF(algorithm=SHA256(), length=CONTRIBUTION, salt=transcript, info=b"prss" + bytes(subset))
    return hkdf.derive(contributions)
