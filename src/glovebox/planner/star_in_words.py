"""What `explain` says of a star join."""

from __future__ import annotations

import math
from typing import Any

from glovebox.planner.plan import Plan, Star, groupings_of


def told_of_star(plan: Plan, source: Star, names: list[str]) -> dict[str, Any]:
    """Its part of `explain --json`."""
    query, helper = source.facts.party, source.helper
    pairs = {(query, helper), *((party, helper) for party in _owners(source) if party != helper)}
    if helper in _owners(source):
        pairs |= {(query, party) for party in _owners(source)}
    tables = [names[one.table.party] for one in source.dimensions]
    return {
        "roles": {"query": names[query], "tables": tables, "helper": names[helper]},
        "rows": {f"{names[local.party]}.{local.table}": local.lines for local in source.owners},
        "groups": math.prod(len(grouping.labels) for grouping in groupings_of(plan)),
        "must_not_collude": [[names[one], names[other]] for one, other in sorted(pairs)],
    }


def star_in_words(source: Star, names: list[str]) -> list[str]:
    """Its part of `explain`: who looks up what, and who together could learn more."""
    query, helper, owners = names[source.facts.party], names[source.helper], _owners(source)
    tables = " and ".join(dict.fromkeys(names[party] for party in owners))
    sizes = ", ".join(str(local.lines) for local in source.owners)
    lines = [
        f"{tables} hide their rows in tables, where the keys of {query}'s rows are looked up on shares",
        f"{query} and {helper} put the rows together by {source.facts.ids} and add up on shares",
        f"all learn the padded sizes, {sizes} rows; nobody learns which match, or how many, or how many rows an id has",
    ]
    if source.helper in owners:
        others = " or ".join(dict.fromkeys(names[party] for party in (source.facts.party, *owners)))
        return [*lines, f"any two of {others} together could test ids that they guess"]
    return [*lines, f"{helper} together with {query} or {tables} could test ids that they guess"]


def _owners(source: Star) -> tuple[int, ...]:
    return tuple(dict.fromkeys(one.table.party for one in source.dimensions))
