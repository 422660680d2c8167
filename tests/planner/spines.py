"""What a plan of several spines says, computed in plain Python: each owner's lines beside those of others."""

from itertools import product
from math import prod

from msgspec.structs import replace

from glovebox.planner.plan import Spines
from glovebox.protocols.expression import Constant, Match, Operation, Payload, Value, kind_of

from . import evaluation

NOISE = 987_654_321  # what a payload is in a row without a match


def computed(plan, tables):
    """The answer's rows, of spines or of any other source."""
    totals_of = spine_totals if isinstance(plan.source, Spines) else evaluation.totals_of
    return evaluation.computed(plan, tables, totals_of)


def spine_totals(plan, tables):
    """Every total in every group."""
    buckets = prod(len(grouping.labels) for grouping in plan.source.buckets)
    if len(plan.source.owners) > len(plan.source.spines) > 1:
        return beside_another(plan, tables)
    every = [[0] * groups_of(plan, buckets) for _ in plan.totals]
    for spine in plan.source.spines:
        owners = (spine.query,) if spine.join is None else spine.join.owners
        lines = []
        for query in owners:
            loaded = next(one for one in plan.source.owners if one.party == query.party)
            assert set(query.measures) <= set(loaded.measures)
            lines.append(lines_of_tables(loaded, tables[query.party]))
        labels = list(product(*(grouping.labels for grouping in spine.query.groupings)))
        for key, own in lines[0].items():
            place = labels.index(evaluation.group_of(spine.query, own[0])) * buckets
            found = [own, *(table.get(key) if key[0] is not None else None for table in lines[1:])]
            for number, total in enumerate(spine.totals):
                every[number // buckets][place + number % buckets] += added(spine, total, found)
    for total, groups in zip(plan.totals, every, strict=True):
        assert all(total.low <= group <= total.high for group in groups), (total, groups)
    return every


def beside_another(plan, tables):
    """Of a stack that is joined with another owner's table: the joins' totals, added."""
    joins = [
        evaluation.totals_of(replace(plan, source=one.join, totals=one.totals), tables) for one in plan.source.spines
    ]
    return [[sum(groups) for groups in zip(*totals, strict=True)] for totals in zip(*joins, strict=True)]


def groups_of(plan, buckets):
    spine = plan.source.spines[0]
    return prod(len(grouping.labels) for grouping in spine.query.groupings) * buckets


def lines_of_tables(query, held):
    """The lines of a query by key. held: the rows of its table, or by name those of several."""
    if not query.beside:
        return lines_by_key(query, held[query.table] if isinstance(held, dict) else held)
    found = [lines_by_key(one, held[one.table]) for one in query.tables]
    return {key: [lines.get(key, []) for lines in found] for key in set().union(*found)}


def lines_by_key(query, table):
    """The rows of a local query by key: by id, or by id and group; rows without an id are lines apart."""
    kept = [row for row in table if query.where is None or evaluation.evaluated(query.where, row)]
    lines = {}
    for row in kept:
        group = evaluation.group_of(query, row) if query.by_group else ()
        if row[query.ids] is not None or query.unmatched:
            lines.setdefault((row[query.ids], group), []).append(row)
    return lines


def added(spine, total, found):
    """What a line adds to a total. found: its rows, and those with the same key of each table, or None."""
    own = found[0]
    value = measured(spine.query, total.query, own) if total.query is not None else 1
    if spine.join is None or (total.outer == "left" and total.table is None):
        return value
    chosen = expressed(spine.join.choices[total.choice], spine.join, found)
    if total.outer == "anti":
        return 0 if chosen else value
    if not chosen:
        return 0
    return value * (1 if total.column is None else expressed(spine.join.columns[total.column], spine.join, found))


def measured(query, index, rows):
    measure = query.measures[index]
    if query.beside:
        rows = rows[measure.of]
    if measure.slot:
        rows = sorted(rows, key=lambda row: row[query.slots_by])[measure.slot - 1 : measure.slot]
    if measure.kind == "people":
        there = [row for row in rows if measure.expression is None or value_of(measure, row) is not None]
        return int(bool(there) and rows[0][query.ids] is not None)
    return evaluation.measured(measure, rows)


def value_of(measure, row):
    return evaluation.evaluated(measure.expression, row)


def expressed(expression, join, found):
    """An expression for one line; of a number made of noise, whatever comes of it."""
    match expression:
        case Value(index):
            return measured(join.query, index, found[0])
        case Payload(table, index):
            return NOISE if found[1 + table] is None else measured(join.owners[1 + table], index, found[1 + table])
        case Match(table):
            return found[1 + table] is not None
        case Constant(number):
            return number
        case Operation(operator, arguments):
            parts = [expressed(argument, join, found) for argument in arguments]
    value = {
        "add": lambda: parts[0] + parts[1], "subtract": lambda: parts[0] - parts[1], "negate": lambda: -parts[0],
        "multiply": lambda: parts[0] * parts[1], "not": lambda: not parts[0], "less": lambda: parts[0] < parts[1],
        "equal": lambda: parts[0] == parts[1], "within": lambda: parts[1] <= parts[0] <= parts[2],
        "and": lambda: all(parts), "or": lambda: any(parts), "select": lambda: parts[1] if parts[0] else parts[2],
    }[operator]()  # fmt: skip
    kind = kind_of(expression)
    tables_there = {table for table in range(len(found) - 1) if found[1 + table] is not None}
    assert kind.bit or not kind.noisy <= tables_there or kind.low <= value <= kind.high
    return value
