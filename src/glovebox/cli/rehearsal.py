"""`glovebox rehearse`: a whole contract on this machine, on tables invented from its schema, before anyone signs it.

Each party gets a node with a throw-away key, each owner a table that obeys the contract, and every question is asked
and answered as it would be; beside it the same question over all tables at once, in a DuckDB that reaches nothing else.
A statement gets there only once it was planned: what is no question never does.
"""

from __future__ import annotations

import json as text
import re
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet
from sqlglot import exp

from glovebox.cli.demo import CLOSE
from glovebox.cli.fleet import Fleet
from glovebox.cli.tabular import rendered
from glovebox.contract.lines import read_toml
from glovebox.contract.terms import Contract
from glovebox.data.invented import invent
from glovebox.errors import GloveboxError, Refused, UsageError
from glovebox.identity import key_text
from glovebox.node.contracts import read_contract
from glovebox.node.state import State
from glovebox.planner.cost import plan_cost
from glovebox.planner.plan import Plan, groupings_of
from glovebox.planner.question import plan_question
from glovebox.planner.statement import DIALECT, Statement
from glovebox.planner.typed import SAMPLES
from glovebox.schema.answer import Answer, read_answer
from glovebox.schema.columns import Column

SEED = 1
EPOCH = datetime(1970, 1, 1)
FIRST, LAST = date(2000, 1, 1), date(2099, 12, 31)
TYPES = {"integer": "BIGINT", "decimal": "DECIMAL(38,18)", "category": "VARCHAR"}


@dataclass(frozen=True)
class Rehearsed:
    """One question: as it was answered or refused, and whether that is what the clear gives."""

    name: str
    sql: str
    parameters: dict[str, str]
    answer: bytes | None
    refused: str
    equal: bool | None  # None: not to be compared, as with noise
    seconds: float
    forecast: str


def rehearse(file: Path, questions: Path | None, rows: int, json: bool) -> int:
    """Rehearse every approved question, and those of a file; 0 if all are answered and right, else 1."""
    contract = read_contract(file)
    asked = [(question.name, question.sql, dict(question.parameters)) for question in contract.questions]
    asked += [(f"question {number}", sql, {}) for number, sql in enumerate(_statements(questions), 1)]
    if not asked:
        raise UsageError("the contract has no [[question]] to rehearse", hint="--questions FILE, statements ended by ;")
    with tempfile.TemporaryDirectory(prefix="glovebox-") as directory:
        fleet = Fleet(Path(directory), [party.name for party in contract.parties])
        agreed = read_contract(fleet.agree(rehearsal_text(contract, fleet)))
        clear = _tables(fleet, agreed, rows)
        with fleet, clear:
            done = []
            for name, sql, parameters in asked:
                done.append(_rehearsed(fleet, agreed, clear, name, sql, parameters))
                if not json:
                    _print(done[-1])
    wrong = sum(1 for each in done if each.refused or each.equal is False)
    if json:
        print(text.dumps({"questions": [_as_json(each) for each in done], "wrong": wrong}))
    else:
        print(f"\n{len(done) - wrong} of {len(done)} questions are answered as in the clear.")
    return 1 if wrong else 0


def _statements(file: Path | None) -> list[str]:
    if file is None:
        return []
    if not file.is_file():
        raise UsageError(f"there is no file {file}", hint="a file of statements, each ended by ;")
    return [statement.strip() for statement in re.split(r";\s*(?:\n|$)", file.read_text()) if statement.strip()]


def rehearsal_text(contract: Contract, fleet: Fleet) -> str:
    """The contract's text with throw-away keys, addresses of this machine, and a time that is now."""
    lines = contract.text.decode().splitlines(keepends=True)
    _, places = read_toml(contract.text)
    for key, day in (("from", FIRST), ("until", LAST)):
        number = places.of((key,)) - 1
        lines[number] = re.sub(r"=.*", f"= {day}", lines[number], count=1)
    whole = "".join(lines)
    for party in contract.parties:
        for own, other in (
            (key_text(party.key), key_text(fleet.keys[party.name])),
            (party.address, fleet.addresses[party.name]),
        ):
            whole = re.sub(rf"(['\"]){re.escape(own)}\1", f'"{other}"', whole)
    return whole


