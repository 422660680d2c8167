"""The keys that a contract's text may hold, and nothing else: strict models, and their errors in plain words."""

from __future__ import annotations

import difflib
from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from glovebox.contract.lines import Fault, Lines, Path
from glovebox.contract.terms import Protocol

NAME = r"^[a-z][a-z0-9_-]{0,62}$"
UNKNOWN = "extra_forbidden"
HASH = r"^sha256:[0-9a-f]{64}$"

Name = Annotated[str, Field(pattern=NAME)]
Sentence = Annotated[str, Field(min_length=1, max_length=2000)]
Count = Annotated[int, Field(ge=1, lt=1 << 31)]  # psi.md 10: counts stay under 2^31
Number = int | str | datetime | date
"""The end of a range: an integer, a decimal string, a date or a time; never a float."""


class Part(BaseModel):
    """A table of the file: an unknown key, or a value of another type, is an error."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class PartyPart(Part):
    name: Name
    key: str
    address: str
    dial: Literal["out"] | None = None


class ColumnPart(Part):
    type: str
    form: str | None = None
    max_bytes: Annotated[int, Field(ge=1, le=4096)] | None = None
    country: str | None = None
    unique: bool = False
    required: bool = False
    values: Annotated[list[str], Field(min_length=1, max_length=4096)] | None = None
    range: Annotated[list[Number], Field(min_length=2, max_length=2)] | None = None
    may: list[Literal["sum", "avg", "min", "max", "quantile", "group", "filter", "compare"]] = []
    round: Literal["hour", "day", "week", "month", "quarter", "year"] | None = None
    bands: Annotated[list[int | str], Field(min_length=2, max_length=1000)] | None = None
    clip: Literal[True] | None = None


class TablePart(Part):
    owner: Name | Annotated[list[Name], Field(min_length=1, max_length=9)]  # session.md: m <= 9
    name: Name
    rows: Count
    rows_per_id: Count | None = None
    person: Literal["row"] | None = None
    same_person_at_several: Literal["yes", "no"] | None = None
    columns: Annotated[dict[Name, ColumnPart], Field(min_length=1, max_length=1000)]


class RulesPart(Part):
    join: list[Annotated[list[str | list[str]], Field(min_length=2, max_length=2)]] = []
    ask: Annotated[list[Name], Field(min_length=1)]
    receive: Annotated[list[Name], Field(min_length=1)]
    groups_of_at_least: Annotated[int, Field(ge=1, lt=1 << 31)]
    questions: Literal["any", "approved"]
    exact: str | None = None
    zero: Literal["shown"] | None = None
    dominance_percent: Annotated[int, Field(ge=1, le=99)] | None = None
    overlap_checks: Annotated[int, Field(ge=0, le=100)] = 0


class PrivacyPart(Part):
    epsilon_total: str
    epsilon_per_question: str


class QuestionPart(Part):
    name: Name
    sql: Annotated[str, Field(min_length=1, max_length=1 << 14)]
    parameters: dict[Name, Literal["date", "timestamp", "integer", "decimal", "boolean", "category"]] = {}
    receive: Annotated[list[Name], Field(min_length=1)] | None = None


class Document(Part):
    glovebox: Literal[1]
    name: Name
    version: Count
    purpose: Sentence
    legal_basis: Sentence | None = None
    first: date = Field(alias="from")
    until: date
    supersedes: Annotated[str, Field(pattern=HASH)] | None = None
    protocol: Protocol | None = None
    party: Annotated[list[PartyPart], Field(min_length=1, max_length=100)]
    table: Annotated[list[TablePart], Field(min_length=1, max_length=100)]
    rules: RulesPart
    privacy: PrivacyPart | None = None
    question: Annotated[list[QuestionPart], Field(max_length=1000)] = []


PARTS: tuple[type[Part], ...] = (Document, PartyPart, TablePart, ColumnPart, RulesPart, PrivacyPart, QuestionPart)


def read_document(toml: dict[str, object], lines: Lines) -> Document:
    """The document of a contract's TOML; raises Fault for what stands first in the text."""
    try:
        return Document.model_validate(toml)
    except ValidationError as problem:
        errors = problem.errors(include_url=False)
    places = [(_path(error["loc"], error["type"]), error) for error in errors]
    # A misspelt key is also a missing one: it is named first. Of a union every branch complains about one place.
    path, first = min(places, key=lambda place: (place[1]["type"] != UNKNOWN, lines.of(place[0]), -len(place[0])))
    raise _fault(path, first["type"], first["input"], first.get("ctx", {}))


