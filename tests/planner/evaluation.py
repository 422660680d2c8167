"""What a plan says, computed in plain Python: local parts, totals over matching lines, and the answer they open to."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import product
from math import prod

import numpy as np

from glovebox.planner.answer import answer_of, parts_of
from glovebox.planner.plan import Joined
from glovebox.protocols.expression import Constant as Public
from glovebox.protocols.expression import Match, Operation, Payload, Value, kind_of
from glovebox.schema.expressions import Call, ColumnRef, Constant
from glovebox.schema.local import Grouping


def evaluated(expression, row):
    """SQL's value of an expression for a row, NULL as None."""
    match expression:
        case ColumnRef(name):
            return row[name]
        case Constant("integer" | "decimal", text):
            return Decimal(text)
        case Constant("date", text):
            return date.fromisoformat(text)
        case Constant("timestamp", text):
            return datetime.fromisoformat(text)
        case Constant(kind, text):
            return {"null": None, "boolean": text == "true"}.get(kind, text)
        case Call("case", arguments):
            for place in range(0, len(arguments) - 1, 2):
                if evaluated(arguments[place], row):
                    return evaluated(arguments[place + 1], row)
            return evaluated(arguments[-1], row)
        case Call(operator, arguments):
            return applied(operator, [evaluated(argument, row) for argument in arguments])


def applied(operator, values):
    if operator == "is_null":
        return values[0] is None
    if operator in ("and", "or"):
        ends = operator == "or"  # true ends an OR, false an AND, whatever is unknown beside it
        return ends if ends in values else None if None in values else not ends
    if None in values:
        return None
    match operator, values:
        case "not", [value]:
            return not value
        case "integer", [value]:
            return int(value)
        case "negate", [value]:
            return -value
        case "floor", [value, by]:
            return Fraction(value) // Fraction(by)
        case "year", [value]:
            return value.year
        case "month", [value]:
            return value.month
        case "days", [value]:
            return (value - date(1970, 1, 1)).days
        case "microseconds", [value]:
            return (value - datetime(1970, 1, 1)) // timedelta(microseconds=1)
    one, other = values
    return {
        "+": lambda: one + other, "-": lambda: one - other, "*": lambda: one * other, "=": lambda: one == other,
        "<>": lambda: one != other, "<": lambda: one < other, "<=": lambda: one <= other, ">": lambda: one > other,
        ">=": lambda: one >= other,
    }[operator]()  # fmt: skip


def measured(measure, group):
    """A measure over some rows, checked against its bounds."""
    values = [1 if measure.expression is None else evaluated(measure.expression, row) for row in group]
    present = [value for value in values if value is not None]
    match measure.kind:
        case "rows":
            total = len(group)
        case "values":
            total = len(present)
        case "people":  # a group is one id; or a row is a person, but where rows say whose they are
            whose = [row.get("person", number) for number, row in enumerate(group) if values[number] is not None]
            total = len({*whose} - {None}) if measure.high > 1 else int(bool(present))
        case "sum":
            total = int(sum(present) * 10**measure.scale)
        case "least":
            total = min((int(value * 10**measure.scale) for value in present), default=measure.high)
    assert measure.low <= total <= measure.high
    return total


def lines_of(query, table, label=None):
    """The rows of a local query by line: by id, those of a group, or by group."""
    kept = [row for row in table if query.where is None or evaluated(query.where, row)]
    if query.ids:
        ids = {row["id"] for row in kept} - (set() if query.unmatched else {None})
        assert query.pivoted or not query.groupings or len(ids) == len([row for row in kept if row["id"] is not None])
        lines = {
            key if key is not None else (): [
                row for row in kept if row["id"] == key and (label is None or group_of(query, row) == (label,))
            ]
            for key in ids
        }
        return lines if query.pivoted else {key: line for key, line in lines.items() if line}
    return {
        labels: [row for row in kept if labels == group_of(query, row)]
        for labels in product(*(grouping.labels for grouping in query.groupings))
    }


def group_of(query, row):
    """The labels of a row's group."""
    return tuple(label_of(grouping, row) for grouping in query.groupings)


def label_of(grouping, row):
    """The label of a row by one key."""
    if grouping.index is not None:
        return grouping.labels[int(evaluated(grouping.index, row))]
    return grouping.always or row[grouping.column]


def unmatched(source, total, lines):
    """What the query's lines without a match add to a total."""
    if not total.outer:
        return 0
    alone = {key: line for key, line in lines[0].items() if key not in lines[1]}
    if total.query is None:
        return sum(len(line) for line in alone.values())
    measure = source.query.measures[total.query]
    return sum(measured(measure, line) for key, line in alone.items() if key != () or measure.kind != "people")


