"""The catalogue names every attack of the design once, with tests that exist, and the page shows what they say."""

import re

from .table import BEGIN, END, PAGE, ROOT, entries

LAST = {"W": 16, "F": 11, "C": 15, "Q": 15, "N": 12, "S": 11, "L": 7, "U": 5, "P": 6}


def test_every_entry_of_the_catalogue_is_there_once():
    assert [entry.name for entry in entries()] == [f"{kind}{n}" for kind in LAST for n in range(1, LAST[kind] + 1)]


def test_every_test_that_is_named_exists():
    for entry in entries():
        assert entry.tests or entry.why, entry
        for test in entry.tests:
            path, _, name = test.partition("::")
            text = (ROOT / "tests" / path).read_text()
            assert not name or re.search(rf"^(async )?def {name}\(", text, re.MULTILINE), test


def test_the_page_has_a_row_for_each_and_none_failed():
    rows = PAGE.read_text().partition(BEGIN)[2].partition(END)[0].splitlines()[2:]
    told = [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows]
    assert [row[:3] for row in told] == [[entry.name, entry.attack, entry.answer] for entry in entries()]
    assert not any("failed" in row[3] for row in told)
