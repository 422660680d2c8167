"""Programs for the machine of `curve_loops`: recorded from formulas of field elements, then put into registers.

A formula is evaluated once, with elements that stand for those of all rows; the program is the same whatever they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glovebox.algebra import curve_loops as machine

P = machine.P
PARTS = 3  # an operand is the sum of at most as many carried elements
D = -121665 * pow(121666, -1, P) % P  # RFC 9496, 4.1, as the others
ROOT_M1 = pow(2, (P - 1) // 4, P)  # SQRT_M1: 2 is no square
ROOT_AD = 25063068953384623474111414158702152701244531502492656460079210482610430750235  # SQRT_AD_MINUS_ONE
INVERSE_ROOT_AD = 54469307008909316920995813868745141605393597292927456921205312896311721017578  # INVSQRT_A_MINUS_D
ONE_MINUS_D2, D_MINUS_ONE2 = (1 - D * D) % P, (D - 1) ** 2 % P
CONSTANTS = (0, 1, 2, P - 1, D, 2 * D % P, ROOT_M1, ROOT_AD, INVERSE_ROOT_AD, ONE_MINUS_D2, D_MINUS_ONE2)
FAILED, INVERSE = len(CONSTANTS), len(CONSTANTS) + 1
TABLE = INVERSE + 1
FREE = TABLE + 4 * machine.ENTRIES


@dataclass(frozen=True, eq=False)
class Mask:
    """Lanes in which something holds: limbs of ones, or of zeros."""

    program: Program
    number: int

    def __or__(self, other: Mask) -> Mask:
        return Mask(self.program, self.program.record(machine.EITHER, self.number, other.number))

    def __invert__(self) -> Mask:
        return Mask(self.program, self.program.record(machine.NOT, self.number))

    def choice(self, a: Element | int, b: Element | int) -> Element:
        """a where it holds, else b."""
        a, b = self.program.element(a), self.program.element(b)
        made = self.program.record(machine.CHOICE, self.number, a.number, b.number)
        return Element(self.program, made, max(a.parts, b.parts))


@dataclass(frozen=True, eq=False)
class Element:
    """An element of the field in each lane: the sum of `parts` carried ones."""

    program: Program
    number: int
    parts: int = 1

    def __add__(self, other: Element | int) -> Element:
        other = self.program.element(other)
        made = self.program.record(machine.PLUS, self.number, other.number)
        return Element(self.program, made, self.parts + other.parts)

    def __sub__(self, other: Element | int) -> Element:
        return self._made(machine.MINUS, self, self.program.element(other))

    def __mul__(self, other: Element | int) -> Element:
        return self._made(machine.PRODUCT, self, self.program.element(other))

    def __rsub__(self, other: int) -> Element:
        return self.program.element(other) - self

    def __neg__(self) -> Element:
        return 0 - self

    __radd__, __rmul__ = __add__, __mul__

    def squared(self, times: int = 1) -> Element:
        """To the power of 2^times."""
        return self._made(machine.SQUARE, self).squared(times - 1) if times else self

    def canonical(self) -> Element:
        """With the limbs of the number below p."""
        return self._made(machine.CANONICAL, self)

    def is_negative(self) -> Mask:
        """IS_NEGATIVE of RFC 9496, 3.1."""
        return Mask(self.program, self._made(machine.NEGATIVE, self).number)

    def is_zero(self) -> Mask:
        """Whether it is 0."""
        return Mask(self.program, self._made(machine.ZERO, self).number)

    def absolute(self) -> Element:
        """CT_ABS of RFC 9496, 3.1."""
        return self.is_negative().choice(-self, self)

    def _made(self, operation: int, *operands: Element) -> Element:
        if max(one.parts for one in operands) > PARTS:
            raise OverflowError("limbs could pass 32 bits: an operand is a sum of too many")
        return Element(self.program, self.program.record(operation, *(one.number for one in operands)))


class Program:
    """Instructions in order. Each makes a value of its own; `assembled` gives registers to those that are needed.

    A value is the number of its line, or ~r for what register r holds.
    """

    def __init__(self) -> None:
        self._lines: list[tuple[int, int | None, tuple[int, ...], tuple[int, ...]]] = []

    def record(self, operation: int, *values: int, to: int | None = None, literals: tuple[int, ...] = ()) -> int:
        """The value that a line makes; with `to` it has an effect, and is always needed."""
        self._lines.append((operation, to, values, literals))
        return len(self._lines) - 1

    def element(self, number: Element | int) -> Element:
        """An element as it is, or a constant."""
        return Element(self, ~CONSTANTS.index(number % P)) if isinstance(number, int) else number

    def read(self, half: int) -> Element:
        """The 32 bytes of each row, or the first or second half of 64."""
        return Element(self, self.record(machine.READ, literals=(half,)))

    def write(self, element: Element) -> None:
        """The 32 bytes of each row of the result."""
        self.record(machine.WRITE, element.canonical().number, to=0)

    def fixed(self, register: int) -> int:
        """What a register outside of these instructions holds."""
        return ~register

    def put(self, register: int, value: Element | Mask | int) -> None:
        """Leave a value there."""
        number = value.number if isinstance(value, Mask) else self.element(value).number
        self.record(machine.COPY, number, to=register)

    def save(self, place: int, element: Element) -> None:
        """Leave an element for a later program over the same rows."""
        self.record(machine.SAVE, element.number, to=place)

    def load(self, place: int, parts: int = 1) -> Element:
        """What was saved; place -1 is the last of the rows before."""
        return Element(self, self.record(machine.LOAD, literals=(place,)), parts)

    def scanned(self, window: int) -> list[Element]:
        """The four elements of the table's entry that a window of the scalar chooses."""
        made = [self.record(machine.SCAN, literals=(TABLE + part, window)) for part in range(4)]
        return [Element(self, number, 2) for number in made]  # of Y + X and 2 Z, both sums of two

    def sign(self, window: int) -> Mask:
        """Whether that window is negative; the same in all lanes."""
        return Mask(self, self.record(machine.SIGN, literals=(window,)))

    def assembled(self) -> NDArray[np.int64]:
        """Rows of operation, register of the result, operands."""
        last = self._last_uses()
        free, at = list(range(machine.KEPT - 2, FREE - 1, -1)), dict[int, int]()
        rows = []
        for number, (operation, to, values, literals) in enumerate(self._lines):
            if to is None and number not in last:
                continue
            operands = [~value if value < 0 else at[value] for value in values]
            free += [at.pop(value) for value in dict.fromkeys(values) if last.get(value) == number]
            if to is None:
                at[number] = free.pop()
            rows.append([operation, at[number] if to is None else to, *operands, *literals, 0, 0, 0][:5])
        return np.array(rows, np.int64)

    def _last_uses(self) -> dict[int, int]:
        """The last line that needs a value, for each that is needed."""
        last: dict[int, int] = {}
        for number in range(len(self._lines) - 1, -1, -1):
            _, to, values, _ = self._lines[number]
            if to is not None or number in last:
                for value in values:
                    if value >= 0:
                        last.setdefault(value, number)
        return last


def registers() -> NDArray[np.uint32]:
    """Registers for a run: with the constants, the table's entry of 0 times a point, and no lane failed."""
    size = machine.REGISTERS * machine.WORDS
    room = np.zeros(size + 16, np.uint32)
    aligned = room[-room.ctypes.data % 64 // 4 :][:size]  # no vector lies in two lines of cache
    made = aligned.reshape(machine.REGISTERS, machine.WORDS)
    zero = {TABLE + part: number for part, number in enumerate((1, 1, 2, 0))}
    for register, number in {**dict(enumerate(CONSTANTS)), **zero, machine.KEPT - 1: 1}.items():
        made[register] = np.repeat(limbs(number), machine.LANES)
    return made


def limbs(number: int) -> list[int]:
    """Of a number below 2^255."""
    starts = [(51 * limb + 1) // 2 for limb in range(machine.LIMBS)]
    return [number >> start & (1 << bits) - 1 for start, bits in zip(starts, machine.BITS, strict=True)]
