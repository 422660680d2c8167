"""MEDIAN, QUANTILE_CONT, QUANTILE_DISC: ranks among all owners' numbers of a group, found on shares; so are MIN and MAX
of a stacked table.

A rank is a bound on counts (`protocols/quantile.py`): of N numbers, counted from 0, the one at place floor(y) is the
first value with more than y numbers up to it, the one at place ceil(y) the first with y + 1 at least. QUANTILE_CONT of
a share a / d is at y = (N - 1) a / d, and lies between these two. QUANTILE_DISC is at place ceil(N a / d) - 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from msgspec import structs
from sqlglot import exp

from glovebox.planner.conditions import Conditions, where
from glovebox.planner.extremes import UNITS
from glovebox.planner.numbers import counted
from glovebox.planner.plan import Output, Total
from glovebox.planner.totals import Totals
from glovebox.planner.typed import Typed, with_article
from glovebox.protocols.quantile import Counts, Rank
from glovebox.schema.expressions import Constant
from glovebox.schema.local import Measure

QUANTILES = (exp.Median, exp.Quantile, exp.PercentileCont, exp.PercentileDisc, exp.WithinGroup)
MOST_COUNTS = 1 << 22
"""Groups times values of a column: each costs 16 to 40 bytes on the links, and some 100 of memory at two parties."""
MOST_DECIMALS = 6
MOST_BITS = 63
MOST_ROWS_OF_ID = 64


def quantile(totals: Totals, name: str, node: exp.Expr, filters: Conditions) -> Output:
    """The output of a median or another quantile. Refused where noise should hide it, or nothing bounds its values."""
    refuse = totals.scope.statement.refuse
    if totals.noisy:
        sentence = "A quantile is one person's value, which no noise hides"
        refuse(node, "privacy", sentence, "COUNT(*) FILTER (WHERE a column is beyond some value)")
    value, share, between = _parts(totals, node)
    _check_source(totals, node, value)
    one = totals.typing.typed(value)
    sorts = ("number",) if between else ("number", "date")
    if one.sort not in sorts:
        hint = "QUANTILE_DISC" if one.sort == "date" else "a number or a date"
        refuse(node, "sql", f"{with_article(one.sort)} has no such quantile", hint)
    totals.typing.allow(node, one, "quantile")
    return _output(totals, name, node, one, share, between, filters)


def end(totals: Totals, name: str, node: exp.Min | exp.Max, filters: Conditions) -> Output:
    """The output of MIN or MAX over a stacked table: the first, or the last, of all owners' numbers."""
    refuse, called = totals.scope.statement.refuse, node.key.upper()
    if totals.noisy:
        sentence = f"{called} is one person's value, which no noise hides"
        refuse(node, "privacy", sentence, "COUNT(*) FILTER (WHERE a column is beyond some value)")
    if totals.scope.sides[0].persons or totals.scope.sides[0].lines:
        sentence = f"{called} of what is put together person by person cannot be asked yet"
        refuse(node, "sql", sentence, "SUM or AVG, or COUNT(*) FILTER (WHERE it is beyond some value)")
    one = totals.typing.typed(node.this)
    if one.sort not in ("number", "date"):
        hint = "of a time MIN(CAST(x AS DATE))" if one.sort == "timestamp" else "a number or a date"
        refuse(node, "sql", f"{with_article(one.sort)} has no least and no greatest here", hint)
    totals.typing.allow(node, one, "max" if isinstance(node, exp.Max) else "min")
    return _output(totals, name, node, one, Fraction(isinstance(node, exp.Max)), False, filters)


