"""Recipe `glovebox/ids/2`: how an id is brought to the one form under which two owners' ids may match.

form     canonical form
exact    the bytes as they stand; an integer or a UUID by its text
text     invisible characters removed, Unicode NFC, lower case (ß as ss, final sigma as sigma), runs of white space as
         one blank, none at the ends
email    the same but for ß and sigma; then it must be one "@" between a name and a domain with a dot, no blank in it,
         and at most 254 bytes. No folding of plus tags or dots: a+b@x.de is not a@x.de. An international domain stays
         as it is written
phone    the international form of ITU-T E.164, a plus sign and 7 to 15 digits: blanks, dashes, dots, slashes and
         brackets removed, and `(0)` behind a country's code. A number that begins with neither a plus sign nor the
         digits dialled before a number abroad is one of the column's country, less that country's trunk prefix; where
         the contract names no country, such a number has no form. Nor has one with letters or an extension
integer  a number of at most 64 bits: 007, +7 and 7 are one; an id that is no such number has no canonical form

composed each part's canonical form (a day as 2026-12-31) behind its length in bytes and a colon, one after the other,
         so that ("ab", "c") and ("a", "bc") differ; none if a part has none

The empty text is no id in any form, and an id longer than the column's `max_bytes` has no canonical form. NFC is not
NFKC: letters that look alike, full-width or ligature forms, stay different. The sets of characters are spelled out
below, so that another version of a library does not change them; `VECTORS` shows what the rest depends on.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence

import duckdb
import msgspec
from sqlglot import exp

from glovebox.data.trees import Node, call, cast, compare, full_match, name, number, string, try_cast, when
from glovebox.schema.columns import Column, Form
from glovebox.schema.phones import LEAST_DIGITS, MOST_DIGITS, PLANS, ZERO_DROPPED

RECIPE = "glovebox/ids/2"
EMAIL_BYTES = 254  # RFC 5321: a path of at most 256 octets, less its angle brackets
ANY_BYTES = (1 << 31) - 1
DIGEST_BYTES = 32
INTEGER_BYTES = 8

BLANKS = r"\x{09}-\x{0D}\x{1C}-\x{20}\x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}"
"""White space: Unicode's property White_Space, and the four ASCII separators."""
INVISIBLE = (
    r"\x{00}-\x{08}\x{0E}-\x{1B}\x{7F}-\x{84}\x{86}-\x{9F}\x{AD}\x{34F}\x{61C}\x{115F}\x{1160}\x{17B4}\x{17B5}"
    r"\x{180B}-\x{180F}\x{200B}-\x{200F}\x{202A}-\x{202E}\x{2060}-\x{206F}\x{3164}\x{FE00}-\x{FE0F}\x{FEFF}\x{FFA0}"
    r"\x{FFF0}-\x{FFFB}\x{1BCA0}-\x{1BCA3}\x{1D173}-\x{1D17A}\x{E0000}-\x{E0FFF}"
)
"""Unicode's property Default_Ignorable_Code_Point, the interlinear marks, and the controls that are no white space."""
PLAIN_TEXT = "[!-~]+( [!-~]+)*"
_NAME, _LABEL = "[!-?A-~]+", r"[!-\-/-?A-~]+"  # ASCII without blank and @; without dot as well
PLAIN_EMAIL = rf"{_NAME}@{_LABEL}(\.{_LABEL})+"
EMAIL = r"([^@ ]+@[^@ .]+(\.[^@ .]+)+)"
INTEGER = "[+-]?[0-9]+"
DASHES = r"\-\x{2010}-\x{2015}\x{2212}\x{FE58}\x{FE63}\x{FF0D}"
PHONE = f"[1-9][0-9]{{{LEAST_DIGITS - 1},{MOST_DIGITS - 1}}}"
FOLDS = (("ß", "ss"), ("ς", "σ"))


