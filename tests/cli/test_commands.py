"""The command line as people type it: a first hour of three parties, errors without tracebacks, exit codes."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from glovebox.cli.fleet import free_ports

ROOT = Path(__file__).parents[2]
PARTIES = ("retailer", "publisher", "notary")
HEAVY = ("numpy", "duckdb", "pyarrow", "numba", "mpyc", "sqlglot", "pydantic", "cryptography")

HEAD = """glovebox = 1
name = "spring"
version = 1
purpose = "A first hour."
from = 2026-01-01
until = 2099-12-31
"""
TERMS = """
[[table]]
owner = "retailer"
name = "purchases"
rows = 100
rows_per_id = 5
[table.columns]
customer = { type = "id", form = "email" }
amount = { type = "decimal(10,2)", range = [0, 5000], required = true, may = ["sum"] }

[[table]]
owner = "publisher"
name = "impressions"
rows = 100
[table.columns]
customer = { type = "id", form = "email", unique = true }

[rules]
join = [["purchases.customer", "impressions.customer"]]
ask = ["retailer"]
receive = ["retailer", "publisher"]
groups_of_at_least = 3
questions = "approved"

[[question]]
name = "spend"
sql = "SELECT COUNT(*) AS purchases, SUM(amount) AS spend FROM purchases JOIN impressions USING (customer)"
"""


def glovebox(*arguments, home=None, timeout=240):
    """Run a command; nothing it prints may be a traceback."""
    environment = {**os.environ, **({"GLOVEBOX_HOME": str(home)} if home else {})}
    done = subprocess.run(
        [sys.executable, "-I", "-m", "glovebox", *map(str, arguments)],
        capture_output=True, text=True, env=environment, timeout=timeout, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stdout + done.stderr
    return done


def good(*arguments, home=None):
    done = glovebox(*arguments, home=home)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def parties(tmp_path_factory):
    """Three homes, one contract that all signed, and two bound tables; made by commands alone."""
    place = tmp_path_factory.mktemp("parties")
    homes = {party: place / party for party in PARTIES}
    cards = []
    for party, home in homes.items():
        good("identity", "--new", party, "--listen", f"127.0.0.1:{free_ports(1)[0]}", home=home)
        cards.append(good("identity", home=home))
    contract = place / "spring.toml"
    contract.write_text(HEAD + "".join(cards) + TERMS)
    for home in homes.values():
        good("contract", "sign", contract, home=home)
    for home in homes.values():
        good("contract", "add", contract, home=home)
    purchases, impressions = place / "purchases.csv", place / "impressions.csv"
    purchases.write_text("customer,amount\n" + "".join(f" P{n}@shop.de,{n}.50\n" for n in range(8)))
    impressions.write_text("customer\n" + "".join(f"p{n}@Shop.de\n" for n in range(4, 20)))
    good("data", "add", "spring", "purchases", purchases, home=homes["retailer"])
    good("data", "add", "spring", "impressions", impressions, home=homes["publisher"])
    nodes = [
        subprocess.Popen(
            [sys.executable, "-I", "-m", "glovebox", "serve", "--home", str(home)], stdout=subprocess.PIPE, text=True
        )
        for home in homes.values()
    ]
    for node in nodes:
        assert "serves at" in node.stdout.readline()
    yield place, homes
    for node in nodes:
        node.terminate()
        assert node.wait(60) == 0
        node.stdout.close()


def test_an_answer_is_printed_kept_and_verified(parties):
    place, homes = parties
    printed = good("ask", "spring", "spend", home=homes["retailer"])
    assert re.search(r"purchases +spend\n-+ +-+\n4 +24\.00\n", printed)
    listed = good("answers", home=homes["publisher"]).split()
    session = listed[0]
    answer, receipt = place / "answer.json", place / "receipt.txt"
    answer.write_text(good("answers", session, "--json", home=homes["publisher"]))
    printed = good("answers", session, home=homes["publisher"])
    receipt.write_text("glovebox receipt 1" + printed.partition("glovebox receipt 1")[2])
    assert "signed by notary, publisher, retailer" in good(
        "receipt", "verify", receipt, place / "spring.toml", "--answer", answer
    )
    answer.write_text(answer.read_text().replace("24.00", "24.01"))
    wrong = glovebox("receipt", "verify", receipt, place / "spring.toml", "--answer", answer)
    assert (wrong.returncode, "not the one" in wrong.stderr) == (7, True)
    receipt.write_text(receipt.read_text().replace("retailer", "retailor", 1))
    assert glovebox("receipt", "verify", receipt, place / "spring.toml").returncode == 7
    assert "good" in good("log", "verify", home=homes["notary"])


def test_json_is_for_programs(parties):
    _, homes = parties
    done = glovebox("ask", "spring", "spend", "--json", home=homes["retailer"])
    told = json.loads(done.stdout)
    assert told["answer"]["rows"] == [[4, 24.0]]
    events = [json.loads(line) for line in done.stderr.splitlines()]
    names = [event["event"] for event in events if event["party"] == "retailer"]
    begun = [["linked", "loaded"], ["loaded", "linked"], ["linked"]]  # beside each other; no load if asked before
    computed, last = ["encoded", "matched", "finished"], ["revealing", "answered", "signed"]
    whole = [[*two, *(computed if len(two) > 1 else [])] for two in begun]
    assert names in [["proposed", "accepted", "started", *steps, *last] for steps in whole]
    assert (
        json.loads(good("explain", "spring", "spend", "--json", home=homes["retailer"]))["roles"]["helper"] == "notary"
    )
    assert json.loads(good("status", "--json", home=homes["notary"]))["name"] == "notary"


def test_a_contract_is_shown_in_words_and_a_question_explained(parties):
    place, homes = parties
    shown = good("contract", "show", place / "spring.toml")
    assert "a group of fewer than 3 people does not show" in shown
    checked = good("contract", "check", place / "spring.toml")
    assert checked.count(" signed") == 3
    explained = good("explain", "spring", "spend", home=homes["retailer"])
    assert "nobody learns which match" in explained


REFUSED = {
    "not the contract's": (("ask", "spring", "SELECT COUNT(*) FROM purchases JOIN impressions USING (customer)"), 3),
    "no such contract": (("ask", "winter", "spend"), 2),
    "no such command": (("dance",), 2),
    "no argument": (("ask", "spring"), 2),
    "no such file": (("contract", "show", "nowhere.toml"), 2),
    "no such table": (("data", "check", "spring", "sales"), 2),
    "not SQL": (("ask", "spring", "DROP TABLE purchases"), 3),
    "no such question": (("ask", "spring", "spent"), 3),
    "no such party's contract": (("explain", "sprin", "spend"), 2),
    "no such source": (("data", "check", "spring", "purchases", "nowhere.csv"), 2),
}


NEAR = {
    "contract": (("explain", "sprin", "spend"), "did you mean spring?"),
    "question": (("ask", "spring", "spent"), "did you mean spend?"),
    "table": (("data", "check", "spring", "purchase"), "did you mean purchases?"),
    "command": (("data", "check"), "glovebox data check --help"),
}


@pytest.mark.parametrize("name", NEAR)
def test_what_is_almost_right_is_told(parties, name):
    arguments, hint = NEAR[name]
    assert glovebox(*arguments, home=parties[1]["retailer"]).stderr.splitlines()[-1] == f"  Try:  {hint}"


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_done_is_said_with_an_exit_code(parties, name):
    _, homes = parties
    arguments, code = REFUSED[name]
    done = glovebox(*arguments, home=homes["retailer"])
    assert done.returncode == code
    assert done.stderr.startswith("glovebox ")
    assert "\n  Try:  " in done.stderr, "what cannot be done says what can"
    assert done.stdout == ""
    told = json.loads(glovebox(*arguments, "--json", home=homes["retailer"]).stdout or '{"error": null}')
    if arguments[0] == "ask" and name != "no argument":
        assert told["error"]["exit_code"] == code


def test_one_who_may_not_ask_is_told_who_may(parties):
    _, homes = parties
    done = glovebox("ask", "spring", "spend", home=homes["publisher"])
    assert done.returncode == 3
    assert "retailer" in done.stderr


def test_a_table_with_faults_is_counted_and_not_bound(parties):
    place, homes = parties
    path = place / "bad.csv"
    path.write_text("customer,amount\nSECRET@shop.de,5001\nx@shop.de,\nnobody,1\n")
    done = glovebox("data", "check", "spring", "purchases", path, home=homes["retailer"])
    assert done.returncode == 4
    assert "SECRET" not in done.stdout + done.stderr
    assert "1 outside the range" in done.stdout
    assert glovebox("data", "add", "spring", "purchases", path, home=homes["retailer"]).returncode == 4


def test_a_node_that_does_not_run_is_named(tmp_path):
    good("identity", "--new", "alone", home=tmp_path / "home")
    done = glovebox("status", home=tmp_path / "home")
    assert (done.returncode, "glovebox serve" in done.stderr) == (2, True)


def test_a_home_too_deep_for_a_socket_is_refused_before_it_is_made(tmp_path):
    deep = tmp_path / ("x" * 60) / ("y" * 60)
    done = glovebox("identity", "--new", "deep", home=deep)
    assert (done.returncode, "path of this home is too long" in done.stderr, deep.exists()) == (2, True, False)


def test_a_key_that_others_can_read_is_refused(tmp_path):
    good("identity", "--new", "open", home=tmp_path / "home")
    (tmp_path / "home" / "identity.key").chmod(0o644)
    assert glovebox("identity", home=tmp_path / "home").returncode == 2
    assert glovebox("identity", "--new", "again", home=tmp_path / "home").returncode == 2


def test_help_imports_nothing_heavy():
    """`--help` must answer at once, so what takes long to import is not imported for it."""
    script = (
        "import sys; sys.argv = ['glovebox', '--help']\n"
        "from glovebox.cli.main import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_optimised_python_is_refused():
    done = subprocess.run(
        [sys.executable, "-O", "-I", "-m", "glovebox", "--help"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "-O" in done.stderr


def test_the_demo_answers_the_real_sets():
    shared = ROOT.parent / "shared" / "data"
    if not shared.is_dir():
        pytest.skip(f"the real tables are not there: {shared.name}")
    done = json.loads(good("demo", "--data", shared, "--json"))
    assert [question["equal"] for question in done["questions"]] == [True, True]


def test_the_demo_is_right():
    done = json.loads(good("demo", "--json"))
    assert len(done["questions"]) == 4
    assert all(question["equal"] for question in done["questions"])
    assert [bool(question["refused"]) for question in done["questions"]] == [False, False, True, False]


FIGURES = {
    "workload", "rows", "line", "runs", "seconds", "clear_seconds", "ratio", "bytes_per_row", "rounds",
    "cpu_seconds", "clear_cpu_seconds", "peak_mib_per_party", "equal", "spread_seconds", "spread_clear_seconds",
    "clear_threads", "question", "security", "reveals", "machine", "load_before", "versions", "at",
}  # fmt: skip


def test_the_bench_measures_equal_answers():
    """Over slow lines, so that they are there at all: 9 rounds and more take at least as many delays."""
    done = json.loads(good("bench", "latency", "--rows", "200", "--runs", "1", "--link", "100mbit-50ms", "--json"))
    assert done["equal"]
    assert set(done) == FIGURES
    assert done["seconds"] > done["rounds"] * 0.05
    assert done["bytes_per_row"] > 65
    assert 0 < done["clear_cpu_seconds"] < done["cpu_seconds"] < 30


def test_a_bench_of_what_is_not_served_says_so_at_once():
    done = glovebox("bench", "join", "--rows", "10000000000000", "--json")
    assert done.returncode == 3
    assert "rows cannot be" in json.loads(done.stdout)["error"]["summary"]
    assert glovebox("bench", "join", "--runs", "0").returncode == 2


HEAVY = ("numpy", "duckdb", "pyarrow", "sqlglot", "pydantic", "mpyc", "numba", "glovebox.runtime", "glovebox.planner")


def test_asking_starts_without_the_engine():
    script = (
        "import sys, glovebox.cli.main, glovebox.cli.progress, glovebox.cli.tabular, glovebox.node.local as local\n"
        f"print(*(name for name in {HEAVY} if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
