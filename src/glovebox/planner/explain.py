"""A plan in words, and as JSON: who computes what where, who learns what, who must not collude, and what it costs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from glovebox.contract.taking_part import LEAST
from glovebox.contract.terms import Contract, epsilon_text
from glovebox.planner.answer import Bars
from glovebox.planner.cost import plan_cost
from glovebox.planner.memory import need_of
from glovebox.planner.plan import Joined, Plan, Spine, Spines, Star, groupings_of, joins_of, members, owners, stars_of
from glovebox.planner.ranked import ranked_of
from glovebox.planner.star_in_words import pairs_of_star, star_in_words, told_of_star
from glovebox.planner.two_owners import cost_in_words as cost_of_two
from glovebox.planner.two_owners import matching_in_words as matching_of_two
from glovebox.planner.two_owners import told_of as told_of_two
from glovebox.schema.expressions import Call, columns_of
from glovebox.schema.local import LocalQuery


def explanation(plan: Plan, contract: Contract) -> dict[str, Any]:
    """What `explain --json` prints."""
    names = [party.name for party in contract.parties]
    cost = plan_cost(plan)
    told: dict[str, Any] = {
        "computing": [names[party] for party in plan.computing],
        "receivers": [names[party] for party in plan.receivers],
        "clause": plan.clause,
        "groups_of_at_least": plan.threshold,
        "bytes": cost.size,
        "rounds": cost.rounds,
        "memory_mib": {names[party]: need_of(plan, contract, party).mib for party in members(plan)},
    }
    if plan.noise:
        told["epsilon"] = epsilon_text(plan.noise.epsilon)
        told["epsilon_of"] = [names[party] for party in owners(plan)]
        told["within"] = dict(_bars(plan))
    if isinstance(plan.source, Joined):
        query, table = plan.source.query, plan.source.table
        told["roles"] = {"query": names[query.party], "table": names[table.party]}
        told["rows"] = {names[local.party]: local.lines for local in plan.source.owners}
        told["groups"] = math.prod(local.groups for local in plan.source.owners)
        if plan.source.helper is None:
            return told | told_of_two(plan)
        told["roles"]["helper"] = names[plan.source.helper]
        told["must_not_collude"] = [[names[one], names[other]] for one, other in _pairs(plan.source)]
    elif isinstance(plan.source, Spines):
        told["roles"] = {}
        told["spines"] = [_spine(spine, names) for spine in plan.source.spines]
        told["rows"] = {names[local.party]: local.lines for local in plan.source.owners}
        told["groups"] = math.prod(len(grouping.labels) for grouping in groupings_of(plan))
        pairs = {tuple(sorted(pair)) for joined, _ in joins_of(plan) for pair in _pairs(joined)}
        pairs |= {tuple(sorted(pair)) for star in stars_of(plan) for pair in pairs_of_star(star)}
        told["must_not_collude"] = [[names[one], names[other]] for one, other in sorted(pairs)]
    elif isinstance(plan.source, Star):
        told |= told_of_star(plan, plan.source, names)
    else:
        told["roles"] = {}
        told["groups"] = plan.source.owners[0].lines
        told["must_not_collude"] = [f"any {(len(plan.computing) - 1) // 2 + 1} of {', '.join(told['computing'])}"]
        if ranked_of(plan) and len(plan.computing) > LEAST + 1:
            told["must_not_collude"].append(f"any 2 of {', '.join(told['computing'][:LEAST])}")
    return told


def _pairs(joined: Joined) -> list[tuple[int, int]]:
    """Who must not put together what they have of a join."""
    query, table, helper = joined.query.party, joined.table.party, joined.helper
    if helper is None:
        return []
    return [(query, helper), (table, helper), *([(query, table)] if joined.second else [])]


def _spine(spine: Spine, names: list[str]) -> dict[str, Any]:
    """The roles of one spine."""
    if spine.join is None or spine.join.helper is None:
        return {"query": names[spine.query.party], "tables": []}
    tables = [names[party] for party in dict.fromkeys(local.party for local in spine.join.owners[1:])]
    return {"query": names[spine.query.party], "tables": tables, "helper": names[spine.join.helper]}


def in_words(plan: Plan, contract: Contract) -> str:
    """What `explain` prints."""
    names = [party.name for party in contract.parties]
    told = explanation(plan, contract)
    lines = [f"allowed by {plan.clause}"]
    if isinstance(plan.source, Joined):
        lines += [*(_local(local, names) for local in plan.source.owners), *_matching(plan.source, names)]
        if plan.source.helper is not None:
            lines.append(f"the totals are finished by {', '.join(told['computing'])} together")
    elif isinstance(plan.source, Spines):
        lines += [_local(local, names) for local in plan.source.owners]
        for spine in plan.source.spines:
            lines += _of_spine(spine, names)
        if not any(spine.query.unmatched for spine in plan.source.spines):
            lines.append("rows without an id are left out")
        lines.append(f"all that they add up to is added and finished by {', '.join(told['computing'])} together")
    elif isinstance(plan.source, Star):
        lines += [*(_local(local, names) for local in plan.source.owners), *star_in_words(plan.source, names)]
        lines.append(f"the totals are finished by {', '.join(told['computing'])} together")
    else:
        lines += [
            *(_local(local, names) for local in plan.source.owners),
            f"the totals of {plan.source.owners[0].lines} groups are added and finished on shares by all of them",
            *_quantiles(plan, told),
            f"nobody learns another's totals, unless {' or '.join(told['must_not_collude'])} put theirs together",
        ]
    lines += [
        *(_noise(plan, told) if plan.noise else _exact(plan)),
        *_formulas(plan),
        f"{', '.join(told['receivers'])} get the answer, and nobody else",
    ]
    if "protocol" in told:
        lines += cost_of_two(told)
    elif told["bytes"]:
        lines.append(
            f"about {told['bytes'] / 1e6:.1f} MB over all links, {told['rounds']} rounds, and a few kB to finish"
        )
    needs = ", ".join(f"{name} {mib:,} MiB" for name, mib in told["memory_mib"].items())
    lines.append(f"memory that a node must give the session: {needs}")
    return "\n".join(f"- {line}" for line in lines)


def _of_spine(spine: Spine, names: list[str]) -> list[str]:
    match spine.join:
        case Joined():
            return _matching(spine.join, names)
        case Star():
            return star_in_words(spine.join, names)
    return [f"the lines of {names[spine.query.party]} count as they are, added up by it alone"]


def _matching(source: Joined, names: list[str]) -> list[str]:
    """Who looks up what, and who together could learn more."""
    if source.helper is None:
        return matching_of_two(source, names)
    query, table, helper = names[source.query.party], names[source.table.party], names[source.helper]
    sizes = ", ".join(str(local.lines) for local in source.owners[:-1]) + f" and {source.owners[-1].lines}"
    known = f"all learn the padded sizes, {sizes} rows; nobody learns which match, or how many"
    if source.second is None:
        return [
            f"{table} hides its rows in a table for {helper}, and deals randomness (role: table)",
            f"{query} and {helper} look up, compare and add up on shares (roles: query, helper)",
            *_keys(source),
            known,
            f"{helper} together with {query} or {table} could test ids that they guess",
        ]
    return [
        f"{table} and {helper} hide their rows in tables and look up in each other's",
        f"{query} and {helper} compare and add up on shares, for which {table} deals randomness",
        known,
        f"any two of {query}, {table} and {helper} together could test ids that they guess against the third",
    ]


def _keys(source: Joined) -> list[str]:
    """How rows of several ids match."""
    if not source.query.keys:
        return []
    own, other = ([local.ids, *local.keys] for local in (source.query, source.table))
    ways = ", else ".join(f"{one} = {another}" for one, another in zip(own, other, strict=True))
    query, table = source.query.table, source.table.table
    return [
        f"a row of {query} takes its first match, by {ways}: whatever that holds, no later one counts",
        f"a row of {table} may be the match of two rows of {query}, by different ids, and then counts with both",
    ]


def _bars(plan: Plan) -> Iterator[tuple[str, str | None]]:
    """What each number of the answer is within of the truth, 19 times in 20; None where the noise leaves nothing of it.

    An average's noise depends on how many values it is over: told is that over 1,000 of the largest values.
    """
    bars = Bars.of(plan)
    for output in plan.outputs:
        if output.kind == "average":
            total, values = plan.totals[output.total], plan.totals[output.over or 0].high
            most = 1000 * max(-total.low, total.high) // max(1, values)
            within = bars.of_average(output, most, 1000)
            yield f"{output.name} over 1,000 values", None if within is None else str(within)
        elif output.kind not in ("group", "formula"):
            yield output.name, str(bars.within(output, {}, True))


def _noise(plan: Plan, told: dict[str, Any]) -> list[str]:
    """What the noise does to every number, and what it costs."""
    return [
        f"every number gets noise before it opens; the question costs epsilon {told['epsilon']} of "
        f"{', '.join(told['epsilon_of'])} each, and nothing when it is asked again over the same rows",
        *(
            f"{name}: the noise leaves nothing of it" if far is None else f"{name}: within {far}, 19 times in 20"
            for name, far in told["within"].items()
        ),
        f"groups of fewer than {plan.threshold} people, as counted with noise, are suppressed before anything opens",
    ]


def _formulas(plan: Plan) -> list[str]:
    """What opens beside the answer's own numbers, and what HAVING and LIMIT do."""
    lines = []
    if formulas := [output.name for output in plan.outputs if output.kind == "formula"]:
        noise = "with their noise, " if plan.noise else ""
        lines.append(
            f"the counts and sums that {', '.join(formulas)} {'is' if len(formulas) == 1 else 'are'} made of open too, "
            f"{noise}and receivers compute with them"
        )
    if plan.having:
        lines.append("HAVING is judged on shares: of what it leaves out, or what is too small, nobody learns anything")
    if plan.limit is not None:
        lines.append(f"all groups open, and receivers keep the first {plan.limit}")
    return lines


