"""Who computes what: the owners' local parts, the roles of the row engine, and the totals as these roles see them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from itertools import permutations

from msgspec.structs import replace

from glovebox.algebra.lpn import VERSION
from glovebox.contract.terms import HOMOMORPHIC, LOW_TRAFFIC
from glovebox.planner.cost import join_cost, joint_cost
from glovebox.planner.grouping import Key
from glovebox.planner.meetings import met
from glovebox.planner.plan import Joined, Output, Spine, Spines, Stacked, Star, Total
from glovebox.planner.quantiles import check_counts, refuse_quantiles, refuse_unordered
from glovebox.planner.scope import Branch
from glovebox.planner.shape import MOST_TOTALS, join_shape, joint_shape, placed, totals_of_run
from glovebox.planner.spines import counted_once, met_at_several
from glovebox.planner.stack import branch_query
from glovebox.planner.star import star_of
from glovebox.planner.totals import Totals
from glovebox.planner.typed import NULL
from glovebox.protocols.intersection import MOST_ROWS
from glovebox.protocols.two_party.intersection import MOST_ROWS as MOST_ROWS_ALONE
from glovebox.schema.expressions import Call, ColumnRef, Constant
from glovebox.schema.local import Grouping, LocalQuery, Measure


def source_of(
    totals: Totals, outputs: Sequence[Output], keys: list[Key], computing: tuple[int, ...]
) -> tuple[Joined | Stacked | Spines | Star, tuple[Total, ...]]:
    """The source of a plan, and its totals. Refused for what is too much to join."""
    if totals.joined and len(totals.scope.sides[0].owners) > 1:
        return _stack_joined(totals, outputs, keys, computing)
    if totals.joined:
        return _joined(totals, keys, computing)
    if totals.scope.sides[0].lines:
        refuse_quantiles(totals)
        return star_of(totals, keys, computing)
    if totals.scope.sides[0].persons:
        return met(totals, keys, computing)
    groups = math.prod(len(key.groupings[0].labels) for key in keys)
    queries = tuple(branch_queries(totals, keys, groups))
    check_counts(totals, totals.scope.statement.tree, groups, totals.measures[0])
    if met_at_several(totals, outputs):
        refuse_quantiles(totals)
        return counted_once(totals, keys, queries, computing), tuple(totals.totals)
    return Stacked(queries), tuple(totals.totals)


def branch_queries(totals: Totals, keys: list[Key], lines: int) -> Iterator[LocalQuery]:
    """What each owner of a stacked table computes alone."""
    for number, branch in enumerate(totals.scope.sides[0].branches):
        groupings = tuple(key.groupings[number] for key in keys)
        measures = tuple(totals.measures[0])
        yield branch_query(totals.scope.contract, branch, measures, lines, totals.where(0), groupings)


def _joined(totals: Totals, keys: list[Key], computing: tuple[int, ...]) -> tuple[Joined, tuple[Total, ...]]:
    """Of all ways to give the roles, the one that sends least; of equal ones the contract's order decides."""
    scope = totals.scope
    most = MOST_ROWS_ALONE if scope.contract.protocol else MOST_ROWS
    for side in scope.sides:
        if side.table.rows > most:
            sentence = f"A join of {side.table.rows} rows would match two ids wrongly with more than 2^-40"
            hint = f"a contract whose tables have at most {most} rows"
            scope.statement.refuse(scope.statement.tree, "rows", sentence, hint)
    locals_ = [_local(totals, keys, number) for number in range(len(scope.sides))]
    ways = [_way(totals, locals_, order, computing) for order in permutations(range(len(locals_)))]
    ways = [way for way in ways if sum(not local.pivoted and local.groups > 1 for local in way[0].owners[1:]) < 2]
    if not ways:
        group, sentence = scope.statement.tree.args["group"], "Three owners' columns cannot all make groups"
        scope.statement.refuse(group, "sql", sentence, "GROUP BY columns of two of them")
    refuse_unordered(totals, math.prod(len(key.groupings[0].labels) for key in keys))
    if ranked := [total.side for total in totals.totals if total.ranks]:  # whoever has values puts them in order
        ways = [way for way in ways if way[0].query.party == scope.sides[ranked[0]].owners[0]]
    if totals.outer or scope.sides[0].keys:  # a row of the left table without a match is known to its owner alone
        ways = [way for way in ways if way[0].query.party == scope.sides[0].owners[0]]
    ways.sort(key=lambda way: [local.party for local in way[0].owners])
    sizes = [totals_of_run(*way) for way in ways]
    if min(sizes) > MOST_TOTALS:
        group = scope.statement.tree.args.get("group") or scope.statement.tree
        sentence = f"These are {min(sizes)} totals of every row"
        scope.statement.refuse(group, "sql", sentence, f"fewer groups or columns: at most {MOST_TOTALS} totals")
    able = [place for place, size in enumerate(sizes) if size <= MOST_TOTALS]
    if scope.contract.protocol == HOMOMORPHIC:
        (receiver,) = scope.contract.rules.receive
        source, ordered = next(way for way in ways if way[0].query.party == receiver)
        return replace(source, homomorphic=True), ordered
    if scope.contract.protocol:
        sparing = scope.contract.protocol == LOW_TRAFFIC
        costs = {place: joint_cost(joint_shape(*ways[place]), sparing) for place in able}
        source, ordered = ways[min(able, key=lambda place: costs[place].size)]
        return replace(source, lpn=VERSION if sparing else 0), ordered
    return min((ways[place] for place in able), key=lambda way: join_cost(join_shape(*_of_few_pairs(*way))).size)


