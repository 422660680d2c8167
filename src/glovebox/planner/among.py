"""`id IN (SELECT id FROM …)`: a join with that sub-query, whose rows of an id count once.

In WHERE, where it must hold, it is a SEMI JOIN, and NOT IN an ANTI JOIN; elsewhere a LEFT JOIN and whether there is a
match. An id that is NULL is among none, and the sub-query's own rows without an id are left out.
"""

from __future__ import annotations

from sqlglot import exp

from glovebox.planner.naming import Refuse


def joined(tree: exp.Select, refuse: Refuse) -> exp.Select:
    """The statement with a join for each IN of a sub-query. Refused for what is no such IN."""
    source, where = tree.args.get("from_"), tree.args.get("where")
    found = [node for node in tree.find_all(exp.In) if node.args.get("query") is not None]
    alone = "" if source is None or tree.args.get("joins") else source.this.alias_or_name
    for number, node in enumerate(found):
        if node.find_ancestor(exp.From, exp.Join) or source is None:
            refuse(node, "sql", "IN a sub-query stands in a question's own words", "JOIN, in the sub-query")
        name = f"among {number}"
        sub_query, own = _distinct(node, refuse), node.this
        if alone and not own.table:  # for the sub-query may have a column of that name
            own.set("table", exp.to_identifier(alone, quoted=True))
        side, kind = "LEFT", ""
        whole = node.parent if isinstance(node.parent, exp.Not) else node
        if where is not None and _must_hold(whole, where):
            side, kind = "", "SEMI" if whole is node else "ANTI"
        alias = exp.TableAlias(this=exp.to_identifier(name, quoted=True))
        there = exp.column(sub_query.expressions[0].name, table=name, quoted=True)
        on = exp.EQ(this=own.copy(), expression=there)
        tree.append("joins", exp.Join(this=exp.Subquery(this=sub_query, alias=alias), side=side, kind=kind, on=on))
        if side:
            node.replace(exp.paren(exp.Not(this=exp.Is(this=there.copy(), expression=exp.null())), copy=False))
        else:  # an id that is NULL is not outside either
            missing = exp.Is(this=own.copy(), expression=exp.null())
            whole.replace(exp.Boolean(this=True) if kind == "SEMI" else exp.Not(this=missing))
    if where is not None and any(join.args.get("kind") in ("SEMI", "ANTI") for join in tree.args.get("joins") or []):
        _without_truths(tree, where)
    return tree


def _distinct(node: exp.In, refuse: Refuse) -> exp.Select:
    """The sub-query, each of whose ids counts once."""
    query = node.args["query"]
    select = query.this if isinstance(query, exp.Subquery) else query
    plain = isinstance(select, exp.Select) and len(select.expressions) == 1
    if not plain or not isinstance(select.expressions[0], exp.Column) or not isinstance(node.this, exp.Column):
        hint = "id IN (SELECT id FROM owner.table WHERE …)"
        refuse(node, "sql", "IN stands before a list of constants, or a sub-query that selects one id", hint)
    made: exp.Select = select.copy()
    if not made.args.get("group"):
        made.set("distinct", exp.Distinct())
    return made


def _must_hold(node: exp.Expr, where: exp.Expr) -> bool:
    """Whether a condition is one of those that WHERE wants all to hold."""
    above = node.parent
    while isinstance(above, exp.And | exp.Paren):
        above = above.parent
    return above is where


def _without_truths(tree: exp.Select, where: exp.Expr) -> None:
    """WHERE without what joins have taken over."""
    parts = [part for part in _flat(where.this) if not (isinstance(part, exp.Boolean) and part.this)]
    tree.set("where", exp.Where(this=exp.and_(*parts, copy=False)) if parts else None)


def _flat(node: exp.Expr) -> list[exp.Expr]:
    if isinstance(node, exp.Paren):
        return _flat(node.this)
    return _flat(node.this) + _flat(node.expression) if isinstance(node, exp.And) else [node]
