"""Phone numbers of every country that is served, as written at home and abroad, held against libphonenumber."""

from __future__ import annotations

import duckdb
import phonenumbers
import pytest
from phonenumbers import PhoneNumberFormat, PhoneNumberType
from sqlglot import exp

from glovebox.data.identifiers import canonical, folded
from glovebox.data.trees import name
from glovebox.schema.columns import Column
from glovebox.schema.phones import PLANS, ZERO_DROPPED

KINDS = (
    PhoneNumberType.FIXED_LINE, PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE,
    PhoneNumberType.TOLL_FREE, PhoneNumberType.VOIP,
)  # fmt: skip


def examples(country):
    """Numbers of a country: as they may be written, and their international form."""
    plan, pairs = PLANS[country], []
    for kind in KINDS:
        number = phonenumbers.example_number_for_type(country, kind)
        if number is None or phonenumbers.region_code_for_number(number) != country:
            continue
        home, abroad, wanted = (
            phonenumbers.format_number(number, form)
            for form in (PhoneNumberFormat.NATIONAL, PhoneNumberFormat.INTERNATIONAL, PhoneNumberFormat.E164)
        )
        written = [home, abroad, wanted, phonenumbers.national_significant_number(number)]
        if plan.abroad:
            written.append(f"{plan.abroad} {wanted[1:]}")
        if plan.code in ZERO_DROPPED:
            written += [f"+{plan.code} (0){written[3]}", f"+{plan.code}0{written[3]}"]
            assert phonenumbers.parse(written[-1], None) == number
        pairs += [(text, wanted) for text in written]
    return pairs


def forms(database, country, texts):
    column = Column("id", "id", form="phone", country=country)
    given = exp.select("*").from_("(SELECT unnest($texts) AS r) AS given")
    step = exp.select(folded(column, name("r"), "VARCHAR").as_("f")).from_(given.subquery("g"))
    select = exp.select(canonical(column, name("f"), "VARCHAR")).from_(step.subquery("s"))
    return [row[0] for row in database.execute(select.sql("duckdb"), {"texts": texts}).fetchall()]


def test_numbers_of_every_country_have_their_international_form():
    seen = 0
    with duckdb.connect() as database:
        for country in PLANS:
            pairs = examples(country)
            assert pairs or country in ("EH", "MF"), country  # their examples are those of a neighbour
            assert forms(database, country, [text for text, _ in pairs]) == [wanted for _, wanted in pairs], country
            seen += len(pairs)
    assert len(PLANS) == 243
    assert seen > 3_000


def test_numbers_with_their_code_have_one_form_whatever_the_country():
    wanted = [pair for country in ("DE", "FR", "US", "BR", "JP") for pair in examples(country) if pair[0][0] == "+"]
    with duckdb.connect() as database:
        for country in (None, "GB", "IT", "RU"):
            assert forms(database, country, [text for text, _ in wanted]) == [form for _, form in wanted]


def test_a_form_is_its_own_form():
    with duckdb.connect() as database:
        for country in (None, "DE", "US"):
            found = {form for _, form in examples("DE") + examples("US")}
            assert forms(database, country, sorted(found)) == sorted(found)


@pytest.mark.parametrize(
    "text", ["tel:+49301234567", "+49 30 1234567;ext=5", "call me", "+49 30 12a4567", "0", "+", "()"]
)
def test_what_is_no_number_has_no_form(text):
    with duckdb.connect() as database:
        assert forms(database, "DE", [text]) == [None]
