"""The one place where a secret becomes public: to the receivers that the contract names, and to no one else.

Functionality  every receiver gets the values of a finished secure array, and a salt nobody knew before
Parties        all m computing parties send; receivers, computing or not, receive
Security       t = (m - 1) // 2 corrupt parties: a receiver detects up to t wrong shares
Leakage        the values
Rounds         1
Bytes          v s f + 32 f; v values of s bytes, f frames: one of each computing party to each other receiver. Before
               it, from each computing party to each other, one round of one byte, that it keeps its opening
Source         Shamir, CACM 1979; session.md (salt, repeat)

What a receiver gets: all shares of each value, fresh from a product (`finishing.py`), so no more than the value; and
one random salt part of each computing party. What any other party gets: nothing. That the shares are those of the
right values is checked before (`verified.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glovebox.errors import IntegrityError, Refused
from glovebox.protocols.finishing import SALT, Finishing
from glovebox.runtime.context import Context
from glovebox.runtime.engine import modulus
from glovebox.runtime.shares import decode, encode, recombined, width


@dataclass(frozen=True)
class Opened:
    """What receivers learn: shown (groups,) bool, parts (parts, groups) of int (object), salt (32 bytes)."""

    shown: NDArray[np.bool_]
    parts: NDArray[Any]
    salt: bytes

    def __repr__(self) -> str:
        return f"<Opened {self.parts.shape[0]} parts of {self.parts.shape[1]} groups>"


def opening_bytes(finishing: Finishing) -> int:
    """Bytes of one party's opening."""
    return SALT + finishing.rows * finishing.groups * width(modulus(finishing.bits))


async def shares_for_opening(ctx: Context, finishing: Finishing, finished: Any) -> bytes:
    """This party's shares of a finished array and its part of the salt. Nothing is sent.

    The caller stores these bytes, then gives them to `reveal_to_receivers`, now and whenever they are asked for again.
    """
    shares = await ctx.shamir.shares(finished)
    return encode(shares, modulus(finishing.bits)) + ctx.private("salt").bytes(SALT)


async def all_keep_theirs(ctx: Context) -> None:
    """Return when every computing party has its opening on disk: an answer that left somebody can be given again."""
    others = [party for party in ctx.parties if party != ctx.party]
    for party in others:
        await ctx.send(party, np.zeros(1, np.uint8))
    for party in others:
        await ctx.receive(party, np.uint8, 1)


async def reveal_to_receivers(
    ctx: Context, finishing: Finishing, opening: bytes, receivers: tuple[int, ...], clause: str
) -> Opened | None:
    """Send this computing party's opening to the receivers; what they opened, at a receiver, else None.

    clause: of the contract, which allows it. Raises IntegrityError if shares do not belong together.
    """
    if not clause or len(opening) != opening_bytes(finishing):
        raise Refused("an opening needs a clause of the contract and its own shares", step="reveal")
    for receiver in receivers:
        if receiver != ctx.party:
            await ctx.send(receiver, np.frombuffer(opening, dtype=np.uint8), "opening")
    return await _receive(ctx, finishing, ctx.parties, opening) if ctx.party in receivers else None


async def reveal_from_parties(ctx: Context, finishing: Finishing, computing: tuple[int, ...], clause: str) -> Opened:
    """What a receiver that computes nothing is sent by the computing parties, in contract order."""
    if not clause:
        raise Refused("an opening needs a clause of the contract", step="reveal")
    return await _receive(ctx, finishing, computing, None)


async def _receive(ctx: Context, finishing: Finishing, computing: tuple[int, ...], own: bytes | None) -> Opened:
    size, p = opening_bytes(finishing), modulus(finishing.bits)
    shares, salt = {}, np.zeros(SALT, dtype=np.uint8)
    for index, party in enumerate(computing):
        if party == ctx.party and own is not None:
            opening = own
        else:
            opening = (await ctx.receive(party, np.uint8, size, "opening")).tobytes()
        try:
            shares[index] = decode(opening[:-SALT], p, finishing.rows * finishing.groups)
        except ValueError as error:
            ctx.blame(party, str(error))
        salt ^= np.frombuffer(opening[-SALT:], dtype=np.uint8)
    values = recombined(shares, p, (len(computing) - 1) // 2, "reveal")
    opened = np.array(values, dtype=object).reshape(finishing.rows, finishing.groups)
    if not all(bit in (0, 1) for bit in opened[0]):
        raise IntegrityError("the shares of an opening do not belong together", step="reveal")
    return Opened(opened[0].astype(bool), opened[1:], salt.tobytes())
