"""Fleets for tests: a contract's terms, its parties, and rows written as CSV and bound."""

import csv

from glovebox.cli.exercises import Exercise
from glovebox.cli.fleet import Fleet
from glovebox.schema.answer import read_answer

HEAD = """glovebox = 1
name = "{name}"
version = 1
purpose = "A test."
from = 2026-01-01
until = 2099-12-31
"""


def agreed(directory, parties, terms, name="test"):
    """A fleet whose parties agreed on these terms; not started."""
    exercise = Exercise(name, tuple(parties), HEAD.format(name=name) + terms, lambda place: {}, (), "")
    fleet = Fleet(directory, list(parties))
    fleet.agree(exercise.contract(fleet.keys, fleet.addresses))
    return fleet


def bind_rows(fleet, party, table, columns, rows):
    """Write rows as CSV and bind them."""
    path = fleet.directory / f"{party}-{table}.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([columns, *rows])
    fleet.bind(party, table, path)


def ask(fleet, party, question):
    """The answer to a question."""
    return read_answer(bytes(fleet.ask(party, question).answer))
