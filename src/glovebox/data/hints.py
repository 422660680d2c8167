"""Why ids might not match, as far as one side can tell alone: counts for the owner's eyes, never an id.

A hint is no fault. It says what another owner may write in another way, so that the two can agree before they rely on
a join: a third of your phone numbers name no country; some of your codes have lost their zeros.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct
from sqlglot import exp

from glovebox.data.database import Database, rows
from glovebox.data.identifiers import BLANKS, INVISIBLE
from glovebox.data.sources import Source
from glovebox.data.trees import Node, any_of, both, call, cast, compare, full_match, is_null, name, not_, string
from glovebox.data.view import View, view_of
from glovebox.schema.columns import Column, Form, Table
from glovebox.schema.phones import PLANS

Condition = Callable[[Column, Node, Node], Node]
"""Of a column, an id as text as it stands, and its canonical form."""

OFTEN_ROWS = 100
OFTEN_SHARE = 0.01
MIXED = r".*(\p{Latin}.*[\p{Cyrillic}\p{Greek}]|[\p{Cyrillic}\p{Greek}].*\p{Latin}).*"
WIDE = r".*[\x{FF01}-\x{FF5E}\x{FB00}-\x{FB06}].*"


class Hint(Struct, frozen=True):
    """How many ids of a column, of how many that are there, and what of them."""

    column: str
    count: int
    of: int
    sentence: str

    def line(self, table: str) -> str:
        """As the owner reads it."""
        return f"{table}.{self.column}: {self.count} of {self.of} ids {self.sentence}"


def _differs(function: str) -> Condition:
    return lambda column, raw, form: not_(compare(exp.EQ, call(function, raw), raw))


def _matches(pattern: str) -> Condition:
    return lambda column, raw, form: full_match(raw, pattern)


def _without_country(column: Column, raw: Node, form: Node) -> Node:
    """Whether a phone number names no country."""
    plan = PLANS[column.country] if column.country else None
    begins = rf"\+|{plan.abroad}" if plan and plan.abroad else r"\+|00"
    bare = call("regexp_replace", raw, string(rf"[{INVISIBLE}{BLANKS}(]+"), string(""), string("g"))
    return both(full_match(bare, r"[0-9].*"), not_(full_match(bare, f"({begins}).*")))


HINTS: tuple[tuple[tuple[Form, ...], str, Condition], ...] = (
    (("phone",), "name no country", _without_country),
    (("phone", "email", "integer"), "have no form, and match nobody", lambda column, raw, form: is_null(form)),
    (("email",), "have a plus tag: ann+news@x.ex is not ann@x.ex", _matches(r"[^@]*\+[^@]*@.*")),
    (("exact",), "have blanks around them, which count in the form exact", _differs("trim")),
    (("exact",), "have upper-case letters, which count in the form exact", _differs("lower")),
    (("exact",), "are not in Unicode's composed form, which counts in the form exact", _differs("nfc_normalize")),
    (("exact", "text"), "are digits that begin with 0: 007 and 7 are two", _matches("0[0-9]+")),
    (("integer",), "begin with 0: 007 and 7 are one", _matches(r"\s*0[0-9]+\s*")),
    (("exact", "text", "email"), "hold invisible characters", _matches(f".*[{INVISIBLE}].*")),
    (("exact", "text", "email"), "mix Latin letters with Cyrillic or Greek ones", _matches(MIXED)),
    (("exact", "text", "email"), "hold full-width letters or ligatures, which are no others", _matches(WIDE)),
    (("exact", "text"), "have three characters or fewer", _matches(".{1,3}")),
)


def match_hints(database: Database, table: Table, source: Source) -> list[Hint]:
    """The hints on all id columns of a table, in the contract's order. Raises DataError as `check_table` does."""
    view = view_of(database, table, source)
    return [
        hint
        for column in table.columns
        if column.kind == "id" and not column.parts
        for hint in _of(database, view, column)
    ]


def _of(database: Database, view: View, column: Column) -> list[Hint]:
    reading = next(reading for reading in view.readings if reading.column is column)
    raw, form = name("raw"), name("form")
    asked = [(sentence, condition) for forms, sentence, condition in HINTS if column.form in forms]
    cells = exp.select(cast(name(f"r{reading.index}"), "VARCHAR").as_("raw"), name(reading.name).as_("form")).from_(
        view.cleaned.copy().subquery("cleaned")
    )
    counts = [call("count_if", any_of([condition(column, raw, form)])) for _, condition in asked]
    select = exp.select(call("count", raw), *counts).from_(cells.copy().subquery("cells"))
    total, *numbers = rows(database, select.where(not_(is_null(raw))), view.parameters)[0]
    found = [
        Hint(column.name, int(count), total, sentence)
        for (sentence, _), count in zip(asked, numbers, strict=True)
        if count
    ]
    often = (
        exp.select(call("count_star").as_("n")).from_(cells.subquery("cells")).where(not_(is_null(form))).group_by(form)
    )
    most = exp.select(exp.Max(this=name("n"))).from_(often.subquery("often"))
    stands = int(rows(database, most, view.parameters)[0][0] or 0)
    if stands >= OFTEN_ROWS and stands >= OFTEN_SHARE * total:
        found.append(Hint(column.name, stands, total, "are one and the same: a word for a missing id?"))
    return found