def _tables(fleet: Fleet, contract: Contract, rows: int) -> duckdb.DuckDBPyConnection:
    """Bind an invented table at every owner; return a database that holds all of them, as they are once treated."""
    clear = duckdb.connect(":memory:")
    clear.execute("SET TimeZone = 'UTC'")
    for index, table in enumerate(contract.tables):
        every = []
        for owner in table.owners:
            party = contract.parties[owner].name
            made = invent(table, owner, rows, SEED)
            path = fleet.directory / f"{party}-{index}.parquet"
            pyarrow.parquet.write_table(made.own, path)
            fleet.bind(party, table.name, path)
            _hold(clear, made.treated, party, table.name)
            every.append(made.treated)
        if len(contract.tables_named(table.name)) == 1:
            _hold(clear, pa.concat_tables(every), "main", table.name)
    for setting in ("enable_external_access", "python_enable_replacements"):
        clear.execute(f"SET {setting} = false")
    clear.execute("SET lock_configuration = true")
    return clear


def _hold(clear: duckdb.DuckDBPyConnection, rows: pa.Table, schema: str, table: str) -> None:
    place = exp.table_(table, db=schema, quoted=True).sql(DIALECT)
    clear.execute(f"CREATE SCHEMA IF NOT EXISTS {exp.to_identifier(schema, quoted=True).sql(DIALECT)}")
    clear.register("arriving", rows)
    clear.execute(f"CREATE TABLE {place} AS FROM arriving")
    clear.unregister("arriving")


def _rehearsed(
    fleet: Fleet, contract: Contract, clear: duckdb.DuckDBPyConnection, name: str, sql: str, declared: Mapping[str, str]
) -> Rehearsed:
    asker = contract.rules.ask[0]
    began = time.monotonic()
    chosen: dict[str, str] = {}
    asked = name if declared or any(question.name == name for question in contract.questions) else sql
    try:
        chosen, plan = _planned(contract, asked, declared, asker)
        answered = fleet.ask(contract.parties[asker].name, asked, chosen)
    except GloveboxError as error:
        return Rehearsed(name, sql, chosen, None, "\n".join(error.lines()), None, time.monotonic() - began, "")
    seconds = time.monotonic() - began
    answer = bytes(answered.answer)
    if answer == b"null":
        answer = _received(fleet, contract, plan)
    same = None if contract.privacy else is_equal(read_answer(answer), plan, in_the_clear(clear, sql, declared, chosen))
    cost = plan_cost(plan)
    return Rehearsed(name, sql, chosen, answer, "", same, seconds, f"{cost.size:,} bytes, {cost.rounds} rounds")


def _planned(contract: Contract, asked: str, declared: Mapping[str, str], asker: int) -> tuple[dict[str, str], Plan]:
    """Values for the parameters, and the plan. One label is tried after the other, until one is of the column's."""
    columns = [column for table in contract.tables for column in table.columns]
    labels = list(dict.fromkeys(label for column in columns for label in column.values)) or [""]
    refused: Refused | None = None
    for label in labels if "category" in declared.values() else labels[:1]:
        chosen = {name: label if kind == "category" else _sample(kind, columns) for name, kind in declared.items()}
        try:
            return chosen, plan_question(contract, asked, chosen, asker)
        except Refused as error:
            refused = error
    raise refused or Refused("the question is refused", code="parameters")


def _sample(kind: str, columns: list[Column]) -> str:
    """A value of that type, a day or a time from the middle of a range."""
    for column in columns:
        if column.kind == kind in ("date", "timestamp") and column.low is not None and column.high is not None:
            middle = (column.low + column.high) // 2
            moment = EPOCH + (timedelta(days=middle) if kind == "date" else timedelta(seconds=middle))
            return moment.date().isoformat() if kind == "date" else moment.isoformat()
    return SAMPLES[kind]


