"""Figures of docs/privacy.md: the curves are those of the command, the industries' errors are small."""

import statistics

import pytest
from benchmarks.privacy import DOCS, INDUSTRIES, curves, relative_errors

from glovebox.algebra.streams import Stream, derive


def test_the_curves_of_the_page_are_those_of_the_command():
    for name, text in curves().items():
        assert (DOCS / name).read_text() == text, "python -m benchmarks.privacy"
        assert f"({name})" in (DOCS / "privacy.md").read_text()


@pytest.mark.parametrize("name", INDUSTRIES)
def test_an_industrys_numbers_are_near_the_truth_at_epsilon_one(name):
    draw = Stream(derive(b"industries", name)).bytes
    assert statistics.median(relative_errors(INDUSTRIES[name], draw)) < 0.05
