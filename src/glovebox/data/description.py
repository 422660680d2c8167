"""What a source could be in a contract: a table of its columns, their types guessed from all rows, to be edited.

Nothing here is exact on purpose: bounds are rounded outwards, and a label is named only if it stands in many rows. What
is said of the data is still said of it: the draft is its owner's until the owner passes it on.
"""

from __future__ import annotations

import math
import re
from datetime import date
from typing import Any

from msgspec import Struct
from msgspec.structs import replace
from sqlglot import exp

from glovebox.data.columns import DATE, TIMESTAMP, ZONED, type_class
from glovebox.data.database import Database, Parameters, rows
from glovebox.data.fields import Field, column_names, fields_of
from glovebox.data.identifiers import EMAIL
from glovebox.data.sources import Source
from glovebox.data.trees import (
    Node,
    any_of,
    call,
    cast,
    compare,
    full_match,
    is_null,
    name,
    not_,
    number,
    string,
    try_cast,
)
from glovebox.schema.columns import Column, Table, Use

MOST_LABELS = 40
LABEL_ROWS = 10
"""A label is named if it stands in at least so many rows; the others become other."""
LABEL_BYTES = 200
MOST_DIGITS = 18
TOTAL_LIMIT = 1 << 62  # psi.md 10
EPOCH, DAY_S = date(1970, 1, 1), 86_400
NAMED = 0.8
"""The share of a column's cells that must be e-mail addresses or phone numbers for the column to be one of those."""
CONTRACT_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")
ID_NAME = re.compile(r"(^|_)(id|key|no|nr|number|uuid|ssn|ssid)$|customer|patient|person|member|client|account|loyalty")
PLAIN_INTEGER = "-?(0|[1-9][0-9]*)"  # 007 is a code and not a number
PLAIN_NUMBER = rf"{PLAIN_INTEGER}(\.[0-9]*)?|-?\.[0-9]+"
WORDS = "(?i)true|false|yes|no"
PHONE = r"(\+|00?[1-9])[0-9 ()/.\-]{6,20}"


class Description(Struct, frozen=True):
    """A table as a draft has it, and the names of the columns left out: of free text, or no names for a contract."""

    table: Table
    left_out: tuple[str, ...]