def in_the_clear(
    clear: duckdb.DuckDBPyConnection, sql: str, declared: Mapping[str, str], chosen: Mapping[str, str]
) -> list[tuple[Any, ...]]:
    """The rows that DuckDB gives over all tables at once."""
    tree = Statement(sql).asked
    for place in list(tree.find_all(exp.Placeholder)):
        kind = declared[place.name]
        value = exp.Literal.string(chosen[place.name])
        place.replace(exp.Cast(this=value, to=exp.DataType.build(TYPES.get(kind, kind.upper()), dialect=DIALECT)))
    return clear.execute(tree.sql(DIALECT)).fetchall()


def is_equal(answer: Answer, plan: Plan, clear: list[tuple[Any, ...]]) -> bool:
    """Whether every row that shows is the clear one, and none that does not show is missing from the domain.

    A group that DuckDB leaves out has no rows: here it shows as zero or is suppressed.
    """
    keys = [place for place, output in enumerate(plan.outputs) if output.kind == "group"]
    found = {tuple(_label(row[place]) for place in keys): row for row in clear}
    shown = {tuple(_label(row[place]) for place in keys): row for row in answer.rows}
    hidden = {tuple(_label(answer.rows[number][place]) for place in keys) for number in answer.suppressed}
    if groupings_of(plan) and not set(found) <= set(shown):
        return False
    for key, row in shown.items():
        if key in hidden:
            continue
        beside = found.get(key)
        cells = zip(row, beside if beside is not None else [None] * len(row), strict=True)
        if not all(place in keys or _same(ours, theirs) for place, (ours, theirs) in enumerate(cells)):
            return False
    return True


def _label(cell: Any) -> str:
    """The text of a group's key; of a time at midnight that of its day, for DuckDB makes times of truncated days."""
    return (cell.isoformat() if isinstance(cell, date) else str(cell)).removesuffix("T00:00:00")


def _same(ours: Any, theirs: Any) -> bool:
    if theirs is None:
        return ours is None or ours == 0
    if isinstance(theirs, date):
        return _label(ours) == _label(theirs)
    if isinstance(theirs, float) and isinstance(ours, int | Decimal):
        return abs(float(ours) - theirs) <= CLOSE * max(1.0, abs(theirs))
    return bool(ours == theirs)


def _received(fleet: Fleet, contract: Contract, plan: Plan) -> bytes:
    """The answer as the first receiver has it."""
    state = State(fleet.homes[contract.parties[plan.receivers[0]].name].state_file)
    stored = state.answers()[0].answer
    state.close()
    return stored


def _print(each: Rehearsed) -> None:
    with_ = "".join(f" --parameter.{name} {value!r}" for name, value in each.parameters.items())
    print(f"\n{each.name}{with_}", *(f"  | {line}" for line in each.sql.strip().splitlines()), sep="\n")
    if each.refused:
        print(*(f"    {line}" for line in each.refused.splitlines()), "    REFUSED", sep="\n")
        return
    print(*(f"    {line}" for line in rendered(each.answer or b"", "table").splitlines()), sep="\n")
    verdict = {True: "as in the clear", False: "DIFFERENT FROM THE CLEAR", None: "not compared, for its noise"}
    print(f"    {verdict[each.equal]}; {each.seconds:.2f} s here; forecast {each.forecast}")


def _as_json(each: Rehearsed) -> dict[str, Any]:
    return {
        "name": each.name, "sql": each.sql, "parameters": each.parameters, "equal": each.equal,
        "answer": text.loads(each.answer) if each.answer else None, "refused": each.refused or None,
        "seconds": round(each.seconds, 3), "forecast": each.forecast,
    }  # fmt: skip