def _parts(totals: Totals, node: exp.Expr) -> tuple[exp.Expr, Fraction, bool]:
    """What the quantile is of, its share, and whether it may lie between two numbers."""
    refuse = totals.scope.statement.refuse
    match node:
        case exp.Median():
            return node.this, Fraction(1, 2), True
        case exp.Quantile():
            return node.this, _share(totals, node.args["quantile"]), False
        case exp.WithinGroup(this=exp.PercentileCont() | exp.PercentileDisc() as inner) if not inner.expression:
            (ordered,) = node.expression.expressions if len(node.expression.expressions) == 1 else (None,)
            if ordered is None or ordered.args.get("nulls_first"):
                refuse(node, "sql", "A quantile is by one value", "WITHIN GROUP (ORDER BY x)")
            share = _share(totals, inner.this)
            falling, between = bool(ordered.args.get("desc")), isinstance(inner, exp.PercentileCont)
            if falling and not between:
                refuse(node, "sql", "QUANTILE_DISC goes by rising values", f"{1 - share} of ORDER BY without DESC")
            return ordered.this, 1 - share if falling else share, between
        case exp.PercentileCont() | exp.PercentileDisc() if node.expression:
            return node.this, _share(totals, node.expression), isinstance(node, exp.PercentileCont)
    return refuse(node, "sql", "This is no quantile", "MEDIAN(x), QUANTILE_CONT(x, 0.9) or QUANTILE_DISC(x, 0.9)")


def _share(totals: Totals, node: exp.Expr) -> Fraction:
    one = totals.typing.typed(node)
    fits = one.sort == "number" and isinstance(one.expression, Constant) and one.scale <= MOST_DECIMALS
    if node.find(exp.Placeholder):  # or an approved question would tell every person's value, share by share
        totals.scope.statement.refuse(node, "sql", "The share of a quantile is no parameter", "QUANTILE_CONT(x, 0.9)")
    if not fits or not 0 <= one.low <= 10**one.scale:
        sentence = f"A quantile is of a constant from 0 to 1, of at most {MOST_DECIMALS} decimals"
        totals.scope.statement.refuse(node, "sql", sentence, "QUANTILE_CONT(x, 0.9)")
    return Fraction(one.low, 10**one.scale)


def _output(
    totals: Totals, name: str, node: exp.Expr, one: Typed, share: Fraction, between: bool, filters: Conditions
) -> Output:
    a, d = share.as_integer_ratio()
    below, above = Rank(d, a, a - 1), Rank(d, a, a - d)
    number = counted(one, "days", 1) if one.sort == "date" else one
    kept = replace(number, expression=where(filters.own.get(one.side or 0), number.expression))
    over = totals.total(totals.present(one, filters), node, filters)
    measure = Measure("counts", kept.expression, kept.scale, kept.low, kept.high)
    check_counts(totals, node, 1, (measure,))

    def total(*ranks: Rank) -> int:
        most = totals.totals[over].high
        made = _matched(totals, kept, filters) if totals.joined else Total(totals.place(0, measure), None, 64, 0, 0)
        counts = Counts(1, kept.high - kept.low + 1, most)
        if counts.bits(ranks) > MOST_BITS:
            sentence = f"A share of {d}ths of up to {most:,} numbers is beyond 64 bits"
            totals.scope.statement.refuse(node, "sql", sentence, "a share of fewer decimals")
        highest = kept.low + counts.highest
        low, high = min(0, len(ranks) * kept.low), max(0, len(ranks) * highest)
        return totals.keep(structs.replace(made, low=low, high=high, ranks=ranks, most=most), 0)

    if not between or d == 1:
        discrete = Rank(d, a, 0) if a else Rank(1, 0, -1)
        return Output(name, "quantile", total=total(discrete), over=over, scale=one.scale, high=1, unit=UNITS[one.sort])
    if d == 2:
        return Output(name, "quantile", total=total(below, above), over=over, scale=one.scale, high=2)
    return Output(name, "between", total=total(below), over=over, upper=total(above), scale=one.scale, low=a, high=d)


def _matched(totals: Totals, one: Typed, filters: Conditions) -> Total:
    """A total of a join: the values of an id's rows, which count as often as there are rows of the other sides."""
    side = one.side or 0
    measures = totals.rows_of(filters)
    least = Measure("least", one.expression, one.scale, one.low, one.high + 1)
    slots = tuple(totals.place(side, structs.replace(least, after=slot)) for slot in range(totals.bound(side)))
    places = [None if each is None else totals.place(at, each) for at, each in enumerate(measures)]
    places[side] = None
    query, table, second = (*places, None, None, None)[:3]
    return Total(query, table, 64, 0, 0, totals.choice(filters.mixed), second=second, slots=slots, side=side)


