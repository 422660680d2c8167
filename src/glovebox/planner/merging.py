"""Sub-queries that only choose, name and filter, merged into the question: `(SELECT id, x AS y FROM t WHERE c) q`.

As a table of a join it is t under that name, with c in WHERE; as all that a question reads it may be a join itself.
So it is with one more sub-query of one row an id in t's place, but on the right of a LEFT, SEMI or ANTI JOIN only where
it filters by nothing and makes nothing.
What is selected there stands where the question names it. On the right of a LEFT, SEMI or ANTI JOIN c is of the rows
before they are joined, and what is made there is NULL without a match: so both stay, in a sub-query of the table's own
columns and what is made of them.
"""

from __future__ import annotations

from sqlglot import exp

from glovebox.planner.conjuncts import conjuncts
from glovebox.planner.first_rows import reworded_first, takes_first
from glovebox.planner.naming import Refuse

PLAIN = {"expressions", "from_", "joins", "where"}


def merged(tree: exp.Select, most_nodes: int, refuse: Refuse) -> exp.Select:
    """The statement without such sub-queries, changed in place. Refused where it becomes too long."""
    for select in reversed(list(tree.find_all(exp.Select))):
        source, joins = select.args.get("from_"), select.args.get("joins") or []
        holders = [source, *joins] if source else []
        for holder in holders:
            _check_names(holder.this, refuse)
        for holder in holders:
            reworded_first(select, holder, refuse)
        for holder in holders:
            node = holder.this
            if not isinstance(node, exp.Subquery) or not _is_plain(node.this) or not _fits(select, holder, node):
                continue
            _spell_star(select, node.this)
            if _is_before(holder) and (node.this.args.get("where") or any(_made(node.this))):
                _rename(select, node)
            else:
                if _nodes(tree) + _growth(select, node.this) > most_nodes:
                    refuse(select, "sql", "The question is too long with what it names", "ask for less at once")
                _merge(select, holder, node)
    return tree


def _check_names(node: exp.Expr, refuse: Refuse) -> None:
    """Of two columns of one name SQL takes the first, where it does not refuse."""
    inner = node.this if isinstance(node, exp.Subquery) else None
    items = inner.expressions if isinstance(inner, exp.Select) else []
    names = [item.alias_or_name.lower() for item in items if isinstance(item, exp.Alias | exp.Column)]
    if len(set(names)) < len(names):
        refuse(node, "sql", "Two columns of a sub-query have one name", "AS another name")


def _spell_star(select: exp.Select, inner: exp.Select) -> None:
    """Name what a star takes of a sub-query that names it: of what that reads, a star is more, by other names."""
    if _has_star(select) and not _has_star(inner):
        names = [exp.to_identifier(item.alias_or_name, quoted=True) for item in inner.expressions]
        select.set("expressions", [exp.column(name) for name in names])


def _has_star(select: exp.Select) -> bool:
    return any(isinstance(item, exp.Star) for item in select.expressions)


def _nodes(tree: exp.Expr) -> int:
    return sum(1 for _ in tree.walk())


def _growth(select: exp.Select, inner: exp.Select) -> int:
    """How many nodes more there can be, when what a sub-query selects stands where it is named."""
    sizes = {name: _nodes(made) for name, made in _named(inner).items()}
    return sum(sizes.get(column.name.lower(), 0) for column in select.find_all(exp.Column))


def _is_plain(inner: exp.Expr) -> bool:
    """Whether a sub-query only chooses columns of tables, names what is made of them, and filters."""
    if not isinstance(inner, exp.Select) or any(inner.args.get(part) for part in set(inner.args) - PLAIN):
        return False
    source, joins = inner.args.get("from_"), inner.args.get("joins") or []
    tables = [source.this, *(join.this for join in joins)] if source else []
    items, where = inner.expressions, inner.args.get("where")
    stars = [item for item in items if isinstance(item, exp.Star)]
    return (
        all(isinstance(table, exp.Table) or (not joins and _puts_together(table)) for table in tables)
        and not any(item.find(exp.AggFunc, exp.Window) for item in items)
        and not any(part.find(exp.Select) for part in (*items, *joins, *([where] if where else [])))
        and (items == stars[:1] if stars else all(item.alias_or_name for item in items))
    )


def _puts_together(node: exp.Expr) -> bool:
    """Whether a table is a sub-query of one row an id."""
    grouped = isinstance(node, exp.Subquery) and isinstance(node.this, exp.Select) and bool(node.this.args.get("group"))
    return grouped or takes_first(node)


def _fits(select: exp.Select, holder: exp.Expr, node: exp.Subquery) -> bool:
    """Whether a sub-query can be merged where it stands."""
    inner, joins = node.this, select.args.get("joins") or []
    if joins and _has_star(select) and any(_is_renamed(*each) for each in _named(inner).items()):
        return False
    if inner.args.get("joins"):
        return not joins
    if any(join.side in ("RIGHT", "FULL") or join.args.get("method") for join in joins):
        return False
    plain = not inner.args.get("where") and not _made(inner)
    if isinstance(inner.args["from_"].this, exp.Subquery) and _is_before(holder) and not plain:
        return False
    named = _named(inner)
    if _is_before(holder):
        own = {made.name.lower() for made in named.values() if isinstance(made, exp.Column)}
        if own & set(_made(inner)) or any(isinstance(item, exp.Star) for item in inner.expressions[1:]):
            return False  # two columns by one name
    used = {name.name.lower() for join in joins for name in join.args.get("using") or []}
    return not any(_is_renamed(name, made) for name, made in named.items() if name in used)


