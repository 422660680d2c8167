"""Rows of a LEFT JOIN that have no match, by what is said of the other table's id, in words for them.

a LEFT JOIN b WHERE b.id IS NULL          a ANTI JOIN b
a LEFT JOIN b WHERE b.id IS NOT NULL      a JOIN b
SUM(CASE WHEN b.id IS NULL THEN x END)    SUM(x) FILTER (WHERE b.id IS NULL); with ELSE 0 it is zero for none
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from glovebox.planner.conjuncts import conjuncts

Names = dict[tuple[str, str], exp.Join]
"""The LEFT JOIN whose id is called so, of a table by a name."""


def reworded_lacking(select: exp.Select) -> None:
    """Say of rows without a match what is one, in place."""
    names: Names = {}
    for join in select.args.get("joins") or []:
        if join.side == "LEFT":
            names |= dict.fromkeys(_ids(join), join)
    if not names:
        return
    if len(select.args["joins"]) == 1:  # of more, whether an id has a match is asked row by row
        _by_kind(select, names)
    for aggregate in list(select.find_all(exp.Sum, exp.Avg)):
        _by_filter(select, aggregate, names)


def _ids(join: exp.Join) -> Iterator[tuple[str, str]]:
    """The names of the joined table's id."""
    name = join.this.alias_or_name.lower()
    yield from ((name, column.name.lower()) for column in join.args.get("using") or [])
    for part in conjuncts(join.args.get("on")):
        for end in (part.this, part.expression) if isinstance(part, exp.EQ) else ():
            if isinstance(end, exp.Column) and end.table.lower() == name:
                yield name, end.name.lower()


def _of_none(node: exp.Expr, names: Names) -> exp.Join | None:
    """The join whose id a condition says is NULL."""
    column = node.this.unnest() if isinstance(node, exp.Is) and isinstance(node.expression, exp.Null) else None
    return names.get((column.table.lower(), column.name.lower())) if isinstance(column, exp.Column) else None


def _by_kind(select: exp.Select, names: Names) -> None:
    """WHERE on whether there is a match, as how the table is joined; ANTI where nothing else is asked of it."""
    where, kept = select.args.get("where"), []
    for part in list(conjuncts(where.this if where else None)):
        join = _of_none(part, names)
        matched = _of_none(part.this.unnest(), names) if isinstance(part, exp.Not) else None
        if matched is not None and matched.side == "LEFT":
            matched.set("side", None)
        elif join is not None and join.side == "LEFT" and _is_unread(select, join, part):
            join.set("side", None)
            join.set("kind", "ANTI")
        elif matched is None or matched.side or matched.kind == "ANTI":
            kept.append(part)
    if where:
        select.set("where", exp.Where(this=exp.and_(*kept, copy=False)) if kept else None)


def _is_unread(select: exp.Select, join: exp.Join, but: exp.Expr) -> bool:
    """Whether only the join itself, and one condition, read its table."""
    name = join.this.alias_or_name.lower()
    columns = [column for column in select.find_all(exp.Column) if column.table.lower() == name]
    return all(_is_within(column, join) or _is_within(column, but) for column in columns)


def _is_within(node: exp.Expr | None, whole: exp.Expr) -> bool:
    while node is not None and node is not whole:
        node = node.parent
    return node is whole


def _by_filter(select: exp.Select, aggregate: exp.Expr, names: Names) -> None:
    """A sum, or an average, of what only rows without a match have, as one of these rows."""
    case = aggregate.this.unnest()
    if not isinstance(case, exp.Case) or case.this is not None or len(case.args["ifs"]) != 1:
        return
    branch, default = case.args["ifs"][0], case.args.get("default")
    if not any(_of_none(part, names) for part in conjuncts(branch.this)):
        return
    whole = aggregate.parent if isinstance(aggregate.parent, exp.Filter) else aggregate
    conditions = [] if whole is aggregate else [whole.expression.this]

    def of(made: exp.Expr, *more: exp.Expr) -> exp.Expr:
        kept = [part.copy() for part in (*conditions, *more)]
        return exp.Filter(this=made, expression=exp.Where(this=exp.and_(*kept, copy=False))) if kept else made

    zero, value = exp.Literal.number(0), branch.args["true"]
    if default is None or isinstance(default, exp.Null):
        whole.replace(of(type(aggregate)(this=value), branch.this))
    elif default == zero and (isinstance(aggregate, exp.Sum) or isinstance(value, exp.Literal)):
        if select.args.get("group") and not conditions and value == exp.Literal.number(1):
            found = of(exp.Count(this=exp.Star(), big_int=True), branch.this)  # a group has a row
        else:
            found = exp.Coalesce(this=of(exp.Sum(this=value), branch.this), expressions=[of(exp.Sum(this=zero))])
        every = of(exp.Count(this=exp.Star(), big_int=True))
        whole.replace(found if isinstance(aggregate, exp.Sum) else exp.paren(exp.Div(this=found, expression=every)))
