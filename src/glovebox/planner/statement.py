"""A question's text as a tree: one SELECT of known parts, and errors that point at their place in the text."""

from __future__ import annotations

import difflib
import logging
import re
from typing import Any, NoReturn

import sqlglot
from sqlglot import exp

from glovebox.errors import Refused
from glovebox.planner.among import joined
from glovebox.planner.first_rows import check_qualify
from glovebox.planner.latest import nexts_of, number_of, without_numbers
from glovebox.planner.merging import merged
from glovebox.planner.naming import inlined
from glovebox.planner.wording import MOST_COMPARED, reworded

MOST_CHARACTERS = 1 << 14
MOST_NODES = 2_000
MOST_JOINS = 16  # of one SELECT
MOST_DIGITS = 38  # of a number, as many as DuckDB's longest has
MOST_DEPTH = 64  # of the tree: whoever walks it by recursion stays far below Python's limit
SAID = r"[A-Za-z_][A-Za-z0-9_+-]{0,511}"
"""A name in a question, also of an id that is composed of columns, `id+n`. Names that the planner makes have a space:
nobody can say one of them."""
DIALECT = "duckdb"

logging.getLogger("sqlglot").setLevel(logging.CRITICAL)  # its warnings repeat the statement

BINARY = "this expression"
# What a question may be made of: node types, and the parts each may have. Whatever is not here is refused before
# anything looks at it, so that no clause is passed over in silence.
ALLOWED: dict[type[exp.Expr], str] = {
    exp.Select: "expressions from_ joins where group having order limit distinct with_ qualify", exp.From: "this",
    exp.Join: "this on using kind side method", exp.Qualify: "this",
    exp.Intersect: f"{BINARY} distinct", exp.Except: f"{BINARY} distinct",
    exp.Greatest: "this expressions ignore_nulls", exp.Least: "this expressions ignore_nulls",
    exp.Table: "this db alias", exp.TableAlias: "this", exp.Subquery: "this alias", exp.Union: f"{BINARY} distinct",
    exp.Alias: "this alias", exp.Identifier: "this quoted", exp.Column: "this table db", exp.Star: "",
    exp.Where: "this", exp.Group: "expressions all", exp.Order: "expressions", exp.Ordered: "this desc nulls_first",
    exp.Count: "this big_int", exp.Distinct: "expressions", exp.Sum: "this", exp.Avg: "this",
    exp.Min: "this", exp.Max: "this", exp.Filter: BINARY,
    exp.Median: "this", exp.Quantile: "this quantile", exp.PercentileCont: BINARY, exp.PercentileDisc: BINARY,
    exp.WithinGroup: BINARY,
    exp.Round: "this decimals", exp.Literal: "this is_string", exp.Boolean: "this", exp.Null: "",
    exp.Placeholder: "this", exp.Cast: "this to", exp.DataType: "this nested", exp.Paren: "this", exp.Neg: "this",
    exp.Add: BINARY, exp.Sub: BINARY, exp.Mul: BINARY, exp.EQ: BINARY, exp.NEQ: BINARY, exp.LT: BINARY,
    exp.LTE: BINARY, exp.GT: BINARY, exp.GTE: BINARY, exp.And: BINARY, exp.Or: BINARY, exp.Not: "this",
    exp.Is: BINARY, exp.In: "this expressions query", exp.Between: "this low high", exp.Case: "this ifs default",
    exp.Exists: "this",
    exp.LogicalOr: "this", exp.With: "expressions", exp.CTE: "this alias", exp.If: "this true false",
    exp.Interval: "this unit", exp.Var: "this", exp.Having: "this", exp.Limit: "expression",
    exp.Div: f"{BINARY} typed safe", exp.Floor: "this", exp.Ceil: "this", exp.Pow: BINARY,
    exp.Year: "this", exp.Month: "this", exp.Quarter: "this", exp.Day: "this", exp.Hour: "this",
    exp.DayOfWeek: "this", exp.DayOfWeekIso: "this", exp.DayOfMonth: "this", exp.Extract: BINARY,
    exp.TimestampTrunc: "this unit", exp.DateDiff: f"{BINARY} unit date_part_boundary", exp.Sqrt: "this",
    exp.Abs: "this", exp.Nullif: BINARY, exp.IntDiv: BINARY, exp.Mod: BINARY,
    exp.Like: f"{BINARY} negate", exp.ILike: f"{BINARY} negate",
    exp.Window: "this partition_by order over", exp.RowNumber: "", exp.Lead: "this",
    exp.Coalesce: "this expressions",
    exp.Variance: "this", exp.VariancePop: "this", exp.Stddev: "this", exp.StddevSamp: "this", exp.StddevPop: "this",
    exp.Corr: BINARY, exp.CovarPop: BINARY, exp.CovarSamp: BINARY, exp.RegrSlope: BINARY, exp.RegrIntercept: BINARY,
    exp.RegrCount: BINARY,
}  # fmt: skip
SERVED = "SELECT aggregates FROM one or two tables, JOIN, WHERE, FILTER, GROUP BY, HAVING and ORDER BY"
WORDS = {
    "window": "a window", "with": "WITH", "side": "an outer join", "method": "this kind of join",
    "offset": "OFFSET", "except": "EXCLUDE", "replace": "REPLACE", "symmetric": "SYMMETRIC", "query": "a sub-query",
    "catalog": "a database's name", "timetostr": "STRFTIME", "currentdate": "what day it is",
    "rownumber": "this numbering", "nullsafeneq": "IS DISTINCT FROM", "nullsafeeq": "IS NOT DISTINCT FROM",
}  # fmt: skip
FIRST = (
    "ROW_NUMBER() OVER (PARTITION BY id ORDER BY a day) = 1 of one owner's rows; of two owners' join, "
    "PARTITION BY one's row, ORDER BY one column of the other's"
)
INSTEAD = {
    "nullsafeneq": "<>, and IS NULL; of a truth IS NOT TRUE or IS NOT FALSE",
    "nullsafeeq": "=, and IS NULL; of a truth IS TRUE or IS FALSE",
    "side": "JOIN … USING (…), which takes the matching rows",
    "window": "an aggregate without OVER",
    "query": "IN ('a', 'b')",
    "distinct": "GROUP BY, or COUNT(DISTINCT id)",
    "catalog": "owner.table",
    "symmetric": "BETWEEN the smaller AND the larger",
    "method": "JOIN … USING (id), with times compared in WHERE, and the last of them by ROW_NUMBER() OVER (…) = 1",
    "except": "SELECT * FROM owner.table",
    "timetostr": "DATE_TRUNC('month', x), YEAR(x) or MONTH(x)",
    "currentdate": "a constant, DATE '2026-12-31', or a parameter of an approved question",
    "date_part": "EXTRACT(month FROM x)",
    "any": "id IN (SELECT id FROM …)",
    "rollup": "a question for each of the levels",
    "cube": "a question for each of the levels",
    "grouping_sets": "a question for each of the levels",
    "mode": "COUNT(*) with GROUP BY the column",
    "arrayagg": "COUNT(*) with GROUP BY the column",
    "approxdistinct": "COUNT(DISTINCT id)",
    "rank": "ORDER BY, and LIMIT",
    "countif": "COUNT(*) FILTER (WHERE …)",
    "lag": "LEAD(x) OVER (PARTITION BY id ORDER BY a time), asked of the row before",
    **dict.fromkeys(("firstvalue", "lastvalue", "rownumber"), FIRST),
    "sign": "CASE WHEN x > 0 THEN 1 WHEN x < 0 THEN -1 ELSE 0 END",
    "denserank": "ORDER BY, and LIMIT",
}

