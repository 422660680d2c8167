"""A plan's answer with each owner's real local part, and what the protocols do on shares done here in the clear.

Quick where running nodes are slow: what it leaves out is the protocols, which have tests of their own.
"""

from functools import reduce
from itertools import product
from math import prod

import numpy as np
from msgspec.structs import replace

from glovebox.data.database import open_database
from glovebox.data.groups import load_groups
from glovebox.data.loading import load_rows
from glovebox.data.pairs import PAIR_BYTES, load_pairs
from glovebox.data.sources import source_at
from glovebox.data.together import together
from glovebox.planner.answer import answer_of, parts_of
from glovebox.planner.plan import Joined, Spines, Stacked, Star, groupings_of, local_queries
from glovebox.planner.ranked import ranked_of
from glovebox.planner.shape import by_group, join_shape, paired, pivots
from glovebox.protocols.expression import Constant, Match, Operation, Payload, Shared, Value

from .evaluation import meets

SALT = bytes(32)


def answered(plan, contract, files, directory):
    """The answer. files: the file of each (party's name, table)."""
    totals_of, by_id = TOTALS[type(plan.source)]
    loaded = [
        together(query, [loaded_by(one, contract, files, directory, by_id) for one in query.tables])
        for query in local_queries(plan)
    ]
    totals = totals_of(plan, loaded)
    for total, groups in zip(plan.totals, totals, strict=True):
        assert all(total.low <= group <= total.high for group in groups.tolist())
    shown = totals[plan.people] >= plan.threshold
    if plan.zero_shown:
        shown |= totals[plan.people] == 0
    shown &= np.array([meets(plan, group) for group in zip(*(total.tolist() for total in totals), strict=True)])
    opened = np.array([opened_part(part, totals) for part in parts_of(plan)], object).reshape(-1, len(shown))
    return answer_of(plan, shown, opened * shown)


def loaded_by(query, contract, files, directory, by_id):
    party = contract.parties[query.party].name
    source = source_at(files[party, query.table], relation=query.table)
    database = open_database([source], directory, 1024, 2)
    try:
        load = load_pairs if query.other else load_rows if by_id else load_groups
        return load(database, query, contract.table(query.table, query.party), source, SALT)
    finally:
        database.close()


def opened_part(part, totals):
    match part.kind:
        case "total":
            return totals[part.total].tolist()
        case "null":
            return (totals[part.over] == 0).astype(int).tolist()
        case "quotient":
            return [
                0 if n == 0 else round(float(x) * 10**6 / n)
                for x, n in zip(totals[part.total].tolist(), totals[part.over].tolist(), strict=True)
            ]


def stacked_totals(plan, loaded):
    totals = [sum(own.values[total.query] for own in loaded) for total in plan.totals]
    for number, one in enumerate(ranked_of(plan)):
        counts = sum(own.counts[number] for own in loaded)
        for place, ranks in zip(one.places, one.asked, strict=True):
            totals[place] = sum(one.low + places_at(rank, counts) for rank in ranks)
    return totals


def places_at(rank, counts):
    """The place of the value at a rank, in each group."""
    ascending = counts.cumsum(axis=1)
    return (rank.of * ascending - rank.share * ascending[:, -1:] + rank.plus < 0).sum(axis=1)


