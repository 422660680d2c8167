"""What `explain` says of a star join."""

from __future__ import annotations

import itertools
import math
from typing import Any

from glovebox.planner.plan import Plan, Star, groupings_of


def told_of_star(plan: Plan, source: Star, names: list[str]) -> dict[str, Any]:
    """Its part of `explain --json`."""
    facts, helper = [query.party for query in source.facts], source.helper
    tables = [names[one.table.party] for one in source.dimensions]
    return {
        "roles": {"query": " and ".join(names[query] for query in facts), "tables": tables, "helper": names[helper]},
        "rows": {f"{names[local.party]}.{local.table}": local.lines for local in source.owners},
        "groups": math.prod(len(grouping.labels) for grouping in groupings_of(plan)),
        "must_not_collude": [[names[one], names[other]] for one, other in sorted(pairs_of_star(source))],
    }


def pairs_of_star(source: Star) -> set[tuple[int, int]]:
    """Who must not put together what they have of a star join."""
    facts, helper = [query.party for query in source.facts], source.helper
    pairs = {*((query, helper) for query in facts), *((party, helper) for party in _owners(source) if party != helper)}
    if helper in _owners(source):
        pairs |= {(query, party) for query in facts for party in _owners(source)}
    if len(facts) > 1:  # what one of them has of a person is at another's place, and whoever deals there knows masks
        pairs = set(itertools.combinations(sorted({*facts, *_owners(source), helper}), 2))
    return pairs


def star_in_words(source: Star, names: list[str]) -> list[str]:
    """Its part of `explain`: who looks up what, and who together could learn more."""
    query, helper = " and ".join(names[one.party] for one in source.facts), names[source.helper]
    owners, ids = _owners(source), source.facts[0].ids
    tables = " and ".join(dict.fromkeys(names[party] for party in owners))
    hide = "hide their rows" if len(owners) > 1 else "hides its rows"
    sizes = ", ".join(str(local.lines) for local in source.owners)
    lines = [
        f"{tables} {hide} in tables, where the keys of {query}'s rows are looked up on shares",
        f"{query} and {helper} put the rows together by {ids} and add up on shares",
        *_met(source, query, helper),
        f"all learn the padded sizes, {sizes} rows; nobody learns which match, or how many, or how many rows an id has",
    ]
    if source.helper in owners or len(source.facts) > 1:
        every = {*(one.party for one in source.facts), *owners, source.helper}
        others = " or ".join(dict.fromkeys(names[party] for party in sorted(every)))
        return [*lines, f"any two of {others} together could test ids that they guess"]
    return [*lines, f"{helper} together with {query} or {tables} could test ids that they guess"]


def _met(source: Star, query: str, helper: str) -> list[str]:
    """Of several owners of rows, how their lines meet."""
    if len(source.facts) < 2:
        return []
    return [f"what {query} have of one {source.facts[0].ids} is added on shares, under pseudonyms that go to {helper}"]


def _owners(source: Star) -> tuple[int, ...]:
    return tuple(dict.fromkeys(one.table.party for one in source.dimensions))
