"""Forty questions over public data, each through running nodes, exact as DuckDB answered them in the clear.

A question is asked in its own words, or in a rewriting that stands with its data set. What is not answered yet stands
in `unanswered.py` with its reason. `--rewrite` writes docs/questions.md.
"""

from decimal import Decimal
from pathlib import Path

import pytest

from glovebox.contract.model import parse_contract
from glovebox.errors import Refused
from glovebox.identity import key_text
from glovebox.planner.plan import Spines
from glovebox.planner.question import plan_question

from ..planner.clear import answered
from ..questions.fleets import HEAD, agreed, ask
from .page import page_of
from .public import DATA, MISSING
from .sets.advertising import ADVERTISING
from .sets.bank import BANK
from .sets.cards import CARDS
from .sets.clinic import CLINIC
from .sets.heart import HEART
from .sets.hospitals import HOSPITALS_AND_INSURER
from .sets.linkage import LINKAGE
from .sets.retail import RETAIL
from .sets.survival import SURVIVAL
from .unanswered import UNANSWERED

pytestmark = pytest.mark.skipif(not DATA.exists(), reason=MISSING)

SETS = (ADVERTISING, BANK, CARDS, CLINIC, HEART, HOSPITALS_AND_INSURER, LINKAGE, RETAIL, SURVIVAL)
QUESTIONS = [(each, number) for each in SETS for number in each.questions()] if DATA.exists() else []
PAGE = Path(__file__).parents[2] / "docs" / "questions.md"
CLOSE = 1e-6


def statements(dataset, number):
    """What is asked for a question, and how the answers' rows become the expected ones."""
    if number in dataset.rewritten:
        rewritten = dataset.rewritten[number]
        return rewritten.statements, rewritten.rows
    return (dataset.questions()[number]["sql"],), lambda first: first


@pytest.fixture(scope="module")
def fleet(request, tmp_path_factory):
    """Running nodes of a data set; pytest takes the tests of one such fixture after another."""
    dataset, directory = request.param, tmp_path_factory.mktemp("fleet")
    made = agreed(directory, dataset.parties, dataset.terms(), dataset.name.replace("_", "-"))
    for (party, name), path in dataset.files(dataset.folder, directory).items():
        made.bind(party, name, path)
    with made:
        yield made


def named(questions):
    return [pytest.param(each, number, id=f"{each.name}/{number}") for each, number in questions]


ANSWERED = named(one for one in QUESTIONS if f"{one[0].name}/{one[1]}" not in UNANSWERED)


@pytest.mark.timeout(600)  # on a busy machine eight sessions of one question may take that long
@pytest.mark.parametrize(
    ("fleet", "dataset", "number"),
    [pytest.param(one.values[0], *one.values, id=one.id) for one in ANSWERED],
    indirect=["fleet"],
)
def test_a_question_is_answered_as_in_the_clear(fleet, dataset, number):
    answers = [ask(fleet, dataset.asker, statement) for statement in statements(dataset, number)[0]]
    assert not any(answer.suppressed for answer in answers)
    assert_answered(dataset, number, answers)


@pytest.mark.parametrize(("dataset", "number"), ANSWERED)
def test_a_plan_means_what_the_question_says(tmp_path, dataset, number):
    contract, plans = contract_of(dataset), plans_of(dataset, number)
    if any(isinstance(one.source, Spines) and len(one.source.owners) > len(one.source.spines) for one in plans):
        pytest.skip("a stack joined with another's table: asked of running nodes above, and in tests/planner/spines.py")
    files = dataset.files(dataset.folder, tmp_path)
    answers = [answered(plan, contract, files, tmp_path) for plan in plans]
    assert_answered(dataset, number, answers)


def assert_answered(dataset, number, answers):
    """The answers of a question's statements make the expected rows."""
    rows_of = statements(dataset, number)[1]
    found = rows_of(
        *(rows_there(answer, plan) for answer, plan in zip(answers, plans_of(dataset, number), strict=True))
    )
    assert_same(found, dataset.questions()[number]["rows"])


def rows_there(answer, plan):
    """An answer's rows, but for groups of the domain that SQL has no row for: no number of theirs is anything."""
    keys = [place for place, output in enumerate(plan.outputs) if output.kind == "group"]
    numbers = [[cell for place, cell in enumerate(row) if place not in keys] for row in answer.rows]
    return [list(row) for row, cells in zip(answer.rows, numbers, strict=True) if not keys or any(cells)]


def plans_of(dataset, number):
    contract = contract_of(dataset)
    asker = contract.number(dataset.asker)
    return [plan_question(contract, statement, {}, asker) for statement in statements(dataset, number)[0]]


def assert_same(found, wanted):
    """The rows are the wanted ones, in their order."""
    assert len(found) == len(wanted), (found[:3], wanted[:3])
    for row, clear in zip(found, wanted, strict=True):
        assert len(row) == len(clear)
        assert all(map(same, row, clear)), (row, clear)


def is_empty(row):
    """Whether a row is of a group without anybody: no number of it is anything but zero or missing."""
    numbers = [cell for cell in row if isinstance(cell, Decimal | int | None) and not isinstance(cell, bool)]
    return len(row) > 1 and not any(numbers)


def same(cell, clear):
    if isinstance(cell, str) or clear is None or isinstance(clear, bool):
        return cell == clear or cell == str(clear)
    return cell is not None and abs(float(cell) - float(clear)) <= CLOSE * max(abs(float(clear)), 1e-3)


@pytest.mark.parametrize(
    ("dataset", "number"), named(one for one in QUESTIONS if f"{one[0].name}/{one[1]}" in UNANSWERED)
)
def test_a_question_is_not_answered_yet(dataset, number):
    contract = contract_of(dataset)
    with pytest.raises(Refused):
        for statement in statements(dataset, number)[0]:
            plan_question(contract, statement, {}, contract.number(dataset.asker))


def contract_of(dataset):
    """The set's contract with made-up keys, which is enough to plan with."""
    cards = "".join(
        f'[[party]]\nname = "{party}"\nkey = "{key_text(bytes([place]) * 32)}"\naddress = "{place}:1"\n'
        for place, party in enumerate(dataset.parties)
    )
    head, _, rest = dataset.terms().partition("[[table]]")
    return parse_contract((HEAD.format(name="public") + head + cards + "[[table]]" + rest).encode())


def test_every_question_is_there_once():
    assert len(QUESTIONS) == 40
    names = {f"{dataset.name}/{number}" for dataset, number in QUESTIONS}
    assert set(UNANSWERED) <= names
    assert all(set(dataset.rewritten) <= set(dataset.questions()) for dataset in SETS)


def test_the_page_says_which_are_answered(request):
    told = page_of(SETS, UNANSWERED)
    if request.config.getoption("--rewrite"):
        PAGE.write_text(told)
    assert PAGE.read_text() == told
