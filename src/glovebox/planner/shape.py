"""From a joined source to the shape of its row-level run, and from that run's totals back to the plan's groups."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from glovebox.planner.keys import by_first_match
from glovebox.planner.plan import Joined, Spine, Star, Total
from glovebox.planner.slots import Paired, of_people
from glovebox.protocols.alignment import TableSize
from glovebox.protocols.expression import Constant, Expression, Match, Operation, Payload, Shared, Value, kind_of
from glovebox.protocols.intersection import JoinShape
from glovebox.protocols.star_shape import Dimension as StarDimension
from glovebox.protocols.star_shape import Fellow, StarShape
from glovebox.protocols.totals import Ranked as RowRanked
from glovebox.protocols.totals import Total as RowTotal
from glovebox.protocols.two_party.intersection import JointShape
from glovebox.schema.local import LocalQuery

MOST_TOTALS = 2048
"""Of a run, over all groups of its tables: each costs 4 to 40 bytes a row, and a stream of its own at all three."""


def join_shape(source: Joined, totals: Sequence[Total]) -> JoinShape:
    """The shape of a row-level run.

    A total is one for each group of the owners whose measures are pivoted, in the order that `by_group` expects. The
    payloads of all tables stand in one row, the table's before the second's, and before columns of several owners.
    """
    if paired(source):
        return _pair_shape(source, totals)
    _, *tables = source.owners
    counts = [len(local.measures) * pivots(local) for local in tables]
    columns = [_side_by_side(column, counts[0], source.apart) for column in source.columns]
    choices = [_side_by_side(choice, counts[0], source.apart) for choice in source.choices]
    found = []
    for total in totals:
        _refuse_noise(total, source)
        for groups in itertools.product(*(range(pivots(local)) for local in source.owners)):
            places = [
                None if measure is None else measure * pivots(local) + group
                for measure, local, group in zip(_measures(total), source.owners, groups, strict=False)
            ]
            if total.least:
                found.append(_least(total, places, counts, choices, source))
                continue
            payload = _payload(total, places[1:], counts, columns, source)
            if total.ranks:
                values = tuple(slot * pivots(source.query) + groups[0] for slot in total.slots)
                measure = source.query.measures[total.slots[0]]
                ranked = RowRanked(values, measure.low, measure.high, total.ranks, total.most)
                found.append(RowTotal(None, payload, 64, total.choice, ranked=ranked))
                continue
            found.append(RowTotal(places[0], payload, total.bits, total.choice, total.outer, *_bounds(total, source)))
    shape = JoinShape(
        source.query.lines,
        source.table.lines,
        counts[0],
        tuple(found),
        _groups(source.query),
        _groups(source.table),
        tuple(choices),
        tuple(columns),
        None if source.second is None else TableSize(source.second.lines, counts[1], _groups(source.second)),
        apart=source.apart,
    )
    more = len(source.query.keys)
    return by_first_match(shape, 1 + more, source.table.measures) if more else shape


def joint_shape(source: Joined, totals: Sequence[Total]) -> JointShape:
    """The shape of a run of two owners alone: as with a helper, with the ranges of QUERY's values."""
    ranges = ((measure.low, measure.high) for measure in source.query.measures for _ in range(pivots(source.query)))
    return JointShape(join_shape(source, totals), tuple(ranges))


def paired(source: Joined) -> bool:
    """Whether rows of several owners meet pair by pair."""
    return any(local.slots for local in source.owners)


def totals_of_run(source: Joined, totals: Sequence[Total]) -> int:
    """How many totals a run has, over all groups of its tables, without making its shape."""
    pairs = math.prod(local.slots or 1 for local in source.owners)
    each = sum(1 if of_people(source, total) else pairs for total in totals)
    return each * math.prod(pivots(source.query) if at == 0 else local.groups for at, local in enumerate(source.owners))


def _pair_shape(source: Joined, totals: Sequence[Total]) -> JoinShape:
    pairs, (query, table, *_), second = Paired(source, totals), source.owners, source.second
    return JoinShape(
        query.lines,
        table.lines,
        len(table.measures) * table.width,
        tuple(part.summed for part in pairs.parts),
        _groups(query),
        _groups(table),
        tuple(pairs.choices),
        tuple(pairs.columns),
        None if second is None else TableSize(second.lines, len(second.measures) * second.width, _groups(second)),
    )


