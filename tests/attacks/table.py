"""Writes the table of attacks in docs/security.md from the results of tests: `python -m tests.attacks.table XML ...`.

Every file is what `pytest --junitxml=XML` wrote. `--list` prints the tests that the table needs, for pytest.
"""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "security.md"
BEGIN, END = "<!-- the table begins -->\n", "<!-- the table ends -->\n"


class Entry(NamedTuple):
    """One line of the catalogue. why: there is no test."""

    name: str
    attack: str
    answer: str
    tests: tuple[str, ...]
    why: str


def entries() -> list[Entry]:
    """The catalogue, in its order."""
    found = []
    for line in (Path(__file__).parent / "catalogue.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            name, attack, answer, shown = line.split(" | ")
            why = shown.removeprefix("none: ") if shown.startswith("none: ") else ""
            found.append(Entry(name, attack, answer, () if why else tuple(shown.split()), why))
    return found


def results(files: list[Path]) -> dict[str, Counter[str]]:
    """How many cases of each test passed, failed and were skipped; of each file too."""
    found: dict[str, Counter[str]] = {}
    for file in files:
        for case in ET.parse(file).getroot().iter("testcase"):
            path = case.get("classname", "").removeprefix("tests.").replace(".", "/") + ".py"
            test = case.get("name", "").partition("[")[0]
            kinds = {child.tag for child in case}
            ended = "failed" if kinds & {"failure", "error"} else "skipped" if "skipped" in kinds else "passed"
            for place in (path, f"{path}::{test}"):
                found.setdefault(place, Counter())[ended] += 1
    return found


def table(found: dict[str, Counter[str]]) -> str:
    """The rows of the page."""
    lines = ["| | attack or fault | what answers it | cases | shown by |", "|---|---|---|---|---|"]
    for entry in entries():
        counts = sum((found.get(test, Counter()) for test in entry.tests), Counter())
        told = ", ".join(f"{counts[kind]} {kind}" for kind in ("passed", "failed", "skipped") if counts[kind])
        names = "<br>".join(f"`{short(test)}`{'' if test in found else ' (not run)'}" for test in entry.tests)
        shown, cases = (names, told or "not run") if entry.tests else (entry.why, "none")
        lines.append(f"| {entry.name} | {entry.attack} | {entry.answer} | {cases} | {shown} |")
    return "\n".join(lines) + "\n"


def counts(found: dict[str, Counter[str]]) -> str:
    """The page in one line."""
    shown = [entry for entry in entries() if entry.tests]
    cases = sum((found.get(test, Counter()) for test in {test for entry in shown for test in entry.tests}), Counter())
    told = ", ".join(f"{cases[kind]:,} {kind}" for kind in ("passed", "failed", "skipped"))
    missing = sum(any(test not in found for test in entry.tests) for entry in shown)
    return f"{len(entries())} attacks and faults, {len(shown)} with tests: {told}; {missing} not wholly run"


def short(test: str) -> str:
    """A test's name as a sentence would say it, or its file."""
    path, _, name = test.partition("::")
    return name.removeprefix("test_").replace("_", " ") or path


def main() -> None:
    """Print the tests, or write the table."""
    if sys.argv[1:] == ["--list"]:
        print(*sorted({f"tests/{test}" for entry in entries() for test in entry.tests}))
        return
    text = PAGE.read_text()
    before, after = text.partition(BEGIN)[0], text.partition(END)[2]
    found = results([Path(name) for name in sys.argv[1:]])
    PAGE.write_text(before + BEGIN + table(found) + END + after)
    print(counts(found))


if __name__ == "__main__":
    main()