def _check_source(totals: Totals, node: exp.Expr, value: exp.Expr) -> None:
    """Refuse quantiles of what is no stacked table and no join of rows that have the value."""
    refuse = totals.scope.statement.refuse
    if totals.scope.sides[0].persons:
        refuse(node, "sql", "Quantiles of people's totals cannot be asked yet", "MEDIAN over one table, or AVG")
    if not totals.joined:
        return
    if totals.scope.contract.protocol:
        refuse(node, "protocol", "Quantiles cannot be asked of two owners alone yet", "a contract with a neutral party")
    if totals.outer:
        refuse(node, "sql", "Rows without a match cannot count in a quantile yet", "JOIN, for rows that match")
    if totals.pairs.slots or totals.mixing.is_mixed(value):
        hint = "one owner's column, without a condition on both owners' columns of rows whose ids repeat"
        refuse(node, "sql", "Quantiles of pairs of rows cannot be asked yet", hint)
    side = totals.typing.typed(value).side or 0
    if totals.bound(side) > MOST_ROWS_OF_ID:
        sentence = f"An id may have {totals.bound(side)} rows here, and {MOST_ROWS_OF_ID} at most can be ordered"
        refuse(node, "table", sentence, "a smaller rows_per_id, or the quantile of a sub-query's sum by id")


def check_counts(totals: Totals, node: exp.Expr, groups: int, measures: Sequence[Measure]) -> None:
    """Refuse what has too many values to count each, in each group."""
    for measure in measures:
        values = measure.high - measure.low + 1
        if measure.kind != "counts" or values * groups <= MOST_COUNTS:
            continue
        step = Fraction(10 ** len(str(values * groups // MOST_COUNTS)), 10**measure.scale)
        of = f"{values} values" if groups == 1 else f"{groups} groups of {values} values"
        hint = f"that of FLOOR(x / {float(step):g}), or a column of a smaller range"
        totals.scope.statement.refuse(node, "columns", f"{of} are too many to count each", hint)


def refuse_quantiles(totals: Totals) -> None:
    """Refuse quantiles, MIN and MAX where people of several owners meet, and where owners' tables meet another's in
    turn: what each of these has is added."""
    for node in totals.scope.statement.tree.find_all(*QUANTILES, exp.Min, exp.Max):
        if node.find_ancestor(exp.Subquery):
            continue
        rule = "table"
        hint = 'MEDIAN over the stacked table alone, with same_person_at_several = "no", or over one owner\'s table'
        sentence = "Quantiles of people who may be at several owners, or of a stack that is joined, cannot be asked yet"
        if totals.joined and isinstance(node, exp.Min | exp.Max):
            rule, hint = "sql", "COUNT(*) FILTER (WHERE it is beyond some value); or one owner's table"
            sentence = "MIN and MAX of a stacked table that is joined cannot be asked yet"
        totals.scope.statement.refuse(node, rule, sentence, hint)


def refuse_unordered(totals: Totals, groups: int) -> None:
    """Refuse quantiles of columns of two owners at once, and of too many values."""
    for total in totals.totals:
        if total.ranks:
            check_counts(totals, totals.scope.statement.tree, groups, _counted(totals, total))
    if any(total.ranks for total in totals.totals) and totals.scope.sides[0].keys:
        sentence = "Quantiles of a join on several ids cannot be asked yet"
        totals.scope.statement.refuse(totals.scope.statement.tree, "sql", sentence, "a join on one id")
    if len({total.side for total in totals.totals if total.ranks}) > 1:
        sentence = "Quantiles of two owners' columns cannot be asked at once"
        totals.scope.statement.refuse(totals.scope.statement.tree, "sql", sentence, "a question for each owner's")


def _counted(totals: Totals, total: Total) -> list[Measure]:
    least = totals.measures[total.side][total.slots[0]]
    return [structs.replace(least, kind="counts", high=least.high - 1)]