def _added(source: Joined, wanted: Sequence[Total], totals: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The totals of pairs of slots added up, in the ring of each: one for each total of the plan and pivoted group."""
    shape = len(wanted), *(pivots(local) for local in source.owners)
    sums = np.zeros((*shape, totals.shape[1]), np.uint64)
    for part, total in zip(Paired(source, wanted).parts, totals, strict=True):
        sums[(part.total, *part.groups)] += total
    rings = np.array([(1 << total.bits) - 1 for total in wanted], np.uint64)
    masked: NDArray[np.uint64] = sums & rings.reshape(-1, *[1] * len(shape))
    return masked


def by_group(source: Joined, wanted: Sequence[Total], totals: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """A run's totals as those of the plan: (totals, groups), by the query's groups, within each by the table's, .."""
    owners = source.owners
    if paired(source):
        totals = _added(source, wanted, totals)
    apart = totals.reshape(-1, *(pivots(local) for local in owners), *(_groups(local) for local in owners))
    axes = [axis for place in range(len(owners)) for axis in (1 + place, 1 + len(owners) + place)]
    return apart.transpose(0, *axes).reshape(len(apart), math.prod(local.groups for local in owners))


def by_bucket(spine: Spine, totals: NDArray[np.uint64], buckets: int) -> NDArray[np.uint64]:
    """A spine's totals as those of the plan: (totals, groups), the buckets within the groups of owners' columns."""
    if not isinstance(spine.join, Joined):
        raise TypeError("groups of owners' columns are those of a join")
    of_owners = by_group(spine.join, spine.totals, totals)
    apart = of_owners.reshape(-1, buckets, of_owners.shape[1])
    return apart.transpose(0, 2, 1).reshape(len(apart), -1)


def star_shapes(source: Star) -> tuple[StarShape, ...]:
    """The shape of a star join for each owner of facts: each total of the plan is one for each bucket."""
    return tuple(_star_shape(source, place) for place in range(len(source.facts)))


def _star_shape(source: Star, place: int) -> StarShape:
    dimensions = tuple(
        StarDimension(
            TableSize(one.table.lines, len(one.table.measures) * one.table.width),
            one.table.party,
            one.given,
            one.of_lines,
        )
        for one in source.dimensions
    )
    own = source.facts[place]
    fellows = tuple(
        Fellow(query.party, query.lines, other < place) for other, query in enumerate(source.facts) if other != place
    )
    first = sum(one.of_lines for one in source.dimensions)
    sizes = own.lines, own.party, source.helper
    found = []
    for total in source.totals:
        kind = None if total.column is None else kind_of(source.columns[total.column])
        low, high = (0, 0) if kind is None else (min(kind.low, 0), max(kind.high, 0))
        found.append(RowTotal(total.query, total.column, total.bits, total.choice, "", low, high))
    choices, columns = source.choices, source.columns
    if fellows:
        earlier = [Operation("not", (Match(first + n),)) for n, one in enumerate(fellows) if one.earlier]
        later = [first + n for n, one in enumerate(fellows) if not one.earlier]
        columns = tuple(_added_up(one, later, len(source.facts)) for one in columns)
        choices = tuple(_added_up(one, later, len(source.facts)) for one in choices)
        choices = tuple(Operation("and", (one, *earlier)) if earlier else one for one in choices)
    return StarShape(*sizes, dimensions, source.levels, choices, columns, tuple(found), fellows)


def _added_up(expression: Expression, tables: Sequence[int], owners: int) -> Expression:
    """An expression over lines of all owners, over those of one: what others have of the id is added."""
    match expression:
        case Shared(index, low, high):
            low, high = low // owners, high // owners  # the bounds of a whole line are those of as many
            whole: Expression = Shared(index, low, high)
            for table in tables:
                other = Operation("select", (Match(table), Payload(table, index, low, high), Constant(0)))
                whole = Operation("add", (whole, other))
            return whole
        case Operation(operator, arguments):
            return Operation(operator, tuple(_added_up(one, tables, owners) for one in arguments))
    return expression


def pivots(local: LocalQuery) -> int:
    """How many measures one measure of an owner becomes: one for each group if it is pivoted."""
    return local.groups if local.pivoted else 1


def _groups(local: LocalQuery) -> int:
    return 1 if local.pivoted else local.groups


def _refuse_noise(total: Total, source: Joined) -> None:
    """ValueError where a sum would add, or choose by, what is noise in rows without a match (psi.md 17)."""
    if total.outer or total.least:
        return
    choice = kind_of(source.choices[total.choice])
    added = {table for table, index in enumerate((total.table, total.second)) if index is not None}
    if total.column is not None:
        added |= kind_of(source.columns[total.column]).noisy
    matched = choice.matched if source.apart or not choice.matched else {0, 1}  # one bit says that both have a match
    if choice.noisy - matched or added - matched:
        raise ValueError("a total would count rows without a match")


def _bounds(total: Total, source: Joined) -> tuple[int, int]:
    """The least and the most that a matching row adds, and 0 for one that does not match."""
    factors = [
        (local.measures[index].low, local.measures[index].high)
        for local, index in zip(source.owners, _measures(total), strict=False)
        if index is not None
    ]
    if total.column is not None:
        kind = kind_of(source.columns[total.column])
        factors.append((kind.low, kind.high))
    low = high = 1
    for least, most in factors:
        ends = [low * least, low * most, high * least, high * most]
        low, high = min(ends), max(ends)
    return min(low, 0), max(high, 0)


def _measures(total: Total) -> tuple[int | None, ...]:
    return total.query, total.table, total.second


def _payload(
    total: Total, places: Sequence[int | None], counts: Sequence[int], columns: list[Expression], source: Joined
) -> int | None:
    """The payload of a total: a table's, a column of several owners', or the product of both tables' payloads."""
    if total.column is not None:
        return sum(counts) + total.column
    factors = [(table, place) for table, place in enumerate(places) if place is not None]
    if not factors:
        return None
    payloads = [sum(counts[:table]) + place for table, place in factors]
    if len(payloads) == 1:
        return payloads[0]
    bounds = [source.owners[1 + table].measures[place // pivots(source.owners[1 + table])] for table, place in factors]
    product = Operation(
        "multiply",
        tuple(Payload(0, at, bound.low, bound.high) for at, bound in zip(payloads, bounds, strict=True)),
    )
    if product not in columns:
        columns.append(product)
    return sum(counts) + columns.index(product)


def _least(
    total: Total, places: Sequence[int | None], counts: Sequence[int], choices: list[Expression], source: Joined
) -> RowTotal:
    """The least of a value, a payload or a column, over the rows of its choice where the other measures are 1."""
    leaves = [
        Value(place, 0, 1) if side == 0 else Payload(0, sum(counts[: side - 1]) + place, 0, 1)
        for side, place in enumerate(places)
        if place is not None
    ]
    kinds = [
        local.measures[measure].kind
        for measure, local in zip(_measures(total), source.owners, strict=False)
        if measure is not None
    ]
    of = [leaf for leaf, kind in zip(leaves, kinds, strict=True) if kind == "least"]
    bits = [
        Operation("equal", (leaf, Constant(1))) for leaf, kind in zip(leaves, kinds, strict=True) if kind != "least"
    ]
    choice = Operation("and", (choices[total.choice], *bits)) if bits else choices[total.choice]
    if choice not in choices:
        choices.append(choice)
    value = of[0].index if of and isinstance(of[0], Value) else None
    payload = of[0].index if of and isinstance(of[0], Payload) else None
    payload = payload if total.column is None else sum(counts) + total.column
    return RowTotal(value, payload, 64, choices.index(choice), least=(total.low, total.high))


def _side_by_side(expression: Expression, before: int, apart: bool) -> Expression:
    """The expression with the second table's payloads after the first's; as it is where tables stand apart."""
    if apart:
        return expression
    match expression:
        case Payload(1, index, low, high):
            return Payload(0, before + index, low, high)
        case Operation(operator, arguments):
            return Operation(operator, tuple(_side_by_side(argument, before, apart) for argument in arguments))
    return expression


def placed(expression: Expression, order: Sequence[int]) -> Expression:
    """An expression over a statement's sides, of which 0 has values and k the payloads of table k - 1, for roles.

    order: the sides of the query, the table and the second.
    """
    match expression:
        case Value(index, low, high):
            return _leaf(order.index(0), index, low, high)
        case Payload(table, index, low, high):
            return _leaf(order.index(table + 1), index, low, high)
        case Operation(operator, arguments):
            return Operation(operator, tuple(placed(argument, order) for argument in arguments))
    return expression


def _leaf(place: int, index: int, low: int, high: int) -> Expression:
    return Payload(place - 1, index, low, high) if place else Value(index, low, high)
