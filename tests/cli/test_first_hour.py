"""The first hour as a new user types it: the commands of docs/first-hour.md, in one shell, in their order."""

import os
import re
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from glovebox.cli.fleet import free_ports

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "first-hour.md"
BLOCKS = re.findall(r"^```([a-z]*)\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
COMMANDS = [line for kind, block in BLOCKS if not kind for line in block.splitlines()]
INSTALLING = ["make .venv/run", "source .venv/bin/activate"]  # how these tests came to run
MOST_COMMANDS = 20
END = "first-hour-done"


class Shell:
    """A shell in which lines are typed. `with` ends it and what it started."""

    def __init__(self, home):
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        self.process = subprocess.Popen(
            ["bash", "--norc"], cwd=ROOT, env={**os.environ, "HOME": str(home), "PATH": path}, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def typed(self, line, until=END):
        """What a line prints, up to a line with these words; its exit code must be 0."""
        self.process.stdin.write(f"{line}\n" + (f"echo {END} $?\n" if until == END else ""))
        self.process.stdin.flush()
        printed = ""
        while until not in (last := self.process.stdout.readline()):
            assert last, printed
            printed += last
        assert until != END or last == f"{END} 0\n", printed
        return printed

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.write("kill $(jobs -p); wait\n")
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def test_few_commands_and_no_editor():
    assert len(COMMANDS) <= MOST_COMMANDS
    assert not any(word in line for line in COMMANDS for word in ("&&", ";", "|", "$(", "<<"))
    assert COMMANDS[:2] == INSTALLING
    assert re.search(r"^\.venv/run:", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.timeout(300)
def test_the_commands_answer_as_the_page_says(tmp_path, request):
    ports = dict(zip((7171, 7172, 7173), free_ports(3), strict=True))
    with Shell(tmp_path) as shell:
        for line in COMMANDS[len(INSTALLING) :]:
            there = next((port for port in ports if f":{port} " in line), 0)
            typed = line.replace(f":{there} ", f":{ports.get(there)} ")
            printed = shell.typed(typed, "serves at" if line.startswith("glovebox serve") else END)
    answer = re.search(r"^country.*suppressed:[^\n]*\n", printed, re.DOTALL | re.MULTILINE)[0]
    text = PAGE.read_text()
    if request.config.getoption("--rewrite"):
        text = re.sub(r"```text\n.*?```", lambda _: f"```text\n{answer}```", text, flags=re.DOTALL)
        PAGE.write_text(text)
    assert re.findall(r"```text\n(.*?)```", text, re.DOTALL) == [answer]
    assert shown(answer) == in_the_clear(tmp_path / "first-hour")


def shown(answer):
    """The groups of the printed table, but for those that are hidden."""
    lines = [line.split() for line in answer.splitlines()[2:-1]]
    return {country: (int(buyers), float(spend)) for country, buyers, spend in lines if buyers != "suppressed"}


def in_the_clear(folder):
    rows = duckdb.sql(f"""SELECT if(country IN ('DE', 'FR', 'GB'), country, 'other') AS country,
        COUNT(DISTINCT customer), SUM(amount::DECIMAL(10,2))::DOUBLE FROM '{folder}/purchases.csv'
        WHERE customer IN (SELECT lower(customer) FROM '{folder}/impressions.csv')
        GROUP BY ALL HAVING COUNT(DISTINCT customer) >= 5""").fetchall()
    return {country: (buyers, spend) for country, buyers, spend in rows}
