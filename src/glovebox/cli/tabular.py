"""An answer as text: a table for people, CSV, or its JSON."""

from __future__ import annotations

from typing import Any

import msgspec

SUPPRESSED = "suppressed"


class AnswerJson(msgspec.Struct):
    """The canonical JSON of an answer: a row's cells, or null in every cell but the group's where it is suppressed."""

    columns: list[str]
    rows: list[list[Any]]
    suppressed: list[int]
