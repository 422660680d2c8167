"""Sets of ids, and the first of rows, in the words that the planner reads.

FROM (SELECT id FROM a INTERSECT SELECT id FROM b)   FROM (SELECT DISTINCT id FROM a) SEMI JOIN (SELECT DISTINCT id …)
FROM (SELECT id FROM a EXCEPT SELECT id FROM b)      the same with ANTI JOIN
id IN (SELECT id FROM a EXCEPT SELECT id FROM b)     id IN (SELECT id FROM a) AND id NOT IN (SELECT id FROM b)
FROM (SELECT … QUALIFY ROW_NUMBER() OVER (…) = 1)    FROM (SELECT …, ROW_NUMBER() OVER (…) AS n) WHERE n = 1
"""

from __future__ import annotations

from sqlglot import exp

NUMBER = "row number"


def reworded_sets(select: exp.Select) -> None:
    """Read sets of ids as joins, and QUALIFY as WHERE, in place."""
    source = select.args.get("from_")
    node = source.this if source else None
    if isinstance(node, exp.Subquery) and not select.args.get("joins"):
        if isinstance(node.this, exp.Intersect | exp.Except):
            _as_joins(select, node)
        elif isinstance(node.this, exp.Select) and not select.args.get("where"):
            _as_where(select, node)


def reworded_in(node: exp.In) -> None:
    """Whether an id is in a set of ids, as whether it is in each of those that this is made of."""
    query = node.args.get("query")
    parts = _parts(query.this) if isinstance(query, exp.Subquery) else None
    if parts and len(parts) > 1:
        found: list[exp.Expr] = []
        for negated, part in parts:
            one = exp.In(this=node.this.copy(), query=exp.Subquery(this=part))
            found.append(exp.Not(this=one) if negated else one)
        node.replace(exp.paren(exp.and_(*found, copy=False)))


def _parts(query: exp.Expr) -> list[tuple[bool, exp.Select]] | None:
    """The parts of a set of ids, and whether one is left out; None where they are no such."""
    match query:
        case exp.Select(expressions=[exp.Column()]):
            return [(False, query)]
        case exp.Intersect() | exp.Except() if query.args.get("distinct"):
            first, last = _parts(query.this), query.expression
            if first and isinstance(last, exp.Select) and _parts(last):
                return [*first, (isinstance(query, exp.Except), last)]
    return None


def _as_joins(select: exp.Select, node: exp.Subquery) -> None:
    parts = _parts(node.this)
    if parts is None or any(part.args.get("group") for _, part in parts):
        return
    (_, first), *others = parts
    if not node.alias:
        node.set("alias", exp.TableAlias(this=exp.to_identifier("ids of all", quoted=True)))
    first.set("distinct", exp.Distinct())
    node.set("this", first)
    for number, (negated, part) in enumerate(others):
        name = exp.to_identifier(f"ids {number}", quoted=True)
        own, there = (exp.column(one.expressions[0].this.copy(), table=table.copy()) for one, table in (
            (first, node.args["alias"].this), (part, name)))  # fmt: skip
        part.set("distinct", exp.Distinct())
        rows = exp.Subquery(this=part, alias=exp.TableAlias(this=name))
        kind = "ANTI" if negated else "SEMI"
        select.append("joins", exp.Join(this=rows, kind=kind, on=exp.EQ(this=own, expression=there)))


def _as_where(select: exp.Select, node: exp.Subquery) -> None:
    qualify = node.this.args.get("qualify")
    test = qualify.this.unnest() if qualify else None
    if (
        not isinstance(test, exp.EQ)
        or not isinstance(test.this, exp.Window)
        or test.expression != exp.Literal.number(1)
    ):
        return
    node.this.set("qualify", None)
    node.this.append("expressions", exp.alias_(test.this, NUMBER, quoted=True))
    first = exp.EQ(this=exp.column(NUMBER, quoted=True), expression=exp.Literal.number(1))
    select.set("where", exp.Where(this=first))
