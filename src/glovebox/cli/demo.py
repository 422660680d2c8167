"""`glovebox demo`: real nodes, real contracts, made-up tables; every answer beside the same one in the clear."""

from __future__ import annotations

import json as text
import tempfile
import time
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from glovebox.cli.exercises import CAMPAIGN, HOSPITALS, Exercise, Question, heart, retail
from glovebox.cli.fleet import Fleet
from glovebox.cli.tabular import rendered
from glovebox.errors import GloveboxError, Refused, UsageError
from glovebox.schema.answer import Answer, read_answer

CLOSE = 1e-6
"""Relative difference that counts as equal for averages, which DuckDB computes in floating point."""


@dataclass(frozen=True)
class Shown:
    """One question as it was answered, beside the clear."""

    question: Question
    sql: str
    answer: bytes | None
    clear: list[list[Any]] | None
    refused: str
    equal: bool
    seconds: float


def show(data: Path | None, json: bool) -> int:
    """Run the demo; 0 if every answer is what it must be, else 1."""
    began = time.monotonic()
    exercises = (CAMPAIGN, HOSPITALS) if data is None else (retail(data), heart(data))
    results: list[Shown] = []
    with tempfile.TemporaryDirectory(prefix="glovebox-") as directory:
        for exercise in exercises:
            results += _exercised(exercise, Path(directory), quiet=json)
    seconds = time.monotonic() - began
    equal = all(shown.equal for shown in results)
    if json:
        print(text.dumps({"questions": [_as_json(shown) for shown in results], "seconds": round(seconds, 3)}))
    else:
        print(f"\n{'All answers are right.' if equal else 'AN ANSWER IS WRONG.'} {seconds:.1f} s in all.")
    return 0 if equal else 1


def _exercised(exercise: Exercise, directory: Path, quiet: bool) -> list[Shown]:
    """One contract, from fresh homes to the last answer."""
    files = exercise.write(directory / exercise.name / "data")
    fleet = Fleet(directory / exercise.name, list(exercise.parties))
    fleet.agree(exercise.contract(fleet.keys, fleet.addresses))
    for (party, table), path in files.items():
        fleet.bind(party, table, path)
    if not quiet:
        owners = ", ".join(f"{party}'s {table}" for party, table in files)
        print(f"\n{exercise.name}: {', '.join(exercise.parties)} sign a contract over {owners}; a node each starts.")
    results = []
    with fleet:
        for question in exercise.questions:
            shown = _asked(fleet, exercise, question, files)
            results.append(shown)
            if not quiet:
                _print(shown)
    if not quiet:
        print(f"\n  learned: {exercise.learns}")
    return results


def _asked(fleet: Fleet, exercise: Exercise, question: Question, files: dict[tuple[str, str], Path]) -> Shown:
    sql = exercise.statement(question)
    began = time.monotonic()
    try:
        answered = fleet.ask(question.asker, question.asked)
    except GloveboxError as error:
        seconds = time.monotonic() - began
        right = not question.clear and error.exit_code == Refused.exit_code
        return Shown(question, sql, None, None, "\n".join(error.lines()), right, seconds)
    seconds = time.monotonic() - began
    clear = in_the_clear(question, files)
    found = read_answer(bytes(answered.answer))
    return Shown(question, sql, bytes(answered.answer), clear, "", equal(found, clear), seconds)


def in_the_clear(question: Question, files: dict[tuple[str, str], Path]) -> list[list[Any]]:
    """The same answer by DuckDB over all files at once, with null for what the threshold hides."""
    if not question.clear:
        raise UsageError("a question that must be refused has no answer")
    with duckdb.connect(":memory:") as database:
        for table in {table for _, table in files}:
            paths = [str(path) for (_, name), path in files.items() if name == table]
            parts = [_relation(database, path) for path in paths]
            whole = parts[0]
            for part in parts[1:]:
                whole = whole.union(part)
            whole.create_view(table)
        for (party, table), path in files.items():
            if f"{party}.{table}" in question.clear:
                database.execute(f'CREATE SCHEMA IF NOT EXISTS "{party}"')
                database.execute(f'CREATE VIEW "{party}"."{table}" AS FROM read_parquet(\'{path}\')')
        rows = [list(row) for row in database.execute(question.clear).fetchall()]
    if not question.small:
        return rows
    return [row if row[1] >= question.small else [row[0], *[None] * (len(row) - 1)] for row in rows]


def _relation(database: duckdb.DuckDBPyConnection, path: str) -> duckdb.DuckDBPyRelation:
    return database.read_csv(path) if path.endswith(".csv") else database.read_parquet(path)


def equal(answer: Answer, clear: list[list[Any]]) -> bool:
    """Whether an answer's rows are the clear ones, in any order, averages to `CLOSE`."""
    if len(answer.rows) != len(clear):
        return False
    ours, theirs = (sorted(rows, key=lambda row: [str(cell) for cell in row]) for rows in (answer.rows, clear))
    return all(_same(a, b) for one, other in zip(ours, theirs, strict=True) for a, b in zip(one, other, strict=True))


def _same(a: Any, b: Any) -> bool:
    if isinstance(b, float) and isinstance(a, int | Decimal):
        return abs(float(a) - b) <= CLOSE * max(1.0, abs(b))
    return bool(a == b)


def _print(shown: Shown) -> None:
    print(f"\n  {shown.question.says}\n  {shown.question.asker} asks: {' '.join(shown.sql.split())}")
    if shown.refused:
        print(*(f"    {line}" for line in shown.refused.splitlines()), sep="\n")
        print(f"    {'refused, as it must be' if shown.equal else 'REFUSED'}, {shown.seconds:.2f} s")
        return
    print(*(f"    {line}" for line in rendered(shown.answer or b"", "table").splitlines()), sep="\n")
    clear = "; ".join(", ".join("hidden" if cell is None else str(cell) for cell in row) for row in shown.clear or [])
    print(f"    in the clear: {clear}\n    {'equal' if shown.equal else 'DIFFERENT'}, {shown.seconds:.2f} s")


def _as_json(shown: Shown) -> dict[str, Any]:
    answer = text.loads(shown.answer) if shown.answer else None
    return {
        "sql": shown.sql,
        "answer": answer,
        "clear": [[_plain(cell) for cell in row] for row in shown.clear] if shown.clear is not None else None,
        "equal": shown.equal,
        "seconds": round(shown.seconds, 3),
        "refused": shown.refused or None,
    }


def _plain(cell: Any) -> Any:
    return float(cell) if isinstance(cell, Decimal) else cell
