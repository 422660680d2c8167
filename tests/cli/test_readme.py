"""The README's commands, typed by three parties in the order in which they stand, set up a contract and answer."""

import os
import re
import subprocess
import sys
from pathlib import Path

from glovebox.cli.exercises import CAMPAIGN
from glovebox.cli.fleet import free_ports

ROOT = Path(__file__).parents[2]
TABLES = {"retailer": ("purchases", "purchases.csv"), "publisher": ("impressions", "impressions.parquet")}


def commands():
    """Every line of the README's code blocks that is a glovebox command."""
    blocks = re.findall(r"```\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    return [line.split() for block in blocks for line in block.splitlines() if line.startswith("glovebox ")]


def test_the_readme_sets_three_organisations_up(tmp_path):
    for path in CAMPAIGN.write(tmp_path).values():
        assert path.exists()
    ports = dict(zip(CAMPAIGN.parties, free_ports(3), strict=True))
    nodes, cards = [], {}
    try:
        for words in commands():
            for party in CAMPAIGN.parties:
                typed = as_typed_by(party, words[1:], ports[party])
                if typed is None:
                    continue
                if typed[0] == "contract":
                    written(tmp_path, cards)
                command = [sys.executable, "-I", "-m", "glovebox", *typed]
                environment = {**os.environ, "GLOVEBOX_HOME": str(tmp_path / party)}
                if typed == ["serve"]:
                    node = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
                    nodes.append(node)
                    assert "serves" in node.stdout.readline()
                    continue
                done = subprocess.run(
                    command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
                )
                assert done.returncode == 0, (typed, done.stderr)
                if typed[0] == "identity":
                    cards[party] = done.stdout
        assert "reach" in done.stdout
    finally:
        for node in nodes:
            node.terminate()
            node.wait(60)
            node.stdout.close()


def as_typed_by(party, words, port):
    """What a party types for a line of the README, None if the line is not for it."""
    words = [word.replace("0.0.0.0:7171", f"127.0.0.1:{port}") for word in words]
    match words:
        case ["identity", "--new", _, *rest]:
            return ["identity", "--new", party, *rest]
        case ["data", "add", contract, *_]:
            return ["data", "add", contract, *TABLES[party]] if party in TABLES else None
        case ["ask" | "explain" | "answers", *_]:
            return words if party == "retailer" else None
    return words


def written(place, cards):
    """The three cards in one contract file."""
    if not (place / "campaign.toml").exists():
        head, _, rest = CAMPAIGN.terms.partition("[[table]]")
        text = head + "".join(cards[party] for party in CAMPAIGN.parties)
        (place / "campaign.toml").write_text(text + "\n[[table]]" + rest)
