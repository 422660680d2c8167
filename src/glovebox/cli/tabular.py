"""An answer as text: a table for people, CSV, or its JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from decimal import ROUND_UP, Context, Decimal
from typing import Literal

from glovebox.schema.answer import Answer, read_answer

SUPPRESSED = "suppressed"
WHY = "fewer people than the contract's threshold, or a total would tell such a group"


def rendered(answer: bytes, format: Literal["table", "csv", "json"]) -> str:
    """The answer in canonical bytes as text."""
    if format == "json":
        return answer.decode()
    found = read_answer(answer)
    if format == "csv":
        return _csv(found)
    rows = [
        tuple(map(_with_bar, _cells(found, number), _bars(found, number, len(found.columns))))
        for number in range(len(found.rows))
    ]
    widths = [max(len(row[place]) for row in [found.columns, *rows]) for place in range(len(found.columns))]
    lines = [_line(row, widths) for row in [found.columns, tuple("-" * width for width in widths), *rows]]
    if found.suppressed:
        lines.append(f"{len(found.suppressed)} of {len(rows)} suppressed: {WHY}")
    if found.within:
        lines.append("± says what a number is within of the truth, 19 times in 20")
    return "\n".join(lines)


def _csv(answer: Answer) -> str:
    """The answer as CSV; of one with noise each number's error bar stands in a column beside it."""
    barred = [place for place in range(len(answer.columns)) if any(line[place] is not None for line in answer.within)]
    head = [*answer.columns, *(f"{answer.columns[place]}_within" for place in barred)]
    lines = [
        [*_cells(answer, number), *("" if line[place] is None else str(line[place]) for place in barred)]
        for number, line in enumerate(answer.within or [()] * len(answer.rows))
    ]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([head, *lines])
    return text.getvalue().rstrip("\n")


def _cells(answer: Answer, number: int) -> tuple[str, ...]:
    hidden = SUPPRESSED if number in answer.suppressed else "NULL"
    return tuple(hidden if cell is None else str(cell) for cell in answer.rows[number])


def _bars(answer: Answer, number: int, columns: int) -> Sequence[int | Decimal | None]:
    return answer.within[number] if answer.within else [None] * columns


def _with_bar(cell: str, bar: int | Decimal | None) -> str:
    """A number and its error bar, in three digits rounded up."""
    if bar is None:
        return cell
    return f"{cell} ± {Context(prec=3, rounding=ROUND_UP).plus(Decimal(bar)).normalize():f}"


def _line(cells: tuple[str, ...], widths: list[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
