"""What `explain` tells of questions of two owners alone: who learns what, what it costs, what a neutral would save."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlglot import exp

from glovebox.contract.terms import HOMOMORPHIC, LOW_TRAFFIC, SIZE_EPSILON, STRICT, Contract, epsilon_text
from glovebox.planner.cost import JOIN_BYTE_S, POINT_S, encrypted_cost, join_cost, joint_cost
from glovebox.planner.plan import Joined, Plan
from glovebox.planner.shape import join_shape, joint_shape
from glovebox.planner.statement import Statement
from glovebox.protocols.expression import Match

WORTH_S = 2.0  # a wait that a person notices: from here on a neutral party is worth inviting


def check_served(statement: Statement, plan: Plan) -> None:
    """Return if two owners alone can run a plan; what this engine has not is refused, whatever the planner may have."""
    source, hint = plan.source, "COUNT, SUM, AVG of a join, or a contract with a neutral third party"
    if not isinstance(source, Joined):
        statement.refuse(statement.tree, "protocol", "Two parties alone join two tables, and do no more", hint)
    slots = any(local.slots for local in source.owners)
    if slots or source.second is not None or source.apart or plan.nested is not None:
        statement.refuse(statement.tree, "protocol", "Two parties alone join two tables, and do no more", hint)
    if any(total.least for total in plan.totals):
        statement.refuse(statement.tree, "protocol", "Two parties alone find no least or largest number", hint)
    if source.choices not in ((), (Match(0),)) or source.columns:
        statement.refuse(statement.tree, "protocol", "Two parties alone compare no columns of both", hint)
    if source.homomorphic and (
        source.query.groupings or any(total.query is not None or total.outer for total in plan.totals)
    ):
        sentence = "In the homomorphic mode the receiver's ids are matched, once each, and nothing else of it is used"
        hint = 'sums, groups and filters of the other owner, unique = true for the receiver\'s id; or "two-party"'
        statement.refuse(statement.tree, "protocol", sentence, hint)


def told_of(plan: Plan) -> dict[str, Any]:
    """What `explain --json` tells of a question of two owners alone, beside the rest."""
    if not isinstance(plan.source, Joined):
        raise TypeError("two owners alone join")
    if plan.source.homomorphic:
        return _told_of_encrypted(plan, plan.source)
    cost = joint_cost(joint_shape(plan.source, plan.totals), plan.source.lpn > 0)
    neutral = join_cost(join_shape(plan.source, plan.totals))
    ahead, asked = cost.seconds
    return {
        "protocol": LOW_TRAFFIC if plan.source.lpn else STRICT,
        "must_not_collude": [],
        "bytes": cost.size,
        "rounds": cost.asked.rounds,
        "bytes_ahead": cost.ahead.size,
        "seconds_ahead": round(ahead, 2),
        "seconds": round(asked, 2),
        "with_neutral": {"bytes": neutral.size, "seconds": round(JOIN_BYTE_S * neutral.size, 2)},
        "neutral_pays": ahead + asked >= WORTH_S,
        "assumptions": [
            "Diffie-Hellman in ristretto255",
            *([f"learning parity with noise (table {plan.source.lpn})"] if plan.source.lpn else []),
            "AES and SHA-256 as ideal functions",
            "both follow the protocol",
        ],
    }


def _told_of_encrypted(plan: Plan, source: Joined) -> dict[str, Any]:
    cost, neutral = encrypted_cost(source, plan.totals), join_cost(join_shape(source, plan.totals))
    seconds = POINT_S * sum(query.lines for query in source.owners)
    spent = {"epsilon": epsilon_text(plan.noise.epsilon + SIZE_EPSILON)} if plan.noise else {}
    return spent | {
        "protocol": HOMOMORPHIC,
        "must_not_collude": [],
        "bytes": cost.size,
        "rounds": cost.rounds,
        "seconds": round(seconds, 2),
        "told_besides": "how many ids match, "
        + (f"at epsilon {epsilon_text(SIZE_EPSILON)}" if plan.noise else "exactly"),
        "with_neutral": {"bytes": neutral.size, "seconds": round(JOIN_BYTE_S * neutral.size, 2)},
        "neutral_pays": seconds >= WORTH_S,
        "assumptions": [
            "Diffie-Hellman in ristretto255",
            "ring learning with errors",
            "SHA-512 as an ideal function",
            "both follow the protocol",
        ],
    }


def counts_and_sums(contract: Contract) -> Iterator[str]:
    """Likely questions of each join of a contract: how many, and the same with a sum of either side."""
    for pair in contract.rules.join:
        ends = [(place, contract.tables[place.table], alias) for place, alias in zip(pair, "lr", strict=True)]
        ids = [exp.column(place.column, alias, quoted=True) for place, _, alias in ends]
        summed = [
            exp.Sum(this=exp.column(column.name, alias, quoted=True)).as_(f"sum_{alias}")
            for _, table, alias in ends
            for column in [column for column in table.columns if "sum" in column.may][:1]
        ]
        one, other = (
            exp.table_(table.name, db=contract.parties[table.owners[0]].name, quoted=True, alias=alias)
            for _, table, alias in ends
        )
        counts = [exp.Count(this=exp.Distinct(expressions=[ids[0].copy()])).as_("people"), exp.Count(this=exp.Star())]
        for more in ([], *([one] for one in summed)):
            select = exp.select(*counts, *more).from_(one)
            yield select.join(other, on=exp.EQ(this=ids[0], expression=ids[1])).sql("duckdb")


def matching_in_words(source: Joined, names: list[str]) -> list[str]:
    """Who looks up what, and who learns what."""
    query, table = names[source.query.party], names[source.table.party]
    if source.homomorphic:
        return [
            f"{query} and {table} send each other ids times secret numbers, and {query} matches them (role: query)",
            f"{table} encrypts its columns, and answers for sums at places that it does not learn (role: table)",
            f"both learn the padded sizes, {source.query.lines} and {source.table.lines} rows",
        ]
    return [
        f"{table} hides its rows in a table, in which {query} looks up one id a bin (roles: table, query)",
        f"{query} and {table} compare and add up on shares, by transfers made before; there is nobody else",
        f"both learn the padded sizes, {source.query.lines} and {source.table.lines} rows; neither learns which match, "
        "or how many",
        f"{query} and {table} finish the totals in a garbled circuit",
    ]


def cost_in_words(told: dict[str, Any]) -> list[str]:
    """What it costs, before the question and after, and whether a neutral party pays."""
    neutral = told["with_neutral"]
    before = (
        f"{told['bytes_ahead'] / 1e6:.1f} of them and {told['seconds_ahead']:.1f} s before the question if the nodes "
        f"are idle; then {told['seconds']:.1f} s and {told['rounds']} rounds, and a little to finish"
        if "bytes_ahead" in told
        else f"{told['seconds']:.1f} s and {told['rounds']} rounds"
    )
    lines = [
        f"about {told['bytes'] / 1e6:.1f} MB between the two, {before}",
        f"rests on {', '.join(told['assumptions'])}",
        f"with a neutral third party: about {neutral['bytes'] / 1e6:.1f} MB and {neutral['seconds']:.1f} s in all, on "
        "AES and HMAC, and on no two of the three pooling what they see",
    ]
    if "told_besides" in told:
        lines.append(f"the receiver is told besides {told['told_besides']}")
    if told["neutral_pays"]:
        lines.append("inviting a neutral third party pays here: a [[party]] without a table, and no protocol")
    return lines
