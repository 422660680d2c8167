"""Questions that count people by an id that no table is joined on, read as questions over the lines of that id.

SELECT COUNT(DISTINCT k), COUNT(*), SUM(x) FROM facts JOIN table ON another id is the same as

SELECT COUNT(k), COALESCE(SUM(n), 0), SUM(s) FROM (SELECT k, COUNT(*) AS n, SUM(x) AS s FROM .. GROUP BY k)

where the rows of which the id is missing are a line too, which is nobody. With GROUP BY labels there is a line for each
id and labels (`labelled.py`).
"""

from __future__ import annotations

from sqlglot import exp

from glovebox.contract.terms import Contract
from glovebox.planner.conjuncts import conjuncts
from glovebox.planner.labelled import ALIAS, noted
from glovebox.planner.scope import Side, table_side
from glovebox.planner.statement import Statement

HINT = "COUNT(*), COUNT(DISTINCT id), SUM and AVG, by labels"


def by_lines(statement: Statement, contract: Contract) -> bool:
    """Whether this is such a question, which then stands in the statement as one over lines."""
    tree = statement.tree
    before, several = tree.args.get("joins"), _semis_joined(statement, contract)
    key = _counted(statement, contract)
    if key is None:
        tree.set("joins", before)
        return False
    if several and not _counts_alone(tree):
        sentence = f"People are counted by {key.name}, and {several} may have several rows of what is looked for"
        statement.refuse(key, "sql", sentence, f"COUNT(DISTINCT {key.name}) alone, or unique = true for that id")
    for part in ("having", "limit"):
        if tree.args.get(part):
            sentence = (
                f"{part.upper()} has no place yet where people are counted by {key.name}, and joined by another id"
            )
            statement.refuse(tree.args[part], "sql", sentence, HINT)
    group = tree.args.get("group")
    labels = list(group.expressions) if group else []
    for node in labels:
        if not isinstance(node, exp.Column):
            statement.refuse(node, "sql", f"People who are counted by {key.name} are grouped by labels here", HINT)
    inner = exp.Select(expressions=[exp.alias_(key.copy(), "key", quoted=True)])
    lines = _Lines(statement, inner, key, labels)
    tree.set("joins", [join for join in tree.args["joins"] if not lines.takes(join)])
    for place, node in enumerate(labels):
        inner.append("expressions", exp.alias_(node.copy(), f"group {place}", quoted=True))
    for part in ("from_", "joins", "where"):
        inner.set(part, tree.args.get(part))
        tree.set(part, None)
    inner.set("group", exp.Group(expressions=[key.copy(), *(node.copy() for node in labels)]))
    lines.part_where()
    tree.set("expressions", [lines.selected(item) for item in tree.expressions])
    if group:
        tree.set("group", exp.Group(expressions=[lines.label(node) for node in labels]))
    tree.set("from_", exp.From(this=exp.Subquery(this=inner, alias=exp.TableAlias(this=exp.to_identifier(ALIAS)))))
    return True


def _counted(statement: Statement, contract: Contract) -> exp.Column | None:
    """The id by which people are counted, of a table that is joined on others alone."""
    tree = statement.tree
    source, joins = tree.args.get("from_"), [join for join in tree.args.get("joins") or [] if not _is_other(join)]
    nodes = [source.this, *(join.this for join in joins)] if source else []
    if not joins or not all(isinstance(node, exp.Table) for node in nodes):
        return None
    sides = [table_side(statement, contract, node) for node in nodes]
    equal = [part for join in joins for part in conjuncts(join.args.get("on")) if isinstance(part, exp.EQ)]
    joined = {_found(sides, end) for part in equal for end in (part.this, part.expression)}
    shared = {one.name.lower() for join in joins for one in join.args.get("using") or []}
    for count in tree.find_all(exp.Count):
        columns = count.this.find_all(exp.Column) if isinstance(count.this, exp.Distinct) else []
        for column in columns:
            found = _found(sides, column)
            if found is None or len(sides[found[0]].owners) > 1:
                continue
            by = {name for name in shared if sides[found[0]].table.column(name)}
            by |= {one[1] for one in joined if one is not None and one[0] == found[0]}
            known = sides[found[0]].table.column(found[1])
            if known is None or not by or by in ({found[1]}, set(known.parts)):
                continue
            if known.kind == "id":
                return column
    return None