def folded(column: Column, raw: Node, type: str) -> Node:
    """The first step: a raw id in its form, whatever its length; the empty text where it has none.

    type: DuckDB's type of raw. Returns BIGINT for the form integer (NULL where it has none), else VARCHAR or BLOB. An
    id of plain ASCII, the usual case, takes the short way.
    """
    match column.form:
        case "integer" if type == "VARCHAR":
            digits = call("trim", raw)
            return when(full_match(digits, INTEGER), try_cast(digits, "BIGINT"))
        case "integer":
            return try_cast(raw, "BIGINT")
        case "text":
            return when(full_match(raw, PLAIN_TEXT), call("lower", raw), _clean(raw, FOLDS))
        case "phone":
            return when(full_match(raw, rf"\+{PHONE}"), raw, _dialled(column, raw))
        case "email":
            thorough = call("regexp_extract", _clean(raw), string(f"^{EMAIL}$"))
            return when(full_match(raw, PLAIN_EMAIL), call("lower", raw), thorough)
        case _:
            return raw.copy() if type == "BLOB" else cast(raw, "VARCHAR")


def canonical(column: Column, form: Node, type: str) -> Node:
    """The second step: the canonical form of what `folded` gave, or NULL where it is empty or longer than it may be."""
    if column.form == "integer":
        return form.copy()
    if column.form == "phone":
        return _international(column, form)
    size = call("octet_length" if type == "BLOB" else "strlen", form)
    most = min(column.max_bytes or ANY_BYTES, EMAIL_BYTES if column.form == "email" else ANY_BYTES)
    return when(exp.Between(this=size, low=number(1), high=number(most)), form)


def composed(parts: Sequence[Node]) -> Node:
    """The canonical form of an id of several columns, of theirs; NULL if one of them is."""
    texts = [cast(part, "VARCHAR") for part in parts]
    pieces = [
        compare(exp.DPipe, cast(call("strlen", text), "VARCHAR"), compare(exp.DPipe, string(":"), text))
        for text in texts
    ]
    return functools.reduce(lambda left, right: compare(exp.DPipe, left, right), pieces)


def key(column: Column, form: Node) -> Node:
    """What is encoded of a canonical form: itself, of a phone number its digits alone, or the form's SHA-256 where the
    column has no bound (psi.md 4)."""
    if column.form == "phone":
        return call("substr", form, number(2))
    if column.max_bytes is None and column.form != "integer":
        return call("unhex", call("sha256", form))
    return form.copy()


def key_bytes(column: Column) -> int:
    """w: the most bytes a key of this column has."""
    if column.form in ("integer", "phone"):
        return INTEGER_BYTES if column.form == "integer" else MOST_DIGITS
    return DIGEST_BYTES if column.max_bytes is None else column.max_bytes


def _dialled(column: Column, raw: Node) -> Node:
    """A phone number without what only helps the eye."""
    abroad = PLANS[column.country].abroad if column.country else ""
    begins = rf"\+|{abroad}" if abroad else r"\+"
    text = call("regexp_replace", raw, string(rf"[{INVISIBLE}{BLANKS}./{DASHES}]+"), string(""), string("g"))
    bare = call("regexp_replace", text, string(rf"^(\(?({begins})\)?[0-9()]*?)\(0\)"), string(r"\1"))
    return when(call("contains", raw, string("(")), call("translate", bare, string("()"), string("")), text)


def _international(column: Column, form: Node) -> Node:
    """A number as it is dialled in E.164; NULL where it cannot be."""
    plan = PLANS[column.country] if column.country else None
    abroad = ["\\+", *([plan.abroad] if plan and plan.abroad else [])]
    begins = f"({'|'.join(abroad)})"
    ways = exp.case()
    for size in (2, 3):  # of a calling code with a trunk prefix behind it
        codes = f"({'|'.join(code for code in ZERO_DROPPED if len(code) == size)})"
        rest = f"0[1-9][0-9]{{{LEAST_DIGITS - size - 1},{MOST_DIGITS - size - 1}}}"
        number_ = call("regexp_replace", form, string(f"^{begins}{codes}0"), string(r"\2"))
        ways = ways.when(full_match(form, begins + codes + rest), number_)
    for prefix in abroad:
        ways = ways.when(full_match(form, prefix + PHONE), _behind(form, prefix.removeprefix("\\")))
    if plan:
        first = "[1-9]" if plan.code in ZERO_DROPPED else "[0-9]"
        own = f"{first}[0-9]{{{max(plan.least, LEAST_DIGITS - len(plan.code)) - 1},{plan.most - 1}}}"
        code = string(plan.code)
        if plan.trunk:
            ways = ways.when(full_match(form, plan.trunk + own), compare(exp.DPipe, code, _behind(form, plan.trunk)))
        ways = ways.when(full_match(form, own), compare(exp.DPipe, code, form))
    return compare(exp.DPipe, string("+"), ways)


