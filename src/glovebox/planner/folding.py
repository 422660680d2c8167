"""Tables that meet person by person as sub-queries of one row a person, so that a question joins nothing else.

A table whose id is unique has one row a person already. The rows of one table more may repeat: such a join pairs each
with the one row that every other table has of the person. So what the question adds up of them is added up person by
person before: SUM(x) is the sum of the persons' sums, COUNT(*) that of their rows, and a factor of another table is
the same for all rows of a person.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NoReturn

from sqlglot import exp

from glovebox.planner.conjuncts import chain, conjuncts
from glovebox.planner.gathering import makes_persons
from glovebox.planner.naming import default_name, meant_keys
from glovebox.planner.nulls import of_nulls
from glovebox.planner.scope import Side
from glovebox.planner.statement import Statement
from glovebox.planner.typed import number
from glovebox.planner.typing import Typing
from glovebox.schema.columns import Column

Reader = Callable[[exp.Expr], Side]
"""What a table, or a sub-query that puts no rows together, is."""
Types = Callable[[Side], Typing]
"""Types expressions of one side's columns."""


def folded(statement: Statement, kinds: Sequence[str], read: Reader, types: Types) -> None:
    """Put sub-queries of one row a person in place of a statement's tables. kinds: how each is joined."""
    tree = statement.tree
    holders = [tree.args["from_"], *(tree.args.get("joins") or [])]
    sides = {place: read(holder.this) for place, holder in enumerate(holders) if not makes_persons(holder.this)}
    ids = {place: _ids(statement, tree, place, side) for place, side in sides.items()}
    rows = [place for place, side in sides.items() if not _is_single(side, ids[place])]
    if len(rows) > 1:
        hint = "a sub-query with GROUP BY the id, of all but one of them"
        sentence = "Two of these tables may have several rows of a person"
        statement.refuse(holders[rows[1]], "sql", sentence, hint)
    names = {place: _name(holders[place].this, place) for place in range(len(holders))}
    if len(set(names.values())) < len(names):
        statement.refuse(holders[-1], "sql", "Two tables are called alike here", "another name for each: table t")
    for place, side in sides.items():
        known = {column.name for column in side.table.columns}
        others = {column.name for other, one in sides.items() if other != place for column in one.table.columns}
        fold = _Fold(statement, names[place], known, others, kinds[place], types(side))
        if place in rows and kinds[place] not in ("semi", "anti"):
            fold.rewrite()
        elif place not in rows:
            named = fold.named()
            fold.items = [
                _of_single(column) for column in side.table.columns if column.name in named and column.kind != "id"
            ]
        holders[place].set("this", _grouped(holders[place].this, names[place], ids[place], fold))


def _is_single(side: Side, ids: Column) -> bool:
    """Whether nobody has two rows."""
    return ids.unique and (len(side.owners) == 1 or side.table.apart)


def _name(node: exp.Expr, place: int) -> str:
    return (node.alias_or_name if isinstance(node, exp.Table) else node.alias).lower() or str(place)


def _ids(statement: Statement, tree: exp.Select, place: int, side: Side) -> Column:
    """The id by which a side is joined."""
    joins = tree.args.get("joins") or []
    wanted = joins[place - 1 : place] if place else joins
    for join in wanted:
        on = join.args.get("on")
        ends = [on.this, on.expression] if isinstance(on, exp.EQ) else []
        names = [one.name.lower() for one in join.args.get("using") or []]
        names += [end.name.lower() for end in ends
                  if isinstance(end, exp.Column) and (not end.table or end.table.lower() in side.called)]  # fmt: skip
        for name in names:
            column = side.table.column(name)
            if column is not None and column.kind == "id":
                return column
    hint = "JOIN … USING (an id), or ON a.id = b.id"
    return statement.refuse(wanted[0] if wanted else tree, "rules.join", "Tables are joined on ids being equal", hint)


def _of_single(column: Column) -> exp.Expr:
    """A column of the one row that there is."""
    made = exp.column(column.name, quoted=True)
    if column.kind == "boolean":
        return exp.LogicalOr(this=made).as_(column.name, quoted=True)
    summed = column.kind in ("integer", "decimal") and not {"filter", "group"} & set(column.may)
    return (exp.Sum if summed else exp.Min)(this=made).as_(column.name, quoted=True)


