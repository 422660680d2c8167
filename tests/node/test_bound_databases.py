"""A Postgres server's table and a SQLite file under running nodes: bound by commands, asked over TLS, changed between.

Beside a question, a match check: a band and no count, as often as the contract allows, by each party's own book.
"""

import sqlite3
import subprocess
import sys

import pytest

from glovebox.errors import GloveboxError

from ..data.postgres_server import PASSWORD, postgres_server
from ..questions.fleets import agreed, ask
from ..waiting import PATIENCE_S

TERMS = """
[[table]]
owner = "alpha"
name = "sales"
rows = 200
rows_per_id = 4
[table.columns]
id = { type = "id", form = "integer" }
amount = { type = "decimal(10,2)", range = [0, 100], may = ["sum"] }

[[table]]
owner = "beta"
name = "members"
rows = 200
[table.columns]
id = { type = "id", form = "integer", unique = true }

[rules]
overlap_checks = 2
join = [["sales.id", "members.id"]]
ask = ["alpha"]
receive = ["alpha"]
groups_of_at_least = 1
questions = "any"
exact = "everyone may see single persons"
"""
QUESTION = "SELECT COUNT(*) AS n, SUM(amount) AS total FROM sales JOIN members USING (id)"


def command(fleet, party, *words):
    home = fleet.homes[party].root
    done = subprocess.run(
        [sys.executable, "-I", "-m", "glovebox", *map(str, words), "--home", str(home)],
        capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    assert PASSWORD not in done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def bound(tmp_path_factory):
    directory = tmp_path_factory.mktemp("databases")
    fleet = agreed(directory, ["alpha", "beta", "notary"], TERMS)
    with postgres_server() as running:
        running.admin(
            "CREATE TABLE sales AS SELECT i % 5 AS id, (i * 0.5)::numeric(12,2) AS amount "
            "FROM generate_series(1, 10) i UNION ALL SELECT i, 1 FROM generate_series(100, 120) i",
            "GRANT SELECT ON sales TO reader",
        )
        settings = fleet.homes["alpha"].settings_file
        settings.write_text(
            settings.read_text()
            + f'[postgres.shop]\nhost = "127.0.0.1"\nport = {running.server.port}\ndatabase = "postgres"\n'
            + f'user = "reader"\npassword_file = "{running.password_file}"\ntls = false\n'
        )
        with sqlite3.connect(directory / "crm.sqlite") as crm:
            crm.execute("CREATE TABLE people (id INTEGER)")
            crm.executemany("INSERT INTO people VALUES (?)", [(2,), (3,), (9,), *((n,) for n in range(100, 121))])
        done = command(fleet, "alpha", "data", "add", "test", "sales", "postgres:shop")
        assert "bound sales in postgres:shop to sales of test" in done.stdout, done.stderr
        crm_file = directory / "crm.sqlite"
        done = command(fleet, "beta", "data", "add", "test", "members", crm_file, "--relation", "people")
        assert "bound people in crm.sqlite to members of test" in done.stdout, done.stderr
        with fleet:
            yield fleet, running


def test_a_question_is_answered_from_databases_and_a_change_stops_it(bound):
    fleet, running = bound
    assert [str(cell) for cell in ask(fleet, "alpha", QUESTION).rows[0]] == ["25", "31.00"]  # 2: 1, 3.5; 3: 1.5, 4
    done = command(fleet, "alpha", "match", "test")
    assert done.stdout.split() == ["overlap", "--------", "20", "to", "49"]
    running.admin("UPDATE sales SET amount = 7, id = id + 1000 WHERE id > 110")
    with pytest.raises(GloveboxError, match="not those that were bound"):
        ask(fleet, "alpha", QUESTION.replace("SUM(amount) AS total", "AVG(amount) AS average"))
    rebind(fleet)
    done = command(fleet, "alpha", "match", "test", "members.id")
    assert done.stdout.split()[2:] == ["10", "to", "19"]
    running.admin("DELETE FROM sales WHERE id > 100")
    rebind(fleet)
    with pytest.raises(GloveboxError) as refused:
        ask(fleet, "alpha", "MATCH alpha.sales.id WITH beta.members.id")
    assert refused.value.code == "match_spent"
    assert "2 were asked" in "\n".join(refused.value.lines())


def rebind(fleet):
    assert command(fleet, "alpha", "data", "add", "test", "sales", "postgres:shop").returncode == 0


def test_what_is_not_there_is_said(bound):
    fleet, _ = bound
    done = command(fleet, "alpha", "data", "check", "test", "sales", "postgres:other")
    assert done.returncode == 2
    assert "its servers: shop" in done.stderr
    done = command(fleet, "alpha", "data", "check", "test", "sales", "postgres:shop", "--relation", "nothing")
    assert done.returncode == 4
    assert "nothing in postgres:shop cannot be read" in done.stderr
    (fleet.directory / "plain.csv").write_text("id,amount\n")
    done = command(fleet, "alpha", "data", "check", "test", "sales", fleet.directory / "plain.csv", "--relation", "x")
    assert done.returncode == 2
    assert "plain.csv is itself a table" in done.stderr
    done = command(fleet, "alpha", "match", "test", "sales.amount")
    assert done.returncode == 2
    assert "MATCH alpha.sales.id WITH beta.members.id" in done.stderr
