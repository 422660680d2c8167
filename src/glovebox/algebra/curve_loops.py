"""A machine for 16 points of ristretto255 at a time: operations on field elements, compiled, told by a program.

A register holds 16 elements of the field of p = 2^255 - 19, one a lane, in ten limbs of 26 and 25 bits in turn: limb i
has the weight 2^ceil(25.5 i). A product of two limbs is then one multiplication of 32 by 32 bits, which any vector unit
has: 1.5 to 2 times as fast as five limbs of 51 bits and scalar 64 by 64 bits. A line of a program (`curve_programs`) is
an operation, the register of its result, and up to three operands. A lane is read before it is written, so a result may
take an operand's place.

Bounds. A *carried* element has limbs below 2^26 + 2^13, and 2^25 + 2^17 for odd limbs. PRODUCT, SQUARE and MINUS give
carried elements, PLUS does not; operands are sums of at most three carried ones, which `curve_programs` sees to.

Time. Nothing branches on an element or a scalar, nor takes an address from one: a choice is a mask.

numba looks at the file of a cached function only: all that `run` compiles stands here.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from llvmlite import binding, ir
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from glovebox.algebra.kernels import U32, U64

P = 2**255 - 19
LANES, LIMBS = 16, 10
BITS = [26 - (limb & 1) for limb in range(LIMBS)]
WORDS = LIMBS * LANES  # of a register
FOUR_P = [4 * (2**bits - (19 if limb == 0 else 1)) for limb, bits in enumerate(BITS)]  # limb by limb
HOST = binding.get_host_cpu_features()
WIDE = 8 if HOST.get("avx512f") else 4 if HOST.get("avx2") else 2  # lanes of 64 bits in a vector of this processor
NARROW = 2 * WIDE  # lanes of 32 bits
GROUPS = 16  # groups of 16 rows that share an inversion
KEPT, KEPT_EACH = 70, 6  # registers for each group of rows, which SAVE and LOAD reach
REGISTERS = KEPT + GROUPS * KEPT_EACH
ENTRIES = 9  # of the table of multiples that SCAN reads: 0 to 8
READ_ONLY = functools.partial(numba.types.Array, layout="C", readonly=True)
Vectors = list[Any]


def _operation(body: Callable[..., Vectors], lanes: int) -> Any:
    """Registers, the result's first, are read limb by limb into vectors for `body`, which says what is written."""
    vector = ir.VectorType(ir.IntType(32), lanes)

    def emit(context: Any, build: Any, signature: Any, arguments: Any) -> Any:
        build.function.attributes.add("noinline")  # or its order, which suits the vector registers, is optimised away
        data = context.make_array(signature.args[0])(context, build, arguments[0]).data

        def pointers(register: Any) -> Vectors:
            start = build.add(build.mul(register, register.type(WORDS)), arguments[2])
            places = [build.add(start, start.type(limb * LANES)) for limb in range(LIMBS)]
            return [build.bitcast(build.gep(data, [place]), vector.as_pointer()) for place in places]

        to, *operands = map(pointers, cgutils.unpack_tuple(build, arguments[1]))  # type: ignore[no-untyped-call]
        values = body(build, *([build.load(pointer, align=4) for pointer in one] for one in operands))
        for pointer, value in zip(to, values, strict=True):
            build.store(value, pointer, align=4)
        return context.get_dummy_value()

    def typed(typing: Any, work: Any, registers: Any, first: Any) -> Any:
        return numba.void(work, registers, first), emit

    step: Any = intrinsic(typed)

    @numba.njit(nogil=True)
    def operation(work: U32, registers: tuple[int, ...]) -> None:
        for first in range(0, LANES, lanes):
            step(work, registers, first)

    return operation


def _all(like: Any, number: int) -> Any:
    """A vector of one number."""
    return ir.Constant(like.type, [number] * like.type.count)


def _low(build: Any, value: Any) -> Any:
    """A number that is below 2^32: said so, one multiplication of 32 by 32 bits does."""
    return build.and_(value, _all(value, 2**32 - 1))


def _widened(build: Any, narrow: Vectors) -> Vectors:
    return [build.zext(limb, ir.VectorType(ir.IntType(64), limb.type.count)) for limb in narrow]


def _carried(build: Any, sums: Vectors) -> Vectors:
    """The limbs of sums of products, by two chains of carries at once.

    Sums are below 2^62.2, so a carry is below 2^37.3, or 2^41.6 as 19 times the last. In their second turn limb 5 hands
    less than 2^13 to limb 6, and limb 0 less than 2^17 to limb 1.
    """
    for limb in (0, 5, 1, 6, 2, 7, 3, 8, 4, 9, 5, 0):
        carry = build.lshr(sums[limb], _all(sums[limb], BITS[limb]))
        sums[limb] = build.and_(sums[limb], _all(sums[limb], 2 ** BITS[limb] - 1))
        if limb == LIMBS - 1:  # 2^255 = 19; shifts, for a vector has no product of 64 bits
            carry = build.add(build.add(carry, build.shl(carry, _all(carry, 1))), build.shl(carry, _all(carry, 4)))
        place = (limb + 1) % LIMBS
        sums[place] = build.add(sums[place], carry)
    return [build.trunc(limb, ir.VectorType(ir.IntType(32), limb.type.count)) for limb in sums]


