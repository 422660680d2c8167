"""One column of a contract as it is read from one column of a file: its cleaned value, and what may be wrong with it.

Text is read by the contract's type and not by its looks: numbers are digits with a point, dates are 2026-12-31, so
that DuckDB's generous casts (1e3, 0x10, 1_000, 2026/1/2, rounding) do not apply. A typed column of a file must hold
the same value after the cast. Blanks around a value are dropped; the empty text is NULL, except in an id.
What a value then becomes is the business of `anonymity`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace
from sqlglot import exp

from glovebox.data.anonymity import is_treated, treated
from glovebox.data.database import Parameters
from glovebox.data.identifiers import canonical, composed, folded
from glovebox.data.trees import (
    Node,
    any_of,
    both,
    call,
    cast,
    compare,
    either,
    full_match,
    is_null,
    name,
    not_,
    number,
    string,
    try_cast,
    when,
)  # fmt: skip
from glovebox.errors import DataError
from glovebox.schema.columns import Column

FaultKind = Literal[
    "null", "unreadable", "not_finite", "decimals", "range", "label", "clipped", "other",
    "null_id", "no_form", "duplicate", "rows_per_id", "surplus", "rows",
]  # fmt: skip
TypeClass = Literal["text", "integer", "decimal", "float", "boolean", "date", "timestamp", "uuid", "blob"]

TYPES: dict[str, TypeClass] = {
    "VARCHAR": "text", "FLOAT": "float", "DOUBLE": "float", "BOOLEAN": "boolean", "DATE": "date", "UUID": "uuid",
    "BLOB": "blob", "TIMESTAMP WITH TIME ZONE": "timestamp", "TIMESTAMP": "timestamp", "TIMESTAMP_S": "timestamp",
    "TIMESTAMP_MS": "timestamp", "TIMESTAMP_NS": "timestamp", "TINYINT": "integer", "SMALLINT": "integer",
    "INTEGER": "integer", "BIGINT": "integer", "HUGEINT": "integer", "UTINYINT": "integer", "USMALLINT": "integer",
    "UINTEGER": "integer", "UBIGINT": "integer", "UHUGEINT": "integer",
}  # fmt: skip
READABLE: dict[str, tuple[TypeClass, ...]] = {
    "integer": ("text", "integer", "decimal", "float"),
    "decimal": ("text", "integer", "decimal", "float"),
    "boolean": ("text", "boolean", "integer"),
    "category": ("text", "integer", "boolean"),
    "date": ("text", "date", "timestamp"),
    "timestamp": ("text", "timestamp", "date"),
    "id exact": ("text", "integer", "uuid", "blob"),
    "id text": ("text", "integer", "uuid"),
    "id email": ("text",),
    "id phone": ("text",),  # a number has lost its plus sign and its zeros
    "id integer": ("text", "integer"),  # no floats as ids: NaN would match NaN, and 2^53 + 1 is 2^53
}
NOT_FINITE = "(?i)[+-]?(nan|inf|infinity)"
NUMBER = r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)"
DATE = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
TIME = r"[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?"
TIMESTAMP = rf"{DATE}([T ]{TIME})?"
ZONED = rf"{DATE}[T ]{TIME} ?(Z|[+-][0-9]{{2}}(:?[0-9]{{2}})?)"
YES, NO = "(?i)true|t|yes|y|1", "(?i)false|f|no|n|0"
EPOCH = datetime(1970, 1, 1)


Faults = tuple[tuple[FaultKind, Node], ...]


class Reading(Struct, frozen=True):
    """How one column is read, step by step, each step over the names of the one before.

    raw: over the file's columns, called r0 in column 0; folded: of an id, of a value that becomes another, and of a
    label its place among the column's, from 1, over r0, called f0; value: over r0 and f0, called c0. faults: what may
    be wrong or worth a note, over r0, f0 and c0. wrong: whether any of these that is an error is there.
    """

    column: Column
    index: int
    raw: Node
    folded: Node | None
    value: Node
    faults: Faults
    wrong: Node

    @property
    def name(self) -> str:
        """The name of the cleaned column."""
        return f"c{self.index}"

    @property
    def place(self) -> str | None:
        """The name of the places of a column's labels; None where that is not how it is read."""
        folds = self.column.kind == "category" and self.folded is not None and not is_treated(self.column)
        return f"f{self.index}" if folds else None


