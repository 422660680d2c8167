"""People at several owners of like tables, each counted once: one spine an owner, in the contract's order.

A person counts at the first owner that has the person: an owner's lines are looked up at all owners before it, and what
is found there is taken off again. What counts rows needs no look-up: every owner's own sums are added.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from glovebox.planner.grouping import Key
from glovebox.planner.persons import person_ids
from glovebox.planner.plan import Joined, Output, Spine, Spines, Total
from glovebox.planner.totals import Totals
from glovebox.protocols.expression import Constant, Expression, Match, Operation, Payload
from glovebox.schema.local import LocalQuery, Measure

MOST_OWNERS = 3


def met_at_several(totals: Totals, outputs: Sequence[Output]) -> bool:
    """Whether one person may be at several owners of a stacked table, and the answer hangs on whether one is."""
    counted = any(output.kind == "count" and totals.counts_people(output.total) for output in outputs)
    return totals.several and (counted or totals.scope.contract.rules.groups_of_at_least > 1 or totals.noisy)


def counted_once(
    totals: Totals, keys: Sequence[Key], queries: Sequence[LocalQuery], computing: tuple[int, ...]
) -> Spines:
    """The spines of a stacked question. queries: each owner's own part, its groups as lines."""
    statement, side = totals.scope.statement, totals.scope.sides[0]
    if len(queries) > MOST_OWNERS:
        sentence = f"People at {len(queries)} owners cannot be counted once yet"
        hint = f'{MOST_OWNERS} owners, or same_person_at_several = "no" in the contract'
        statement.refuse(statement.tree, "table", sentence, hint)
    names = person_ids(totals.scope)
    if not names:
        statement.refuse(
            statement.tree, "table", "People are counted once by an id, which is not here", "SELECT it too"
        )
    loaded = [
        replace(query, lines=side.table.rows, ids=name, by_group=bool(keys), unmatched=True)
        for query, name in zip(queries, names, strict=True)
    ]
    spines = [Spine(loaded[0], tuple(totals.totals))]
    spines += [_spine(loaded[: place + 1], totals.totals, computing) for place in range(1, len(loaded))]
    return Spines(tuple(loaded), tuple(spines))


def _spine(queries: Sequence[LocalQuery], totals: Sequence[Total], computing: tuple[int, ...]) -> Spine:
    """The last owner's spine, whose people no owner before it has."""
    *before, query = queries
    asked = [query.measures[total.query or 0] for total in totals]
    payloads = tuple(dict.fromkeys(one for one in asked if one.kind == "people" and one.expression is not None))
    tables = [replace(each, measures=_same(query, payloads, each), groupings=()) for each in before]
    choices: list[Expression] = []
    found = []
    for total, measure in zip(totals, asked, strict=True):
        if measure.kind != "people":
            found.append(replace(total, outer="left"))
            continue
        choice = _any([_met(table, payloads, measure) for table in range(len(tables))])
        if choice not in choices:
            choices.append(choice)
        found.append(replace(total, outer="anti", choice=choices.index(choice)))
    second = tables[1] if len(tables) > 1 else None
    helper = second.party if second else next(one for one in computing if one not in (query.party, tables[0].party))
    chosen = tuple(choices) or (Match(0),)
    join = Joined(query, tables[0], helper, chosen, (), second, apart=second is not None)
    return Spine(query, tuple(found), join)


def _same(query: LocalQuery, measures: Sequence[Measure], other: LocalQuery) -> tuple[Measure, ...]:
    """Another owner's own measures in the places of these."""
    return tuple(other.measures[query.measures.index(measure)] for measure in measures)


def _met(table: int, payloads: Sequence[Measure], measure: Measure) -> Expression:
    """Whether an earlier owner counts the person too."""
    if measure.expression is None:
        return Match(table)
    there = Payload(table, payloads.index(measure), 0, 1)
    return Operation("and", (Match(table), Operation("equal", (there, Constant(1)))))


def _any(bits: Sequence[Expression]) -> Expression:
    return bits[0] if len(bits) == 1 else Operation("or", tuple(bits))
