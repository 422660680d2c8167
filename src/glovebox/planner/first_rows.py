"""The first of an id's rows at one owner: `ROW_NUMBER() OVER (PARTITION BY id ORDER BY day) AS n`, of which n = 1.

(SELECT id, x, ROW_NUMBER() OVER (…) AS n FROM t WHERE c) q, and q.n = 1
(SELECT id, x FROM t WHERE c QUALIFY ROW_NUMBER() OVER (…) = 1) q
(SELECT id, x FROM (SELECT DISTINCT ON (id) * FROM t WHERE c ORDER BY day) t) q

The first two are read as the last, which nobody asks. Its rows are those of the table, and an id has one: so the owner
takes them in its own database, and what their columns may be used for is what the contract says of the table's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple, TypeGuard

from sqlglot import exp

from glovebox.planner.conjuncts import conjuncts
from glovebox.planner.naming import Refuse

ONE = exp.Literal.number(1)
HINT = "(SELECT …, ROW_NUMBER() OVER (PARTITION BY id ORDER BY a day) AS n FROM t) q, and q.n = 1"
TOLD = "told"
"""Says of first rows how that is told, in `Told`s: their names must be no column's, which this does not know."""

BESIDE = "beside"
"""Says of a query what QUALIFY calls by names of the query's own making, where other tables stand before it."""


class Told(NamedTuple):
    """That a numbering is 1. name: by which it is called; alone: among other tables, without its sub-query's name."""

    window: exp.Expr
    name: str = ""
    alone: bool = False


def check_qualify(tree: exp.Expr, refuse: Refuse) -> None:
    """What QUALIFY calls by a name that also a query before it makes is that query's: SQL finds its own names last."""
    queries = {cte.alias.lower(): cte.this for cte in tree.find_all(exp.CTE)}
    for select in tree.find_all(exp.Select):
        before = list(_before(select)) if select.args.get("qualify") else []
        if not before:
            continue
        aliases = [one for one in select.expressions if one.alias]
        made = {one.alias.lower() for one in aliases if one.this.name.lower() != one.alias.lower()}
        taken = set().union(*(_columns(node, queries) for node in before))
        said = [
            one for one in select.args["qualify"].find_all(exp.Column) if not one.table and one.name.lower() in made
        ]
        for column in said:
            if column.name.lower() in taken:
                refuse(column, "sql", f"{column.name[:63]} is the name of another column, too", "AS another name")
        select.meta[BESIDE] = sorted({column.name.lower() for column in said})


def _before(node: exp.Expr) -> Iterator[exp.Expr]:
    """The tables whose columns a query may name: those before it in FROM, and all around it where it is no table."""
    while node.parent is not None and not isinstance(node, exp.CTE):
        if isinstance(node.parent, exp.Select):
            holders = [one for one in (node.parent.args.get("from_"), *(node.parent.args.get("joins") or [])) if one]
            at = next((place for place, one in enumerate(holders) if one is node), len(holders))
            yield from (one.this for one in holders[:at])
        node = node.parent


