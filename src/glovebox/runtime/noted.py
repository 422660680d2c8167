"""What a party has taken on trust in the finishing engine: products and openings, until they are checked.

Every product, and every value that was opened, is noted with this party's own shares, under the label of its frames,
which is the same at all parties whoever is faster. `protocols/verified.py` takes them all and checks them at once.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.object_]
Bits = NDArray[np.uint8]


class Products(NamedTuple):
    """That x y = z, of shares x and y of degree t, and z of degree t or public: (n,) each."""

    x: Any
    y: Any
    z: Any


class Openings(NamedTuple):
    """That shares of degree t are of a value that all parties were given: (n,) each."""

    share: Any
    value: Any


class Dealt(NamedTuple):
    """That what a party dealt are bits. share: (n,). own: the bits, at the party that dealt them, by index."""

    dealer: int
    share: Numbers
    own: Numbers | None


@dataclass
class Kind:
    """What is noted in one field, by label."""

    products: dict[str, Products] = field(default_factory=dict, repr=False)
    openings: dict[str, Openings] = field(default_factory=dict, repr=False)

    def every(self, dtype: type[Any]) -> tuple[Products, Openings]:
        """All of them in the order of their labels."""
        products = _joined([self.products[label] for label in sorted(self.products)], 3, dtype)
        openings = _joined([self.openings[label] for label in sorted(self.openings)], 2, dtype)
        return Products(*products), Openings(*openings)


class Noted:
    """All that a party has to have checked before it lets anything of an answer go.

    modulus: of the field of numbers; bits: in GF(2^8). dealt: bits that one party shared as numbers. unchecked: what
    was done that cannot be checked, if anything.
    """

    def __init__(self) -> None:
        self.modulus = 0
        self.numbers, self.bits = Kind(), Kind()
        self.dealt: dict[str, Dealt] = {}
        self.unchecked = ""
        self._told: dict[str, bytes] = {}

    def __repr__(self) -> str:
        products, openings = (
            sum(map(len, each))
            for each in ((self.numbers.products, self.bits.products), (self.numbers.openings, self.bits.openings))
        )
        return f"<Noted: {products} products, {openings} openings>"

    @property
    def products(self) -> tuple[int, int]:
        """How many products of numbers and of bits."""
        numbers, bits = (sum(each.x.size for each in kind.products.values()) for kind in (self.numbers, self.bits))
        return numbers, bits

    @property
    def dealt_bits(self) -> list[Dealt]:
        """What parties dealt as bits, in the order of its labels."""
        return [self.dealt[label] for label in sorted(self.dealt)]

    def multiply_dealt(self) -> None:
        """Have what was dealt as bits be products like others, b (b - 1) = 0, which nobody need prove."""
        for label, one in self.dealt.items():
            self.numbers.products[f"{label}/bits"] = Products(one.share, one.share - 1, 0 * one.share)
        self.dealt = {}

    def in_field(self, modulus: int) -> Kind:
        """What is noted of numbers. One session has one prime field."""
        if self.modulus not in (0, modulus):
            raise RuntimeError("numbers of two fields in one session")
        self.modulus = modulus
        return self.numbers

    def tell(self, label: str, values: bytes) -> None:
        """Note what opened to this party, to be compared with what the others saw."""
        self._told[label] = hashlib.sha256(values).digest()

    @property
    def digest(self) -> bytes:
        """A hash of all that was opened, the same at all parties unless somebody gave them different shares."""
        return hashlib.sha256(b"".join(label.encode() + self._told[label] for label in sorted(self._told))).digest()


def _joined(parts: list[Any], count: int, dtype: type[Any]) -> list[Any]:
    if not parts:
        return [np.zeros(0, dtype)] * count
    return [np.concatenate([part[place].reshape(-1) for part in parts]) for place in range(count)]
