"""A signed statement of six words, one readable line: what is stated, of what, when, and a signature.

glovebox/1 withdraws publisher 3f1c…64 hexadecimal digits… 2027-01-31T09:00:00Z base64 of the Ed25519 signature
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from glovebox.contract.signing import MARK
from glovebox.errors import IntegrityError
from glovebox.identity import signature_bytes, signature_text

TIME = "%Y-%m-%dT%H:%M:%SZ"


class Stated(NamedTuple):
    """The words of such a line behind its verb. when: UTC, as in the line. Nothing has verified the signature yet."""

    first: str
    second: str
    when: str
    signature: bytes

    def line(self, verb: str) -> str:
        """The line, with its newline."""
        return f"{MARK} {verb} {self.first} {self.second} {self.when} {signature_text(self.signature)}\n"


def now() -> str:
    """This moment as it stands in a line."""
    return datetime.now(UTC).strftime(TIME)


def read_statement(line: str, verb: str, step: str, shape: str) -> Stated:
    """What a line states. shape: its two words behind the verb, for a person. IntegrityError for another line."""
    words = line.strip().split(" ")
    if len(words) != 6 or words[:2] != [MARK, verb]:
        raise IntegrityError(
            f"this is not the line of a {step}", step=step, hint=f"{MARK} {verb} {shape} TIME SIGNATURE"
        )
    _, _, first, second, when, encoded = words
    try:
        datetime.strptime(when, TIME)
        return Stated(first, second, when, signature_bytes(encoded))
    except (IntegrityError, ValueError) as problem:
        raise IntegrityError(f"the line of a {step} is not well formed", step=step) from problem
