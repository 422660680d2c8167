"""The public data sets' questions of two owners, answered by the two alone, exact as DuckDB answered them in the clear.

Each owner's rows come from its own database; the protocols run in `World`, one question of a set through running nodes.
"""

import tomllib

import pytest

from glovebox.contract.model import parse_contract
from glovebox.contract.terms import EXACT
from glovebox.identity import key_text
from glovebox.node.steps import ending_of
from glovebox.node.two_owners import joint_opening, transfers
from glovebox.planner.answer import answer_of
from glovebox.planner.question import plan_question
from glovebox.protocols.shards import Rows
from glovebox.protocols.two_party.reveal import reveal_to_receivers
from glovebox.runtime.world import World

from ..planner.clear import loaded_by
from ..questions.fleets import HEAD, agreed, ask
from .public import DATA, MISSING
from .sets.bank import BANK
from .sets.clinic import CLINIC
from .sets.retail import RETAIL
from .test_public_data import assert_answered, statements
from .unanswered import UNANSWERED

pytestmark = pytest.mark.skipif(not DATA.exists(), reason=MISSING)

ALONE = 'protocol = "two-party"\n'
E, L = "shop_early.invoices e", "shop_late.invoices l"
IN_OTHER_WORDS = {  # two parties alone stack no rows: who is at one of both alone is asked of each
    "q5_two_shops_overlap": (
        f"SELECT COUNT(DISTINCT e.customer_id) AS both_shops FROM {E} JOIN {L} USING (customer_id)",
        f"SELECT COUNT(DISTINCT e.customer_id) AS early_only FROM {E} ANTI JOIN {L} USING (customer_id)",
        f"SELECT COUNT(DISTINCT l.customer_id) AS late_only FROM {L} ANTI JOIN {E} USING (customer_id)",
    )
}
QUESTIONS = [
    pytest.param(each, number, id=f"{each.name}/{number}")
    for each in (RETAIL, BANK, CLINIC)
    for number, question in (each.questions() if DATA.exists() else {}).items()
    if len(question["parties"]) == 2 and f"{each.name}/{number}" not in UNANSWERED
]


def terms_of(dataset, parties):
    """The tables of two parties and what they join, for the two alone."""
    blocks = dataset.tables(dataset.folder).split("[[table]]\n")[1:]
    kept = [block for block in blocks if tomllib.loads(block)["owner"] in parties]
    names = {(tomllib.loads(block)["owner"], tomllib.loads(block)["name"]) for block in kept}

    def is_kept(place):
        *owner, name, _ = place.split(".")
        return any(one == name and owner in ([], [party]) for party, one in names)

    joins = [pair for pair in tomllib.loads(f"join = {dataset.joins}")["join"] if all(map(is_kept, pair))]
    asker = parties[0]
    return (
        "".join(f"[[table]]\n{block}" for block in kept)
        + f'[rules]\njoin = {joins}\nask = ["{asker}"]\nreceive = ["{asker}"]\n'
        + f'groups_of_at_least = 1\nquestions = "any"\nexact = "{EXACT}"\n'
    )


def contract_of(dataset, parties):
    cards = "".join(
        f'[[party]]\nname = "{party}"\nkey = "{key_text(bytes([place]) * 32)}"\naddress = "{place}:1"\n'
        for place, party in enumerate(parties)
    )
    return parse_contract((HEAD.format(name="alone") + ALONE + cards + terms_of(dataset, parties)).encode())


async def opened(ctx, rows, plan):
    async def reached(event):
        pass

    opening = await joint_opening(ctx, plan, await transfers(ctx, plan), rows, reached)
    return await reveal_to_receivers(ctx.narrow("reveal"), ending_of(plan), opening, (0,), plan.clause)


async def answered_by_two(plan, contract, files, directory):
    loaded = [loaded_by(query, contract, files, directory, True) for query in plan.source.owners]
    query, table = (Rows(own.ids, own.values, own.groups) for own in loaded)
    async with World(2, seed=1, deadline_s=100) as world:
        (answer, _, *_) = await world.run(opened, query=query, table=table, plan=plan)
    return answer_of(plan, answer.shown, answer.parts)


@pytest.mark.timeout(600)  # on a busy machine
@pytest.mark.parametrize(("dataset", "number"), QUESTIONS)
async def test_two_owners_alone_answer_as_in_the_clear(tmp_path, dataset, number):
    parties = dataset.questions()[number]["parties"]
    contract, files = contract_of(dataset, parties), dataset.files(dataset.folder, tmp_path)
    asked = IN_OTHER_WORDS.get(number) or statements(dataset, number)[0]
    plans = [plan_question(contract, statement, {}, 0) for statement in asked]
    answers = [await answered_by_two(plan, contract, files, tmp_path) for plan in plans]
    if number in IN_OTHER_WORDS:
        counts = [[answer.rows[0][0] for answer in answers]]
        assert counts == dataset.questions()[number]["rows"]
    else:
        assert_answered(dataset, number, answers)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("dataset", "number"), [(BANK, "q2_by_job"), (RETAIL, "q2_by_tier"), (CLINIC, "v1_overlap")])
def test_their_nodes_answer_the_same(tmp_path, dataset, number):
    parties = dataset.questions()[number]["parties"]
    fleet = agreed(tmp_path, parties, ALONE + terms_of(dataset, parties))
    for (party, name), path in dataset.files(dataset.folder, tmp_path).items():
        if (party, name) in {(query["owner"], query["name"]) for query in tables_of(dataset, parties)}:
            fleet.bind(party, name, path)
    with fleet:
        assert_answered(dataset, number, [ask(fleet, parties[0], one) for one in statements(dataset, number)[0]])


def tables_of(dataset, parties):
    return tomllib.loads(terms_of(dataset, parties))["table"]
