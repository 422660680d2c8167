"""From a question to its plan: what is asked, whether the contract allows it, and who computes what."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from itertools import count

from msgspec.structs import replace
from sqlglot import exp

from glovebox.contract.document import NAME
from glovebox.contract.taking_part import computing_parties
from glovebox.contract.terms import Contract, Question
from glovebox.errors import Refused
from glovebox.planner.bands import band_of, keys_of
from glovebox.planner.dominance import dominance_of
from glovebox.planner.finished import finished, having_of, used_of
from glovebox.planner.grouping import Key, selected_key
from glovebox.planner.keys import check_keys
from glovebox.planner.matching import banded, is_match, match_question
from glovebox.planner.naming import default_name
from glovebox.planner.pairs import pairs_of
from glovebox.planner.plan import PLAN_FORMAT, Joined, Order, Output, Plan, Spines, Stacked, Star
from glovebox.planner.privacy import noise_of, person_groups
from glovebox.planner.products import as_products
from glovebox.planner.receivers import check_receivers
from glovebox.planner.roles import source_of
from glovebox.planner.scope import Scope
from glovebox.planner.statement import Statement, near
from glovebox.planner.subqueries import scope_with_persons
from glovebox.planner.suppression import nested
from glovebox.planner.totals import Totals
from glovebox.planner.two_owners import check_served
from glovebox.planner.typed import SAMPLES, Typed, number, parameter
from glovebox.planner.typing import Typing


def check_contract_in_force(contract: Contract, today: date) -> None:
    """Return if the contract holds on this day; Refused with its dates if not."""
    if not contract.first <= today <= contract.last:
        raise Refused(
            f"the contract {contract.name} holds from {contract.first} to {contract.last}",
            code="contract_expired" if today > contract.last else "contract_not_yet",
            step="from" if today < contract.first else "until",
            hint="agree on a new version of it",
        )


def plan_question(contract: Contract, statement: str, parameters: Mapping[str, str], asker: int) -> Plan:
    """The plan of a question. statement: SQL, or the name of an approved question. Pure.

    Raises Refused with the clause that stands against it, the place in the text, and what could be asked.
    """
    if asker not in contract.rules.ask:
        allowed = ", ".join(contract.names(contract.rules.ask))
        raise Refused(
            f"{contract.parties[asker].name} may not ask under this contract",
            code="asker",
            step="rules.ask",
            hint=f"have one of these ask: {allowed}",
        )
    approved, text = _approved(contract, statement)
    parsed = Statement(text)
    bound = _parameters(approved, parameters)
    scope = scope_with_persons(parsed, contract, bound)
    typing = Typing(scope, bound)
    as_products(scope, typing)
    keys = keys_of(scope, typing)
    check_keys(scope, keys)
    pivoted = frozenset(key.side for key in keys if (ids := scope.sides[key.side].ids) and not ids.unique)
    totals = Totals(scope, typing, pivoted, pairs_of(scope))
    if scope.sides[-1].kind == "left" and any(key.side == len(scope.sides) - 1 for key in keys):
        hint = "GROUP BY a column of the left table, or JOIN without LEFT"
        scope.statement.refuse(parsed.tree.args["group"], "sql", "Rows without a match are in no group of this", hint)
    receivers = contract.rules.receive if approved is None or approved.receive is None else approved.receive
    check_receivers(scope, receivers)
    computing = computing_parties(contract, tuple(owner for side in scope.sides for owner in side.owners))
    found = _outputs(totals, parsed.tree, keys)
    having = having_of(totals, parsed.tree)
    dominance = dominance_of(totals, parsed.tree)
    source, ordered = source_of(totals, used_of(found, (*having, *dominance)), keys, computing)
    places = _places(scope, keys, source)
    outputs = tuple(replace(one, index=places[one.index]) if one.kind == "group" else one for one in found)
    plan = Plan(
        plan_format=PLAN_FORMAT,
        contract=contract.hash,
        computing=computing,
        asker=asker,
        receivers=receivers,
        source=source,
        totals=ordered,
        people=0,
        threshold=contract.rules.groups_of_at_least,
        zero_shown=totals.zero_shown,
        outputs=outputs,
        clause=f"question {approved.name}" if approved else "rules.questions",
        order=_order(scope, parsed.tree, outputs),
        noise=noise_of(totals, outputs, keys, having),
        having=having,
        dominance=dominance,
        limit=_limit(parsed, approved),
        nested=nested(scope, keys, places, person_groups(totals, keys), approved.name if approved else ""),
    )
    if contract.protocol:
        check_served(parsed, plan)
    return banded(plan) if is_match(statement) else plan


def check_questions(contract: Contract) -> None:
    """Return if every approved question of the contract can be planned; Refused with what stands against one."""
    for question in contract.questions:
        given = {name: SAMPLES[kind] for name, kind in question.parameters}
        try:
            plan_question(contract, question.name, given, contract.rules.ask[0])
        except Refused as problem:
            if any(kind == "category" for _, kind in question.parameters) and problem.step.endswith(".values"):
                continue  # a sample is no label of that column; a real one is checked when it comes
            problem.detail = (f"In the question {question.name}:", *problem.detail)
            raise


def _approved(contract: Contract, statement: str) -> tuple[Question | None, str]:
    """The approved question that this is, by name or by its text, and the text to plan."""
    if is_match(statement):
        question = match_question(contract, statement)
        return question, question.sql
    names = [question.name for question in contract.questions]
    if re.fullmatch(NAME, statement.strip()):
        for question in contract.questions:
            if statement.strip() == question.name:
                return question, question.sql
        sentence = f"The contract has no question {statement.strip()}."
        hint = near(statement.strip(), names, "the approved questions are")
        if not names:
            hint = "a statement: SELECT … FROM the contract's tables"
        raise Refused("the question is refused", code="not_approved", step="question", detail=(sentence,), hint=hint)
    asked = _canonical(statement) if contract.questions else None
    for question in contract.questions:
        if asked is not None and asked == _canonical(question.sql):
            return question, question.sql
    if contract.rules.questions == "any":
        return None, statement
    raise Refused(
        "the question is refused",
        code="not_approved",
        step="rules.questions",
        detail=("The contract allows its approved questions only, and this is none of them.",),
        hint=f"one of them by its name: {', '.join(names) or 'it has none'}",
    )


@lru_cache(4096)
def _canonical(text: str) -> str | None:
    """One text for all that say the same; None for what cannot be asked at all."""
    try:
        return Statement(text).canonical
    except Refused:
        return None


def _parameters(approved: Question | None, given: Mapping[str, str]) -> dict[str, Typed]:
    declared = dict(approved.parameters) if approved else {}
    if set(declared) != set(given):
        wanted = " ".join(f"--parameter.{name} {SAMPLES[kind]!r}" for name, kind in declared.items())
        sentence = f"It has the parameters {', '.join(declared)}." if declared else "It has no parameters."
        hint = wanted or "constants in the text"
        raise Refused("the question is refused", code="parameters", step="question", detail=(sentence,), hint=hint)
    return {name: parameter(name, kind, given[name]) for name, kind in declared.items()}


def _places(scope: Scope, keys: list[Key], source: Joined | Stacked | Spines | Star) -> list[int]:
    """The place of each group key among the source's groupings, the query's before the table's."""
    if not isinstance(source, Joined):
        ordered = sorted(keys, key=lambda key: key.side)
        return [ordered.index(key) for key in keys]
    parts = [local.party for local in source.owners]
    ordered = sorted(keys, key=lambda key: parts.index(scope.sides[key.side].owners[0]))
    return [ordered.index(key) for key in keys]