def _path(place: tuple[str | int, ...], kind: str) -> Path:
    """The place in the text: without the mark of a dict's key and the names of a union's branches."""
    path = tuple(step for step in place if isinstance(step, int) or (step != "[key]" and "[" not in step))
    branches = ("int", "str", "datetime", "date", "constrained-str")
    if kind != UNKNOWN and path[-1] in branches and (isinstance(path[-2], int) or path[-2] == "owner"):
        return path[:-1]
    return path


def _fault(path: Path, kind: str, came: object, context: dict[str, Any]) -> Fault:
    name = _name_of(path)
    match kind:
        case "extra_forbidden":  # UNKNOWN
            code, sentence, hint = "contract_unknown_key", f"there is no key {name}", _near_key(path)
        case "missing":
            code, sentence, hint = "contract_missing_key", f"the key {name} is missing", f"write {path[-1]} = ..."
            path = path[:-1]
        case "string_pattern_mismatch" if context.get("pattern") == NAME:
            code, sentence = "contract_name", f"{_short(came)} is not a name"
            hint = "a name is a-z, then up to 62 of a-z, 0-9, _ and -"
        case "literal_error":
            code, sentence, hint = "contract_value", f"{name} cannot be {_short(came)}", f"write {context['expected']}"
        case "string_pattern_mismatch":
            code, sentence = "contract_value", f"{name} is not a hash"
            hint = "write sha256: and 64 hexadecimal digits"
        case "too_long" | "too_short" | "string_too_long" | "string_too_short":
            code, sentence, hint = "contract_length", f"{name} is too {kind.rsplit('_', 1)[-1]}", _lengths(context)
        case "greater_than_equal" | "less_than" | "less_than_equal":
            code, sentence, hint = "contract_number", f"{name} cannot be {_short(came)}", _bounds(context)
        case _ if isinstance(came, float):
            code, sentence = "contract_float", f"{name} is a floating-point number"
            hint = 'write an integer, or a decimal in quotes: "12.50"'
        case _:
            code, sentence = "contract_type", f"{name} is not of the right type"
            hint = f"write {_TYPES.get(kind, 'another value')}"
    return Fault(code, path, sentence, hint)


_TYPES = {
    "string_type": "text in quotes",
    "int_type": "an integer",
    "bool_type": "true or false",
    "date_type": "a date without quotes: 2026-12-01",
    "list_type": "a list: [..]",
    "dict_type": "a table: { .. }",
    "model_type": "a table",
}


def _lengths(context: dict[str, Any]) -> str:
    most, least = context.get("max_length"), context.get("min_length")
    return f"at most {most}" if most is not None else f"at least {least}"


def _bounds(context: dict[str, Any]) -> str:
    if "ge" in context:
        return f"at least {context['ge']}"
    return f"at most {context['le']}" if "le" in context else f"under {context['lt']}"


def _near_key(path: Path) -> str:
    """The key that was probably meant, or all keys that may stand there."""
    part: Any = Document
    for step in path[:-1]:
        if isinstance(step, str):
            known = {"party": PartyPart, "table": TablePart, "rules": RulesPart, "privacy": PrivacyPart}
            part = known.get(step) or {"question": QuestionPart, "columns": ColumnPart}.get(step, part)
    keys = [field.alias or name for name, field in part.model_fields.items()]
    near = difflib.get_close_matches(str(path[-1]), keys, n=1)
    return f"did you mean {near[0]}?" if near else f"the keys here are {', '.join(keys)}"


def _name_of(path: Path) -> str:
    return ".".join(str(step) for step in path if isinstance(step, str)) or "the value"


def _short(value: object) -> str:
    """A value of the contract as an error shows it."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:56]} ..."
