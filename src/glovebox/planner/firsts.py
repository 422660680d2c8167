"""The first of an id's groups by an order: `ROW_NUMBER() OVER (PARTITION BY id, .. ORDER BY SUM(x) DESC, label)` = 1.

Of lines with a column for every group, a group is the first where it has rows, and none that has rows comes before it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlglot import exp

from glovebox.planner.latest import number_of
from glovebox.planner.statement import Statement

FIRST = "ROW_NUMBER() OVER (PARTITION BY id ORDER BY SUM(x) DESC, label)"
COUNT = exp.Count(this=exp.Star(), big_int=True)
Labels = tuple[exp.Literal, ...]
"""One of each key of labels."""
Cell = Callable[[exp.Expr, Labels], exp.Expr]
"""The column of lines that is an aggregate of the rows with these labels."""


class Firsts:
    """Reads a sub-query that numbers groups. items: its columns by name, in the words of the sub-query within."""

    def __init__(
        self,
        statement: Statement,
        node: exp.Subquery,
        inner: dict[str, exp.Expr],
        key: exp.Expr,
        labels: Sequence[exp.Expr],
    ) -> None:
        self.statement, self._inner, self.labels = statement, inner, list(labels)
        select, window = node.this, number_of(node)
        for part in ("where", "group", "having", "order", "limit", "distinct", "joins"):
            if select.args.get(part):
                statement.refuse(select, "sql", f"{part.upper()} has no place where groups are numbered", FIRST)
        self.items = {
            item.alias_or_name.lower(): item.unalias() if item.unalias() is window else self._meant(item.unalias())
            for item in select.expressions
        }
        keys = [self._meant(one) for one in window.args.get("partition_by") or []] if window else []
        order = window.args.get("order") if window else None
        if key not in keys or not {*keys} <= {key, *self.labels} or order is None:
            statement.refuse(node, "sql", "Groups are numbered within an id, or an id and some of its labels", FIRST)
        self.within = [place for place, one in enumerate(self.labels) if one in keys]
        self.order = [(self._meant(one.this), bool(one.args.get("desc"))) for one in order.expressions]
        named = [item for item, _ in self.order]
        if not all(one in keys or one in named for one in self.labels):
            statement.refuse(order, "sql", "Of equals a label tells which is the first", FIRST)
        for one, (item, _) in zip(order.expressions, self.order, strict=True):
            if one.args.get("nulls_first") or (item not in self.labels and item.find(exp.AggFunc) is None):
                statement.refuse(one, "sql", "Groups are put in order by what they sum to, and by labels", FIRST)

    def _meant(self, node: exp.Expr) -> exp.Expr:
        """What a column of the sub-query within is made of."""
        made = self._inner.get(node.name.lower()) if isinstance(node, exp.Column) else None
        if made is None:
            self.statement.refuse(node, "sql", "This is no column of what is numbered", FIRST)
        return made

    def taken(self, part: exp.Expr) -> exp.Column | None:
        """The number of which a condition says that it is 1."""
        ends = [part.this, part.expression] if isinstance(part, exp.EQ) else []
        columns = [end for end in ends if isinstance(end, exp.Column)]
        one = exp.Literal.number(1) in ends
        return columns[0] if one and columns and self._is_number(columns[0]) else None

    def _is_number(self, column: exp.Column) -> bool:
        return isinstance(self.items.get(column.name.lower()), exp.Window)

    def first(self, labels: Labels, every: Sequence[Labels], cell: Cell) -> exp.Expr:
        """Whether a line's group of these labels, which has rows, is the first. every: all labels of a line."""
        conditions: list[exp.Expr] = []
        for other in every:
            if other == labels or any(other[place] != labels[place] for place in self.within):
                continue
            some = exp.GT(this=cell(COUNT, other), expression=exp.Literal.number(0))
            before = self._before(other, labels, cell)
            if before is not False:
                both = some if before is True else exp.and_(some, before, copy=False)
                conditions.append(_not(both))
        return exp.and_(*conditions, copy=False) if conditions else exp.true()

    def _before(self, one: Labels, other: Labels, cell: Cell, place: int = 0) -> exp.Expr | bool:
        """Whether one group comes before another, by the order from a place on."""
        if place == len(self.order):
            return False
        item, descending = self.order[place]
        rest = self._before(one, other, cell, place + 1)
        if item in self.labels:
            ours, theirs = (_ordered(labels[self.labels.index(item)]) for labels in (one, other))
            return rest if ours == theirs else (ours > theirs) == descending
        sooner, later = (_precedes(cell(item, a), cell(item, b), descending) for a, b in ((one, other), (other, one)))
        if isinstance(rest, bool):
            return _not(later) if rest else sooner
        return exp.or_(sooner, exp.and_(_not(later), rest, copy=False), copy=False)


def _ordered(label: exp.Literal) -> tuple[int, str]:
    """A label as it is ordered among its like: a number, or a text by its code points, as DuckDB compares them."""
    return (0, str(label.this)) if label.is_string else (int(label.this), "")


def _precedes(one: exp.Expr, other: exp.Expr, descending: bool) -> exp.Expr:
    """Whether a number comes before another; what is missing stands last, as in DuckDB. Never unknown."""
    there, missing = (exp.Is(this=each.copy(), expression=exp.Null()) for each in (one, other))
    compared = exp.GT if descending else exp.LT
    either = exp.or_(missing, compared(this=one, expression=other), copy=False)
    return exp.and_(exp.not_(there, copy=False), either, copy=False)


def _not(made: exp.Expr) -> exp.Expr:
    return exp.not_(exp.paren(made, copy=False), copy=False)