def _behind(form: Node, prefix: str) -> Node:
    return call("substr", form, number(len(prefix) + 1))


def _clean(raw: Node, folds: tuple[tuple[str, str], ...] = ()) -> Node:
    text = call("regexp_replace", raw, string(f"[{INVISIBLE}]+"), string(""), string("g"))
    text = call("lower", call("nfc_normalize", text))
    for letter, folded in folds:
        text = call("replace", text, string(letter), string(folded))
    text = call("nfc_normalize", text)
    return call("trim", call("regexp_replace", text, string(f"[{BLANKS}]+"), string(" "), string("g")))


VECTORS: tuple[tuple[str, str, str | None], ...] = (
    # form (with a phone's country), id as it stands, canonical form (None: it has none)
    ("exact", "007", "007"),
    ("exact", " a ", " a "),
    ("exact", "e\u0301", "e\u0301"),
    ("exact", "", None),
    ("text", "007", "007"),
    ("text", "  Anna  Maria\t", "anna maria"),
    ("text", "\u00a0ANNA\u2003MARIA\u3000", "anna maria"),
    ("text", "an\u200bna\ufeff", "anna"),
    ("text", "an\u00adna", "anna"),
    ("text", "Zoe\u0308", "zo\u00eb"),
    ("text", "ZO\u00cb", "zo\u00eb"),
    ("text", "STRASSE", "strasse"),
    ("text", "Stra\u00dfe", "strasse"),
    ("text", "STRA\u1e9eE", "strasse"),
    ("text", "\u039f\u0394\u03a5\u03a3\u03a3\u0395\u03a5\u03a3", "\u03bf\u03b4\u03c5\u03c3\u03c3\u03b5\u03c5\u03c3"),
    ("text", "\u03bf\u03b4\u03c5\u03c3\u03c3\u03b5\u03c5\u03c2", "\u03bf\u03b4\u03c5\u03c3\u03c3\u03b5\u03c5\u03c3"),
    ("text", "\u0130stanbul", "istanbul"),
    ("text", "\u0131rmak", "\u0131rmak"),
    ("text", "\u0430nna", "\u0430nna"),  # a Cyrillic letter that looks like a
    ("text", "\ufb01sh", "\ufb01sh"),  # the ligature fi
    ("text", "\u212b", "\u00e5"),
    ("text", "\u1112\u1161\u11ab", "\ud55c"),
    ("text", "a\u200d\u200cb", "ab"),
    ("text", " \u200b\u00a0 ", None),
    ("text", "", None),
    ("email", "  Anna.M@Example.ORG ", "anna.m@example.org"),
    ("email", "anna@example.org", "anna@example.org"),
    ("email", "anna+news@example.org", "anna+news@example.org"),
    ("email", "\u200banna@example.org\u00a0", "anna@example.org"),
    ("email", "JOSE\u0301@example.org", "jos\u00e9@example.org"),
    ("email", "anna@stra\u00dfe.example", "anna@stra\u00dfe.example"),
    ("email", "anna@@example.org", None),
    ("email", "anna@example", None),
    ("email", "anna@.example", None),
    ("email", "anna@example.", None),
    ("email", "an na@example.org", None),
    ("email", "@example.org", None),
    ("email", "unknown", None),
    ("email", "a" * 242 + "@example.org", "a" * 242 + "@example.org"),
    ("email", "a" * 243 + "@example.org", None),
    ("email", "", None),
    ("phone", "+49 30 1234567", "+49301234567"),
    ("phone", "030 1234567", None),  # of no country
    ("phone", "0049 30 1234567", None),
    ("phone DE", "030/1234567", "+49301234567"),
    ("phone DE", "(030) 123-45.67", "+49301234567"),
    ("phone DE", "0049 30 1234567", "+49301234567"),
    ("phone DE", "+49 (0) 30 1234567", "+49301234567"),
    ("phone DE", "+49 030 1234567", "+49301234567"),
    ("phone DE", "(+49) 30\u20131234567", "+49301234567"),
    ("phone DE", "\u202a+49\u00a030\u00a01234567\u202c", "+49301234567"),
    ("phone DE", "30 1234567", "+49301234567"),
    ("phone DE", "+43 1 234567", "+431234567"),
    ("phone DE", "0043 1 234567", "+431234567"),
    ("phone DE", "030 1234567 x12", None),
    ("phone DE", "0800 CALLME", None),
    ("phone DE", "++49 30 1234567", None),
    ("phone DE", "+49 30", None),
    ("phone DE", "+0301234567", None),
    ("phone DE", "+1234567890123456", None),
    ("phone DE", "\uff10\uff13\uff101234567", None),  # full-width digits
    ("phone DE", "110", None),
    ("phone DE", "n/a", None),
    ("phone DE", "", None),
    ("phone IT", "06 1234 5678", "+390612345678"),  # the 0 is part of the number
    ("phone IT", "+39 06 1234 5678", "+390612345678"),
    ("phone US", "(212) 555-0123", "+12125550123"),
    ("phone US", "1-212-555-0123", "+12125550123"),
    ("phone US", "011 49 30 1234567", "+49301234567"),
    ("phone US", "555-0123", None),
    ("phone RU", "8 (800) 200-00-00", "+78002000000"),
    ("phone RU", "800 200-00-00", "+78002000000"),
    ("phone HU", "06 1 234 5678", "+3612345678"),
    ("integer", "007", "7"),
    ("integer", " +7 ", "7"),
    ("integer", "-0", "0"),
    ("integer", "9223372036854775807", "9223372036854775807"),
    ("integer", "9223372036854775808", None),
    ("integer", "-9223372036854775808", "-9223372036854775808"),
    ("integer", "7.0", None),
    ("integer", "1e3", None),
    ("integer", "0x10", None),
    ("integer", "1_000", None),
    ("integer", "\u0667", None),  # an Arabic-Indic digit
    ("integer", "", None),
)