def _semis_joined(statement: Statement, contract: Contract) -> str:
    """Let IN a sub-query of another table's rows be a join with these.

    The name of one of which an id may have several rows, so that a row could count more than once; "" of none.
    """
    tree, several = statement.tree, ""
    joins = [join.copy() for join in tree.args.get("joins") or []]
    for number, join in enumerate(joins):
        inner = join.this.this if isinstance(join.this, exp.Subquery) and join.kind == "SEMI" else None
        if not isinstance(inner, exp.Select) or inner.args.get("group") or len(inner.expressions) != 1:
            continue
        (column,), table, where = inner.expressions, inner.args["from_"].this, inner.args.get("where")
        if not isinstance(column, exp.Column) or not isinstance(table, exp.Table):
            continue
        side, name = table_side(statement, contract, table), exp.to_identifier(f"other {number}", quoted=True)
        found = side.table.column(column.name.lower())
        several = several if found and found.unique else side.table.name
        on, kept = join.args.get("on"), where.this if where else None
        if on is None and len(using := join.args.get("using") or []) == 1:
            first, join_id = tree.args["from_"].this.alias_or_name, using[0].this
            on = exp.EQ(this=exp.column(join_id, table=first), expression=exp.column(join_id, table=join.this.alias))
        if on is None:
            continue
        own = [one for one in on.find_all(exp.Column) if one.table == join.this.alias]
        for one in (*own, *(kept.find_all(exp.Column) if kept else ())):
            one.set("table", name.copy())
            one.set("db", None)
        table.set("alias", exp.TableAlias(this=name))
        whole = exp.and_(on, *[kept] * bool(kept), copy=False)
        for part, value in (("this", table), ("kind", None), ("using", None), ("on", whole)):
            join.set(part, value)
    tree.set("joins", joins)
    return several


def _counts_alone(tree: exp.Select) -> bool:
    """Whether a question asks for nothing but what is counted once, which rows that count twice do not change."""
    return all(
        isinstance(node, exp.Count) and isinstance(node.this, exp.Distinct) for node in tree.find_all(exp.AggFunc)
    )


def _is_other(join: exp.Join) -> bool:
    """Whether a join asks which ids have other rows: LEFT JOIN (SELECT DISTINCT id FROM ..)."""
    inner = join.this.this if isinstance(join.this, exp.Subquery) and join.side == "LEFT" else None
    if not isinstance(inner, exp.Select) or len(inner.expressions) != 1:
        return False
    return bool(inner.args.get("distinct") or inner.args.get("group"))


def _found(sides: list[Side], node: exp.Expr) -> tuple[int, str] | None:
    """The one side and name of a column; None of what is no column, or could be of several sides."""
    if not isinstance(node, exp.Column):
        return None
    name, qualifier = node.name.lower(), ".".join(part for part in (node.db, node.table) if part).lower()
    found = [
        number
        for number, side in enumerate(sides)
        if side.table.column(name) and (not qualifier or qualifier in side.called)
    ]
    return (found[0], name) if len(found) == 1 else None


