"""What a contract says, read and checked: the one form that is shown, planned with and executed."""

from __future__ import annotations

from datetime import date
from typing import Literal

from msgspec import Struct

from glovebox.schema.columns import Column, Table

EXACT = "everyone may see single persons"
"""The sentence that a contract needs for exact small answers; `contract show` prints it first."""

MICRO = 1_000_000

Protocol = Literal["two-party", "two-party-low-traffic", "two-party-homomorphic"]
"""How a contract's two owners compute with nobody between them; a contract of three or more names none."""

STRICT: Protocol = "two-party"
LOW_TRAFFIC: Protocol = "two-party-low-traffic"
HOMOMORPHIC: Protocol = "two-party-homomorphic"
STRICT_ALONE = (STRICT, LOW_TRAFFIC)
"""What uses transfers that can be made before a question."""

SIZE_EPSILON = 100_000
"""Millionths that a session of the homomorphic mode takes beside its answer: the receiver sees a noisy match count."""

ParameterType = Literal["date", "timestamp", "integer", "decimal", "boolean", "category"]


class Party(Struct, frozen=True, forbid_unknown_fields=True):
    """One organisation. key: 32 bytes of an Ed25519 public key. address: host:port of its node.

    dials_out: whether it takes no connections, as behind a router that lets none in: it dials everybody itself.
    """

    name: str
    key: bytes
    address: str
    dials_out: bool = False


class JoinColumn(Struct, frozen=True, forbid_unknown_fields=True):
    """An id column of a table; table: index into the contract's tables."""

    table: int
    column: str


class Question(Struct, frozen=True, forbid_unknown_fields=True):
    """An approved question. receive: party numbers, or None where the contract's own receivers get the answer."""

    name: str
    sql: str
    parameters: tuple[tuple[str, ParameterType], ...] = ()
    receive: tuple[int, ...] | None = None


class Rules(Struct, frozen=True, forbid_unknown_fields=True):
    """Who may ask and receive (party numbers), what may be joined, and how small an answer may be.

    exact: the contract holds the sentence `EXACT`. zero_shown: an empty group shows as zero. overlap_checks: how many
    times it may be asked of each join how many of its ids match, which is answered as a band. dominance_percent: what
    one person may be of a sum that shows.
    """

    join: tuple[tuple[JoinColumn, JoinColumn], ...]
    ask: tuple[int, ...]
    receive: tuple[int, ...]
    groups_of_at_least: int
    questions: Literal["any", "approved"]
    exact: bool = False
    zero_shown: bool = False
    overlap_checks: int = 0
    dominance_percent: int | None = None


class Privacy(Struct, frozen=True, forbid_unknown_fields=True):
    """The budget of differential privacy, in millionths of epsilon: of each owner for the contract's life, and of what
    each question costs every owner whose rows it reads."""

    epsilon_total: int
    epsilon_per_question: int


def epsilon_text(millionths: int) -> str:
    """An amount of epsilon as people write it: 500000 is 0.5."""
    whole, rest = divmod(millionths, MICRO)
    return f"{whole}.{rest:06d}".rstrip("0").rstrip(".")


class Contract(Struct, frozen=True, forbid_unknown_fields=True):
    """A contract whose text passed every check; whether its parties signed it is `signing`'s to say.

    text: the exact bytes that are signed; hash: their SHA-256. first, last: the days it holds, both included.
    supersedes: hash of the contract that this one replaces. protocol: of a contract of two parties, else None.
    legal_basis: what allows it, in a sentence, or "".
    """

    text: bytes
    hash: bytes
    name: str
    version: int
    purpose: str
    first: date
    last: date
    parties: tuple[Party, ...]
    tables: tuple[Table, ...]
    rules: Rules
    questions: tuple[Question, ...] = ()
    privacy: Privacy | None = None
    supersedes: bytes | None = None
    protocol: Protocol | None = None
    legal_basis: str = ""

    def number(self, name: str) -> int | None:
        """The number of the party of that name, or None."""
        return next((number for number, party in enumerate(self.parties) if party.name == name), None)

    def names(self, numbers: tuple[int, ...]) -> tuple[str, ...]:
        """The names of parties."""
        return tuple(self.parties[number].name for number in numbers)

    def tables_named(self, name: str, owner: int | None = None) -> list[int]:
        """Indexes of the tables of that name, of that owner if one is given."""
        return [
            index
            for index, table in enumerate(self.tables)
            if table.name == name and (owner is None or owner in table.owners)
        ]

    def table(self, name: str, owner: int | None = None) -> Table:
        """The one table of that name (of that owner, where several owners use the name). Raises LookupError."""
        found = self.tables_named(name, owner)
        if len(found) != 1:
            raise LookupError(f"{len(found)} tables of the contract are named {name}")
        return self.tables[found[0]]

    def column(self, place: JoinColumn) -> Column:
        """The column that a join rule names."""
        column = self.tables[place.table].column(place.column)
        if column is None:
            raise LookupError(f"the table has no column {place.column}")
        return column