def _is_renamed(name: str, made: exp.Expr) -> bool:
    """Whether a name stands for anything but the column of that name."""
    return not isinstance(made, exp.Column) or made.name.lower() != name


def _is_before(holder: exp.Expr) -> bool:
    """Whether what a table of a join is filtered by, and made of, is so before it is joined."""
    return isinstance(holder, exp.Join) and bool(holder.side or holder.kind not in ("", "INNER"))


def _made(inner: exp.Select) -> list[str]:
    """The names of what a sub-query selects that is no column."""
    return [name for name, made in _named(inner).items() if not isinstance(made, exp.Column)]


def _named(inner: exp.Select) -> dict[str, exp.Expr]:
    """What a sub-query selects, by name; nothing of a star, which names all alike."""
    items = [item for item in inner.expressions if not isinstance(item, exp.Star)]
    return {item.alias_or_name.lower(): item.unalias() for item in items}


def _rename(select: exp.Select, node: exp.Subquery) -> None:
    """Let a sub-query's columns, and the question, call the table's own columns by their own names."""
    inner, alias = node.this, node.alias.lower()
    table = inner.args["from_"].this
    name = node.args["alias"].this if alias else exp.to_identifier(table.alias_or_name)
    for column in inner.find_all(exp.Column):
        column.set("db", None)
        column.set("table", None)
    named = _named(inner)
    for column in list(select.find_all(exp.Column)):
        made = named.get(column.name.lower())
        if isinstance(made, exp.Column) and _is_of(column, select, alias, _aliases(select)):
            put = exp.column(made.this.copy(), table=name.copy())
            _put(column, put, select)
    kept: dict[str, exp.Expr] = {}
    for item in inner.expressions:
        own = item.unalias()
        kept.setdefault(
            own.name.lower() if isinstance(own, exp.Column) else item.alias_or_name.lower(),
            own if isinstance(own, exp.Column) else item,
        )
    inner.set("expressions", list(kept.values()))
    table.set("alias", None)
    node.set("alias", exp.TableAlias(this=name.copy()))


def _merge(select: exp.Select, holder: exp.Expr, node: exp.Subquery) -> None:
    inner, alias = node.this, node.alias.lower()
    if not inner.args.get("joins"):
        table = inner.args["from_"].this
        name = node.args["alias"].this if alias else exp.to_identifier(table.alias_or_name)
        for column in [
            one for part in (*inner.expressions, inner.args.get("where")) if part for one in part.find_all(exp.Column)
        ]:
            column.set("db", None)
            column.set("table", name.copy())
        table.set("alias", exp.TableAlias(this=name.copy()))
    named = _named(inner)
    aliases = _aliases(select)
    for column in list(select.find_all(exp.Column)):
        made = named.get(column.name.lower())
        if made is not None and _is_of(column, select, alias, aliases):
            _put(column, made, select)
    holder.set("this", inner.args["from_"].this)
    if inner.args.get("joins"):
        select.set("joins", inner.args["joins"])
    conditions = [where.this for where in (select.args.get("where"), inner.args.get("where")) if where]
    if conditions:
        kept = [part for condition in conditions for part in conjuncts(condition)]
        select.set("where", exp.Where(this=exp.and_(*kept, copy=False)))


def _aliases(select: exp.Select) -> set[str]:
    return {item.alias.lower() for item in select.expressions}


def _is_of(column: exp.Column, select: exp.Select, alias: str, aliases: set[str]) -> bool:
    """Whether a column is the sub-query's: by its name, or as one of the question's own words without a table."""
    around: exp.Expr | None = column
    while around is not select and around is not None:
        if isinstance(around, exp.Subquery) and isinstance(around.parent, exp.From | exp.Join):
            return False  # what another sub-query reads is its own
        around = around.parent
    if column.table:
        return column.table.lower() == alias
    order = column.find_ancestor(exp.Order)
    return column.find_ancestor(exp.Select) is select and not (order and column.name.lower() in aliases)


def _put(column: exp.Column, made: exp.Expr, select: exp.Select) -> None:
    """What was selected, in a column's place, by whose name it is called if it stands alone."""
    if isinstance(made, exp.Column) and made.name.lower() == column.name.lower():
        column.set("table", made.args.get("table") and made.args["table"].copy())
        column.set("db", made.args.get("db") and made.args["db"].copy())
        return
    put = made.copy() if isinstance(made, exp.Column | exp.Literal) else exp.paren(made.copy())
    column.replace(
        exp.alias_(put, column.name, quoted=True)
        if column.parent is select and column.arg_key == "expressions"
        else put
    )
