"""An answer: what receivers get, and its canonical bytes.

These bytes are JSON: `columns`, `rows`, `suppressed`. Counts are integers, sums exact
decimals, averages rounded half to even at ten decimals, ROUND half away from zero as in SQL; days and times are their
ISO 8601 text. A row whose group is too small to show has its group's labels, null in every other cell, and its number
in `suppressed`.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Struct

Cell = str | int | Decimal | None


class Answer(Struct, frozen=True, omit_defaults=True):
    """What receivers get. suppressed: numbers of the rows whose group is too small to show.

    within: of an answer with noise, for each cell of `rows` what it is within of the truth, 19 times in 20; null for
    labels and formulas, for what is hidden, and for an average over so few that the noise leaves nothing of it.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]  # of Cell: msgspec decodes no union of text and decimals
    suppressed: tuple[int, ...]
    within: tuple[tuple[Any, ...], ...] = ()


def canonical_answer(answer: Answer) -> bytes:
    """The answer's canonical bytes: JSON, decimals as numbers with all their digits."""
    return msgspec.json.Encoder(decimal_format="number").encode(answer)


def read_answer(data: bytes) -> Answer:
    """The answer in canonical bytes, numbers with a point as Decimal."""
    return msgspec.json.Decoder(Answer, float_hook=Decimal).decode(data)