def _quantiles(plan: Plan, told: dict[str, Any]) -> list[str]:
    """Who finds quantiles, and among how many counts."""
    counts = ", ".join(f"{one.sizes.values:,}" for one in ranked_of(plan))
    who = ", ".join(told["computing"][:LEAST])
    return [f"{who} find quantiles on shares, among counts of {counts} values a group"] if counts else []


def _exact(plan: Plan) -> list[str]:
    leaves = {output.name: {leaf.kind for leaf in output.leaves()} for output in plan.outputs}
    extremes = ", ".join(name for name, kinds in leaves.items() if kinds & {"extreme", "quantile", "between"})
    between = ", ".join(name for name, kinds in leaves.items() if "between" in kinds)
    return [
        f"groups of fewer than {plan.threshold} people are suppressed before anything opens",
        *_beside(plan),
        *([f"{extremes}: each is the value of one person of its group"] if extremes else []),
        *([f"{between}: the two numbers open that it lies between, and how many numbers there are"] if between else []),
        *_within(plan),
    ]


def _beside(plan: Plan) -> list[str]:
    """What more is hidden because totals of the groups are known."""
    if plan.nested is None:
        return []
    if not plan.nested.levels:
        return ["other questions, or an owner's own rows, tell totals of these groups: if one is suppressed, all are"]
    told = "other questions of the contract tell totals of these groups"
    return [f"{told}: where a small group could be told by subtraction, the last group that shows is suppressed, too"]