def _multiplied(build: Any, a: Vectors, b: Vectors) -> Vectors:
    """Two odd limbs have half a bit of weight more than their place, each: twice. Beyond 2^255: 19 times.

    Limbs of both are below 3 (2^26 + 2^13), so 19 times one is below 2^32, and ten products sum to less than 2^62.2.
    """
    a, b = _widened(build, a), _widened(build, b)
    twice = [_low(build, build.add(limb, limb)) for limb in a]
    folded = [_low(build, build.mul(limb, _all(limb, 19))) for limb in b]
    sums: Vectors = [None] * LIMBS
    for i in range(LIMBS):  # a limb of a after the other: what is used over and over then stays in vector registers
        for j in range(LIMBS):
            term = build.mul((twice if i & j & 1 else a)[i], (b if i + j < LIMBS else folded)[j])
            place = (i + j) % LIMBS
            sums[place] = term if sums[place] is None else build.add(sums[place], term)
    return _carried(build, sums)


def _squared(build: Any, a: Vectors) -> Vectors:
    """As `_multiplied`, with each pair of different limbs once, twice as much; 38 times an odd limb is below 2^32."""
    a = _widened(build, a)
    twice = [_low(build, build.add(limb, limb)) for limb in a]
    folded, twice_folded = ([_low(build, build.mul(limb, _all(limb, by))) for limb in a] for by in (19, 38))
    sums: Vectors = [None] * LIMBS
    for i in range(LIMBS):
        for j in range(i, LIMBS):
            once, odd = (a, twice) if i + j < LIMBS else (folded, twice_folded)
            term = build.mul((a if i == j else twice)[i], (odd if i & j & 1 else once)[j])
            place = (i + j) % LIMBS
            sums[place] = term if sums[place] is None else build.add(sums[place], term)
    return _carried(build, sums)


def _difference(build: Any, a: Vectors, b: Vectors) -> Vectors:
    """a + 4 p - b, where no limb of 4 p is below one of b. Limbs are below 2^29, so each carry is below 2^4."""
    limbs = [build.sub(build.add(x, _all(x, four)), y) for x, y, four in zip(a, b, FOUR_P, strict=True)]
    carries = [build.lshr(limb, _all(limb, bits)) for limb, bits in zip(limbs, BITS, strict=True)]
    rest = [build.and_(limb, _all(limb, 2**bits - 1)) for limb, bits in zip(limbs, BITS, strict=True)]
    carries = [build.mul(carries[-1], _all(carries[-1], 19)), *carries[:-1]]
    return [build.add(limb, carry) for limb, carry in zip(rest, carries, strict=True)]


def _reduced(build: Any, a: Vectors) -> Vectors:
    """The limbs of the number below p. Two rounds leave less than 2^255; it is p or more if 19 more reach 2^255."""
    limbs = list(a)

    def ripple(carry: Any) -> Any:
        for place, bits in enumerate(BITS):
            value = build.add(limbs[place], carry)
            carry = build.lshr(value, _all(value, bits))
            limbs[place] = build.and_(value, _all(value, 2**bits - 1))
        return build.mul(carry, _all(carry, 19))  # 2^255 = 19

    last = ripple(ripple(_all(a[0], 0)))  # 19 at most, and then little else is left
    limbs[0] = build.add(limbs[0], last)
    over = _all(a[0], 19)
    for limb, bits in zip(limbs, BITS, strict=True):
        over = build.lshr(build.add(limb, over), _all(limb, bits))
    ripple(build.mul(over, _all(over, 19)))
    return limbs


def _is_odd(build: Any, a: Vectors) -> Vectors:
    """A mask: the lanes in which the number below p is odd, which RFC 9496, 3.1 calls negative."""
    low = build.and_(_reduced(build, a)[0], _all(a[0], 1))
    return [build.sub(_all(low, 0), low)] * LIMBS


def _is_zero(build: Any, a: Vectors) -> Vectors:
    """A mask: the lanes that are 0. The limbs' disjunction, below 2^26, less 1 has its top bit set for 0 only."""
    limbs = _reduced(build, a)
    some = limbs[0]
    for limb in limbs[1:]:
        some = build.or_(some, limb)
    return [build.ashr(build.sub(some, _all(some, 1)), _all(some, 31))] * LIMBS


def _chosen(build: Any, mask: Vectors, a: Vectors, b: Vectors) -> Vectors:
    """a where the mask is set, else b."""
    return [build.xor(y, build.and_(m, build.xor(x, y))) for m, x, y in zip(mask, a, b, strict=True)]


READ, WRITE, SAVE, LOAD, COPY, SCAN, SIGN = range(7)
PLUS, MINUS, PRODUCT, SQUARE, CANONICAL, NEGATIVE, ZERO, CHOICE, EITHER, NOT = range(7, 17)

