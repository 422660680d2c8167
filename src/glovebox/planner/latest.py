"""The last event before another: `ROW_NUMBER() OVER (PARTITION BY a row ORDER BY another owner's column)` = 1.

Beside it stands LEAD, a row's next, which is left in its place (`events.py`).

A sub-query that numbers the pairs of a join, of which the question takes the first for each row, is that join with one
restriction more: of a row's pairs that pass, only the one whose other row comes first counts.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp


@dataclass(frozen=True)
class Latest:
    """For each row that `row` tells apart, the pair that is first by `order`; descending: the last."""

    row: tuple[exp.Column, ...]
    order: exp.Column
    descending: bool


def without_numbers(tree: exp.Select) -> tuple[exp.Select, Latest | None]:
    """The question over the join itself, and which of a row's pairs it takes; as it is where it is none such."""
    source, where = tree.args.get("from_"), tree.args.get("where")
    inner = source.this.this if source and isinstance(source.this, exp.Subquery) else None
    if not isinstance(inner, exp.Select) or tree.args.get("joins") or not inner.args.get("joins") or not where:
        return tree, None
    made = {item.alias_or_name.lower(): item.unalias() for item in inner.expressions}
    numbers = {name: node for name, node in made.items() if isinstance(node, exp.Window)}
    if len(numbers) != 1 or any(inner.args.get(part) for part in ("group", "having", "order", "limit", "distinct")):
        return tree, None
    ((name, window),) = numbers.items()
    latest = _latest(window)
    if latest is None or not _takes_the_first(where.this, name):
        return tree, None
    flat, alias = tree.copy(), tree.args["from_"].this.alias.lower()
    for part in ("from_", "joins", "where"):
        flat.set(part, inner.args.get(part))
    for selected in flat.expressions:
        if isinstance(selected, exp.Column):
            selected.replace(exp.alias_(selected.copy(), selected.name))  # keeps the name that it had
    for column in [node for node in flat.find_all(exp.Column) if _is_outer(node, flat)]:
        if column.table.lower() in ("", alias) and column.name.lower() in made:
            column.replace(made[column.name.lower()].copy())
    return flat, latest


def _latest(window: exp.Window) -> Latest | None:
    order = window.args.get("order")
    keys, row = (order.expressions if order else []), window.args.get("partition_by") or []
    if not isinstance(window.this, exp.RowNumber) or len(keys) != 1 or not isinstance(keys[0].this, exp.Column):
        return None
    if keys[0].args.get("nulls_first"):
        return None
    if not row or not all(isinstance(one, exp.Column) for one in row):
        return None
    return Latest(tuple(row), keys[0].this, bool(keys[0].args.get("desc")))


def _takes_the_first(condition: exp.Expr, name: str) -> bool:
    """Whether the condition is `name = 1`."""
    if not isinstance(condition, exp.EQ):
        return False
    ends = {type(end): end for end in (condition.this, condition.expression)}
    column, number = ends.get(exp.Column), ends.get(exp.Literal)
    return column is not None and column.name.lower() == name and number is not None and str(number.this) == "1"


def _is_outer(column: exp.Column, flat: exp.Select) -> bool:
    """Whether a column is of the question's own words, and not of the join that it now reads."""
    if column.find_ancestor(exp.From, exp.Join):
        return False
    where = column.find_ancestor(exp.Where)
    return where is None or where.parent is not flat


def number_of(node: exp.Expr) -> exp.Window | None:
    """ROW_NUMBER() of a sub-query over one that puts rows together, of which the first is taken (`firsts.py`)."""
    select = node.this if isinstance(node, exp.Subquery) else None
    source = select.args.get("from_") if isinstance(select, exp.Select) else None
    inner = source.this.this if source and isinstance(source.this, exp.Subquery) else None
    if select is None or not isinstance(inner, exp.Select) or not inner.args.get("group"):
        return None
    windows = [item.unalias() for item in select.expressions if isinstance(item.unalias(), exp.Window)]
    return windows[0] if len(windows) == 1 and isinstance(windows[0].this, exp.RowNumber) else None


def nexts_of(node: exp.Expr) -> list[exp.Window]:
    """The columns of a sub-query that are LEAD: what the next row has."""
    select = node.this if isinstance(node, exp.Subquery) else None
    made = [item.unalias() for item in select.expressions] if isinstance(select, exp.Select) else []
    windows = [one for one in made if isinstance(one, exp.Window) and one.args.get("order")]
    return [one for one in windows if isinstance(one.this, exp.Lead)]
