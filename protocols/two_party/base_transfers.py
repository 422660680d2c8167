"""A few oblivious transfers of random keys by public-key operations: the seeds of all later ones.

Functionality  sender gets random keys (k0, k1)[i]; chooser gets k[c[i]] for its bits c; n transfers
Parties        QUERY and TABLE, either of them the chooser
Security       semi-honest; CDH in ristretto255, SHA-256 as a random oracle
Leakage        n
Rounds         2
Bytes          32 + 32 n
Source         Chou, Orlandi, LATINCRYPT 2015; ristretto255 of RFC 9496; two-party.md 2.1

What the chooser receives: a random element A. What the sender receives: c A + b G with a fresh b each, uniform whatever
c. An encoding that is not canonical, the identity, or an element that comes twice ends the run.
"""

from __future__ import annotations

import hashlib
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from glovebox.algebra import ristretto
from glovebox.algebra.streams import Stream
from glovebox.runtime.context import Context, Role

U8 = NDArray[np.uint8]
U64 = NDArray[np.uint64]

KEY_BYTES = 16
PEER = {Role.QUERY: Role.TABLE, Role.TABLE: Role.QUERY}


async def random_keys(ctx: Context, n: int) -> U64:
    """The sender's part: (n, 2, 2) uint64, two random 16-byte keys a transfer."""
    peer = peer_of(ctx)
    secret = ristretto.scalar(ctx.private("scalar").bytes(ristretto.UNIFORM_BYTES))
    public = ristretto.base_times(secret)
    await ctx.send(peer, np.frombuffer(public, np.uint8), "key")
    octets = await ctx.receive(peer, np.uint8, (n, ristretto.ELEMENT_BYTES), "choices")
    points = [row.tobytes() for row in octets]
    if not all(map(ristretto.is_element, points)) or len({public, *points}) <= n:
        _refuse(ctx, peer)
    try:
        return await ctx.compute(_both_keys, secret, public, points, ctx.path)
    except ValueError:
        _refuse(ctx, peer)


async def chosen_keys(ctx: Context, choices: U8) -> U64:
    """The chooser's part: (n, 2) uint64, the key of each choice; choices (n,) of 0 and 1."""
    peer = peer_of(ctx)
    public = (await ctx.receive(peer, np.uint8, ristretto.ELEMENT_BYTES, "key")).tobytes()
    if not ristretto.is_element(public):
        _refuse(ctx, peer)
    points, keys = await ctx.compute(_chosen, public, choices, ctx.private("scalars"), ctx.path)
    await ctx.send(peer, points, "choices")
    return keys


def peer_of(ctx: Context) -> Role:
    """The other of the two parties."""
    if ctx.role not in PEER:
        raise ValueError("QUERY and TABLE take part, nobody else")
    return PEER[ctx.role]


def _refuse(ctx: Context, peer: Role) -> NoReturn:
    ctx.blame(peer, "sent an element that the group has not, or one twice")


def _both_keys(secret: bytes, public: bytes, points: list[bytes], step: str) -> U64:
    own = ristretto.times(secret, public)
    keys = []
    for index, point in enumerate(points):
        product = ristretto.times(secret, point)
        keys.append(_key(step, index, public, point, product))
        keys.append(_key(step, index, public, point, ristretto.minus(product, own)))  # a (B - A) = a B - a A
    return np.frombuffer(b"".join(keys), np.uint64).reshape(len(points), 2, 2)


def _chosen(public: bytes, choices: U8, random: Stream, step: str) -> tuple[U8, U64]:
    points, keys = [], []
    for index, choice in enumerate(choices.tolist()):
        secret = ristretto.scalar(random.bytes(ristretto.UNIFORM_BYTES))
        element = ristretto.base_times(secret)
        point = (element, ristretto.plus(element, public))[choice]  # both are made: the same work for either bit
        points.append(point)
        keys.append(_key(step, index, public, point, ristretto.times(secret, public)))
    shape = (len(choices), ristretto.ELEMENT_BYTES)
    return np.frombuffer(b"".join(points), np.uint8).reshape(shape), np.frombuffer(b"".join(keys), np.uint64).reshape(
        -1, 2
    )


def _key(step: str, index: int, public: bytes, point: bytes, shared: bytes) -> bytes:
    text = f"glovebox/base/1/{step}/{index}/".encode()
    return hashlib.sha256(text + public + point + shared).digest()[:KEY_BYTES]
