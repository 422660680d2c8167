"""A contract ends before its last day: its next version is asked for in its place, a party withdraws and refuses."""

import json
import subprocess
import sys

import pytest

from glovebox.contract.signing import sign_contract
from glovebox.errors import GloveboxError
from glovebox.node.contracts import add_contract, read_contract, signature_file

from ..questions.fleets import agreed, ask, bind_rows
from ..waiting import PATIENCE_S
from .test_bound_databases import TERMS

QUESTION = "SELECT COUNT(*) AS n FROM sales JOIN members USING (id)"


def command(fleet, party, *words):
    done = subprocess.run(
        [sys.executable, "-I", "-m", "glovebox", *map(str, words), "--home", str(fleet.homes[party].root)],
        capture_output=True, text=True, timeout=PATIENCE_S, check=False, cwd=fleet.directory,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    fleet = agreed(tmp_path_factory.mktemp("ends"), ["alpha", "beta", "notary"], TERMS)
    bind(fleet)
    with fleet:
        yield fleet


def refusal(fleet):
    """How the question is refused: code, party, and all that is said."""
    with pytest.raises(GloveboxError) as refused:
        ask(fleet, "alpha", QUESTION)
    assert refused.value.exit_code == 3
    return refused.value.code, refused.value.party, "\n".join(refused.value.lines())


def bind(fleet):
    bind_rows(fleet, "alpha", "sales", ["id", "amount"], [[n, 1] for n in range(6)])
    bind_rows(fleet, "beta", "members", ["id"], [[n] for n in range(3, 9)])


def test_a_later_version_takes_the_place_and_a_withdrawal_ends_it(fleet):
    assert ask(fleet, "alpha", QUESTION).rows[0][0] == 3

    done = command(fleet, "alpha", "contract", "supersede", "test", "--out", "next.toml")
    assert done.returncode == 0, done.stderr
    later = fleet.directory / "next.toml"
    text = later.read_text().replace("rows = 200", "rows = 300")
    later.write_text(text)
    done = command(fleet, "alpha", "contract", "diff", later)
    assert "-Table sales of alpha: at most 200 rows" in done.stdout
    assert "+Table sales of alpha: at most 300 rows" in done.stdout
    found = read_contract(later)
    signature_file(later).write_text("".join(sign_contract(found, home.key()) for home in fleet.homes.values()))
    for party in ("beta", "notary"):
        add_contract(fleet.homes[party], later)
    code, party, said = refusal(fleet)
    assert (code, party) == ("contract_old", "beta")
    assert "version 2 took the place of test v1" in said
    add_contract(fleet.homes["alpha"], later)
    first = fleet.contract
    done = command(fleet, "alpha", "contract", "add", first)
    assert done.returncode == 3
    assert "not later than what is held" in done.stderr

    fleet.contract = later
    bind(fleet)
    assert ask(fleet, "alpha", QUESTION).rows[0][0] == 3

    done = command(fleet, "beta", "contract", "withdraw", "test")
    assert done.returncode == 0, done.stderr
    code, party, said = refusal(fleet)
    assert (code, party) == ("contract_withdrawn", "beta")
    assert "beta withdrew from test v2 at 20" in said
    for name in ("alpha", "beta"):
        logged = [json.loads(line)["what"] for line in fleet.homes[name].log_file.read_text().splitlines()]
        assert any(what.get("code") == "contract_withdrawn" for what in logged), name

    statement = fleet.directory / "statement.txt"
    statement.write_text(done.stdout)
    assert command(fleet, "alpha", "contract", "withdraw", "test", "--statement", statement).returncode == 7
    statement.write_text(done.stdout.splitlines()[0] + "\n")
    assert command(fleet, "alpha", "contract", "withdraw", "test", "--statement", statement).returncode == 0
    assert refusal(fleet)[:2] == ("contract_withdrawn", "")  # its own node says it now
