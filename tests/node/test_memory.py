"""What a session needs is known before it starts; a node that gives less refuses; a lack all the same is told."""

import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from glovebox.cli.exercises import HOSPITALS
from glovebox.cli.fleet import Fleet, anew
from glovebox.cli.workloads import WORKLOADS, pair
from glovebox.contract.model import parse_contract
from glovebox.errors import GloveboxError
from glovebox.identity import public_bytes
from glovebox.planner.explain import explanation, in_words
from glovebox.planner.memory import DATABASE_MIB, MIB, WORKER_MIB, need_of
from glovebox.planner.question import plan_question
from glovebox.schema.answer import read_answer

from ..planner.test_meaning import HEAD
from ..waiting import wait_until

STARVED = [sys.executable, str(Path(__file__).parents[1] / "faults" / "starved_node.py")]
EXERCISE = pair(500_000)
QUESTION = EXERCISE.questions[0].asked
LITTLE_MIB = 300  # a worker has about 220 when it starts, and 290 when its database runs


def planned(exercise):
    keys = {party: public_bytes(Ed25519PrivateKey.generate()) for party in exercise.parties}
    addresses = {party: f"{party}.example:7171" for party in exercise.parties}
    contract = parse_contract(exercise.contract(keys, addresses).encode())
    question = exercise.questions[0]
    return plan_question(contract, question.asked, {}, exercise.parties.index(question.asker)), contract


def needs(exercise):
    plan, contract = planned(exercise)
    return [need_of(plan, contract, party).mib for party in range(3)]


def test_more_rows_need_more_memory_by_their_shards_only():
    small, large, huge = (needs(pair(rows)) for rows in (10**3, 10**7, 10**8))
    assert all(some < more < most for some, more, most in zip(small, large, huge, strict=True))
    assert max(huge) < 1024  # rows beyond some lie on disk, and a shard at a time comes from there


@pytest.mark.parametrize("workload", WORKLOADS)
def test_explain_says_what_every_node_must_give(workload):
    plan, contract = planned(WORKLOADS[workload].exercise(10**6))
    told, words = explanation(plan, contract)["memory_mib"], in_words(plan, contract)
    assert list(told) == [party.name for party in contract.parties]
    assert all(f"{party} {mib:,} MiB" in words for party, mib in told.items())


def test_a_stacked_table_of_any_size_needs_what_the_database_needs():
    assert len(set(needs(HOSPITALS))) == 1
    assert needs(WORKLOADS["stacked"].exercise(10**9)) == needs(HOSPITALS)


TERMINALS = """
[[table]]
owner = ["p0", "p1", "p2"]
name = "payments"
rows = 1_000
person = "row"
[table.columns]
terminal = { type = "id", form = "integer", range = [1, GROUPS], required = true, may = ["group"] }
amount = { type = "integer", range = [0, 99], may = ["avg"] }

[rules]
ask = ["p0"]
receive = ["p0"]
groups_of_at_least = 5
questions = "approved"

[[question]]
name = "amounts"
sql = "SELECT terminal, COUNT(*) AS n, AVG(amount) AS a FROM payments GROUP BY terminal"
"""


def test_many_groups_need_memory_to_be_finished():
    """Measured: 13 kB a party of a group with an average, in `python -m benchmarks.finishing`'s shapes."""
    needs = []
    for groups in (10, 1_000, 10_000):
        contract = parse_contract((HEAD + TERMINALS.replace("GROUPS", str(groups))).encode())
        needs.append(need_of(plan_question(contract, "amounts", {}, 0), contract, 0))
    assert needs[0].mib == needs[1].mib == WORKER_MIB + DATABASE_MIB
    assert needs[2].matching > 10_000 * 13_000
    assert needs[2].mib == WORKER_MIB + -(-needs[2].matching // MIB)


@pytest.fixture
def fleet(tmp_path):
    files = EXERCISE.write(tmp_path / "data")
    fleet = Fleet(tmp_path, list(EXERCISE.parties))
    fleet.agree(EXERCISE.contract(fleet.keys, fleet.addresses))
    for (party, table), path in files.items():
        fleet.bind(party, table, path)
    settings = fleet.homes["right"].settings_file
    settings.write_text(f"{settings.read_text()}memory_mib = {LITTLE_MIB}\n")
    with fleet:
        yield fleet


def failing(fleet):
    with pytest.raises(GloveboxError) as failed:
        fleet.ask("left", anew(QUESTION))
    return failed.value


def test_a_node_that_gives_less_refuses_and_a_worker_that_runs_out_ends_its_session_alone(fleet):
    plan, contract = planned(EXERCISE)
    need = need_of(plan, contract, 1).mib
    refused = failing(fleet)
    assert (refused.code, refused.party, refused.exit_code) == ("memory", "right", 3)
    told = f"the question needs {need} MiB of memory at right, which gives a session {LITTLE_MIB} MiB"
    assert refused.detail == (told,)
    assert refused.hint == f"memory_mib = {need} in the node.toml of right, or a contract with fewer rows"

    fleet.stop("right")
    fleet.start("right", STARVED)
    for _ in range(2):  # the node lives on
        out = failing(fleet)
        assert (out.code, out.party, out.step in ("loading", "matching")) == ("out_of_memory", "right", True)
        assert f"needed more than the {LITTLE_MIB} MiB of memory that its node gives a session" in out.summary
    assert b"Traceback" not in (fleet.homes["right"].root / "err.txt").read_bytes()

    settings = fleet.homes["right"].settings_file
    settings.write_text(settings.read_text().replace(str(LITTLE_MIB), str(need)))
    fleet.stop("right")
    fleet.start("right", STARVED)
    answer = read_answer(bytes(fleet.ask("left", anew(QUESTION)).answer))
    assert answer.rows[0][0] == 250_000
    temporary = fleet.homes["right"].temporary
    assert wait_until(lambda: not list(temporary.iterdir()))  # the folder goes after the receipt is signed
