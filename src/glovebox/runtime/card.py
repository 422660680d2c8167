"""The card that opens every protocol file, read by tests and by `explain`."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

LINES = ("Functionality", "Parties", "Security", "Leakage", "Rounds", "Bytes", "Source")


def terms(docstring: str) -> dict[str, str]:
    """The seven lines of a card by name; a line goes on where the next is indented further. ValueError if one lacks."""
    card: dict[str, str] = {}
    name = ""
    for line in docstring.splitlines():
        first = re.match(r"([A-Z][a-z]+)\s{2,}(\S.*)", line)
        if first and first[1] in LINES:
            name = first[1]
            card[name] = first[2].strip()
        elif name and line.startswith(" "):
            card[name] += " " + line.strip()
        else:
            name = ""
    if tuple(card) != LINES:
        raise ValueError(f"a card has the lines {', '.join(LINES)}, in this order; this one has {', '.join(card)}")
    return card


def value_of(formula: str, sizes: Mapping[str, float]) -> float:
    """The value of a sum of products, such as `39.375 n + 8 m W`; what follows a semicolon is a remark."""
    total = 0.0
    for term in formula.split(";", maxsplit=1)[0].split("+"):
        factors = [sizes[factor] if factor[0].isalpha() else float(factor) for factor in term.split()]
        total += math.prod(factors)
    return total
