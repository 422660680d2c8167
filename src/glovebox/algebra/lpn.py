"""Learning parity with noise over blocks: a short vector of correlated keys stretched to a long one.

A long vector is a public sparse combination of a short one plus noise that is 1 at one place in each of many trees'
leaves. Who knows neither the short vector's choices nor the places cannot tell the long vector's choices from random
ones: primal LPN over F_2 with regular noise and a 10-local code [YWLZW20], two-party.md 2.1 and 2.5.
"""

from __future__ import annotations

from typing import NamedTuple

VERSION = 1  # of the table below; plans, and what is made ahead, name it, so nodes with other tables do not start
LOCAL = 10  # base keys that are summed for one output


class Code(NamedTuple):
    """Parameters of one round, for 128 bits of security: k = 2^log_base = about 64 N / t for N = t 2^depth samples."""

    trees: int
    log_base: int
    depth: int

    @property
    def paths(self) -> int:
        """Keys that the trees take, one a level."""
        return self.trees * self.depth

    @property
    def taken(self) -> int:
        """Keys that a round takes: of all trees' paths, then the short vector."""
        return self.paths + (1 << self.log_base)

    @property
    def kept(self) -> int:
        """Trees whose leaves are the next round's keys."""
        return -(-self.taken >> self.depth)

    @property
    def given(self) -> int:
        """Keys that a round makes for use."""
        return (self.trees - self.kept) << self.depth

    @property
    def round_bytes(self) -> int:
        """What a round sends."""
        return 16 * self.paths

    def pieces(self, leaves: int) -> list[slice]:
        """All trees, in runs of about so many leaves, of which each is kept whole or given whole."""
        each = max(1, leaves >> self.depth)
        ends = ((0, self.kept), (self.kept, self.trees))
        return [slice(at, min(at + each, end)) for begin, end in ends for at in range(begin, end, each)]


# The sizes of emp-ot's current list, sized against the hybrid attack. Its fourth (1900, 19, 13) has a short vector that
# no cache holds, and saves 2 bytes a row.
CODES = (Code(850, 16, 10), Code(1170, 17, 11), Code(1520, 18, 12))


def code_for(wanted: int, seed_bytes: float) -> tuple[Code, int]:
    """The code that makes so many keys with the fewest bytes, and its rounds. seed_bytes: of a key of the first."""
    rounds = {code: max(1, -(-wanted // code.given)) for code in CODES}
    best = min(CODES, key=lambda code: seed_bytes * code.taken + rounds[code] * code.round_bytes)
    return best, rounds[best]