def described(database: Database, source: Source, title: str) -> Description:
    """What a source could be as a table of that name. Raises DataError for a source that cannot be read."""
    names = column_names(database, source)
    wanted = [own for own in names if CONTRACT_NAME.fullmatch(own.lower())]
    probe = Table(title, (0,), 1, tuple(Column(own.lower(), "category") for own in dict.fromkeys(wanted)))
    parameters = Parameters()
    relation, fields = fields_of(database, probe, source, parameters)
    found: dict[str, Column] = {}
    left_out = [own for own in names if own not in wanted]
    total = 0
    for field in fields:
        if field.name not in wanted or field.name.lower() in found:
            continue
        seen = _seen(database, relation, field, parameters)
        total = int(seen["total"])
        column = _column(database, relation, field, seen, parameters)
        if column is None:
            left_out.append(field.name)
        else:
            found[column.name] = column
    columns = tuple(found.values())
    repeating = [(field, found.get(field.name.lower())) for field in fields]
    repeats = [
        _most_rows(database, relation, field, column, parameters)
        for field, column in repeating
        if column is not None and column.kind == "id" and not column.unique
    ]
    return Description(
        Table(
            title,
            (0,),
            nice(max(1, total + total // 5)),
            columns,
            rows_per_id=nice(max(repeats)) if repeats else None,
            person="id" if any(column.kind == "id" for column in columns) else "row",
        ),
        tuple(left_out),
    )


def nice(least: int) -> int:
    """The next of 1, 2, 5, 10, 20, 50, ... that is not less."""
    power: int = 10 ** (len(str(least)) - 1)
    return power * next(step for step in (1, 2, 5, 10) if power * step >= least)


def _text(field: Field) -> Node:
    return call("nullif", call("trim", cast(name(field.reference), "VARCHAR")), string(""))


def _seen(database: Database, relation: Node, field: Field, parameters: Parameters) -> dict[str, Any]:
    """What the cells of a column are, counted."""
    text = name("text")
    value = try_cast(text, "DOUBLE")
    day = try_cast(text, "DATE")
    counts = {
        "total": call("count_star"),
        "there": call("count", text),
        "different": exp.Count(this=exp.Distinct(expressions=[text])),
        "words": call("count_if", full_match(text, WORDS)),
        "integers": call("count_if", full_match(text, PLAIN_INTEGER)),
        "wide": call("count_if", compare(exp.GT, call("strlen", text), number(MOST_DIGITS))),
        "numbers": call("count_if", full_match(text, PLAIN_NUMBER)),
        "decimals": exp.Max(
            this=call("strlen", call("regexp_extract", text, string(r"\.([0-9]*[1-9])0*$"), number(1)))
        ),
        "dates": call("count_if", full_match(text, DATE)),
        "moments": call("count_if", any_of([full_match(text, TIMESTAMP), full_match(text, ZONED)])),
        "emails": call("count_if", full_match(text, EMAIL)),
        "phones": call("count_if", full_match(text, PHONE)),
        "low": exp.Min(this=value),
        "high": exp.Max(this=value),
        "first": call("year", exp.Min(this=day)),
        "last": call("year", exp.Max(this=day)),
    }
    cells = exp.select(_text(field).as_("text")).from_(relation.copy())
    line = rows(database, exp.select(*counts.values()).from_(cells.subquery("cells")), parameters)[0]
    return dict(zip(counts, line, strict=True))


def _column(
    database: Database, relation: Node, field: Field, seen: dict[str, Any], parameters: Parameters
) -> Column | None:
    """What a column could be; None for free text and what is empty."""
    there, own, kind = int(seen["there"]), field.name.lower(), type_class(field.type)
    if not there or kind in (None, "blob"):
        return None
    column = Column(own, "id", unique=seen["different"] == there, required=there == seen["total"])
    if kind == "text" and seen["emails"] >= NAMED * there:
        return replace(column, form="email")
    if kind == "text" and seen["phones"] >= NAMED * there:
        return replace(column, form="phone")
    whole = seen["integers"] == there and not seen["wide"]
    if kind in ("text", "integer", "uuid") and ID_NAME.search(own) and seen["different"] > MOST_LABELS:
        return replace(column, form="integer" if whole else "exact")
    plain = replace(column, unique=False)
    if kind == "boolean" or seen["words"] == there:
        return replace(plain, kind="boolean", may=("filter",))
    if seen["dates"] == there or kind == "date":
        return replace(plain, kind="date", may=("filter",), **_years(seen, 1))
    if seen["moments"] == there or kind == "timestamp":
        return replace(plain, kind="timestamp", may=("filter",), **_years(seen, DAY_S))
    if whole:
        return _summed(replace(plain, kind="integer"), seen)
    if seen["numbers"] == there:
        return _decimal(plain, seen)
    if kind in ("text", "integer") and seen["different"] <= MOST_LABELS:
        return _labelled(database, relation, field, plain, parameters)
    return replace(column, form="exact") if kind in ("text", "uuid") and column.unique and there > MOST_LABELS else None


def _years(seen: dict[str, Any], unit: int) -> dict[str, int]:
    """A range of whole years."""
    first, last = date(seen["first"], 1, 1) - EPOCH, date(seen["last"] + 1, 1, 1) - EPOCH
    return {"low": first.days * unit, "high": last.days * unit - 1}


def _decimal(column: Column, seen: dict[str, Any]) -> Column | None:
    scale = int(seen["decimals"] or 0)
    digits = len(str(_outward(seen)[1])) + scale
    if digits > MOST_DIGITS:
        return None
    return _summed(replace(column, kind="decimal", precision=digits, scale=scale), seen)


def _summed(column: Column, seen: dict[str, Any]) -> Column:
    low, high = (end * 10**column.scale for end in _outward(seen))
    may: tuple[Use, ...] = ("sum", "avg", "filter")
    if max(-low, high) * nice(int(seen["total"])) >= TOTAL_LIMIT // 1000:  # a join may multiply rows
        may = ("filter",)
    return replace(column, low=low, high=high, may=may)


def _outward(seen: dict[str, Any]) -> tuple[int, int]:
    """Whole numbers that no cell is beyond, with one digit that is not zero."""
    low, high = math.floor(seen["low"]), math.ceil(seen["high"])
    return (-nice(-low) if low < 0 else 0), (nice(high) if high > 0 else 1)


def _labelled(
    database: Database, relation: Node, field: Field, column: Column, parameters: Parameters
) -> Column | None:
    text = name("text")
    cells = exp.select(call("nfc_normalize", _text(field)).as_("text")).from_(relation.copy())
    counted = (
        exp.select(text, call("count_star")).from_(cells.subquery("cells")).group_by(text.copy()).order_by(text.copy())
    )
    found = rows(database, counted, parameters)
    labels = tuple(
        str(label) for label, count in found if label is not None and count >= LABEL_ROWS and _is_label(label)
    )
    if not labels:
        return None
    rest = () if len(labels) == len(found) else ("other",)
    return replace(column, kind="category", values=labels + rest, may=("group", "filter"))


def _is_label(text: str) -> bool:
    """Whether a text may stand in a contract as a label."""
    return text.isprintable() and text[0] not in "=+-@" and text != "other" and len(text.encode()) <= LABEL_BYTES


def _most_rows(database: Database, relation: Node, field: Field, column: Column, parameters: Parameters) -> int:
    """The most rows in which one id of a column stands."""
    text = name("text")
    cells = exp.select(call("lower", _text(field)).as_("text")).from_(relation.copy())
    there = full_match(text, EMAIL) if column.form == "email" else not_(is_null(text))
    counted = exp.select(call("count_star").as_("n")).from_(cells.subquery("cells")).where(there).group_by(text)
    most = exp.select(exp.Max(this=name("n"))).from_(counted.subquery("counted"))
    return int(rows(database, most, parameters)[0][0] or 1)