def reading(column: Column, index: int, field: Node, type: str, parameters: Parameters) -> Reading:
    """How a column is read from a field of the file, which has that DuckDB type. Raises DataError if it cannot be."""
    field, type = _readable(column, field, type)
    raw, form, value = name(f"r{index}"), name(f"f{index}"), name(f"c{index}")
    lost = both(not_(is_null(raw)), is_null(value))
    required: Faults = (("null", is_null(raw)),) if column.required else ()
    if column.kind == "id":
        outside = _beyond(column, value, parameters)
        faults: Faults = (("null_id", is_null(raw)), ("no_form", lost), *required, *outside)
        wrong = any_of([condition for _, condition in (*required, *outside)])
        read = canonical(column, form, type)
        return Reading(column, index, field, folded(column, raw, type), read, faults, wrong)
    treats = is_treated(column)
    source = _source(column)
    step = form if treats or source.kind == "category" else value
    lost = both(not_(is_null(raw)), is_null(step))
    notes: Faults = ()
    place: Node | None = None
    match source.kind:
        case "integer" | "decimal":
            read, reasons = _number(source, raw, type)
        case "boolean":
            read, reasons = _boolean(raw, type), ()
        case "category":
            place, read = _category(column, raw, form, parameters)
            reasons = (("label", lost),)
            notes = _othered(column, raw, value)
        case "date" | "timestamp":
            read, reasons = _moment(column, raw, type), ()
    if column.bands and "other" in column.values:
        notes = (("other", both(not_(lost), compare(exp.EQ, value, string("other")))),)
    if column.kind == "category" and "other" not in column.values:
        required = (("null", is_null(raw)),)
    found: Faults = tuple((kind, both(lost, reason)) for kind, reason in reasons)
    unreadable = both(lost, not_(any_of([reason for _, reason in reasons])))
    beyond: Faults = _beyond(column, step, parameters)
    if column.clip:
        notes = tuple(("clipped", condition) for _, condition in beyond)
        beyond = ()
    wrong = any_of([lost, *(condition for _, condition in (*beyond, *required))])
    faults = (*found, ("unreadable", unreadable), *beyond, *required, *notes)
    if treats:
        becomes = treated(column, form, column_type(column), lambda units: _end(source, units, parameters), parameters)
        return Reading(column, index, field, read, becomes, faults, wrong)
    return Reading(column, index, field, place, read, faults, wrong)


def _source(column: Column) -> Column:
    """The column as its source has it: a number, where what it becomes is the label of a band."""
    return replace(column, kind="decimal" if column.precision else "integer") if column.bands else column


def composition(column: Column, index: int, parts: list[Reading]) -> Reading:
    """How an id that is made of other columns is read: of theirs, one step behind them."""
    raw, value = name(f"r{index}"), name(f"c{index}")
    there = both(*(not_(is_null(part.raw)) for part in parts))
    faults: Faults = (("null_id", is_null(raw)), ("no_form", both(not_(is_null(raw)), is_null(value))))
    return Reading(
        column, index, when(there, exp.true()), None, composed([name(part.name) for part in parts]), faults, exp.false()
    )


def _readable(column: Column, field: Node, type: str) -> tuple[Node, str]:
    """The field, as text where that is how it is read, and its type. Raises DataError for a type of no use here."""
    found = type_class(type)
    wanted = f"id {column.form}" if column.kind == "id" else _source(column).kind
    if found is None or found not in READABLE[wanted]:
        sentence = f"{column.name} is {type.partition('(')[0].lower()} in the file, which cannot be read as {wanted}"
        raise DataError(sentence, hint=f"a file in which {column.name} is {' or '.join(READABLE[wanted])}")
    if found not in {"text", "float", "uuid"} and not (wanted in {"id text", "id exact"} and found == "integer"):
        return field, type
    field = cast(field, "VARCHAR")
    return (field if column.kind == "id" else call("nullif", call("trim", field), string(""))), "VARCHAR"


def type_class(type: str) -> TypeClass | None:
    """What a DuckDB type is, for reading; None for a type that no column is read from."""
    if type.startswith("DECIMAL("):
        return "decimal"
    return "text" if type.startswith("ENUM(") else TYPES.get(type)


