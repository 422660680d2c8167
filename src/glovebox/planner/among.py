"""`id IN (SELECT id FROM …)` and `EXISTS (SELECT … WHERE t.id = id)`: joins with that sub-query, an id counting once.

In WHERE, where it must hold, it is a SEMI JOIN, and its NOT an ANTI JOIN; elsewhere a LEFT JOIN and whether there is a
match. An id that is NULL is among none, and outside of them by NOT EXISTS alone; the sub-query's own rows without an id
are left out.
"""

from __future__ import annotations

from sqlglot import exp

from glovebox.planner.conjuncts import conjuncts
from glovebox.planner.naming import Refuse


def joined(tree: exp.Select, refuse: Refuse) -> exp.Select:
    """The statement with a join for each IN of a sub-query and each EXISTS. Refused for what is no such."""
    source, where = tree.args.get("from_"), tree.args.get("where")
    found = [
        node for node in tree.find_all(exp.In, exp.Exists) if isinstance(node, exp.Exists) or node.args.get("query")
    ]
    using = [{one.name.lower() for one in join.args.get("using") or []} for join in tree.args.get("joins") or []]
    first = "" if source is None else source.this.alias_or_name
    for number, node in enumerate(found):
        if node.find_ancestor(exp.From, exp.Join) or source is None:
            refuse(node, "sql", "IN a sub-query stands in a question's own words", "JOIN, in the sub-query")
        name = f"among {number}"
        sub_query, own = _distinct(node, refuse) if isinstance(node, exp.In) else _correlated(node, refuse)
        if first and not own.table and all(own.name.lower() in names for names in using):
            own.set("table", exp.to_identifier(first, quoted=True))  # for the sub-query may have a column of that name
        side, kind = "LEFT", ""
        whole = node.parent if isinstance(node.parent, exp.Not) else node
        if where is not None and _must_hold(whole, where):
            side, kind = "", "SEMI" if whole is node else "ANTI"
        alias = exp.TableAlias(this=exp.to_identifier(name, quoted=True))
        there = exp.column(sub_query.expressions[0].name, table=name, quoted=True)
        on = exp.EQ(this=own.copy(), expression=there)
        tree.append("joins", exp.Join(this=exp.Subquery(this=sub_query, alias=alias), side=side, kind=kind, on=on))
        if side and whole is not node:
            none: exp.Expr = exp.Is(this=there.copy(), expression=exp.null())
            if isinstance(node, exp.In):
                none = exp.And(this=none, expression=exp.Not(this=exp.Is(this=own.copy(), expression=exp.null())))
            whole.replace(exp.paren(none, copy=False))
        elif side:
            node.replace(exp.paren(exp.Not(this=exp.Is(this=there.copy(), expression=exp.null())), copy=False))
        elif kind == "SEMI" or isinstance(node, exp.Exists):
            whole.replace(exp.Boolean(this=True))
        else:  # an id that is NULL is not outside either
            whole.replace(exp.Not(this=exp.Is(this=own.copy(), expression=exp.null())))
    if where is not None and any(join.args.get("kind") in ("SEMI", "ANTI") for join in tree.args.get("joins") or []):
        _without_truths(tree, where)
    return tree


def _distinct(node: exp.In, refuse: Refuse) -> tuple[exp.Select, exp.Column]:
    """The sub-query, each of whose ids counts once, and the id that is looked for."""
    query = node.args["query"]
    select = query.this if isinstance(query, exp.Subquery) else query
    plain = isinstance(select, exp.Select) and len(select.expressions) == 1
    if not plain or not isinstance(select.expressions[0], exp.Column) or not isinstance(node.this, exp.Column):
        hint = "id IN (SELECT id FROM owner.table WHERE …)"
        refuse(node, "sql", "IN stands before a list of constants, or a sub-query that selects one id", hint)
    made: exp.Select = select.copy()
    if not made.args.get("group"):
        made.set("distinct", exp.Distinct())
    return made, node.this


def _correlated(node: exp.Expr, refuse: Refuse) -> tuple[exp.Select, exp.Column]:
    """The same of EXISTS: the sub-query's ids, and the one of the question's own table that they are compared with."""
    select, hint = node.this, "EXISTS (SELECT 1 FROM owner.table t WHERE t.id = the question's own table's id AND …)"
    source = select.args.get("from_") if isinstance(select, exp.Select) else None
    where = select.args.get("where") if source else None
    if source is None or where is None or any(select.args.get(part) for part in ("joins", "group", "having", "limit")):
        refuse(node, "sql", "EXISTS takes rows of one table, by an id", hint)
    if any(item.find(exp.AggFunc) for item in select.expressions):
        refuse(node, "sql", "What adds up rows has a row without them too, so that it always exists", hint)
    named, here, pairs, rest = source.this.alias_or_name.lower(), [], [], []
    for part in conjuncts(where.this):
        here = [not column.table or column.table.lower() == named for column in part.find_all(exp.Column)]
        ends = (part.this, part.expression) if isinstance(part, exp.EQ) else ()
        if all(here):
            rest.append(part.copy())
        elif len(ends) == 2 and all(isinstance(end, exp.Column) for end in ends) and any(here):
            pairs.append(ends if here[0] else ends[::-1])
        else:
            way = "JOIN, with COUNT(DISTINCT id) and the condition in WHERE"
            if part.find(exp.Exists, exp.In):
                refuse(part, "sql", "EXISTS within another asks of the same id, and of no other", "JOIN that table")
            refuse(part, "sql", "EXISTS compares an id with the question's own table, and nothing else", way)
    if len(pairs) != 1:
        refuse(node, "sql", "EXISTS compares one id with the question's own table", hint)
    ((inner, own),) = pairs
    made = exp.Select(expressions=[inner.copy()], distinct=exp.Distinct(), from_=source.copy())
    if rest:
        made.set("where", exp.Where(this=exp.and_(*rest, copy=False)))
    return made, own


def _must_hold(node: exp.Expr, where: exp.Expr) -> bool:
    """Whether a condition is one of those that WHERE wants all to hold."""
    above = node.parent
    while isinstance(above, exp.And | exp.Paren):
        above = above.parent
    return above is where


def _without_truths(tree: exp.Select, where: exp.Expr) -> None:
    """WHERE without what joins have taken over."""
    kept = [part for part in conjuncts(where.this) if not (isinstance(part, exp.Boolean) and part.this)]
    tree.set("where", exp.Where(this=exp.and_(*kept, copy=False)) if kept else None)
