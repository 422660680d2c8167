"""What good questions become: statement and plan side by side, compared whole. `--rewrite` writes the plans anew."""

from pathlib import Path

import msgspec
import pytest

from glovebox.contract.model import parse_contract
from glovebox.planner.plan import Joined, canonical, plan_hash
from glovebox.planner.question import plan_question
from glovebox.schema.expressions import Call, ColumnRef, Constant

EXAMPLES = Path(__file__).parents[2] / "examples" / "contracts"
PLANS = sorted((Path(__file__).parent / "plans").glob("*.test"))


def plan_of(path):
    """The plan of a fixture: a line `-- contract asker [name=value ...]`, the statement, `----`, the plan."""
    first, _, rest = path.read_text().partition("\n")
    _, name, asker, *parameters = first.split()
    contract = parse_contract((EXAMPLES / f"{name}.toml").read_bytes())
    given = dict(parameter.split("=") for parameter in parameters)
    return plan_question(contract, rest.partition("----\n")[0].strip(), given, contract.number(asker)), first


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.stem)
def test_a_question_becomes_its_plan(path, request):
    plan, _ = plan_of(path)
    told = "\n".join(noted(plan)) + "\n"
    statement, _, pinned = path.read_text().partition("----\n")
    if request.config.getoption("--rewrite"):
        path.write_text(f"{statement}----\n{told}")
        pinned = told
    assert pinned == told


NEVER_LEFT_OUT = ("index", "total", "over", "digits")


def noted(plan):
    """A plan in a few lines: all of it but the contract's hash and the format's number."""
    yield f"party {plan.asker} asks, {plan.computing} compute, {plan.receivers} receive, by {plan.clause}"
    source = plan.source
    if isinstance(source, Joined):
        yield f"helper {source.helper}"
    queries = {"query": source.query, "table": source.table} if isinstance(source, Joined) else dict(
        enumerate(source.owners)
    )  # fmt: skip
    for role, query in queries.items():
        yield f"{role}: party {query.party} reads {query.table} by {query.ids}, {query.lines} lines"
        if query.derived and query.derived.first:
            order = [f"{text_of(one.expression)}{' descending' * one.descending}" for one in query.derived.first]
            yield f"  first of each {query.derived.ids} by {', '.join(order)}"
        if query.where:
            yield f"  where {text_of(query.where)}"
        for grouping in query.groupings:
            yield f"  group {grouping.column or repr(grouping.always)} of {grouping.labels}"
        for number, measure in enumerate(query.measures):
            scale = f" / 10^{measure.scale}" if measure.scale else ""
            yield f"  {number} {measure.kind}({text_of(measure.expression)}){scale} in {measure.low}..{measure.high}"
    for number, total in enumerate(plan.totals):
        product = f"query {total.query} x table {total.table}"
        yield f"total {number} = {product}, {total.bits} bits, {total.low}..{total.high}"
    yield f"people are total {plan.people}, at least {plan.threshold}{', zero shows' if plan.zero_shown else ''}"
    for output in plan.outputs:
        fields = {field: getattr(output, field) for field in output.__struct_fields__[2:]}
        told = ", ".join(f"{field} {value}" for field, value in fields.items() if value or field in NEVER_LEFT_OUT)
        yield f"{output.name}: {output.kind}, {told}"
    for key in plan.order:
        yield f"ordered by {key.output}{' descending' if key.descending else ''}"


def text_of(expression):
    match expression:
        case None:
            return ""
        case ColumnRef(name):
            return name
        case Constant(kind, text):
            return f"{kind} {text!r}"
        case Call(operator, arguments):
            return f"({operator} {', '.join(map(text_of, arguments))})"


def test_there_are_plans():
    assert len(PLANS) >= 12


def test_every_node_gets_the_same_bytes():
    one, other = (plan_of(PLANS[0])[0] for _ in range(2))
    assert canonical(one) == canonical(other)
    assert plan_hash(one) == plan_hash(other)
    assert msgspec.msgpack.decode(canonical(one), type=type(one)) == one