def column_type(column: Column) -> str:
    """The DuckDB type of a column's cleaned value; of an id that is text, VARCHAR."""
    kinds = {"integer": "BIGINT", "boolean": "BOOLEAN", "date": "DATE", "timestamp": "TIMESTAMP"}
    if column.kind == "decimal":
        return f"DECIMAL({column.precision},{column.scale})"
    return "BIGINT" if column.form == "integer" else kinds.get(column.kind, "VARCHAR")


def _number(column: Column, raw: Node, type: str) -> tuple[Node, Faults]:
    target, scale = column_type(column), column.scale
    if type == target:
        return raw, ()
    if type != "VARCHAR":
        return _unchanged(raw, type, target), (("decimals", not_(is_null(try_cast(raw, target)))),)
    # zeros behind the last decimal change nothing
    kept = rf"(\.[0-9]{{0,{scale}}}0*)?" if scale else r"(\.0*)?"
    short = rf"|\.[0-9]{{1,{scale}}}0*" if scale else ""
    fits = full_match(raw, f"[+-]?([0-9]+{kept}{short})")
    longer = both(full_match(raw, NUMBER), not_(fits))
    return when(fits, try_cast(raw, target)), (("not_finite", full_match(raw, NOT_FINITE)), ("decimals", longer))


def _unchanged(raw: Node, type: str, target: str) -> Node:
    """The value in another type, or NULL where it would not come back from there as it was."""
    value = try_cast(raw, target)
    return when(compare(exp.EQ, try_cast(value, type), raw), value)


def _boolean(raw: Node, type: str) -> Node:
    if type == "BOOLEAN":
        return raw
    text = cast(raw, "VARCHAR")
    return when(full_match(text, YES), exp.true(), when(full_match(text, NO), exp.false()))


def _category(column: Column, raw: Node, place: Node, parameters: Parameters) -> tuple[Node, Node]:
    """A label's place among the column's, and the label there. Functions of text alone: DuckDB calls them once for each
    of a column's different texts, where CASE and IN are evaluated row by row."""
    labels = call("list_value", *(parameters.bind(value, "VARCHAR") for value in column.values))
    found = call("list_position", labels, call("nfc_normalize", cast(raw, "VARCHAR")))
    if "other" in column.values:
        found = exp.Coalesce(this=found, expressions=[number(column.values.index("other") + 1)])
    return found, call("list_extract", labels, place)


def _moment(column: Column, raw: Node, type: str) -> Node:
    target = column_type(column)
    if type != "VARCHAR":  # a time of day in a date, or nanoseconds in a timestamp, would not come back
        return when(call("isfinite", raw), raw if type == target else _unchanged(raw, type, target))
    if column.kind == "date":
        return when(full_match(raw, DATE), try_cast(raw, target))
    zoned = cast(try_cast(raw, "TIMESTAMP WITH TIME ZONE"), target)
    plain = when(full_match(raw, TIMESTAMP), try_cast(raw, target))  # a time without a zone is UTC
    return when(full_match(raw, ZONED), zoned, plain)


def _othered(column: Column, raw: Node, value: Node) -> Faults:
    """Which cells become "other" and are not that label themselves."""
    if "other" not in column.values:
        return ()
    own = compare(exp.EQ, call("nfc_normalize", cast(raw, "VARCHAR")), string("other"))
    return (("other", both(compare(exp.EQ, value, string("other")), not_(any_of([own])))),)


def _beyond(column: Column, value: Node, parameters: Parameters) -> Faults:
    """Which values are outside the range, or below the first band."""
    if column.bands and "other" not in column.values:
        return (("range", compare(exp.LT, value, _end(_source(column), column.bands[0], parameters))),)
    if column.low is None or column.high is None or column.kind == "boolean":
        return ()
    low, high = (_end(column, end, parameters) for end in (column.low, column.high))
    return (("range", either(compare(exp.LT, value, low), compare(exp.GT, value, high))),)


def _end(column: Column, units: int, parameters: Parameters) -> Node:
    """Units of a column's scale, days or seconds, as a value of its type: bound as text that DuckDB casts exactly."""
    match column.kind:
        case "date":
            text = (EPOCH.date() + timedelta(days=units)).isoformat()
        case "timestamp":
            text = (EPOCH + timedelta(seconds=units)).isoformat()
        case _:
            text = f"{Decimal(units).scaleb(-column.scale):f}"
    return parameters.bind(text, column_type(column))
