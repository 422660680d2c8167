"""IN and EXISTS within the sub-query of another, of the same id: it is asked of the question's own id as well.

id IN (SELECT k FROM b WHERE c AND k IN (…))                       id IN (SELECT k FROM b WHERE c) AND id IN (…)
EXISTS (… FROM b WHERE b.k = a.id AND EXISTS (… WHERE h.i = b.k))  EXISTS (… b.k = a.id) AND EXISTS (… h.i = a.id)
"""

from __future__ import annotations

from sqlglot import exp

from glovebox.planner.conjuncts import conjuncts


def reworded_nested(tree: exp.Select) -> None:
    """Ask of the question's own id what a sub-query asks of its own, which is the same, in place."""
    for node in reversed(list(tree.find_all(exp.In, exp.Exists))):
        select = node.args.get("query") if isinstance(node, exp.In) else node.this
        select = select.this if isinstance(select, exp.Subquery) else select
        source = select.args.get("from_") if isinstance(select, exp.Select) else None
        if (
            not isinstance(select, exp.Select)
            or source is None
            or select.args.get("joins")
            or select.args.get("group")
            or not select.args.get("where")
        ):
            continue
        ids = _ids(node, select, source.this.alias_or_name.lower())
        if ids is not None:
            _pull(node, select, *ids)


def _ids(node: exp.Expr, select: exp.Select, name: str) -> tuple[exp.Column, exp.Column] | None:
    """The sub-query's id, by its own table's name, and the one outside that it is compared with."""
    if isinstance(node, exp.In):
        (one, *more) = select.expressions
        pairs = [(one, node.this)] if not more else []
    else:
        equal = [part for part in conjuncts(select.args["where"].this) if isinstance(part, exp.EQ)]
        pairs = [ends for part in equal for ends in ((part.this, part.expression), (part.expression, part.this))]
    for inner, own in pairs:
        if not isinstance(inner, exp.Column) or not isinstance(own, exp.Column) or own.table.lower() == name:
            continue
        if inner.table.lower() == name or (isinstance(node, exp.In) and not inner.table):
            return exp.column(inner.this.copy(), table=exp.to_identifier(name)), own
    return None


def _pull(node: exp.Expr, select: exp.Select, inner: exp.Column, own: exp.Column) -> None:
    """Put conditions on the sub-query's id beside it, of the id outside."""
    kept, pulled = [], []
    for part in list(conjuncts(select.args["where"].this)):
        test = part.this.unnest() if isinstance(part, exp.Not) else part
        among = isinstance(test, exp.In) and test.args.get("query") and _is(test.this, inner)
        exists = isinstance(test, exp.Exists) and _compares(test, inner) and _is_seen(own, test)
        if not among and not exists:
            kept.append(part)
            continue
        found = part.copy()
        ends = [found.find(exp.In).this] if among else list(found.find_all(exp.Column))  # type: ignore[union-attr]
        for end in ends:
            if _is(end, inner, by_name=not among):
                end.replace(own.copy())
        pulled.append(found)
    if pulled:
        select.set("where", exp.Where(this=exp.and_(*kept, copy=False)) if kept else None)
        node.replace(exp.paren(exp.and_(node.copy(), *pulled, copy=False)))


def _is(node: exp.Expr, inner: exp.Column, by_name: bool = False) -> bool:
    """Whether a column is the sub-query's id; by_name: by its table's name."""
    if not isinstance(node, exp.Column) or node.name.lower() != inner.name.lower():
        return False
    return node.table.lower() == inner.table.lower() or not (by_name or node.table)


def _compares(exists: exp.Exists, inner: exp.Column) -> bool:
    """Whether EXISTS compares something with the sub-query's id."""
    ends = (end for one in exists.find_all(exp.EQ) for end in (one.this, one.expression))
    return any(_is(end, inner, by_name=True) for end in ends)


def _is_seen(own: exp.Column, exists: exp.Exists) -> bool:
    """Whether the name of the id outside means the same within."""
    hidden = {table.alias_or_name.lower() for table in exists.find_all(exp.Table)}
    return bool(own.table) and own.table.lower() not in hidden
