"""A contract is rehearsed before anyone signs it: its questions answered on invented tables, beside the clear."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import duckdb
import pytest

from glovebox.cli.rehearsal import in_the_clear, is_equal, rehearsal_text
from glovebox.contract.model import parse_contract
from glovebox.identity import key_text
from glovebox.planner.question import plan_question
from glovebox.schema.answer import Answer

TERMS = f"""glovebox = 1
name = "rehearsed"
version = 1
purpose = "Not signed by anyone yet."
from = 2090-01-01
until = 2091-12-31

[[party]]
name = "alpha"
key = "{key_text(bytes([1]) * 32)}"
address = "alpha.example:7171"
[[party]]
name = "beta"
key = '{key_text(bytes([2]) * 32)}'
address = "beta.alpha.example:7171"
[[party]]
name = "notary"
key = "{key_text(bytes([3]) * 32)}"
address = "notary.example:7171"

[[table]]
owner = "alpha"
name = "sales"
rows = 400
rows_per_id = 4
[table.columns]
phone = {{ type = "id", form = "phone", country = "DE" }}
amount = {{ type = "decimal(10,2)", range = [0, 100], clip = true, may = ["sum", "avg"] }}
age = {{ type = "integer", bands = [0, 18, 65], values = ["other"], may = ["filter"] }}
day = {{ type = "date", range = [2090-01-01, 2090-12-31], round = "month", may = ["filter"] }}

[[table]]
owner = "beta"
name = "calls"
rows = 300
[table.columns]
phone = {{ type = "id", form = "phone", country = "DE", unique = true }}
kind = {{ type = "category", values = ["in", "out"], may = ["filter"] }}

[rules]
join = [["sales.phone", "calls.phone"]]
ask = ["alpha"]
receive = ["beta"]
groups_of_at_least = 3
questions = "approved"

[[question]]
name = "spend"
sql = '''SELECT COUNT(*) AS n, SUM(amount) AS spent FROM sales JOIN calls USING (phone)
WHERE day >= :since AND kind = :kind'''
parameters = {{ since = "date", kind = "category" }}

[[question]]
name = "young"
sql = "SELECT COUNT(*) FILTER (WHERE age = 'from 0 to 17') AS young, COUNT(*) AS n FROM sales JOIN calls USING (phone)"
"""
HOSTILE = """SELECT COUNT(*) FROM read_csv('/etc/passwd');
SELECT COUNT(*) AS n FROM sales JOIN calls USING (phone);
COPY (SELECT 1) TO '/tmp/glovebox-was-here';
"""


def rehearse(path, *more):
    done = subprocess.run(
        [sys.executable, "-I", "-m", "glovebox", "rehearse", str(path), "--json", "--rows", "200", *map(str, more)],
        capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    return done.returncode, json.loads(done.stdout)


def test_questions_are_answered_as_in_the_clear_and_what_is_none_is_never_run(tmp_path):
    anything = '"any"\nexact = "everyone may see single persons"'
    (tmp_path / "contract.toml").write_text(TERMS.replace('"approved"', anything))
    (tmp_path / "more.sql").write_text(HOSTILE)
    code, told = rehearse(tmp_path / "contract.toml", "--questions", tmp_path / "more.sql")
    assert (code, told["wrong"]) == (1, 2)
    assert [bool(each["refused"]) for each in told["questions"]] == [False, False, True, False, True]
    assert not Path("/tmp/glovebox-was-here").exists()
    spend, young, _, count, _ = told["questions"]
    assert spend["parameters"] == {"since": "2090-07-02", "kind": "in"}
    assert spend["equal"] is young["equal"] is count["equal"] is True
    assert spend["answer"]["rows"][0][0] > 3
    assert 0 < young["answer"]["rows"][0][0] < young["answer"]["rows"][0][1]


PARTIES = ("alpha", "beta", "notary")
ADDRESSES = [f"127.0.0.1:{port}" for port in (7001, 7002, 7003)]
KEYS = SimpleNamespace(
    keys=dict.fromkeys(PARTIES, bytes([9]) * 32), addresses=dict(zip(PARTIES, ADDRESSES, strict=True))
)


def test_only_keys_addresses_and_days_are_others_in_a_rehearsal():
    contract = parse_contract(TERMS.encode())
    before, after = TERMS.splitlines(), rehearsal_text(contract, KEYS).splitlines()
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert [new.split(" = ")[0] for _, new in changed] == ["from", "until", *["key", "address"] * 3]
    assert [new for _, new in changed if "address" in new] == [f'address = "{address}"' for address in ADDRESSES]


ROWS = {
    # rows of the answer, suppressed, rows in the clear, whether they are equal
    "the same": ([(3, 4)], (), [(3, 4)], True),
    "another number": ([(3, 4)], (), [(3, 5)], False),
    "hidden": ([(None, None)], (0,), [(3, 5)], True),
    "missing where there is something": ([(3, None)], (), [(3, 5)], False),
    "zero where there is nothing": ([(0, 0)], (), [(0, None)], True),
    "something where there is nothing": ([(0, 7)], (), [(0, None)], False),
}


@pytest.mark.parametrize("name", ROWS)
def test_what_counts_as_equal(name):
    rows, suppressed, clear, equal = ROWS[name]
    plan = plan_question(parse_contract(TERMS.encode()), "young", {}, 0)
    assert is_equal(Answer(("young", "n"), tuple(rows), suppressed), plan, clear) is equal


def test_parameters_are_constants_in_the_clear():
    with duckdb.connect() as clear:
        clear.execute("CREATE TABLE sales AS SELECT DATE '2026-01-01' + i::INT AS day FROM range(10) x(i)")
        sql = "SELECT COUNT(*) FROM sales WHERE day >= :since"
        assert in_the_clear(clear, sql, {"since": "date"}, {"since": "2026-01-04"}) == [(7,)]
