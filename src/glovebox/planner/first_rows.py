"""The first of an id's rows at one owner: `ROW_NUMBER() OVER (PARTITION BY id ORDER BY day) AS n`, of which n = 1.

(SELECT id, x, ROW_NUMBER() OVER (…) AS n FROM t WHERE c) q, and q.n = 1
(SELECT id, x FROM t WHERE c QUALIFY ROW_NUMBER() OVER (…) = 1) q
(SELECT id, x FROM (SELECT DISTINCT ON (id) * FROM t WHERE c ORDER BY day) t) q

The first two are read as the last. Its rows are those of the table, and an id has one: so the owner takes them in its
own database, and what their columns may be used for is what the contract says of the table's.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from glovebox.planner.conjuncts import conjuncts
from glovebox.planner.naming import Refuse

ONE = exp.Literal.number(1)
HINT = "(SELECT …, ROW_NUMBER() OVER (PARTITION BY id ORDER BY a day) AS n FROM t) q, and q.n = 1"


def takes_first(node: exp.Expr | None) -> bool:
    """Whether a sub-query takes the first of rows."""
    distinct = node.this.args.get("distinct") if isinstance(node, exp.Subquery) else None
    return isinstance(distinct, exp.Distinct) and bool(distinct.args.get("on"))


def reworded_first(select: exp.Select, holder: exp.Expr, refuse: Refuse) -> None:
    """Read a numbered sub-query of one table, of which the first rows are taken, as one that has just these."""
    node = holder.this
    inner = node.this if isinstance(node, exp.Subquery) else None
    source = inner.args.get("from_") if isinstance(inner, exp.Select) else None
    if not isinstance(inner, exp.Select) or source is None or not isinstance(source.this, exp.Table):
        return
    table = source.this
    made = {item.alias_or_name.lower(): item.unalias() for item in inner.expressions}
    numbers = {name: one for name, one in made.items() if _is_number(one)}
    qualify = inner.args.get("qualify")
    parts = list(conjuncts(qualify.this if qualify else None))
    if any(inner.args.get(part) for part in ("joins", "group", "having", "order", "limit", "distinct")):
        return
    windows = [one for part in parts if (one := _first(part, numbers, ""))]
    if windows:
        rest = [part for part in parts if _first(part, numbers, "") is None]
    elif numbers and not qualify:
        windows, rest = _taken(select, holder, numbers, node.alias.lower()), []
    if not windows:
        if numbers:
            hint = f"{HINT}; or COUNT(*) and SUM(x), GROUP BY id"
            refuse(next(iter(numbers.values())), "sql", "Of numbered rows the first of each id is taken", hint)
        return
    window = windows[0]
    if not window.args.get("partition_by") or not window.args.get("order") or any(one != window for one in windows):
        refuse(window, "sql", "The first of rows is told by one id, and by an order", HINT)
    rows = exp.Select(
        expressions=[exp.Star()],
        from_=exp.From(this=table),
        where=inner.args.get("where"),
        distinct=exp.Distinct(on=exp.Tuple(expressions=window.args["partition_by"])),
        order=window.args["order"],
    )
    inner.set("expressions", [item for item in inner.expressions if not _is_number(item.unalias())])
    inner.set("from_", exp.From(this=exp.Subquery(this=rows, alias=_alias(table))))
    inner.set("qualify", None)
    inner.set("where", exp.Where(this=exp.and_(*rest, copy=False)) if rest else None)


def _alias(table: exp.Table) -> exp.TableAlias:
    return exp.TableAlias(this=exp.to_identifier(table.alias_or_name))


def _is_number(node: exp.Expr) -> bool:
    return isinstance(node, exp.Window) and isinstance(node.this, exp.RowNumber)


def _first(part: exp.Expr, numbers: Mapping[str, exp.Expr], alias: str) -> exp.Expr | None:
    """The numbering of which a condition says that it is 1."""
    ends: list[exp.Expr] = [part.this, part.expression] if isinstance(part, exp.EQ) else []
    if ONE not in ends:
        return None
    for end in ends:
        if isinstance(end, exp.Column) and end.table.lower() in ("", alias) and end.name.lower() in numbers:
            return numbers[end.name.lower()]
        if _is_number(end):
            return end
    return None


def _taken(select: exp.Select, holder: exp.Expr, numbers: Mapping[str, exp.Expr], alias: str) -> list[exp.Expr]:
    """The numberings of which a condition beside the sub-query says that it is 1; that condition is left out.

    Of a table that is joined LEFT, SEMI or ANTI such a condition is one of ON.
    """
    joins = select.args.get("joins") or []
    if any(join.side in ("RIGHT", "FULL") for join in joins):
        return []
    before = isinstance(holder, exp.Join) and bool(holder.side or holder.kind not in ("", "INNER"))
    where = holder if before else select.args.get("where")
    clause = "on" if before else "this"
    parts = list(conjuncts(where.args.get(clause) if where else None))
    found = [one for part in parts if (one := _first(part, numbers, alias))]
    if found and where is not None:
        kept = [part for part in parts if _first(part, numbers, alias) is None]
        if kept:
            where.set(clause, exp.and_(*kept, copy=False))
        elif not before:
            select.set("where", None)
    return found