_copy = _operation(lambda build, a: a, NARROW)
_plus = _operation(lambda build, a, b: [build.add(x, y) for x, y in zip(a, b, strict=True)], NARROW)
_minus = _operation(_difference, NARROW)
_product = _operation(_multiplied, WIDE)
_square = _operation(_squared, WIDE)
_canonical = _operation(_reduced, NARROW)
_negative = _operation(_is_odd, NARROW)
_zero = _operation(_is_zero, NARROW)
_choice = _operation(_chosen, NARROW)
_either = _operation(lambda build, a, b: [build.or_(x, y) for x, y in zip(a, b, strict=True)], NARROW)
_not = _operation(lambda build, a: [build.not_(x) for x in a], NARROW)


@numba.njit(nogil=True)
def _scan(work: U32, masks: U32, to: int, table: int, window: int) -> None:
    """The one of ENTRIES registers, 4 apart, whose mask is set: all are read."""
    line, mask = work[to], masks[window]
    m0, m1, m2, m3, m4, m5, m6, m7, m8 = mask[0], mask[1], mask[2], mask[3], mask[4], mask[5], mask[6], mask[7], mask[8]
    for place in range(WORDS):
        low = work[table, place] & m0 | work[table + 4, place] & m1 | work[table + 8, place] & m2
        middle = work[table + 12, place] & m3 | work[table + 16, place] & m4 | work[table + 20, place] & m5
        high = work[table + 24, place] & m6 | work[table + 28, place] & m7 | work[table + 32, place] & m8
        line[place] = low | middle | high


@numba.njit(nogil=True)
def _sign(work: U32, masks: U32, to: int, window: int) -> None:
    for place in range(WORDS):
        work[to, place] = masks[window, ENTRIES]


@numba.njit(nogil=True)
def _read(words: U64, row: int, half: int, work: U32, to: int) -> None:
    """255 bits of each of 16 rows; the last row again where there are no more."""
    for lane in range(LANES):
        source = min(row + lane, len(words) - 1)
        for limb in range(LIMBS):
            start = (51 * limb + 1) // 2
            word, shift = 4 * half + start // 64, start % 64
            bits = words[source, word] >> np.uint64(shift)
            if shift > 38:  # 26 bits reach into the next word
                bits |= words[source, word + 1] << np.uint64(64 - shift)
            work[to, limb * LANES + lane] = bits & np.uint64((1 << (26 - (limb & 1))) - 1)


@numba.njit(nogil=True)
def _write(work: U32, a: int, row: int, out: U64) -> None:
    for lane in range(min(LANES, len(out) - row)):
        out[row + lane] = 0
        for limb in range(LIMBS):
            start = (51 * limb + 1) // 2
            word, shift, bits = start // 64, start % 64, np.uint64(work[a, limb * LANES + lane])
            out[row + lane, word] |= bits << np.uint64(shift)
            if shift > 38 and word < 3:
                out[row + lane, word + 1] |= bits >> np.uint64(64 - shift)


@numba.njit(
    numba.void(
        READ_ONLY(numba.int64, 2), READ_ONLY(numba.uint64, 2), READ_ONLY(numba.uint32, 2), numba.int64,
        numba.uint32[:, ::1], numba.uint64[:, ::1],
    ),
    nogil=True,
    cache=True,
)  # fmt: skip
def run(program: NDArray[np.int64], words: U64, masks: U32, group: int, work: U32, out: U64) -> None:  # noqa: PLR0912
    """Run a program for 16 rows of the words that come in and go out. masks: by windows of the scalar."""
    kept, row = KEPT + KEPT_EACH * (group % GROUPS), LANES * group
    for line in range(len(program)):
        operation, to, a = int(program[line, 0]), int(program[line, 1]), int(program[line, 2])
        b, c = int(program[line, 3]), int(program[line, 4])
        if operation == PRODUCT:
            _product(work, (to, a, b))
        elif operation == SQUARE:
            _square(work, (to, a))
        elif operation == PLUS:
            _plus(work, (to, a, b))
        elif operation == MINUS:
            _minus(work, (to, a, b))
        elif operation == SCAN:
            _scan(work, masks, to, a, b)
        elif operation == SIGN:
            _sign(work, masks, to, a)
        elif operation == CHOICE:
            _choice(work, (to, a, b, c))
        elif operation == COPY:
            _copy(work, (to, a))
        elif operation == SAVE:
            _copy(work, (kept + to, a))
        elif operation == LOAD:
            _copy(work, (to, kept + a))
        elif operation == CANONICAL:
            _canonical(work, (to, a))
        elif operation == NEGATIVE:
            _negative(work, (to, a))
        elif operation == ZERO:
            _zero(work, (to, a))
        elif operation == EITHER:
            _either(work, (to, a, b))
        elif operation == NOT:
            _not(work, (to, a))
        elif operation == READ:
            _read(words, row, a, work, to)
        elif operation == WRITE:
            _write(work, a, row, out)