def _outputs(totals: Totals, tree: exp.Select, keys: list[Key]) -> tuple[Output, ...]:
    outputs: list[Output] = []
    for item in tree.expressions:
        node = item.unalias()
        name = item.alias or default_name(node)
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,62}", name):
            hint = "letters, digits and _, beginning with a letter"
            totals.scope.statement.refuse(item, "sql", "This cannot be the name of a column", hint)
        taken = [output.name.lower() for output in outputs]
        if name.lower() in taken and not item.alias:
            name = next(one for n in count(2) if (one := f"{name}_{n}").lower() not in taken)
        if name.lower() in taken:
            hint = f"AS {name[:60]}_2"
            totals.scope.statement.refuse(item, "sql", f"Two columns would be named {name}", hint)
        selected = band_of if totals.scope.sides[0].persons else selected_key
        key = selected(totals.scope, keys, node)
        outputs.append(finished(totals, name, node) if key is None else Output(name, "group", index=key))
    if all(output.kind == "group" for output in outputs):
        totals.scope.statement.refuse(tree, "sql", "The question asks for no aggregate", "COUNT(*), SUM(…) or AVG(…)")
    return tuple(outputs)


def _limit(statement: Statement, approved: Question | None) -> int | None:
    """LIMIT, which receivers apply to groups that all open: so only where these could be asked for without it."""
    limit = statement.tree.args.get("limit")
    if limit is None:
        return None
    if approved is not None:
        sentence = "LIMIT would hide groups that open all the same"
        statement.refuse(limit, "question", sentence, "approve the question without LIMIT, or with HAVING")
    count = limit.expression
    found = number(str(count.this)) if isinstance(count, exp.Literal) and not count.is_string else None
    if found is None or found.scale:
        statement.refuse(limit, "sql", "LIMIT takes a number of rows", "LIMIT 10")
    return found.low


def _order(scope: Scope, tree: exp.Select, outputs: tuple[Output, ...]) -> tuple[Order, ...]:
    order, found = tree.args.get("order"), []
    names, asked = [output.name.lower() for output in outputs], [one.unalias() for one in tree.expressions]
    for item in order.expressions if order else ():
        node, place = item.this, None
        if item.args.get("nulls_first"):
            scope.statement.refuse(item, "sql", "What is missing stands last", "ORDER BY without NULLS FIRST")
        if isinstance(node, exp.Literal) and not node.is_string and str(node.this).isdigit():
            place = int(node.this) - 1
        elif isinstance(node, exp.Column) and node.name.lower() in names and not (node.table and node in asked):
            place = names.index(node.name.lower())
        else:
            place = asked.index(node) if node in asked else None
        if place is None or not 0 <= place < len(outputs):
            scope.statement.refuse(item, "sql", "Rows are ordered by selected columns", "ORDER BY 1")
        found.append(Order(place, bool(item.args.get("desc"))))
    return tuple(found)