def vector_column(form: str) -> Column:
    """The column of a vector."""
    name, _, country = form.partition(" ")
    return Column("id", "id", form=msgspec.convert(name, Form), country=country or None)


@functools.cache
def computed_vectors() -> tuple[str | None, ...]:
    """The canonical forms of the vectors as this installation computes them."""
    found: dict[tuple[str, str], str | None] = {}
    with duckdb.connect(":memory:") as database:
        for form in {form for form, _, _ in VECTORS}:
            texts = [text for own, text, _ in VECTORS if own == form]
            column = vector_column(form)
            raw = exp.select(call("unnest", exp.Parameter(this=exp.var("texts"))).as_("raw"))
            step = exp.select(folded(column, name("raw"), "VARCHAR").as_("step")).from_(raw.subquery("one"))
            value = canonical(column, name("step"), "VARCHAR")
            select = exp.select(cast(value, "VARCHAR")).from_(step.subquery("two"))
            rows = database.execute(select.sql("duckdb"), {"texts": texts}).fetchall()
            found.update(((form, text), row[0]) for text, row in zip(texts, rows, strict=True))
    return tuple(found[form, text] for form, text, _ in VECTORS)


COMPOSED_VECTORS: tuple[tuple[tuple[str | None, ...], str | None], ...] = (
    (("anna", "1980-01-31"), "4:anna10:1980-01-31"),
    (("ab", "c"), "2:ab1:c"),
    (("a", "bc"), "1:a2:bc"),
    (("\u00e9", "1:a", "7"), "2:\u00e93:1:a1:7"),
    (("anna", None), None),
    ((None, "1980-01-31"), None),
)


@functools.cache
def computed_compositions() -> tuple[str | None, ...]:
    """The canonical forms of the composed vectors as this installation computes them."""
    found: list[str | None] = []
    with duckdb.connect(":memory:") as database:
        for parts, _ in COMPOSED_VECTORS:
            given = [cast(exp.null() if part is None else string(part), "VARCHAR") for part in parts]
            found += database.execute(exp.select(composed(given)).sql("duckdb")).fetchall()[0]
    return tuple(found)


@functools.cache
def recipe_digest() -> bytes:
    """SHA-256 over the recipe's name, the numbering plans, and what this installation makes of the vectors: 32 bytes
    that parties compare."""
    digest = hashlib.sha256(RECIPE.encode() + b"\0" + repr(sorted(PLANS.items())).encode() + b"\0")
    vectors = [
        *((form, text) for form, text, _ in VECTORS),
        *(("composed", repr(parts)) for parts, _ in COMPOSED_VECTORS),
    ]
    for (form, text), found in zip(vectors, computed_vectors() + computed_compositions(), strict=True):
        for part in (form, text, "-" if found is None else "+" + found):
            data = part.encode()
            digest.update(len(data).to_bytes(4, "little") + data)
    return digest.digest()
