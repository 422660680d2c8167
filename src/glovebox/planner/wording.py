"""Other words for the same, put into those that the planner reads.

FROM a, b WHERE a.id = b.id         FROM a JOIN b ON a.id = b.id
a RIGHT JOIN b USING (id)           b LEFT JOIN a USING (id)
a LEFT JOIN b ON a.id = b.id AND b.c      a LEFT JOIN (SELECT * FROM b WHERE c) b ON a.id = b.id
(SELECT … UNION SELECT …)           (SELECT DISTINCT … FROM (SELECT … UNION ALL SELECT …))
GROUP BY ALL                        GROUP BY all that is selected and no aggregate
c IS TRUE                           c = TRUE AND c IS NOT NULL
COALESCE(c, FALSE)                  c AND c IS NOT NULL
CASE x WHEN y THEN z END            CASE WHEN x = y THEN z END
a JOIN b ON a.id = b.id AND c       a JOIN b ON a.id = b.id WHERE c
COUNT(DISTINCT CASE WHEN c THEN id END)   COUNT(DISTINCT id) FILTER (WHERE c)
COUNT(CASE WHEN c THEN 1 END)       COUNT(*) FILTER (WHERE c)
CEIL(x / y)                         -FLOOR(-x / y)
IF(c, x, y)                         CASE WHEN c THEN x ELSE y END
ABS(x) <= 5, of a row               x BETWEEN -5 AND 5, and so on of <, > and >=
ABS(x), of a row                    CASE WHEN x < 0 THEN -x ELSE x END
GREATEST(x, y), of a row            CASE WHEN x IS NOT NULL AND (y IS NULL OR x >= y) THEN x ELSE y END
"""

from __future__ import annotations

from sqlglot import exp

from glovebox.planner.conjuncts import conjuncts, is_key
from glovebox.planner.lacking import reworded_lacking
from glovebox.planner.nested import reworded_nested
from glovebox.planner.sets import reworded_in, reworded_sets

MOST_COMPARED = 5
"""Values of GREATEST: each is compared with all that follow it."""
GREATEST = "greatest"
"""Says of a CASE whether it is GREATEST or LEAST, from which its range follows (`arithmetic.py`)."""
MOST_COPIED = 3_000
"""Nodes that are written again, so that nobody's words grow beyond what is read at once."""


def reworded(tree: exp.Select) -> exp.Select:
    """The statement in the planner's words, changed in place; what has none stays as it is."""
    for compared in [*tree.find_all(exp.LTE, exp.LT, exp.GT, exp.GTE), *tree.find_all(exp.Is)]:
        _compared(compared)
    reworded_nested(tree)
    for among in list(tree.find_all(exp.In)):
        reworded_in(among)
    room = MOST_COPIED
    for case in list(tree.find_all(exp.Case)):
        room -= _searched(case, room)
    for missing in list(tree.find_all(exp.Coalesce)):
        _known(missing)
    for chosen in reversed(list(tree.find_all(exp.If, exp.Abs, exp.Greatest, exp.Least, exp.Ceil, exp.Pow))):
        room -= _copied(chosen)
        if room < 0:
            break
        if isinstance(chosen.parent, exp.Select) and chosen.arg_key == "expressions":
            named = exp.alias_(chosen.copy(), chosen.key)  # a column is called by what was asked
            chosen.replace(named)
            _by_cases(named.this)
        else:
            _by_cases(chosen)
    for count in list(tree.find_all(exp.Count)):
        _filtered(count)
    for node in list(tree.find_all(exp.Subquery)):
        if isinstance(node.this, exp.Union) and node.this.args.get("distinct"):
            _stack_made_distinct(node)
    for select in tree.find_all(exp.Select):
        _by_all(select)
        reworded_sets(select)
        _joins_of_commas(select)
        _left(select)
        conditions_of_joins(select)
        reworded_lacking(select)
        _filtered_before(select)
    return tree


def _compared(node: exp.Binary) -> None:
    """How far two values are apart, as a window, which costs one comparison; and IS of a truth."""
    value, other = node.this.unnest(), node.expression
    match node:
        case exp.LTE() | exp.GT() if isinstance(value, exp.Abs) and isinstance(other, exp.Literal):
            within = exp.Between(this=exp.paren(value.this), low=exp.Neg(this=other), high=other.copy())
            node.replace(within if isinstance(node, exp.LTE) else exp.paren(exp.Not(this=within)))
        case exp.LT() | exp.GTE() if isinstance(value, exp.Abs) and isinstance(other, exp.Literal):
            above = exp.GT(this=exp.paren(value.this), expression=exp.Neg(this=other))
            below = exp.LT(this=exp.paren(value.this.copy()), expression=other.copy())
            both = exp.paren(exp.And(this=above, expression=below))
            node.replace(both if isinstance(node, exp.LT) else exp.paren(exp.Not(this=both)))
        case exp.Is() if isinstance(other, exp.Boolean) and not node.find_ancestor(exp.Is):
            there = exp.Not(this=exp.Is(this=exp.paren(value), expression=exp.null()))
            node.replace(exp.paren(exp.And(this=exp.EQ(this=exp.paren(value), expression=other), expression=there)))