def _within(plan: Plan) -> list[str]:
    """That a threshold is held against a group's people, not against those whom a FILTER or CASE picks of them."""
    source = plan.source
    queries = source.owners
    picking = any(isinstance(measure.expression, Call) for query in queries for measure in query.measures)
    if plan.threshold < 2 or not picking:
        return []
    return ["within a group that shows, a number after FILTER or CASE may be about fewer people than that"]


def _local(local: LocalQuery, names: list[str]) -> str:
    if local.facts is not None:
        keys = ", ".join(dict.fromkeys(local.facts.keys))
        kept = "the rows that pass its filter" if local.where else "all rows"
        what = f"each with {keys}, put together by {local.ids} on shares, {local.lines} at most"
        return f"{names[local.party]} reads {kept} of {local.table} in its own database: {what}"
    what = "one line an id" if local.ids else "one line a group"
    if local.other:
        what = f"one line a pair of {local.ids} and {local.other}"
    if local.keys:
        what = f"one line a row, with {len(local.keys) + 1} ids"
    if local.ids and local.groupings:
        keys = " and ".join(grouping.column or "its label" for grouping in local.groupings)
        what += f", by {keys}" if local.pivoted else f" and {keys}" if local.by_group else f" with its group of {keys}"
    if local.derived and local.derived.first:
        named = dict.fromkeys(column for one in local.derived.first for column in columns_of(one.expression))
        what += f", of the first of its rows by {', '.join(named)}"
    for one in local.derived.columns if local.derived else ():
        if one.measure.kind == "mean":
            what += f", {one.column.name} rounded to {one.measure.scale} decimal{'s' * (one.measure.scale != 1)}"
    if local.slots:
        order = f", by {local.slots_by}" if local.slots_by else ""
        what += f", in which its rows have {local.slots} slots{order}, used or not"
    elif local.slots_by:
        what += f", in which its rows stand one by one, by {local.slots_by}"
    read = [f"{'the rows that pass its filter' if one.where else 'all rows'} of {one.table}" for one in local.tables]
    rows = " and ".join(read)
    return f"{names[local.party]} reads {rows} in its own database: {what}, {local.lines} at most"