def _grouped(node: exp.Expr, name: str, ids: Column, fold: _Fold) -> exp.Subquery:
    """The sub-query that has one row a person."""
    own = exp.column(ids.name, quoted=True)
    select = exp.select(own, *fold.items).from_(node, copy=False).group_by(own.copy())
    if fold.where:
        select = select.where(*fold.where)
    return exp.Subquery(this=select, alias=exp.TableAlias(this=exp.to_identifier(name)))


class _Fold:
    """One side's columns in a statement. known, others: names of its columns, and of those of other tables."""

    def __init__(
        self, statement: Statement, name: str, known: set[str], others: set[str], kind: str, typing: Typing
    ) -> None:
        self.statement, self.tree, self.name, self.kind = statement, statement.tree, name, kind
        self.known, self.others, self._typing = known, others, typing
        self.items: list[exp.Expr] = []
        self.where: list[exp.Expr] = []

    def named(self) -> set[str]:
        """The names of its columns that the question's own words read."""
        found = [node for node in self.tree.find_all(exp.Column) if not node.find_ancestor(exp.From, exp.Join)]
        return {node.name.lower() for node in found if self._is_own(node)}

    def _is_own(self, node: exp.Column) -> bool:
        name, qualifier = node.name.lower(), node.table.lower()
        return name in self.known and (qualifier == self.name or (not qualifier and name not in self.others))

    def _owns(self, node: exp.Expr) -> bool:
        """Whether a part of the question reads this side alone. Refused where it reads others too."""
        columns = {self._is_own(column) for column in node.find_all(exp.Column)}
        if len(columns) > 1:
            self._no(node, "Rows that are put together person by person meet no other table's columns here")
        return columns == {True}

    def _no(self, node: exp.Expr, sentence: str) -> NoReturn:
        hint = "sums and counts, with conditions of one table each; or GROUP BY the id, in a sub-query"
        self.statement.refuse(node, "sql", sentence, hint)

    def rewrite(self) -> None:
        """Let the question add up what each person's rows come to."""
        where, group = self.tree.args.get("where"), self.tree.args.get("group")
        if group and any(self._is_own(column) for key in meant_keys(self.tree) for column in key.find_all(exp.Column)):
            self._no(group, "Rows that are put together person by person make no groups")
        kept = list(conjuncts(where.this if where else None))
        self.where = [part.copy() for part in kept if self._owns(part)]
        if self.where and self.kind == "left":
            self._no(where or self.tree, "WHERE drops the rows that have no match")
        others = [part for part in kept if not self._owns(part)]
        if where:
            self.tree.set("where", exp.Where(this=exp.and_(*others)) if others else None)
        for item in list(self.tree.expressions):
            if not isinstance(item, exp.Alias) and item.find(exp.AggFunc):
                item.replace(exp.alias_(item.copy(), default_name(item), quoted=True))
        for name in ("expressions", "having", "order"):
            part = self.tree.args.get(name)
            for each in part if isinstance(part, list) else [part] if part else []:
                for node in list(each.find_all(exp.AggFunc)):
                    whole = node.parent if isinstance(node.parent, exp.Filter) else node
                    whole.replace(self._outer(node, whole))

    def _outer(self, node: exp.AggFunc, whole: exp.Expr) -> exp.Expr:
        """An aggregate over rows as one over persons. whole: with its FILTER."""
        conditions = list(conjuncts(whole.expression.this)) if whole is not node else []
        own = [part for part in conditions if self._owns(part)]
        others = [part.copy() for part in conditions if not self._owns(part)]
        match node:
            case exp.Count() if isinstance(node.this, exp.Distinct):
                if own:
                    rows = self._count(exp.Star(), own, self._meets(own))
                    others.append(exp.GT(this=rows, expression=_number(0)))
                return _filtered(node.copy(), others)
            case exp.Count() if isinstance(node.this, exp.Star):
                return self._counted(self._count(exp.Star(), own, self._meets(own)), others)
            case exp.Count() if self._owns(node.this):
                there = self._meets(own) and self._of_none(node.this) is not None
                return self._counted(self._count(node.this, own, there), others)
            case exp.Count() if not isinstance(node.this, exp.Distinct):
                return self._counted(self._count(exp.Star(), own, self._meets(own)), [*others, *_there(node.this)])
            case exp.Sum():
                return self._summed(node.this, own, others)
            case exp.Avg() if self._owns(node.this):
                count = self._count(node.this, own, self._meets(own) and self._of_none(node.this) is not None)
                return exp.Div(this=self._summed(node.this, own, others), expression=_sum(count, others))
            case exp.Avg():
                rows = _sum(self._count(exp.Star(), own, self._meets(own)), [*others, *_there(node.this)])
                return exp.Div(this=self._summed(node.this, own, others), expression=rows)
        return self._no(node, "Of rows that are put together person by person, counts, sums and averages are taken")

    def _of_none(self, node: exp.Expr) -> object:
        """What a value of this side's is in a row without a match, as `of_nulls` says it."""
        return of_nulls(self._typing.typed(node).expression)

    def _meets(self, own: list[exp.Expr]) -> bool:
        """Whether a row without a match meets conditions on this side's columns."""
        return all(of_nulls(self._typing.condition(part).expression) not in (None, False) for part in own)

    def _count(self, counted: exp.Expr, own: list[exp.Expr], of_none: bool) -> exp.Expr:
        """How many of a person's rows count. of_none: a row without a match does, too."""
        rows = self._inner(exp.Count(this=counted.copy()), own)
        return self._or(rows, rows, _number(1)) if of_none else rows

    def _or(self, rows: exp.Expr, one: exp.Expr, none: exp.Expr) -> exp.Expr:
        """What a person's rows come to, or, of one who has none, what a row without a match does."""
        if self.kind != "left":
            return one
        missing = exp.If(this=exp.Is(this=rows.copy(), expression=exp.null()), true=none)
        return exp.Case(ifs=[missing], default=one.copy())

    def _counted(self, rows: exp.Expr, others: list[exp.Expr]) -> exp.Expr:
        """A count as a sum, which is zero of nobody."""
        return exp.Coalesce(this=_sum(rows, others), expressions=[_number(0)])

    def _summed(self, node: exp.Expr, own: list[exp.Expr], others: list[exp.Expr]) -> exp.Expr:
        """A sum of products: what of the factors is this side's is added up, or its rows counted."""
        factors = [(factor, self._owns(factor)) for factor in chain(node, exp.Mul)]
        mine = [factor.copy() for factor, is_own in factors if is_own]
        inner = self._added(_product(mine), own) if mine else self._count(exp.Star(), own, self._meets(own))
        if own and not mine:  # of nobody's rows the sum is none, and not zero
            others = [*others, exp.GT(this=inner.copy(), expression=_number(0))]
        return _sum(_product([inner, *(factor.copy() for factor, is_own in factors if not is_own)]), others)

    def _added(self, node: exp.Expr, own: list[exp.Expr]) -> exp.Expr:
        """The sum of a person's rows, of whom one without any has what a row without a match would add."""
        inner = self._inner(exp.Sum(this=node.copy()), own)
        value = self._of_none(node) if self.kind == "left" and self._meets(own) else None
        if value is None:
            return inner
        if not isinstance(value, str) or not number(value):
            self._no(node, "A row without a match has a value here, which is none that the question says")
        return self._or(self._inner(exp.Count(this=exp.Star()), []), inner, exp.Literal.number(value))

    def _inner(self, aggregate: exp.Expr, own: list[exp.Expr]) -> exp.Column:
        """The column of the sub-query that is an aggregate of a person's rows."""
        made = _filtered(aggregate, [part.copy() for part in own])
        for column in made.find_all(exp.Column):
            column.set("table", None)
            column.set("db", None)
        names = [one.alias for one in self.items if one.this == made]
        if not names:
            names = [f"folded {len(self.items)}"]
            self.items.append(made.as_(names[0], quoted=True))
        return exp.column(names[0], table=self.name, quoted=True)


def _there(node: exp.Expr) -> list[exp.Expr]:
    """The condition that a value of other tables is there; none of a constant."""
    found = exp.Not(this=exp.Is(this=exp.paren(node.copy()), expression=exp.null()))
    return [found] if node.find(exp.Column) else []


def _filtered(aggregate: exp.Expr, conditions: list[exp.Expr]) -> exp.Expr:
    if not conditions:
        return aggregate
    return exp.Filter(this=aggregate, expression=exp.Where(this=exp.and_(*conditions)))


def _sum(node: exp.Expr, conditions: list[exp.Expr]) -> exp.Expr:
    return _filtered(exp.Sum(this=node), [part.copy() for part in conditions])


def _product(factors: Sequence[exp.Expr]) -> exp.Expr:
    whole, *rest = factors
    for factor in rest:
        whole = exp.Mul(this=exp.paren(whole), expression=exp.paren(factor))
    return whole


def _number(number: int) -> exp.Expr:
    return exp.Literal.number(number)