def _searched(node: exp.Case, room: int) -> int:
    """CASE of a value as CASE of conditions, if there is room for that; how many nodes more it takes."""
    if node.this is None:
        return 0
    more = len(node.args["ifs"]) * sum(1 for _ in node.this.walk())
    if more <= room:
        for branch in node.args["ifs"]:
            branch.set("this", exp.EQ(this=exp.paren(node.this.copy()), expression=branch.this))
        node.set("this", None)
    return more


def _known(node: exp.Coalesce) -> None:
    """A condition that is false, or true, where it is unknown."""
    (other, *more) = node.expressions or [None]
    if not isinstance(other, exp.Boolean) or more:
        return
    known, unknown = exp.paren(node.this), _is_null(exp.paren(node.this))
    said = (
        exp.Or(this=known, expression=unknown) if other.this else exp.And(this=known, expression=exp.Not(this=unknown))
    )
    selected = isinstance(node.parent, exp.Select) and node.arg_key == "expressions"
    node.replace(exp.alias_(exp.paren(said), node.key) if selected else exp.paren(said))


def _copied(node: exp.Expr) -> int:
    """How many nodes other words for this take, at most, that stand here once."""
    match node:
        case exp.Abs() | exp.Pow():
            times = 3
        case exp.Greatest() | exp.Least():
            times = 3 * MOST_COMPARED
        case _:
            return 0
    return times * sum(1 for _ in node.walk())


def _by_cases(node: exp.Expr) -> None:
    """IF, and ABS of what is no aggregate, as CASE. ABS within ABS stays, or each would treble the text."""
    match node:
        case exp.If() if node.arg_key != "ifs":
            branch = exp.If(this=node.this, true=node.args["true"])
            node.replace(exp.Case(ifs=[branch], default=node.args.get("false")))
        case exp.Abs() if not node.find(exp.AggFunc) and not node.find_ancestor(exp.Abs):
            negative = exp.LT(this=exp.paren(node.this), expression=exp.Literal.number(0))
            branch = exp.If(this=negative, true=exp.Neg(this=exp.paren(node.this)))
            node.replace(exp.Case(ifs=[branch], default=exp.paren(node.this)))
        case exp.Ceil():
            inner = node.this.unnest()
            whole = exp.Neg(this=exp.paren(inner.this if isinstance(inner, exp.Div) else inner))
            below = exp.Div(this=whole, expression=inner.expression) if isinstance(inner, exp.Div) else whole
            node.replace(exp.paren(exp.Neg(this=exp.Floor(this=below))))
        case exp.Pow(expression=exp.Literal(this="2")) if not (node.find(exp.AggFunc) or node.find_ancestor(exp.Pow)):
            node.replace(exp.paren(exp.Mul(this=exp.paren(node.this), expression=exp.paren(node.this.copy()))))
        case exp.Greatest() | exp.Least() if not node.find(exp.AggFunc):
            _most(node)


def _most(node: exp.Greatest | exp.Least) -> None:
    """The first value that is there and which none of those after it is beyond; what comes before it is not."""
    values = [exp.paren(one) for one in (node.this, *node.expressions)]
    if not 1 < len(values) <= MOST_COMPARED:
        return
    beyond: type[exp.Binary] = exp.GTE if isinstance(node, exp.Greatest) else exp.LTE
    branches = []
    for place, one in enumerate(values[:-1]):
        there: list[exp.Expr] = [exp.Not(this=_is_null(one))] if one.find(exp.Column) else []
        for other in values[place + 1 :]:
            first = beyond(this=one.copy(), expression=other.copy())
            there.append(exp.paren(exp.Or(this=_is_null(other), expression=first)) if other.find(exp.Column) else first)
        branches.append(exp.If(this=exp.and_(*there, copy=False), true=one.copy()))
    case = exp.Case(ifs=branches, default=values[-1].copy())
    case.meta[GREATEST] = beyond is exp.GTE
    node.replace(exp.paren(case))


def _is_null(node: exp.Expr) -> exp.Expr:
    return exp.Is(this=node.copy(), expression=exp.null())


def _filtered(node: exp.Count) -> None:
    """What CASE leaves out, or makes NULL, is not counted."""
    once = isinstance(node.this, exp.Distinct)
    told = node.this.expressions if once else [node.this]
    case = told[0].unnest() if len(told) == 1 else None
    if not isinstance(case, exp.Case) or case.this is not None or len(case.args["ifs"]) != 1:
        return
    branch, default = case.args["ifs"][0], case.args.get("default")
    if (default is None or isinstance(default, exp.Null)) and (once or isinstance(branch.args["true"], exp.Literal)):
        whole = node.parent if isinstance(node.parent, exp.Filter) else node
        conditions = [branch.this, *([whole.expression.this] if whole is not node else [])]
        counted = exp.Distinct(expressions=[branch.args["true"]]) if once else exp.Star()
        count = exp.Count(this=counted, big_int=True)
        whole.replace(exp.Filter(this=count, expression=exp.Where(this=exp.and_(*conditions, copy=False))))