class _Lines:
    """Turns aggregates of rows into those of lines, whose columns are the sub-query's."""

    def __init__(self, statement: Statement, inner: exp.Select, key: exp.Column, labels: list[exp.Expr]) -> None:
        self.statement, self.inner, self.key, self.labels = statement, inner, key, labels
        self.others: dict[tuple[str, str], exp.Expr] = {}  # by the name of an id that others' rows have

    def takes(self, join: exp.Join) -> bool:
        """Take a join that asks which ids have other rows, if it is one."""
        if not _is_other(join):
            return False
        select, alias = join.this.this, join.this.alias.lower()
        (column,) = select.expressions
        own, on, using = column.alias_or_name.lower(), join.args.get("on"), join.args.get("using") or []
        ends = {on.this, on.expression} if isinstance(on, exp.EQ) else set()
        named = {(end.table.lower(), end.name.lower()) for end in ends if isinstance(end, exp.Column)}
        if named != {(alias, own), (self.key.table.lower(), self.key.name.lower())} and [
            one.name.lower() for one in using
        ] != [own]:
            hint = f"LEFT JOIN of distinct ids q ON q.id = {self.key.sql()}"
            self.statement.refuse(join, "sql", f"Other rows are joined by {self.key.name}, as people are counted", hint)
        rows = exp.Filter(
            this=exp.Count(this=exp.Star(), big_int=True), expression=exp.Where(this=exp.Exists(this=select))
        )
        self.others[alias, own] = rows
        return True

    def part_where(self) -> None:
        """Conditions on other rows go from the rows' WHERE to the lines'."""
        where = self.inner.args.get("where")
        parts = list(conjuncts(where.this if where else None))
        of_lines = [made for part in parts if (made := self._of_line(part)) is not None]
        rows = [part for part in parts if self._of_line(part) is None]
        if of_lines:
            self.inner.set("where", exp.Where(this=exp.and_(*rows)) if rows else None)
            self.statement.tree.set("where", exp.Where(this=exp.and_(*of_lines)))

    def _of_line(self, part: exp.Expr) -> exp.Expr | None:
        """A condition that an id has other rows, or has none, as one of lines; None of any other."""
        negated = isinstance(part, exp.Not)
        test = part.this.unnest() if negated else part.unnest()
        column = test.this if isinstance(test, exp.Is) and isinstance(test.expression, exp.Null) else None
        rows = self.others.get((column.table.lower(), column.name.lower())) if isinstance(column, exp.Column) else None
        if rows is None:
            return None
        kind = exp.GT if negated else exp.EQ
        return kind(this=noted(self.inner, rows), expression=exp.Literal.number(0))

    def label(self, node: exp.Expr) -> exp.Expr:
        """The lines' column that is this label."""
        return exp.column(f"group {self.labels.index(node)}", ALIAS, quoted=True)

    def selected(self, item: exp.Expr) -> exp.Expr:
        """One column of the answer; its name stays."""
        node = item.unalias()
        name = item.alias or self._named(node)
        if node in self.labels:
            return exp.alias_(self.label(node), name)
        made = node.copy().transform(self._made) if not isinstance(node, exp.Filter) else self._made(node)
        return exp.alias_(made, name)

    def _named(self, node: exp.Expr) -> str:
        columns = [column.name for column in node.find_all(exp.Column)][:1]
        aggregate = node.find(exp.AggFunc)
        return "_".join([aggregate.key if aggregate else node.key, *columns]) if aggregate else node.name or node.key

    def _made(self, node: exp.Expr) -> exp.Expr:
        condition, inner = (node.expression, node.this) if isinstance(node, exp.Filter) else (None, node)
        if not isinstance(inner, exp.AggFunc):
            return node
        match inner:
            case exp.Count() if isinstance(inner.this, exp.Distinct):
                return self._people(inner.this, condition)
            case exp.Count():
                return exp.Coalesce(this=self._sum(inner, condition), expressions=[exp.Literal.number(0)])
            case exp.Sum():
                return self._sum(inner, condition)
            case exp.Avg():
                counted = exp.Count(this=inner.this.copy(), big_int=True)
                total = exp.Sum(this=inner.this.copy())
                return exp.Div(this=self._sum(total, condition), expression=self._sum(counted, condition))
        return self.statement.refuse(inner, "sql", "This is not made of lines yet", HINT)

    def _sum(self, aggregate: exp.Expr, condition: exp.Expr | None) -> exp.Expr:
        return exp.Sum(this=self._column(aggregate, condition))

    def _people(self, distinct: exp.Distinct, condition: exp.Expr | None) -> exp.Expr:
        """The lines with an id; of those that a condition picks, where a row meets it."""
        (node,) = distinct.expressions if len(distinct.expressions) == 1 else (distinct,)
        picked = [condition.this] if condition is not None else []
        if (
            isinstance(node, exp.Case)
            and node.this is None
            and len(node.args["ifs"]) == 1
            and not node.args.get("default")
        ):
            picked.append(node.args["ifs"][0].this)
            node = node.args["ifs"][0].args["true"]
        if node != self.key:
            sentence = f"One id is counted as distinct at a time, which is {self.key.name} here"
            self.statement.refuse(distinct, "sql", sentence, "a question for each of these ids")
        key = exp.column("key", ALIAS, quoted=True)
        parts = [one for condition_ in picked for one in conjuncts(condition_)]
        kept = [made for part in parts if (made := self._of_line(part)) is not None]
        rows = [part for part in parts if self._of_line(part) is None]
        if rows:
            count = self._column(exp.Count(this=exp.Star(), big_int=True), exp.Where(this=exp.and_(*rows)))
            kept.append(exp.GT(this=count, expression=exp.Literal.number(0)))
        if not kept:
            return exp.Count(this=key, big_int=True)
        return exp.Filter(this=exp.Count(this=key, big_int=True), expression=exp.Where(this=exp.and_(*kept)))

    def _column(self, aggregate: exp.Expr, condition: exp.Expr | None) -> exp.Expr:
        """A column of lines that is this aggregate of their rows."""
        made = aggregate.copy()
        if condition is not None:
            made = exp.Filter(this=made, expression=condition.copy())
        return noted(self.inner, made)
