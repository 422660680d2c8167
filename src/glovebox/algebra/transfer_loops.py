"""The compiled form of the kernels of oblivious transfer. Import through `kernels` only."""

from __future__ import annotations

import functools

import numba
import numpy as np
from numpy.typing import NDArray

from glovebox.algebra.kernels import U8, U16, U32, U64

READ_ONLY = functools.partial(numba.types.Array, readonly=True)  # as arrays of received bytes are
LANES = 8  # 64 x 64 bit matrices that are transposed side by side, one in each lane of a vector register
FREE = np.uint32(0xFFFFFFFF)
NONE = np.zeros(2, np.uint64)
MOST_MOVES = 1000  # a key moves 2 to 5 times on average; where none is left to move to, labels grow until this is spent


def fold(leaves: U64, v: U64, u: U64) -> None:
    """See `kernels.TransferKernels`."""
    if len(leaves) == 16:
        _fold16(leaves, v[0], v[1], v[2], v[3], u)
    else:
        _fold32(leaves, v[0], v[1], v[2], v[3], v[4], u)


def transposed(bits: U64) -> U64:
    """See `kernels.TransferKernels`."""
    out = np.empty((64 * bits.shape[1], len(bits) // 64), np.uint64)
    _transposed(bits, out)
    return out


def add_multiples(v: U64, masks: U64, u: U64) -> None:
    """See `kernels.TransferKernels`."""
    _add_multiples(v, masks, u)


def keys(planes: U64, begin: int, first: int, difference: U64 | None, out: U64) -> None:
    """See `kernels.TransferKernels`."""
    _keys(planes, begin, np.uint64(first), NONE if difference is None else difference, out)


def tables(blocks: U64, images: U64) -> U16:
    """See `kernels.TransferKernels`."""
    out = np.empty(blocks.shape[1] // 4, np.uint16)
    _tables(blocks, images, out)
    return out


def pads(blocks: U64, images: U64, choices: U8) -> U8:
    """See `kernels.TransferKernels`."""
    out = np.empty(len(blocks) // 32, np.uint8)
    _pads(blocks, images, choices, out)
    return out


def offers(tables: U16, shifts: U8, own: U8, bits: U8) -> U16:
    """See `kernels.TransferKernels`."""
    out = np.empty(len(tables), np.uint16)
    _offers(tables, shifts, own, bits, out)
    return out


def taken(offers: U16, choices: U8, pads: U8) -> U8:
    """See `kernels.TransferKernels`."""
    out = np.empty(len(pads), np.uint8)
    _taken(offers, choices, pads, out)
    return out


def lookup_sums(tables: U64, places: U8) -> U64:
    """See `kernels.TransferKernels`."""
    out = np.empty((len(places), 2), np.uint64)
    _lookup_sums(tables, places, out)
    return out


def add_lookups(table: U64, planes: U64, sums: U64) -> None:
    """See `kernels.TransferKernels`."""
    _add_lookups(table, planes, sums)


def turned(nodes: U64) -> U64:
    """See `kernels.TransferKernels`."""
    out = np.empty_like(nodes)
    _turned(nodes, out)
    return out


def branched(nodes: U64, turned: U64, images: U64, out: U64, sums: U64) -> None:
    """See `kernels.TransferKernels`."""
    _branched(nodes, turned, images, out, sums)


def add_chosen(short: U64, places: U32, out: U64) -> None:
    """See `kernels.TransferKernels`."""
    _add_chosen(short, places, out)


def settle(places: U32, slots: int) -> U32:
    """See `kernels.TransferKernels`."""
    owners = np.full(slots, FREE, np.uint32)
    done = _settle(places, owners, np.zeros(slots, np.uint32))
    return owners if done else owners[:0]


ROW = numba.uint64[::1]


@numba.njit(numba.void(numba.uint64[:, ::1], ROW, ROW, ROW, ROW, ROW), nogil=True, cache=True)
def _fold16(leaves: U64, v0: U64, v1: U64, v2: U64, v3: U64, u: U64) -> None:
    for i in range(leaves.shape[1]):
        # pairs, then pairs of pairs: the odd one of each pair is the one whose bit is set
        v0[i] = (
            leaves[1, i] ^ leaves[3, i] ^ leaves[5, i] ^ leaves[7, i]
            ^ leaves[9, i] ^ leaves[11, i] ^ leaves[13, i] ^ leaves[15, i]
        )  # fmt: skip
        b0, b1, b2, b3 = (
            leaves[0, i] ^ leaves[1, i], leaves[2, i] ^ leaves[3, i],
            leaves[4, i] ^ leaves[5, i], leaves[6, i] ^ leaves[7, i],
        )  # fmt: skip
        b4, b5, b6, b7 = (
            leaves[8, i] ^ leaves[9, i], leaves[10, i] ^ leaves[11, i],
            leaves[12, i] ^ leaves[13, i], leaves[14, i] ^ leaves[15, i],
        )  # fmt: skip
        v1[i] = b1 ^ b3 ^ b5 ^ b7
        v2[i] = b2 ^ b3 ^ b6 ^ b7
        v3[i] = b4 ^ b5 ^ b6 ^ b7
        u[i] = b0 ^ b1 ^ b2 ^ b3 ^ b4 ^ b5 ^ b6 ^ b7


@numba.njit(numba.void(numba.uint64[:, ::1], ROW, ROW, ROW, ROW, ROW, ROW), nogil=True, cache=True)
def _fold32(leaves: U64, v0: U64, v1: U64, v2: U64, v3: U64, v4: U64, u: U64) -> None:
    _fold16(leaves[:16], v0, v1, v2, v3, u)
    half = np.empty((4, len(u)), np.uint64)
    _fold16(leaves[16:], half[0], half[1], half[2], half[3], v4)
    for i in range(len(u)):
        v0[i] ^= half[0, i]
        v1[i] ^= half[1, i]
        v2[i] ^= half[2, i]
        v3[i] ^= half[3, i]
        u[i] ^= v4[i]


@numba.njit(
    numba.void(numba.uint64[:, ::1], READ_ONLY(numba.uint64, 1, "C"), READ_ONLY(numba.uint64, 2, "C")),
    nogil=True,
    cache=True,
)
def _add_multiples(v: U64, masks: U64, u: U64) -> None:
    each = len(v) // len(u)
    for j in range(len(v)):
        for i in range(v.shape[1]):
            v[j, i] ^= masks[j] & u[j // each, i]


@numba.njit("void(uint64[::1])", nogil=True, cache=True)
def _transpose(squares: U64) -> None:
    """The 64 x 64 bits in each of LANES columns of (64, LANES), flat [Warren, Hacker's Delight 7-3]."""
    step, mask = 32, np.uint64(0xFFFFFFFF)
    while step:
        shift, size = np.uint64(step), step * LANES
        for above in range(0, 64 * LANES, 2 * size):
            below = above + size
            for i in range(size):
                swap = ((squares[above + i] >> shift) ^ squares[below + i]) & mask
                squares[below + i] ^= swap
                squares[above + i] ^= swap << shift
        step >>= 1
        mask ^= mask << np.uint64(step)


@numba.njit(numba.void(READ_ONLY(numba.uint64, 2, "C"), numba.uint64[:, ::1]), nogil=True, cache=True)
def _transposed(bits: U64, out: U64) -> None:
    square = np.empty((64, LANES), np.uint64)
    for band in range(out.shape[1]):
        for first in range(0, bits.shape[1], LANES):
            lanes = min(LANES, bits.shape[1] - first)
            for row in range(64):
                for lane in range(lanes):
                    square[row, lane] = bits[64 * band + row, first + lane]
            _transpose(square.reshape(-1))
            for lane in range(lanes):
                for row in range(64):
                    out[64 * (first + lane) + row, band] = square[row, lane]


@numba.njit(
    numba.void(
        numba.uint64[:, ::1], numba.int64, numba.uint64, READ_ONLY(numba.uint64, 1, "C"), numba.uint64[:, :, ::1]
    ),
    nogil=True,
    cache=True,
)
def _keys(planes: U64, begin: int, first: np.uint64, difference: U64, out: U64) -> None:
    low, high = np.empty((64, LANES), np.uint64), np.empty((64, LANES), np.uint64)
    words = out.shape[1] // 64
    for start in range(0, words, LANES):
        lanes = min(LANES, words - start)
        for row in range(64):
            for lane in range(lanes):
                low[row, lane] = planes[row, begin + start + lane]
                high[row, lane] = planes[64 + row, begin + start + lane]
        _transpose(low.reshape(-1))
        _transpose(high.reshape(-1))
        for lane in range(lanes):
            for row in range(64):
                i = 64 * (start + lane) + row
                a, b = low[row, lane] ^ (first + np.uint64(i)), high[row, lane]
                out[0, i, 0] = a
                out[0, i, 1] = b
                if len(out) == 2:
                    out[1, i, 0] = a ^ difference[0]
                    out[1, i, 1] = b ^ difference[1]


@numba.njit(numba.void(numba.uint64[:, :, ::1], numba.uint64[:, :, ::1], numba.uint16[::1]), nogil=True, cache=True)
def _tables(blocks: U64, images: U64, out: U16) -> None:
    for i in range(len(out)):
        mask = np.uint64(0)
        for j, zero, one in ((0, 0x5555, 0xAAAA), (1, 0x3333, 0xCCCC), (2, 0x0F0F, 0xF0F0), (3, 0x00FF, 0xFF00)):
            at = 4 * i + j
            mask ^= (blocks[0, at, 0] ^ images[0, at, 0]) & np.uint64(zero)
            mask ^= (blocks[1, at, 0] ^ images[1, at, 0]) & np.uint64(one)
        out[i] = np.uint16(mask)


@numba.njit(
    numba.void(numba.uint64[:, ::1], numba.uint64[:, ::1], READ_ONLY(numba.uint8, 1, "C"), numba.uint8[::1]),
    nogil=True,
    cache=True,
)
def _pads(blocks: U64, images: U64, choices: U8, out: U8) -> None:
    for i in range(len(out)):
        octet = np.uint8(0)
        for j in range(8):
            choice = np.uint64(choices[4 * i + j // 2] >> np.uint8(4 * (j & 1)) & np.uint8(15))
            mask = np.uint64(0)
            for k in range(4):
                at = 4 * (8 * i + j) + k
                mask ^= blocks[at, 0] ^ images[at, 0]
            octet |= np.uint8(((mask >> choice) & np.uint64(1)) << np.uint64(j))
        out[i] = octet


@numba.njit(
    numba.void(
        READ_ONLY(numba.uint16, 1, "C"), READ_ONLY(numba.uint8, 1, "C"), READ_ONLY(numba.uint8, 1, "C"),
        READ_ONLY(numba.uint8, 1, "C"), numba.uint16[::1],
    ),
    nogil=True,
    cache=True,
)  # fmt: skip
def _offers(tables: U16, shifts: U8, own: U8, bits: U8, out: U16) -> None:
    for i in range(len(out)):
        half = np.uint8(4 * (i & 1))
        shift = np.uint32(shifts[i // 2] >> half & np.uint8(15))
        mine = np.uint32(own[i // 2] >> half & np.uint8(15))
        bit = np.uint32(bits[i // 8] >> np.uint8(i & 7) & np.uint8(1))
        mask = np.uint32(tables[i])
        # bit x of the mask goes to x ^ shift: for each bit of the shift, halves swap places; no branch on it
        for j, low in ((0, 0x5555), (1, 0x3333), (2, 0x0F0F), (3, 0x00FF)):
            by, kept = np.uint32(1 << j), np.uint32(low)
            swap = (mask ^ (((mask & kept) << by) | ((mask >> by) & kept))) & -(shift >> np.uint32(j) & np.uint32(1))
            mask ^= swap
        out[i] = np.uint16(mask ^ (np.uint32(1) << mine) ^ -bit)


@numba.njit(
    numba.void(
        READ_ONLY(numba.uint16, 1, "C"), READ_ONLY(numba.uint8, 1, "C"), READ_ONLY(numba.uint8, 1, "C"),
        numba.uint8[::1],
    ),
    nogil=True,
    cache=True,
)  # fmt: skip
def _taken(offers: U16, choices: U8, pads: U8, out: U8) -> None:
    for i in range(len(out)):
        octet = pads[i]
        for j in range(8):
            choice = choices[4 * i + j // 2] >> np.uint8(4 * (j & 1)) & np.uint8(15)
            octet ^= np.uint8((offers[8 * i + j] >> np.uint16(choice) & np.uint16(1)) << np.uint16(j))
        out[i] = octet


@numba.njit(
    numba.void(READ_ONLY(numba.uint64, 3, "C"), READ_ONLY(numba.uint8, 2, "C"), numba.uint64[:, ::1]),
    nogil=True,
    cache=True,
)
def _lookup_sums(tables: U64, places: U8, out: U64) -> None:
    for i in range(len(out)):
        a = b = np.uint64(0)
        for j in range(places.shape[1]):
            a ^= tables[j, places[i, j], 0]
            b ^= tables[j, places[i, j], 1]
        out[i, 0] = a
        out[i, 1] = b


@numba.njit(
    numba.void(READ_ONLY(numba.uint64, 2, "C"), numba.uint64[:, ::1], numba.uint64[:, ::1]),
    nogil=True,
    cache=True,
)
def _add_lookups(table: U64, planes: U64, sums: U64) -> None:
    for word in range(planes.shape[1]):
        for part in range(8):  # 8 x 8 bits: byte j of the result is the place of row j
            square = np.uint64(0)
            for plane in range(8):
                octet = (planes[plane, word] >> np.uint64(8 * part)) & np.uint64(255)
                square |= octet << np.uint64(8 * plane)
            swap = (square ^ (square >> np.uint64(7))) & np.uint64(0x00AA00AA00AA00AA)
            square ^= swap ^ (swap << np.uint64(7))
            swap = (square ^ (square >> np.uint64(14))) & np.uint64(0x0000CCCC0000CCCC)
            square ^= swap ^ (swap << np.uint64(14))
            swap = (square ^ (square >> np.uint64(28))) & np.uint64(0x00000000F0F0F0F0)
            square ^= swap ^ (swap << np.uint64(28))
            for j in range(8):
                place = (square >> np.uint64(8 * j)) & np.uint64(255)
                row = 64 * word + 8 * part + j
                sums[row, 0] ^= table[place, 0]
                sums[row, 1] ^= table[place, 1]


@numba.njit("void(uint64[:, ::1], uint64[:, ::1])", nogil=True, cache=True)
def _turned(nodes: U64, out: U64) -> None:
    for i in range(len(nodes)):
        out[i, 0] = nodes[i, 1]
        out[i, 1] = nodes[i, 0] ^ nodes[i, 1]


@numba.njit(
    "void(uint64[:, :, ::1], uint64[:, ::1], uint64[:, ::1], uint64[:, :, ::1], uint64[:, :, ::1])",
    nogil=True,
    cache=True,
)
def _branched(nodes: U64, turned: U64, images: U64, out: U64, sums: U64) -> None:
    count = nodes.shape[1]
    for tree in range(len(nodes)):
        for word in range(2):
            left, right = np.uint64(0), np.uint64(0)
            for i in range(count):
                at = tree * count + i
                child = turned[at, word] ^ images[at, word]
                other = child ^ nodes[tree, i, word]
                out[tree, i, word] = child
                out[tree, count + i, word] = other
                left ^= child
                right ^= other
            sums[tree, 0, word] = left
            sums[tree, 1, word] = right


@numba.njit("void(uint64[:, ::1], uint32[:, ::1], uint64[:, ::1])", nogil=True, cache=True)
def _add_chosen(short: U64, places: U32, out: U64) -> None:
    for i in range(len(out)):
        a, b = out[i, 0], out[i, 1]
        for j in range(places.shape[1]):
            a ^= short[places[i, j], 0]
            b ^= short[places[i, j], 1]
        out[i, 0] = a
        out[i, 1] = b


@numba.njit("boolean(uint32[:, ::1], uint32[::1], uint32[::1])", nogil=True, cache=True)
def _settle(places: U32, owners: U32, labels: NDArray[np.uint32]) -> bool:
    """Each key goes where the label is lowest, and leaves there one more than the next best it had [Khosla13]."""
    budget = np.int64(MOST_MOVES) * np.int64(len(places)) + np.int64(10**6)
    for key in range(len(places)):
        moving = np.uint32(key)
        while moving != FREE:
            if budget == 0:
                return False
            budget -= 1
            best, least, next_least = np.uint32(0), FREE, FREE
            for function in range(4):
                place = places[moving, function]
                label = labels[place]
                if label < least:
                    best, least, next_least = place, label, least
                elif label < next_least:
                    next_least = label
            labels[best] = next_least + np.uint32(1)
            moving, owners[best] = owners[best], moving
    return True
