"""A party that takes no connections asks its own questions over links that it dials, and takes part in no other."""

from pathlib import Path

import pytest

from glovebox.cli.fleet import Fleet, free_ports
from glovebox.cli.workloads import pair
from glovebox.contract.model import ContractError, parse_contract
from glovebox.contract.reading import reading
from glovebox.errors import GloveboxError
from glovebox.node.acceptances import dialled_by
from glovebox.node.contracts import read_contract
from glovebox.schema.answer import read_answer

EXERCISE = pair(128)
QUESTION = EXERCISE.questions[0].asked


@pytest.fixture(scope="module", params=["left", "right"])
def fleet(request, tmp_path_factory):
    """One party dials out, and nothing listens at the address that the contract has for it."""
    directory = tmp_path_factory.mktemp(request.param)
    fleet = Fleet(directory, list(EXERCISE.parties))
    hidden, (nowhere,) = request.param, free_ports(1)
    text = EXERCISE.contract(fleet.keys, fleet.addresses | {hidden: f"127.0.0.1:{nowhere}"})
    fleet.agree(text.replace(f':{nowhere}"', f':{nowhere}"\ndial = "out"'))
    for (party, table), path in EXERCISE.write(directory / "data").items():
        fleet.bind(party, table, path)
    with fleet:
        yield fleet, hidden


def test_its_own_question_is_answered(fleet):
    running, hidden = fleet
    answer = running.ask(hidden, QUESTION)
    assert read_answer(bytes(answer.answer)).rows[0][0] == 64
    assert answer.receipt


def test_nobody_else_asks_it(fleet):
    running, hidden = fleet
    other = "right" if hidden == "left" else "left"
    with pytest.raises(GloveboxError) as refused:
        running.ask(other, QUESTION)
    assert (refused.value.code, refused.value.exit_code) == ("dials_out", 3)
    assert f"{hidden} only dials out" in refused.value.summary


def test_the_contract_says_so(fleet):
    running, hidden = fleet
    contract = read_contract(running.contract)
    (line,) = [line for line in reading(contract).splitlines() if line.startswith(f"  {hidden},")]
    assert "takes no connections" in line
    dialled = [set(dialled_by(contract, number)) for number in range(3)]
    for one in range(3):
        for other in range(one):
            assert (one in dialled[other]) != (other in dialled[one])


def test_two_owners_alone_both_take_connections():
    text = (Path(__file__).parents[2] / "examples" / "contracts" / "two-owners.toml").read_bytes()
    place = text.index(b"address")
    with pytest.raises(ContractError) as refused:
        parse_contract(text[:place] + b'dial = "out"\n' + text[place:])
    assert refused.value.code == "contract_not_served"
