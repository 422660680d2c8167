"""What practitioners ask, on made-up tables: answered as DuckDB answers over all tables in one place.

A question is asked in its own words, or in a rewriting that stands in `rewritings.py`. Plans are held against the clear
for every kind of tables, running nodes for ordinary ones and for one kind more, in turn. What is not answered yet
stands in `unanswered.py` with its reason, and must be refused.
"""

import pytest
import sqlglot

from glovebox.contract.model import parse_contract
from glovebox.errors import Refused
from glovebox.identity import key_text
from glovebox.planner.plan import Spines, Star, local_queries
from glovebox.planner.question import plan_question

from ..planner.clear import answered
from ..planner.stars import answered as star_answered
from ..questions.fleets import HEAD, agreed, ask
from .practitioners import FIELDS, KINDS, MISSING, QUESTIONS, statements
from .rewritings import INTEGER_DIVISION, REWRITTEN
from .test_public_data import same
from .unanswered import PRACTITIONERS

pytestmark = pytest.mark.skipif(not QUESTIONS.exists(), reason=MISSING)

OWN = statements() if QUESTIONS.exists() else {}
FIELD_OF = {name: next(field for field in FIELDS if field.letter == name[0]) for name in OWN}
ANSWERED = [name for name in OWN if name not in PRACTITIONERS]
ASKED = sorted({(name[0], kind, name) for place, name in enumerate(OWN) for kind in (KINDS[0], KINDS[1 + place % 4])
                if name in ANSWERED})  # fmt: skip


def asked(name):
    return REWRITTEN.get(name, OWN[name])


def clear(name, kind):
    """The rows of DuckDB, for whom `/` of two integers is a fraction and `//` what the question means."""
    words = OWN[name].replace(" / ", " // ") if name in INTEGER_DIVISION else OWN[name]
    return FIELD_OF[name].in_the_clear(kind, words)


def contract_of(field):
    cards = "".join(
        f'[[party]]\nname = "{party}"\nkey = "{key_text(bytes([place]) * 32)}"\naddress = "{place}:1"\n'
        for place, party in enumerate(field.parties)
    )
    return parse_contract((HEAD.format(name="practice") + cards + field.terms()).encode())


def assert_same(name, answer, wanted):
    """The same rows in any order, but for groups of the domain that SQL has no row for. Keys are selected first."""
    group = sqlglot.parse_one(asked(name), dialect="duckdb").args.get("group")
    keys = len(group.expressions) if group else 0
    assert not answer.suppressed
    there = [row for row in answer.rows if not keys or any(row[keys:])]
    assert len(there) == len(wanted), (there[:4], wanted[:4])
    for row, other in zip(*(sorted(rows, key=lambda row: [str(cell) for cell in row[:keys]])
                            for rows in (there, wanted)), strict=True):  # fmt: skip
        assert all(map(same, row, other)), (row, other)


def beside_another(plan):
    """Whether a stack is joined with another owner's table, row by row: computed in tests/planner/spines.py."""
    lines = [query for query in local_queries(plan) if not query.other]
    return isinstance(plan.source, Spines) and len(lines) > len(plan.source.spines) > 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ANSWERED)
async def test_a_plan_means_what_the_question_says(tmp_path, name, kind):
    field = FIELD_OF[name]
    contract = contract_of(field)
    plan = plan_question(contract, asked(name), {}, 0)
    if isinstance(plan.source, Star):
        found = await star_answered(plan, contract, field.written(kind, tmp_path), tmp_path)
        assert_same(name, found, clear(name, kind))
    elif not beside_another(plan):
        assert_same(name, answered(plan, contract, field.written(kind, tmp_path), tmp_path), clear(name, kind))


@pytest.fixture(scope="module")
def fleet_of(request, tmp_path_factory):
    """Running nodes of a field, their tables bound anew for each kind; pytest takes one field's tests after another."""
    field, bound = request.param, []
    fleet = agreed(tmp_path_factory.mktemp(field.letter), field.parties, field.terms())

    def bind(kind):
        if bound != [kind]:
            for (party, table), path in field.written(kind, fleet.directory).items():
                fleet.bind(party, table, path)
            bound[:] = [kind]
        if not fleet.processes:
            fleet.__enter__()
        return fleet

    yield bind
    fleet.__exit__(None, None, None)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("fleet_of", "kind", "name"),
    [pytest.param(FIELD_OF[name], kind, name, id=f"{kind}-{name}") for _, kind, name in ASKED],
    indirect=["fleet_of"],
)
def test_a_question_is_answered_as_in_the_clear(fleet_of, kind, name):
    answer = ask(fleet_of(kind), FIELD_OF[name].parties[0], asked(name))
    assert_same(name, answer, clear(name, kind))


@pytest.mark.parametrize("name", PRACTITIONERS)
def test_a_question_is_not_answered_yet(name):
    with pytest.raises(Refused):
        plan_question(contract_of(FIELD_OF[name]), asked(name), {}, 0)


def test_every_question_is_there_once():
    assert len(OWN) == 22
    assert set(PRACTITIONERS) | set(REWRITTEN) <= set(OWN)
