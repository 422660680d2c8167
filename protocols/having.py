"""Bounds on sums of totals, which a group must meet to be shown: HAVING.

They are judged on shares (`finishing.py`, `threshold.py`), and of a group one bit opens, so that nobody can tell one
that does not meet them from one that is too small.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Bound:
    """That the sum of `factor` x total over all (total, factor), and a constant, is at least zero."""

    terms: tuple[tuple[int, int], ...]
    constant: int

    def most(self, most: Sequence[int]) -> int:
        """An upper bound of that number's absolute value. most: one of each total's."""
        return sum(abs(factor) * most[total] for total, factor in self.terms) + abs(self.constant)

    def bits(self, most: Sequence[int]) -> int:
        """b with -2^(b-1) <= that number < 2^(b-1)."""
        return self.most(most).bit_length() + 1

    def number(self, totals: Any) -> Any:
        """That number of every group. totals: secure array (totals, groups)."""
        return sum((factor * totals[total] for total, factor in self.terms), self.constant)
