"""What tests of finishing protocols share: opening at the end, and the numbers of their cards."""

from __future__ import annotations

from glovebox.protocols import stacking, threshold
from glovebox.protocols.entry import wrap_bits
from glovebox.runtime.card import terms, value_of
from glovebox.runtime.engine import modulus
from glovebox.runtime.memory import Meter
from glovebox.runtime.prss import sets_of
from glovebox.runtime.shares import recombined, width


def opened(outs: list[list[int]], bits: int = 64) -> list[int]:
    """The secrets of all parties' shares."""
    return recombined(dict(enumerate(outs)), modulus(bits), (len(outs) - 1) // 2, "test")


def sizes(m: int, bits: int = 64) -> dict[str, int]:
    """What the cards count in, for m parties: q, o, r, d, m, p, c of `threshold.py` and `conversion.py`, s in bytes."""
    t = (m - 1) // 2
    return {
        "q": 2 * t * m,
        "o": t * m,
        "r": (2 * t + 1) * (m - 1),
        "d": 2 * t + 1,
        "m": m,
        "p": m - 1,
        "c": wrap_bits(m),
        "s": width(modulus(bits)),
    }


def stacked(m: int, n: int, bits: int = 64) -> float:
    """Bytes of so many totals that each of m owners brings."""
    return value_of(terms(stacking.__doc__ or "")["Bytes"], {**sizes(m, bits), "n": n, "k": m, "e": 0})


def compared(m: int, n: int, b: int, bits: int = 64) -> dict[str, int]:
    """What the card of `threshold.py` counts in, for n numbers of b bits."""
    sets = sets_of(m)
    ands = sets * b + 2 * b - 8 if b > 2 else (sets - 1) * b
    return {**sizes(m, bits), "n": n, "k": sets - 1, "A": ands}


def comparing(m: int, n: int, b: int, bits: int = 64) -> float:
    """Bytes of so many comparisons, but for the hashes."""
    return value_of(terms(threshold.__doc__ or "")["Bytes"], compared(m, n, b, bits)) - hashes(m)


def hashes(m: int) -> int:
    """Bytes of the hashes of what opened in comparisons at once, however many these are."""
    return 32 * m * (m - 1)


def checks(meter: Meter) -> int:
    """Bytes of checks on the way."""
    return sum(frame.size for frame in meter.frames if "checked/" in frame.step)