def _of_few_pairs(source: Joined, totals: tuple[Total, ...]) -> tuple[Joined, tuple[Total, ...]]:
    """A way as if an id had two rows at most: which way sends least is told by few pairs of rows, as by many."""
    query, table, *more = (
        replace(local, slots=min(local.slots, 2)) if local.slots else local for local in source.owners
    )
    return replace(source, query=query, table=table, second=more[0] if more else None), totals


def _stack_joined(
    totals: Totals, outputs: Sequence[Output], keys: list[Key], computing: tuple[int, ...]
) -> tuple[Spines, tuple[Total, ...]]:
    """Every owner of a stack beside another owner's table, whose roles are the same in each join."""
    scope, tree = totals.scope, totals.scope.statement.tree
    if scope.contract.protocol or totals.noisy or met_at_several(totals, outputs):
        sentence = "People who may be at several owners, or get noise, cannot be joined with another owner's yet"
        scope.statement.refuse(tree, "table", sentence, "totals of rows, of a table whose people are at one owner each")
    refuse_quantiles(totals)
    other, spines = _local(totals, keys, 1), []
    for number in range(len(scope.sides[0].branches)):
        own = _local(totals, keys, 0, number)
        joined, found = _way(totals, [own, other], (0, 1), computing)
        size = totals_of_run(joined, found)
        if size > MOST_TOTALS:
            sentence = f"These are {size} totals of every row"
            scope.statement.refuse(tree, "sql", sentence, f"fewer groups or columns: at most {MOST_TOTALS} totals")
        spines.append(Spine(own, found, joined))
    return Spines((*(spine.query for spine in spines), other), tuple(spines)), tuple(totals.totals)


def _way(
    totals: Totals, locals_: list[LocalQuery], order: tuple[int, ...], computing: tuple[int, ...]
) -> tuple[Joined, tuple[Total, ...]]:
    """The source and the totals with the roles given in this order of the sides."""
    query, table, *third = (locals_[side] for side in order)
    helper = (
        third[0].party if third else next((one for one in computing if one not in (query.party, table.party)), None)
    )
    choices, columns = (tuple(placed(one, order) for one in many) for many in (totals.choices, totals.columns))
    reordered = []
    for total in totals.totals:
        measures = (total.query, total.table, total.second)
        own, other, second = (*(measures[side] for side in order), None)[:3]
        reordered.append(replace(total, query=own, table=other, second=second))
    taken = totals.pairs.first
    first = order.index(taken.side) if taken and taken.side in totals.pairs.slots else None
    more = third[0] if third else None
    return Joined(query, table, helper, choices, columns, more, first=first), tuple(reordered)


def _local(totals: Totals, keys: list[Key], number: int, place: int = 0) -> LocalQuery:
    """What an owner of a side reads. place: of the owner, among those of a stacked table."""
    side = totals.scope.sides[number]
    first, branch = totals.pairs.first, side.branches[place]
    own, slots = [key.groupings[place] for key in keys if key.side == number], totals.pairs.slots.get(number, 0)
    told_apart = None
    if first and first.side != number and slots:
        told_apart = tuple(_own_name(totals, branch, column) for column in first.row)
    rows = branch_query(
        totals.scope.contract,
        branch,
        tuple(totals.measures[number]),
        side.table.rows,
        totals.where(number),
        tuple(own),
    )
    return replace(
        rows,
        measures=(*rows.measures, *(_in_groups(own) if slots and own else ())),
        ids=_own_name(totals, branch, side.ids.name) if side.ids else None,
        pivoted=number in totals.pivoted if not slots else bool(own),
        unmatched=bool(totals.outer) and number == 0,
        slots=slots,
        slots_by=_own_name(totals, branch, first.column) if first and first.side == number and slots else "",
        falling=bool(first and first.side == number and slots and first.descending),
        told_apart=told_apart,
        derived=side.derived,
        keys=tuple(column.name for column in side.keys),
    )


def _own_name(totals: Totals, branch: Branch, name: str) -> str:
    """What an owner's table calls a column. Refused where the owner's part makes it of others."""
    made = branch.columns.get(name, ColumnRef(name))
    if not isinstance(made, ColumnRef):
        sentence = "Rows are joined, told apart and put in order by columns, and not by what is made of them"
        totals.scope.statement.refuse(totals.scope.statement.tree, "sql", sentence, f"{name} as it is in the table")
    return made.name


def _in_groups(groupings: list[Grouping]) -> Iterator[Measure]:
    """Whether a row is in each group, in row-major order of the groupings' domains."""
    for labels in itertools.product(*(grouping.labels for grouping in groupings)):
        equal = tuple(_has(grouping, label) for grouping, label in zip(groupings, labels, strict=True))
        there = Call("and", equal) if len(equal) > 1 else equal[0]
        yield Measure("values", Call("case", (there, Constant("integer", "1"), NULL)), 0, 0, 1)


def _has(grouping: Grouping, label: str) -> Call:
    """Whether a row has a label."""
    if grouping.index is not None:
        return Call("=", (grouping.index, Constant("integer", str(grouping.labels.index(label)))))
    if grouping.column is None:
        return Call("=", (Constant("category", grouping.always or ""), Constant("category", label)))
    return Call("=", (ColumnRef(grouping.column), Constant("category", label)))
