"""A table of persons: what several owners' rows of each come to, column by column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from glovebox.schema.columns import Column
from glovebox.schema.expressions import Expression
from glovebox.schema.local import LocalQuery, Measure

PERSON_HERE = Measure("people", None, 0, 0, 1)
"""1 where an owner has rows of the person."""

Measures = tuple[Measure | None, ...]
"""One of each owner's own; None of an owner that adds nothing."""


@dataclass(frozen=True)
class Gathered:
    """A column of persons.

    how: the measures are added up, or, distinct, with what two owners have in common once; the least of them counts,
    or, negative, minus that; one of them is 1; it is one owner's average; it is the person's id, or another key.
    there: measures of 1 where an owner has a value, without one of which it is NULL; None: never NULL.
    """

    column: Column
    how: Literal["sum", "distinct", "least", "any", "mean", "id", "key"]
    measures: Measures = ()
    there: Measures | None = None
    negative: bool = False


@dataclass(frozen=True)
class Events:
    """Rows of persons that stand apart, in their order. slots: the most of a person at one owner.

    time: what they are ordered by. nexts: by name the columns that are taken of the next row.
    """

    slots: int
    time: Gathered
    nexts: dict[str, Gathered]


@dataclass(frozen=True)
class Persons:
    """Who is at one owner at least. queries: each owner's own part, a line a person, without measures.

    where: what a person's columns must meet (HAVING). events: of rows that stand apart, whose columns are each row's.
    by_match: groups are made by what a LEFT JOIN's match has, or by whether there is one. pairs: each owner's own pairs
    of the id and another that is counted once. held: whoever counts has a row at the first of these owners.
    """

    queries: tuple[LocalQuery, ...]
    columns: tuple[Gathered, ...]
    where: Expression | None = None
    events: Events | None = None
    by_match: bool = False
    pairs: tuple[LocalQuery, ...] = ()
    held: bool = False