def _stack_made_distinct(node: exp.Subquery) -> None:
    """A UNION makes all of its rows distinct, whatever the unions within it do."""
    first: exp.Expr = node.this
    for union in node.this.find_all(exp.Union):
        if union.find_ancestor(exp.Subquery) is node:
            union.set("distinct", False)
    while isinstance(first, exp.Union):
        first = first.this
    names = [item.alias_or_name for item in first.expressions] if isinstance(first, exp.Select) else []
    columns: list[exp.Expr] = [exp.Star() if name == "*" else exp.column(name, quoted=True) for name in names]
    stack = exp.Subquery(this=node.this)
    node.set("this", exp.Select(expressions=columns, distinct=exp.Distinct(), from_=exp.From(this=stack)))


def _by_all(select: exp.Select) -> None:
    group = select.args.get("group")
    if group and group.args.get("all"):
        selected = [item.unalias() for item in select.expressions]
        keys = [node.copy() for node in selected if not node.find(exp.AggFunc)]
        select.set("group", exp.Group(expressions=keys) if keys else None)


def _joins_of_commas(select: exp.Select) -> None:
    """Equalities in WHERE of a table's column and one before it are how that table is joined."""
    source, where = select.args.get("from_"), select.args.get("where")
    if source is None or where is None:
        return
    kept, before = list(conjuncts(where.this)), [source.this.alias_or_name.lower()]
    for join in select.args.get("joins") or []:
        new = join.this.alias_or_name.lower()
        said = {part for part, value in join.args.items() if value}
        if said <= {"this", "kind"} and join.kind in ("", "CROSS"):
            ends = [part for part in kept if isinstance(part, exp.EQ) and _joins(part, new, before)]
            kept = [part for part in kept if part not in ends]
            if ends:
                join.set("kind", None)
                join.set("on", exp.and_(*ends, copy=False))
        before.append(new)
    select.set("where", exp.Where(this=exp.and_(*kept, copy=False)) if kept else None)


def _joins(equality: exp.EQ, new: str, before: list[str]) -> bool:
    ends = (equality.this, equality.expression)
    tables = [end.table.lower() if isinstance(end, exp.Column) else "" for end in ends]
    return new in tables and any(table in before and table != new for table in tables)


def _left(select: exp.Select) -> None:
    """One RIGHT JOIN, read from its right."""
    joins = select.args.get("joins") or []
    if len(joins) == 1 and joins[0].side == "RIGHT":
        source, join = select.args["from_"], joins[0]
        first, second = source.this, join.this
        source.set("this", second)
        join.set("this", first)
        join.set("side", "LEFT")


def conditions_of_joins(select: exp.Select) -> None:
    """Conditions of an inner join's ON, beside what it is joined by, hold of its rows as those of WHERE do."""
    joins, moved = select.args.get("joins") or [], list[exp.Expr]()
    if any(join.side in ("RIGHT", "FULL") for join in joins):
        return  # of which rows without a match would be left out
    for join in joins:
        parts = list(conjuncts(join.args.get("on")))
        keys = [part for part in parts if is_key(part)]
        inner = not join.side and join.kind in ("", "INNER") and not join.method
        if inner and keys and len(keys) < len(parts):
            join.set("on", exp.and_(*keys, copy=False))
            moved += [part for part in parts if not is_key(part)]
    if moved:
        where = select.args.get("where")
        select.set("where", exp.Where(this=exp.and_(*([where.this] if where else []), *moved, copy=False)))


def _filtered_before(select: exp.Select) -> None:
    """Conditions of ON on the table that is joined say which of its rows can be a match at all."""
    for join in select.args.get("joins") or []:
        if not (join.side == "LEFT" or join.kind in ("SEMI", "ANTI")) or not isinstance(join.this, exp.Table):
            continue
        table, name = join.this, join.this.alias_or_name
        kept: list[exp.Expr] = []
        own: list[exp.Expr] = []
        for part in conjuncts(join.args.get("on")):
            tables = {column.table.lower() for column in part.find_all(exp.Column)}
            (own if tables == {name.lower()} else kept).append(part)
        if kept and own:
            join.set("on", exp.and_(*kept, copy=False))
            rows = exp.Select(expressions=[exp.Star()], from_=exp.From(this=table))
            rows.set("where", exp.Where(this=exp.and_(*own, copy=False)))
            join.set("this", exp.Subquery(this=rows, alias=exp.TableAlias(this=exp.to_identifier(name))))
            for column in select.find_all(exp.Column):
                if column.table.lower() == name.lower():
                    column.set("db", None)  # a sub-query has no owner