def spine_totals(plan, loaded):
    """Every total in every group, of owners' lines that meet those of others with the same ids."""
    if all(isinstance(spine.join, Joined) and paired(spine.join) for spine in plan.source.spines):
        return sum(np.array(pairs_of_spine(plan, spine, loaded)) for spine in plan.source.spines)
    buckets = prod(len(grouping.labels) for grouping in plan.source.buckets)
    groups = prod(len(grouping.labels) for grouping in groupings_of(plan))
    sums = np.zeros((len(plan.totals), groups // buckets, buckets), np.int64)
    for spine in plan.source.spines:
        owners = owners_of(spine)
        sides = [lines_of(plan, loaded, query) for query in owners]
        meeting = (*met(sides, [len(local.measures) for local in owners]), common_of(plan, loaded, spine, sides[0][0]))
        places = np.zeros(len(sides[0][0]), np.int64) if sides[0][2] is None else sides[0][2]
        for number, total in enumerate(spine.join.totals if isinstance(spine.join, Star) else spine.totals):
            added = of_spine(spine, total, *meeting)
            np.add.at(sums[number // buckets, :, number % buckets], places, added)
    return sums.reshape(len(plan.totals), -1)


def pairs_of_spine(plan, spine, loaded):
    own = [loaded[plan.source.owners.index(query)] for query in spine.join.owners]
    return joined_totals(replace(plan, source=spine.join, totals=spine.totals), own)


def owners_of(spine):
    """Who has lines of a spine: of a star join of pairs, its query, and the table that lines are looked up in."""
    if isinstance(spine.join, Star):
        return (spine.query, spine.join.dimensions[1].table)
    return (spine.query,) if spine.join is None else spine.join.owners


def common_of(plan, loaded, spine, keys):
    """Of each line how many of its pairs the other owner has, if the spine is of pairs."""
    if not isinstance(spine.join, Star):
        return None
    own, other = (
        loaded[plan.source.owners.index(query)].ids for query in (spine.join.facts[0], spine.join.dimensions[0].table)
    )
    theirs = {pair.tobytes() for pair in other[:, :PAIR_BYTES]}
    both = [pair[PAIR_BYTES:].tobytes() for pair in own if pair[:PAIR_BYTES].tobytes() in theirs]
    return np.array([both.count(key.tobytes()) for key in keys], np.int64)


def lines_of(plan, loaded, query):
    """An owner's ids, the measures that a spine takes, and the groups."""
    place = next(n for n, one in enumerate(plan.source.owners) if one.party == query.party)
    own, whole = loaded[place], plan.source.owners[place]
    keys = own.ids.view(np.dtype((np.void, own.ids.shape[1]))).ravel()
    return keys, own.values[[whole.measures.index(measure) for measure in query.measures]], own.groups


def met(sides, counts):
    """The first side's values; of each other whether a line has a match, and its payloads there, else zero."""
    matches, payloads = [], []
    for (keys, values, _), count in zip(sides[1:], counts[1:], strict=True):
        there = np.isin(sides[0][0], keys)
        beside = np.zeros((count, len(there)), np.int64)
        beside[:, there] = values[:, np.argsort(keys)[np.searchsorted(np.sort(keys), sides[0][0][there])]]
        matches.append(there.astype(np.int64))
        payloads.append(beside)
    return sides[0][1], payloads, matches


def of_spine(spine, total, values, payloads, matches, common):
    """What each line adds to a total."""
    value = np.int64(1) if total.query is None else values[total.query]
    if spine.join is None or (total.outer == "left" and total.table is None):
        return value
    chosen = of_line(spine.join.choices[total.choice], values, payloads, matches, common)
    if total.outer == "anti":
        return (1 - chosen) * value
    if total.column is None:
        return chosen * value
    return chosen * value * of_line(spine.join.columns[total.column], values, payloads, matches, common)


def of_line(expression, values, payloads, matches, common):
    """An expression for each line."""
    match expression:
        case Value(index):
            return values[index]
        case Payload(table, index):
            return payloads[table][index]
        case Match(table):
            return matches[table]
        case Shared():
            return common
        case Constant(number):
            return np.full(values.shape[1], number)
        case Operation(operator, arguments):
            return applied(operator, [of_line(argument, values, payloads, matches, common) for argument in arguments])


def joined_totals(plan, loaded):
    """Every total in every group, by the query's groups, within each by the table's, then the second's."""
    source = plan.source
    keys = [own.ids.view(np.dtype((np.void, own.ids.shape[1]))).ravel() for own in loaded]
    matching = reduce(np.intersect1d, keys)
    places = [np.argsort(key)[np.searchsorted(np.sort(key), matching)] for key in keys]
    if paired(source):
        return pair_totals(plan, loaded, places)
    return [group_totals(source, total, loaded, places, keys) for total in plan.totals]


def pair_totals(plan, loaded, places):
    """The same where rows meet pair by pair: by the very totals of the row-level run, on the rows that match."""
    source, shape = plan.source, join_shape(plan.source, plan.totals)
    values = loaded[0].values[:, places[0]]
    payloads = np.concatenate([own.values[:, at] for own, at in zip(loaded[1:], places[1:], strict=True)])
    columns = [of_row(column, values, payloads) for column in shape.columns]
    payloads = np.concatenate([payloads, *(column[None] for column in columns)])
    native = [
        np.zeros(len(at), np.int64) if own.groups is None else own.groups[at]
        for own, at in zip(loaded, places, strict=True)
    ]
    group = native[0] * shape.planes + sum(native[1:])
    sums = np.zeros((len(shape.totals), shape.groups), np.int64)
    for number, total in enumerate(shape.totals):
        added = of_row(shape.choices[total.choice], values, payloads)
        added = added * (1 if total.value is None else values[total.value])
        np.add.at(sums[number], group, added * (1 if total.payload is None else payloads[total.payload]))
    whole = by_group(source, plan.totals, sums.view(np.uint64))
    return [
        row.astype(np.uint32).view(np.int32).astype(np.int64) if total.bits == 32 else row.view(np.int64)
        for row, total in zip(whole, plan.totals, strict=True)
    ]


def of_row(expression, values, payloads):
    """An expression over a run's values and payloads, row by row."""
    match expression:
        case Value(index):
            return values[index]
        case Payload(_, index):
            return payloads[index]
        case Match():
            return np.ones(values.shape[1], np.int64)
        case Constant(number):
            return np.full(values.shape[1], number)
        case Operation(operator, arguments):
            return applied(operator, [of_row(argument, values, payloads) for argument in arguments])


def group_totals(source, total, loaded, places, keys):
    cells = []
    for groups in product(*(range(local.groups) for local in source.owners)):
        there = np.ones(len(places[0]), bool)
        for own, at, group in zip(loaded, places, groups, strict=True):
            if own.groups is not None:
                there &= own.groups[at] == group
        rows = [at[there] for at in places]
        cell = 0 if total.outer == "anti" else int(matched(source, total, loaded, rows, groups).sum())
        cells.append(cell + (unmatched(source, total, loaded, keys, groups[0]) if total.outer else 0))
    return np.array(cells, np.int64)


def matched(source, total, loaded, rows, groups):
    """What each matching line adds to a total."""
    chosen = expressed(source.choices[total.choice], source, loaded, rows, groups)
    if total.column is not None:
        return chosen * expressed(source.columns[total.column], source, loaded, rows, groups)
    measures = (total.query, total.table, total.second)
    values = [
        measure_of(source.owners[n], loaded[n], rows[n], measure, groups[n])
        for n, measure in enumerate(measures[: len(rows)])
        if measure is not None
    ]
    return chosen * prod(values, start=np.ones(len(rows[0]), np.int64))


def measure_of(local, own, rows, measure, group):
    return own.values[measure * pivots(local) + (group if local.pivoted else 0)][rows]


def unmatched(source, total, loaded, keys, group):
    """What the query's lines without a match add to a total."""
    alone = ~np.isin(keys[0], keys[1])
    if loaded[0].groups is not None:
        alone &= loaded[0].groups == group
    if total.query is None:
        return int(alone.sum())
    return int(measure_of(source.query, loaded[0], alone, total.query, group).sum())


def expressed(expression, source, loaded, rows, groups):
    match expression:
        case Value(index):
            return measure_of(source.query, loaded[0], rows[0], index, groups[0])
        case Payload(table, index):
            return measure_of(source.owners[1 + table], loaded[1 + table], rows[1 + table], index, groups[1 + table])
        case Match():
            return np.ones(len(rows[0]), np.int64)
        case Constant(number):
            return np.full(len(rows[0]), number)
        case Operation(operator, arguments):
            parts = [expressed(argument, source, loaded, rows, groups) for argument in arguments]
            return applied(operator, parts)


def applied(operator, parts):
    return {
        "add": lambda: parts[0] + parts[1], "subtract": lambda: parts[0] - parts[1], "negate": lambda: -parts[0],
        "multiply": lambda: parts[0] * parts[1], "not": lambda: 1 - parts[0],
        "less": lambda: 1 * (parts[0] < parts[1]), "equal": lambda: 1 * (parts[0] == parts[1]),
        "within": lambda: (parts[1] <= parts[0]) * 1 * (parts[0] <= parts[2]),
        "select": lambda: np.where(parts[0] == 1, parts[1], parts[2]),
        "and": lambda: prod(parts), "or": lambda: 1 * (sum(parts) > 0),
    }[operator]()  # fmt: skip


TOTALS = {Joined: (joined_totals, True), Stacked: (stacked_totals, False), Spines: (spine_totals, True)}
"""How the totals of each kind of source are found, and whether lines are of ids."""
