"""The numpy form of the kernels of oblivious transfer. Import through `kernels` only, or to test it."""

from __future__ import annotations

import numpy as np

from glovebox.algebra.kernels import U8, U16, U32, U64

FREE = 0xFFFFFFFF
ROUNDS = 100_000
PIECE_ROWS = 1 << 14
ONE_BIT = np.array([[0x5555, 0x3333, 0x0F0F, 0x00FF], [0xAAAA, 0xCCCC, 0xF0F0, 0xFF00]], np.uint16)  # places by bit


def fold(leaves: U64, v: U64, u: U64) -> None:
    """See `kernels.TransferKernels`."""
    for bit in range(len(v)):
        np.bitwise_xor.reduce(leaves[[x for x in range(len(leaves)) if x >> bit & 1]], axis=0, out=v[bit])
    np.bitwise_xor.reduce(leaves, axis=0, out=u)


def transposed(bits: U64) -> U64:
    """See `kernels.TransferKernels`."""
    single = np.unpackbits(np.ascontiguousarray(bits).view(np.uint8), axis=1, bitorder="little")
    return np.packbits(np.ascontiguousarray(single.T), axis=1, bitorder="little").view(np.uint64)


def add_multiples(v: U64, masks: U64, u: U64) -> None:
    """See `kernels.TransferKernels`."""
    v ^= masks[:, None] & np.repeat(u, len(v) // len(u), axis=0)


def keys(planes: U64, begin: int, first: int, difference: U64 | None, out: U64) -> None:
    """See `kernels.TransferKernels`."""
    out[0] = transposed(planes[:128, begin : begin + out.shape[1] // 64])
    out[0, :, 0] ^= np.arange(first, first + out.shape[1], dtype=np.uint64)
    if difference is not None:
        np.bitwise_xor(out[0], difference, out=out[1])


def tables(blocks: U64, images: U64) -> U16:
    """See `kernels.TransferKernels`."""
    masks = (blocks[:, :, 0] ^ images[:, :, 0]).astype(np.uint16).reshape(2, -1, 4) & ONE_BIT[:, None, :]
    out: U16 = np.bitwise_xor.reduce(masks[0] | masks[1], axis=1)
    return out


def pads(blocks: U64, images: U64, choices: U8) -> U8:
    """See `kernels.TransferKernels`."""
    masks = np.bitwise_xor.reduce((blocks[:, 0] ^ images[:, 0]).astype(np.uint16).reshape(-1, 4), axis=1)
    return _packed(masks >> _nibbles(choices))


def offers(tables: U16, shifts: U8, own: U8, bits: U8) -> U16:
    """See `kernels.TransferKernels`."""
    moved = tables.copy()
    shift = _nibbles(shifts)
    for j in range(4):
        low, by = ONE_BIT[0, j], np.uint16(1 << j)
        swapped = ((moved & low) << by) | (moved >> by & low)
        moved ^= (moved ^ swapped) & np.negative(shift >> np.uint16(j) & np.uint16(1))
    moved ^= np.uint16(1) << _nibbles(own)
    moved ^= np.negative(np.unpackbits(bits, bitorder="little").astype(np.uint16))
    return moved


def taken(offers: U16, choices: U8, pads: U8) -> U8:
    """See `kernels.TransferKernels`."""
    return _packed(offers >> _nibbles(choices)) ^ pads


def lookup_sums(tables: U64, places: U8) -> U64:
    """See `kernels.TransferKernels`."""
    out = np.zeros((len(places), 2), np.uint64)
    for begin in range(0, len(places), PIECE_ROWS):
        piece = slice(begin, begin + PIECE_ROWS)
        for index, table in enumerate(tables):
            out[piece] ^= table[places[piece, index]]
    return out


def add_lookups(table: U64, planes: U64, sums: U64) -> None:
    """See `kernels.TransferKernels`."""
    bits = np.unpackbits(np.ascontiguousarray(planes).view(np.uint8), axis=1, bitorder="little")
    sums ^= table[np.packbits(bits, axis=0, bitorder="little")[0]]


def turned(nodes: U64) -> U64:
    """See `kernels.TransferKernels`."""
    return np.stack([nodes[:, 1], nodes[:, 0] ^ nodes[:, 1]], axis=1)


def branched(nodes: U64, turned: U64, images: U64, out: U64, sums: U64) -> None:
    """See `kernels.TransferKernels`."""
    count = nodes.shape[1]
    np.bitwise_xor(turned.reshape(nodes.shape), images.reshape(nodes.shape), out=out[:, :count])
    np.bitwise_xor(out[:, :count], nodes, out=out[:, count:])
    np.bitwise_xor.reduce(out.reshape(len(nodes), 2, count, 2), axis=2, out=sums)


def add_chosen(short: U64, places: U32, out: U64) -> None:
    """See `kernels.TransferKernels`."""
    for begin in range(0, len(out), PIECE_ROWS):
        piece = slice(begin, begin + PIECE_ROWS)
        for column in places[piece].T:
            out[piece] ^= short[column]


def settle(places: U32, slots: int) -> U32:
    """All homeless keys at once move where the label is lowest; of two in one slot the last stays [Khosla13]."""
    owners, labels = np.full(slots, FREE, np.uint32), np.zeros(slots, np.int64)
    moving = np.arange(len(places), dtype=np.uint32)
    for _ in range(ROUNDS):
        if not len(moving):
            return owners
        own = places[moving]
        known = labels[own]
        order = np.argsort(known, axis=1)
        rows = np.arange(len(moving))
        best = own[rows, order[:, 0]]
        before = owners[best]
        owners[best] = moving
        stays = np.flatnonzero(owners[best] == moving)
        labels[best[stays]] = known[rows, order[:, 1]][stays] + 1
        evicted = before[stays]
        moving = np.concatenate([np.delete(moving, stays), evicted[evicted != FREE]])
    return owners[:0]


def _nibbles(octets: U8) -> U16:
    out = np.empty(2 * len(octets), np.uint16)
    out[0::2], out[1::2] = octets & 15, octets >> 4
    return out


def _packed(lowest: U16) -> U8:
    return np.packbits((lowest & np.uint16(1)).astype(np.uint8), bitorder="little")
