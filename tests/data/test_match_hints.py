"""What one side can tell alone of ids that will not match: counts, never an id."""

from __future__ import annotations

import pytest

from glovebox.data.hints import HINTS, match_hints
from glovebox.schema.columns import Column, Table

CASES = [
    # form, ids, how many are hinted at by each sentence's first words
    ("phone", ["+49 30 1234567", "030 1234567", "(030) 7654321", "0049 30 1", "x"],
     {"name no country": 2, "have no form": 4}),
    ("email", ["bob+news@y.ex", "bob@y.ex", "a+b", "none"], {"have no form": 2, "have a plus tag": 1}),
    ("exact", [" a1", "A1", "a1", "e\u0301-four", "007", "1234"],
     {"have blanks": 1, "have upper-case": 1, "are not in Unicode": 1, "are digits": 1, "have three characters": 4}),
    ("text", ["anna-maria", "\u0430nna maria", "an\u200bna maria", "\uff21nna maria", "007123"],
     {"mix Latin": 1, "hold invisible": 1, "hold full-width": 1, "are digits": 1}),
    ("integer", ["007", "7", "seven"], {"begin with 0": 1, "have no form": 1}),
]  # fmt: skip


@pytest.mark.parametrize(("form", "ids", "wanted"), CASES, ids=[form for form, _, _ in CASES])
def test_each_form_has_its_hints(opened, csv_file, form, ids, wanted):
    table = Table("people", (0,), 100, (Column("who", "id", form=form),), rows_per_id=9)
    source = csv_file(["who", "n"], [[each, "1"] for each in [*ids, ""]])
    hints = match_hints(opened(source), table, source)
    found = {hint.sentence: hint.count for hint in hints}
    assert len(found) == len(wanted)
    for words, count in wanted.items():
        (sentence,) = [sentence for sentence in found if sentence.startswith(words)]
        assert found[sentence] == count, sentence
    assert {hint.of for hint in hints} == {len(ids)}
    said = "\n".join(hint.line("people") for hint in hints)
    assert said.startswith("people.who: ")
    assert not any(each in said for each in ids if len(each) > 4)


def test_a_country_of_the_contract_is_known_by_its_own_way_abroad(opened, csv_file):
    source = csv_file(["who", "n"], [["011 49 30 1234567", "1"], ["(212) 555-0123", "1"]])
    table = Table("people", (0,), 9, (Column("who", "id", form="phone", country="US"),), rows_per_id=9)
    assert [(hint.count, hint.sentence) for hint in match_hints(opened(source), table, source)] == [
        (1, "name no country")
    ]


def test_an_id_that_stands_for_none_is_told_by_how_often_it_stands(opened, csv_file):
    table = Table("people", (0,), 1000, (Column("who", "id", form="text"),), rows_per_id=1000)
    source = csv_file(["who", "n"], [["unknown", "1"]] * 120 + [[f"person {n}", "1"] for n in range(300)])
    (hint,) = match_hints(opened(source), table, source)
    assert hint.line("people") == "people.who: 120 of 420 ids are one and the same: a word for a missing id?"
    few = csv_file(["who", "n"], [["unknown", "1"]] * 20 + [[f"person {n}", "1"] for n in range(300)], "few.csv")
    assert match_hints(opened(few), table, few) == []


def test_good_ids_need_no_hint(opened, csv_file):
    good = {"phone": "+4930123456{}", "email": "p{}@x.ex", "exact": "p-10{}", "text": "anna no {}", "integer": "1{}"}
    columns = tuple(Column(form, "id", form=form) for form in good)
    source = csv_file(list(good), [[text.format(n) for text in good.values()] for n in range(10)])
    assert match_hints(opened(source), Table("t", (0,), 99, columns, 9), source) == []
    assert {form for forms, _, _ in HINTS for form in forms} == set(good)