ONE_SET = "is of ids alone, each once, in place of all that a question reads, or after IN"
A_FEW = f"is of two to {MOST_COMPARED} values of a row"
REWORDED: dict[type[exp.Expr], tuple[str, str]] = {
    exp.Intersect: (ONE_SET, "FROM (SELECT id FROM a INTERSECT SELECT id FROM b), or SEMI JOIN … USING (id)"),
    exp.Except: (ONE_SET, "FROM (SELECT id FROM a EXCEPT SELECT id FROM b), or ANTI JOIN … USING (id)"),
    exp.Qualify: (
        "takes the first of rows, in a sub-query that is all that a question reads",
        "FROM (SELECT … FROM a JOIN b … QUALIFY ROW_NUMBER() OVER (PARTITION BY … ORDER BY …) = 1)",
    ),
    exp.Pow: ("is a square here, of a value of a row", "POWER(x, 2), or x * x"),
    exp.Greatest: (A_FEW, "GREATEST(a.x, a.y), or CASE"),
    exp.Least: (A_FEW, "LEAST(a.x, a.y), or CASE"),
}
"""What has other words in some places (`wording.py`), and why it still stands in another."""


class Statement:
    """A parsed statement and its text, for errors. asked: as it was written; tree: in the planner's words."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tree = _parsed(text)
        self.asked = self.tree.copy()
        nodes: list[tuple[exp.Expr, int]] = [(self.tree, 0)]
        for count, (node, depth) in enumerate(nodes):
            if type(node) not in ALLOWED:
                key = str(node.this)[:40].lower() if isinstance(node, exp.Anonymous) else node.key
                self._not_served(node, key, _called(node))
            if count > MOST_NODES or depth > MOST_DEPTH:
                self.refuse(node, "sql", "The question is too long or too deep", "ask for less at once")
            self._check_parts(node)
            if isinstance(node, exp.Literal) and not node.is_string:
                self._check_number(node)
            if isinstance(node, exp.Identifier) and not re.fullmatch(SAID, node.name):
                hint = "a name of the contract, or letters, digits and _, beginning with a letter"
                self.refuse(node, "sql", "This cannot be a name", hint)
            nodes.extend((child, depth + 1) for child in node.iter_expressions())

        check_qualify(self.tree, self.refuse)
        self.tree = inlined(self.tree, MOST_NODES, self.refuse)
        self._check_depth()
        self.tree = merged(reworded(self.tree), MOST_NODES, self.refuse)
        self._check_depth()
        self._check_reworded()
        for select in self.tree.find_all(exp.Select):
            if not select.args.get("from_"):
                self.refuse(select, "sql", "A question reads a table", "SELECT … FROM a table of the contract")
        self.canonical = canonical_text(self.tree)
        self.tree = joined(self.tree, self.refuse)
        self._check_joins()
        self.tree, self.latest = without_numbers(self.tree)
        source, joins = self.tree.args.get("from_"), self.tree.args.get("joins") or []
        served = nexts_of(source.this) if source and not joins else []
        for node in [source.this, *(join.this for join in joins)] if source else []:
            served += [window for window in [number_of(node)] if window is not None]
        for window in self.tree.find_all(exp.Window):
            if all(window is not one for one in served):
                key = "rownumber" if isinstance(window.this, exp.RowNumber) else "window"
                self._not_served(window, key, "a window")
        if distinct := self.tree.args.get("distinct"):
            self._not_served(distinct, "distinct", "DISTINCT")

    def _check_depth(self) -> None:
        """Refuse what is too deep, with its named queries in their places."""
        layer: list[exp.Expr] = [self.tree]
        for _ in range(MOST_DEPTH + 1):
            layer = [child for node in layer for child in node.iter_expressions()]
        if layer:
            self.refuse(self.tree, "sql", "The question is too deep", "ask for less at once")

    def _check_reworded(self) -> None:
        """Refuse what has other words in some places, and stands in another, and what became too long by them."""
        for count, node in enumerate(self.tree.walk()):
            if count > MOST_NODES:
                self.refuse(self.tree, "sql", "The question is too long", "ask for less at once")
            if type(node) in REWORDED:
                sentence, hint = REWORDED[type(node)]
                self.refuse(node, "sql", f"{node.key.upper()} {sentence}", hint)
            if isinstance(node, exp.Join) and node.method not in ("", "NATURAL"):
                self._not_served(node, "method", "")

    def _check_joins(self) -> None:
        """Refuse what joins too many tables, of which each is looked up in all others."""
        for select in self.tree.find_all(exp.Select):
            if len(joins := select.args.get("joins") or []) > MOST_JOINS:
                sentence = f"{len(joins) + 1} tables cannot be joined"
                self.refuse(joins[MOST_JOINS], "sql", sentence, f"at most {MOST_JOINS + 1} tables at once")

    def _check_parts(self, node: exp.Expr) -> None:
        allowed = ALLOWED[type(node)].split()
        for part, value in node.args.items():
            if part not in allowed and value not in (None, False, "", []):
                where = value if isinstance(value, exp.Expr) else node
                self._not_served(where, part, part.rstrip("_").replace("_", " ").upper())

    def _check_number(self, node: exp.Literal) -> None:
        """Refuse a number of more digits than whoever reads it as one may take."""
        if len(str(node.this)) > MOST_DIGITS + 1:
            self.refuse(node, "sql", "This number is too long", f"at most {MOST_DIGITS} digits")

    def _not_served(self, node: exp.Expr, key: str, called: str) -> NoReturn:
        key = key.rstrip("_")
        what = WORDS.get(key, called)
        self.refuse(node, "sql", f"{what[:1].upper()}{what[1:]} cannot be asked here", INSTEAD.get(key, SERVED))

    def refuse(self, node: exp.Expr, step: str, sentence: str, hint: str, party: str = "") -> NoReturn:
        """Refuse the question because of a part of it.

        step: the clause that stands against it; party: the owner whose data that clause guards, if it is one's.
        """
        who = f"refused by {party}" if party else "the question is refused"
        raise Refused(who, step=step, party=party, detail=(*self.place(node), f"{sentence}."), hint=hint)

    def place(self, node: exp.Expr) -> tuple[str, ...]:
        """The line of the text where a part stands, and a line of carets under it."""
        spots: list[tuple[int, int]] = []
        around: exp.Expr | None = node
        while around is not None and not spots:  # NULL and a few others do not carry their place: show what holds them
            spots = [(part.meta["start"], part.meta["end"] + 1) for part in around.walk() if "start" in part.meta]
            around = around.parent
        if not spots:
            return ()
        start, end = min(spot[0] for spot in spots), max(spot[1] for spot in spots)
        return pointed(self.text, start, end)


def pointed(text: str, start: int, end: int) -> tuple[str, str]:
    """The line of a text that holds a place, cut to what fits, and carets under that place."""
    first = text.rfind("\n", 0, start) + 1
    line = text[first:].split("\n", 1)[0]
    line = "".join(character if character.isprintable() else " " for character in line)
    start, end = start - first, min(end - first, len(line))
    cut = line.rfind(" ", 0, start - 40) + 1 if start > 60 else 0
    before, after = ("… " if cut else ""), (" …" if len(line) > cut + 100 else "")
    return (
        before + line[cut : cut + 100] + after,
        " " * (len(before) + start - cut) + "^" * max(1, min(end, cut + 100) - start),
    )


def _parsed(text: str) -> exp.Select:
    if len(text) > MOST_CHARACTERS:
        sentence = f"It has {len(text)} characters, and at most {MOST_CHARACTERS} are read."
        raise Refused("the question is refused", step="sql", detail=(sentence,), hint="ask for less at once")
    try:
        trees = sqlglot.parse(text, dialect=DIALECT)
    except Exception as problem:  # whatever a parser does to a stranger's text, it is no SQL that can be asked
        detail = (*_near(text, problem), "This is not SQL that can be read.")
        raise Refused("the question is refused", step="sql", detail=detail, hint=SERVED) from problem
    if len(trees) != 1 or not isinstance(trees[0], exp.Select):
        raise Refused("the question is refused", step="sql", detail=("A question is one SELECT.",), hint=SERVED)
    return trees[0]


def _near(text: str, problem: Exception) -> tuple[str, ...]:
    """The place at which the parser stopped, if it says one."""
    errors: list[dict[str, Any]] = getattr(problem, "errors", None) or [{}]
    before, highlight = errors[0].get("start_context"), errors[0].get("highlight")
    if not before or not highlight:
        return ()
    found = re.search(re.escape(before + highlight), text)
    return pointed(text, found.end() - len(highlight), found.end()) if found else ()


def _called(node: exp.Expr) -> str:
    if isinstance(node, exp.Anonymous):
        return f"the function {str(node.this)[:40]}"
    if isinstance(node, exp.Func) and node.sql_names():
        return f"the function {node.sql_name()}"
    return node.key.upper().replace("_", " ")


def canonical_text(tree: exp.Expr) -> str:
    """One text for all that differ only in layout, comments and the case of keywords."""
    return tree.sql(dialect=DIALECT, comments=False, normalize_functions="lower", pretty=False)


def near(word: str, known: list[str], what: str) -> str:
    """A hint: the known word that was probably meant, or all of them."""
    found = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {found[0]}?" if found else f"{what} {', '.join(known) or 'none'}"
