"""Two parties' openings become public: to the receivers that the contract names, and to no one else.

Functionality  every receiver gets query ^ table of what was finished, and a salt nobody knew before
Parties        QUERY and TABLE send; receivers, one of the two or not, receive
Security       semi-honest; who receives cannot choose its own opening after it has seen the other's
Leakage        the values
Rounds         1 + B; B is 1 if both parties receive, else 0
Bytes          s f + 64 B; s bytes of an opening, f frames: one of each party to each other receiver
Source         session.md (salt, repeat); two-party.md 2.6; commitment by SHA-256 with the salt part as its randomness

What a receiver gets: the other's shares, which with its own (or both, if it computed nothing) say the values and no
more, for one of the two is uniform; and random salt parts. If both receive, each first sends a hash of its opening.
"""

from __future__ import annotations

import hashlib

import numpy as np

from glovebox.errors import IntegrityError, Refused
from glovebox.protocols.finishing import SALT
from glovebox.protocols.reveal import Opened
from glovebox.protocols.two_party.finishing import Ending, opened_numbers
from glovebox.runtime.context import Context

HASH_BYTES = 32


async def reveal_to_receivers(
    ctx: Context, ending: Ending, opening: bytes, receivers: tuple[int, ...], clause: str
) -> Opened | None:
    """Send this party's opening to the receivers; what they opened, at a receiver, else None.

    clause: of the contract, which allows it. Raises BadFrame if an opening is not what was committed to.
    """
    if not clause or len(opening) != ending.opening_bytes or len(ctx.parties) != 2:
        raise Refused("an opening of two parties needs a clause of the contract and its own shares", step="reveal")
    other = next(party for party in ctx.parties if party != ctx.party)
    both = set(ctx.parties) <= set(receivers)
    committed = b""
    if both:
        await ctx.send(other, np.frombuffer(hashlib.sha256(opening).digest(), np.uint8), "commitment")
        committed = (await ctx.receive(other, np.uint8, HASH_BYTES, "commitment")).tobytes()
    for receiver in receivers:
        if receiver != ctx.party:
            await ctx.send(receiver, np.frombuffer(opening, np.uint8), "opening")
    if ctx.party not in receivers:
        return None
    theirs = (await ctx.receive(other, np.uint8, ending.opening_bytes, "opening")).tobytes()
    if both and hashlib.sha256(theirs).digest() != committed:
        ctx.blame(other, "opened what it had not committed to")
    return _opened(ending, [opening, theirs])


async def reveal_from_parties(ctx: Context, ending: Ending, computing: tuple[int, ...], clause: str) -> Opened:
    """What a receiver that computes nothing is sent by the two parties."""
    if not clause or len(computing) != 2:
        raise Refused("an opening of two parties needs a clause of the contract", step="reveal")
    openings = [await ctx.receive(party, np.uint8, ending.opening_bytes, "opening") for party in computing]
    return _opened(ending, [opening.tobytes() for opening in openings])


def _opened(ending: Ending, openings: list[bytes]) -> Opened:
    one, two = (np.frombuffer(opening, np.uint8) for opening in openings)
    both = one ^ two
    numbers = opened_numbers(ending, both[: ending.share_bytes])
    hidden = numbers[0] == 0
    spare = np.unpackbits(both[: ending.share_bytes], bitorder="little")[sum(ending.widths) * ending.finishing.groups :]
    if spare.any() or numbers[1:, hidden].any():
        raise IntegrityError("the shares of an opening do not belong together", step="reveal")
    return Opened(numbers[0].astype(bool), numbers[1:], both[ending.share_bytes :].tobytes()[:SALT])
