"""An answer as text: a table for people, CSV, or its JSON."""

from __future__ import annotations

import csv
import io
from typing import Literal

from glovebox.planner.answer import Answer, read_answer

SUPPRESSED = "suppressed"


def rendered(answer: bytes, format: Literal["table", "csv", "json"]) -> str:
    """The answer in canonical bytes as text."""
    if format == "json":
        return answer.decode()
    found = read_answer(answer)
    rows = [_cells(found, number) for number in range(len(found.rows))]
    if format == "csv":
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([found.columns, *rows])
        return text.getvalue().rstrip("\n")
    widths = [max(len(row[place]) for row in [found.columns, *rows]) for place in range(len(found.columns))]
    lines = [_line(row, widths) for row in [found.columns, tuple("-" * width for width in widths), *rows]]
    if found.suppressed:
        lines.append(f"{len(found.suppressed)} of {len(rows)} suppressed: fewer people than the contract's threshold")
    return "\n".join(lines)


def _cells(answer: Answer, number: int) -> tuple[str, ...]:
    hidden = SUPPRESSED if number in answer.suppressed else "NULL"
    return tuple(hidden if cell is None else str(cell) for cell in answer.rows[number])


def _line(cells: tuple[str, ...], widths: list[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
