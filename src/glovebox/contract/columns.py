"""One column of a contract: its type, what must and may stand beside it, and its range as integers."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import get_args

from glovebox.contract.anonymity import band_labels, check_bands, check_clip, check_round
from glovebox.contract.document import ColumnPart, Number
from glovebox.contract.lines import Fault, Path, hidden_character
from glovebox.schema.columns import Column, Form, Kind, Use
from glovebox.schema.phones import MOST_DIGITS, PLANS

DECIMAL_DIGITS = 18  # 10**18 < 2**62, the most that a total may reach (psi.md 10)
LABEL_BYTES = 200
EPOCH = date(1970, 1, 1)

USES: dict[Kind, tuple[Use, ...]] = {  # what is summed of days and times is how far they are from others
    "id": ("group",),
    "integer": ("sum", "avg", "min", "max", "quantile", "group", "filter", "compare"),
    "decimal": ("sum", "avg", "min", "max", "quantile", "group", "filter", "compare"),
    "boolean": ("group", "filter", "compare"),
    "category": ("group", "filter", "compare"),
    "date": ("sum", "avg", "min", "max", "quantile", "group", "filter", "compare"),
    "timestamp": ("sum", "avg", "min", "max", "group", "filter", "compare"),
}
KEYS: dict[Kind, frozenset[str]] = {
    "id": frozenset({"form", "max_bytes", "country", "unique", "range"}),
    "integer": frozenset({"range", "clip", "bands"}),
    "decimal": frozenset({"range", "clip", "bands"}),
    "boolean": frozenset(),
    "category": frozenset({"values"}),
    "date": frozenset({"range", "clip", "round"}),
    "timestamp": frozenset({"range", "clip", "round"}),
}


def read_column(name: str, part: ColumnPart, path: Path) -> Column:
    """The column of that name. Raises Fault for what its type does not allow."""
    kind, precision, scale = _type(part.type, (*path, "type"))
    _check_keys(kind, part, path)
    bands = tuple(_end(kind, precision, scale, edge, (*path, "bands")) for edge in part.bands or ())
    if bands:
        check_bands(part, bands, path)
    low, high = _range(kind, precision, scale, part.range, (*path, "range"))
    check_clip(part, path)
    check_round(kind, part, low, path)
    if low is None and {"sum", "avg", "min", "max", "quantile"} & set(part.may):
        use = "summed" if {"sum", "avg"} & set(part.may) else "asked for its least, its greatest or a quantile"
        sentence = f"{name} may be {use} and has no range"
        raise Fault("contract_range", path, sentence, "write range = [lowest, highest], both allowed")
    labels = (*(band_labels(bands, scale) if bands else ()), *(part.values or ()))
    _check_values(labels, (*path, "values"))
    return Column(
        name=name,
        kind="category" if bands else kind,
        form=_form(part.form, path) if kind == "id" else None,
        max_bytes=part.max_bytes,
        country=_country(part, path),
        unique=part.unique,
        required=part.required,
        precision=precision,
        scale=scale,
        low=low,
        high=high,
        values=labels,
        clip=bool(part.clip),
        round=part.round,
        bands=bands,
        may=tuple(use for use in get_args(Use) if use in part.may),
    )


def _type(text: str, path: Path) -> tuple[Kind, int, int]:
    for kind in KEYS:
        if text == kind != "decimal":
            return kind, 0, 0
    if found := re.fullmatch(r"decimal\(([0-9]{1,2}), ?([0-9]{1,2})\)", text):
        precision, scale = int(found[1]), int(found[2])
        if 1 <= precision <= DECIMAL_DIGITS and scale <= precision:
            return "decimal", precision, scale
        raise Fault("contract_column_type", path, f"{text} is too wide", f"decimal(p,s), s <= p <= {DECIMAL_DIGITS}")
    types = ", ".join("decimal(p,s)" if kind == "decimal" else kind for kind in KEYS)
    raise Fault("contract_column_type", path, f"there is no type {text[:40]!r}", f"the types are {types}")


def _check_keys(kind: Kind, part: ColumnPart, path: Path) -> None:
    allowed = KEYS[kind] | ({"values"} if part.bands else set())
    for key in sorted(part.model_fields_set - {"type", "may", "required"} - allowed):
        raise Fault("contract_column_key", (*path, key), f"{key} is not for {kind} columns", f"leave {key} out")
    uses = USES["category" if part.bands else kind]
    for use in part.may:
        if use not in uses:
            may = "leave may out: ids join and count" if kind == "id" else f"may = {list(uses)}".replace("'", '"')
            raise Fault("contract_may", (*path, "may"), f"{kind} columns have no use {use}", may)
    if kind == "id" and (part.range or part.may) and not (part.range and part.may and part.form == "integer"):
        sentence = "ids make groups only where they are integers of a range, and have a range only for that"
        raise Fault("contract_may", path, sentence, 'form = "integer", range = [lowest, highest], may = ["group"]')
    if kind == "category" and part.values is None:
        raise Fault("contract_values", path, "a category has no values", 'write values = ["first", "second"]')


def _form(form: str | None, path: Path) -> Form:
    stated = [known for known in get_args(Form) if known != "composed"]
    for known in stated:
        if form == known:
            return known  # type: ignore[no-any-return]
    forms = ", ".join(stated)
    if form is None:
        raise Fault("contract_form", path, "an id has no form", f"write form = one of {forms}")
    raise Fault("contract_form", (*path, "form"), f"there is no form {form[:40]!r}", f"the forms are {forms}")


def _country(part: ColumnPart, path: Path) -> str | None:
    """The country of phone numbers that name none. Raises Fault for one that is not known, and where none belongs."""
    if part.form == "phone" and part.max_bytes is not None:
        sentence = f"a phone number has at most {MOST_DIGITS} digits"
        raise Fault("contract_column_key", (*path, "max_bytes"), sentence, "leave max_bytes out")
    if part.country is not None and part.form != "phone":
        raise Fault("contract_column_key", (*path, "country"), "country is for phone numbers", "leave country out")
    if part.country is not None and part.country not in PLANS:
        sentence = f"there is no country {part.country[:40]!r} here"
        hint = 'its two letters, like "DE"; or leave it out, and only numbers with a country\'s code have a form'
        raise Fault("contract_country", (*path, "country"), sentence, hint)
    return part.country


def _check_values(values: tuple[str, ...], path: Path) -> None:
    for label in values:
        check_label(label, path)
    if len(set(values)) != len(values):
        raise Fault("contract_label_twice", path, "a label stands twice", "keep one of the two")


def check_label(label: str, path: Path) -> None:
    """Return if a label may be printed in an answer. Raises Fault."""
    if not label or label != label.strip() or len(label.encode("utf-8", "replace")) > LABEL_BYTES:
        sentence = "a label is empty, too long, or begins or ends with a space"
        raise Fault("contract_label", path, sentence, f"write 1 to {LABEL_BYTES} bytes")
    if label[0] in "=+-@":  # a spreadsheet would take it for a formula
        raise Fault("contract_label_formula", path, f"a label begins with {label[0]}", "begin it with a letter")
    if found := hidden_character(label):
        raise Fault("contract_invisible", path, f"a label holds the invisible character {found}", "leave it out")
    if unicodedata.normalize("NFC", label) != label:
        raise Fault("contract_label", path, "a label is not in Unicode's composed form (NFC)", "type it again")


def _range(
    kind: Kind, precision: int, scale: int, ends: list[Number] | None, path: Path
) -> tuple[int | None, int | None]:
    if kind == "boolean":
        return 0, 1
    if ends is None:
        return None, None
    low, high = (_end(kind, precision, scale, end, path) for end in ends)
    if low > high:
        raise Fault("contract_range", path, "the range ends before it begins", "write range = [lowest, highest]")
    return low, high


def _end(kind: Kind, precision: int, scale: int, end: Number, path: Path) -> int:
    """One end of a range as the engine's integer: units of the scale, days or seconds since 1970."""
    match kind, end:
        case "date", date() if not isinstance(end, datetime):
            return (end - EPOCH).days
        case "timestamp", datetime() if end.microsecond == 0:
            stamp = end if end.tzinfo else end.replace(tzinfo=UTC)
            return int(stamp.timestamp())
        case "integer" | "decimal" | "id", int() | str() if re.fullmatch(r"-?[0-9]{1,18}(\.[0-9]{1,18})?", str(end)):
            scaled = Decimal(str(end)).scaleb(scale)
            if scaled == scaled.to_integral_value() and abs(scaled) < 10 ** (precision or DECIMAL_DIGITS):
                return int(scaled)
    forms = {
        "id": "5000",
        "date": "2026-12-01",
        "timestamp": "2026-12-01T00:00:00Z",
        "integer": "5000",
        "decimal": '5000 or "0.05"',
    }
    raise Fault("contract_range", path, f"this holds what is no {kind} of this column", f"like {forms[kind]}")