def _columns(node: exp.Expr, queries: Mapping[str, exp.Expr]) -> set[str]:
    """The names that a query in FROM makes, also one of WITH; a table of the contract makes none."""
    query = node.this if isinstance(node, exp.Subquery) else queries.get(node.name.lower())
    select = query.find(exp.Select) if isinstance(query, exp.Expr) else None
    if select is None:
        return set()
    names = {item.alias_or_name.lower() for item in select.expressions}
    if "*" in names:
        others = {name: one for name, one in queries.items() if name != node.name.lower()}  # what it reads is not it
        tables = [select.args.get("from_"), *(select.args.get("joins") or [])]
        names = names.union(*(_columns(one.this, others) for one in tables if one))
    return names


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
    if any(inner.args.get(part) for part in ("joins", "group", "having", "order", "limit", "distinct")):
        return
    told, rest = _qualified(qualify.this, numbers) if qualify else (_taken(select, holder, numbers), [])
    if not told:
        if numbers:
            hint = f"{HINT}; or COUNT(*) and SUM(x), GROUP BY id"
            refuse(next(iter(numbers.values())), "sql", "Of numbered rows the first of each id is taken", hint)
        return
    window = told[0].window
    if not window.args.get("partition_by") or not window.args.get("order") or any(one.window != window for one in told):
        refuse(window, "sql", "The first of rows is told by one id, and by an order", HINT)
    rows = exp.Select(
        expressions=[exp.Star()],
        from_=exp.From(this=table),
        where=inner.args.get("where"),
        distinct=exp.Distinct(on=exp.Tuple(expressions=window.args["partition_by"])),
        order=window.args["order"],
    )
    rows.meta[TOLD] = [
        *told,
        *(Told(window, name, True) for name in inner.meta.get(BESIDE, ())),
        *(Told(numbers[name], name) for name in numbers),  # also of one that nothing asks for
    ]
    inner.set("expressions", [item for item in inner.expressions if not _is_number(item.unalias())])
    inner.set("from_", exp.From(this=exp.Subquery(this=rows, alias=_alias(table))))
    inner.set("qualify", None)
    inner.set("where", exp.Where(this=exp.and_(*rest, copy=False)) if rest else None)


def _alias(table: exp.Table) -> exp.TableAlias:
    return exp.TableAlias(this=exp.to_identifier(table.alias_or_name))


def _is_number(node: exp.Expr) -> bool:
    return isinstance(node, exp.Window) and isinstance(node.this, exp.RowNumber)


def _is_one(part: exp.Expr) -> exp.Expr | None:
    """What a condition says is 1."""
    ends: list[exp.Expr] = [part.this, part.expression] if isinstance(part, exp.EQ) else []
    return next((end for end in ends if ONE in ends and end != ONE), None)


def _qualified(condition: exp.Expr, numbers: Mapping[str, exp.Expr]) -> tuple[list[Told], list[exp.Expr]]:
    """What QUALIFY says of numberings, and what else."""
    told, rest = [], []
    for part in conjuncts(condition):
        one = _is_one(part)
        if one is not None and _is_number(one):
            told.append(Told(one))
        elif isinstance(one, exp.Column) and not one.table and one.name.lower() in numbers:
            told.append(Told(numbers[one.name.lower()], one.name.lower()))
        else:
            rest.append(part)
    return told, rest


def _is_of(node: exp.Expr | None, alias: str, others: set[str]) -> TypeGuard[exp.Column]:
    """Whether a column may be a sub-query's: by its name, or without one, if other sub-queries make none so named."""
    if not isinstance(node, exp.Column):
        return False
    return node.table.lower() == alias if node.table else node.name.lower() not in others


def _taken(select: exp.Select, holder: exp.Expr, numbers: Mapping[str, exp.Expr]) -> list[Told]:
    """What a condition beside the sub-query says of its numberings; that condition is left out.

    Of a table that is joined LEFT, SEMI or ANTI such a condition is one of ON.
    """
    joins = select.args.get("joins") or []
    if any(join.side in ("RIGHT", "FULL") for join in joins):
        return []
    before = isinstance(holder, exp.Join) and bool(holder.side or holder.kind not in ("", "INNER"))
    where = holder if before else select.args.get("where")
    clause, alias = "on" if before else "this", holder.this.alias.lower()
    tables = [one.this.this for one in (select.args["from_"], *joins) if isinstance(one.this, exp.Subquery)]
    others = {item.alias_or_name.lower() for one in tables if one is not holder.this.this for item in one.expressions}
    told, kept = [], []
    for part in conjuncts(where.args.get(clause) if where else None):
        one = _is_one(part)
        if _is_of(one, alias, others) and one.name.lower() in numbers:
            told.append(Told(numbers[one.name.lower()], one.name.lower(), bool(joins) and not one.table))
        else:
            kept.append(part)
    if told and where is not None:
        if kept:
            where.set(clause, exp.and_(*kept, copy=False))
        elif not before:
            select.set("where", None)
    return told