def reduced(source, total, sides):
    """A total over the ids that match. sides: the lines of each owner."""
    matching = [[line[key] for line in sides] for key in set.intersection(*map(set, sides))]
    if any(local.slots for local in source.owners):
        return sum(of_pairs(source, total, lines) for lines in matching)
    if not total.least:
        return sum(summed(source, total, lines) for lines in matching) + unmatched(source, total, sides)
    return min((number for lines in matching for number in lowest(source, total, lines)), default=total.high)


def of_pairs(source, total, lines):
    """What a matching id adds whose rows meet pair by pair; people are counted once."""
    apart = [
        [[row] for row in line] if local.slots else [line] for local, line in zip(source.owners, lines, strict=True)
    ]
    added = [summed(source, total, pair) for pair in product(*apart)]
    places = zip((total.query, total.table, total.second), source.owners, strict=False)
    people = [index is None or local.measures[index].kind == "people" for index, local in places]
    return int(any(added)) if total.column is None and all(people) else sum(added)


def lowest(source, total, lines):
    """The number of a matching id whose least is wanted, if it counts."""
    if not expressed(source.choices[total.choice], source, lines):
        return []
    if total.column is not None:
        return [expressed(source.columns[total.column], source, lines)]
    places = zip(source.owners, (total.query, total.table, total.second), lines, strict=False)
    found = [(query.measures[index], line) for query, index, line in places if index is not None]
    (number,) = [measured(measure, line) for measure, line in found if measure.kind == "least"]
    return [number] if all(measured(measure, line) for measure, line in found if measure.kind != "least") else []


def summed(source, total, lines):
    """What a matching id adds to a total. lines: its rows at each owner."""
    if total.outer == "anti":
        return 0
    if not expressed(source.choices[total.choice], source, lines):
        return 0
    if total.column is not None:
        return expressed(source.columns[total.column], source, lines)
    places = zip(source.owners, (total.query, total.table, total.second), lines, strict=False)
    return prod(measured(query.measures[index], line) for query, index, line in places if index is not None)


def expressed(expression, source, lines):
    """An expression of several owners' columns for one matching id, checked against its range."""
    kind = kind_of(expression)
    match expression:
        case Value(index):
            value = measured(source.query.measures[index], lines[0])
        case Payload(table, index):
            value = measured(source.owners[1 + table].measures[index], lines[1 + table])
        case Match():
            value = 1
        case Public(number):
            value = number
        case Operation(operator, arguments):
            parts = [expressed(argument, source, lines) for argument in arguments]
            value = {
                "add": lambda: parts[0] + parts[1], "subtract": lambda: parts[0] - parts[1],
                "multiply": lambda: parts[0] * parts[1], "negate": lambda: -parts[0], "not": lambda: not parts[0],
                "less": lambda: parts[0] < parts[1], "equal": lambda: parts[0] == parts[1],
                "select": lambda: parts[1] if parts[0] else parts[2],
                "within": lambda: parts[1] <= parts[0] <= parts[2], "and": lambda: all(parts), "or": lambda: any(parts),
            }[operator]()  # fmt: skip
    assert kind.low <= value <= kind.high
    return value


def totals_of(plan, tables):
    """Every total in every group. tables: the rows of each party."""
    source = plan.source
    if isinstance(source, Joined):
        sides = [
            [
                lines_of(query, tables[query.party], label)
                for label in (query.groupings or [Grouping((None,))])[0].labels
            ]
            for query in source.owners
        ]
        totals = [[reduced(source, total, lines) for lines in product(*sides)] for total in plan.totals]
    else:
        lines = [(query, lines_of(query, tables[query.party])) for query in source.owners]
        totals = [
            [sum(measured(query.measures[total.query], own[label]) for query, own in lines) for label in lines[0][1]]
            for total in plan.totals
        ]
    for total, groups in zip(plan.totals, totals, strict=True):
        assert all(total.low <= group <= total.high for group in groups)
    return totals


def computed(plan, tables, totals_of=totals_of):
    """The answer's rows, by the plan. tables: the rows of each party."""
    totals = totals_of(plan, tables)
    opened = [totals[part.total] if part.kind == "total" else [int(group == 0) for group in totals[part.over]]
              for part in parts_of(plan)]  # fmt: skip
    groups = len(totals[0])
    shown = np.array([meets(plan, group) for group in zip(*totals, strict=True)])
    return answer_of(plan, shown, np.array(opened, object).reshape(-1, groups)).rows


def meets(plan, totals):
    """Whether a group's totals meet HAVING."""
    return all(sum(n * totals[total] for total, n in bound.terms) + bound.constant >= 0 for bound in plan.having)
