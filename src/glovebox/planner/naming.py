"""Names: WITH's queries, put in place of their names, and what a column without AS is called."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from sqlglot import exp

Refuse = Callable[[exp.Expr, str, str, str], NoReturn]


def inlined(tree: exp.Select, most_nodes: int, refuse: Refuse) -> exp.Select:
    """The statement with every named query where its name stood. Refused where that makes it too long."""
    nested = next((one for one in tree.find_all(exp.With) if one.parent is not tree), None)
    if nested is not None:
        refuse(nested, "sql", "WITH stands before the question only", "WITH name AS (…) SELECT …")
    named: dict[str, exp.Expr] = {}
    with_ = tree.args.get("with_")
    for cte in with_.expressions if with_ else ():
        name = cte.alias.lower()
        if name in named:
            refuse(cte, "sql", f"Two queries are named {name[:63]}", "a name for each")
        named[name] = _replaced(cte.this, named, most_nodes, refuse)
    tree.set("with_", None)
    found = _replaced(tree, named, most_nodes, refuse)
    if not isinstance(found, exp.Select):
        raise TypeError("a statement stays what it is")
    return found


def _replaced(query: exp.Expr, named: dict[str, exp.Expr], most_nodes: int, refuse: Refuse) -> exp.Expr:
    for table in list(query.find_all(exp.Table)):
        found = named.get(table.name.lower()) if not table.args.get("db") else None
        if found is not None:
            alias = exp.TableAlias(this=exp.to_identifier(table.alias or table.name))
            table.replace(exp.Subquery(this=found.copy(), alias=alias))
            if sum(1 for _ in query.walk()) > most_nodes:
                refuse(table, "sql", "The question is too long with what it names", "ask for less at once")
    return query


def default_name(node: exp.Expr) -> str:
    """The name of a column without AS: the group column, or the aggregate and the column it is of."""
    if isinstance(node, exp.Column):
        return node.name.rpartition(".")[2]  # of a joined table's it is behind that one's name
    columns = [column.name.rpartition(".")[2] for column in node.find_all(exp.Column)][:1]
    aggregate = node.find(exp.AggFunc)
    return "_".join([aggregate.key if aggregate else node.key, *columns])


def meant_keys(tree: exp.Select) -> list[exp.Expr]:
    """What groups are made by, itself in place of its position or name."""
    group, places = tree.args.get("group"), {str(place) for place in range(1, len(tree.expressions) + 1)}
    keys = [
        tree.expressions[int(key.this) - 1] if isinstance(key, exp.Literal) and str(key.this) in places else key
        for key in (group.expressions if group else [])
    ]
    named = {item.alias.lower(): item.this for item in tree.expressions if isinstance(item, exp.Alias)}
    return [named.get(key.name.lower(), key) if isinstance(key, exp.Column) and not key.table else key for key in keys]
