"""What the page on running a node shows is true: settings, unit, container file, scrape config, commands, fsync."""

import configparser
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import msgspec

from glovebox.cli.main import app
from glovebox.node.home import Home, Settings
from glovebox.node.metrics import LOOPBACK

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "operations.md").read_text()


BLOCKS = re.findall(r"^```([a-z]*)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def block(kind, begins=""):
    (found,) = [text for of, text in BLOCKS if of == kind and text.startswith(begins)]
    return found


def test_the_settings_are_settings_with_their_defaults():
    given = tomllib.loads(block("toml", "# node.toml"))
    settings = msgspec.convert(given, Settings)
    assert settings.metrics.rpartition(":")[0] in LOOPBACK
    plain = Settings(settings.name, settings.listen, metrics=settings.metrics)
    assert settings == plain


def test_every_file_of_the_home_stands_in_the_table(tmp_path):
    home = Home(tmp_path)
    files = {path for path in vars(home).values() if isinstance(path, Path)} - {home.root}
    named = set(re.findall(r"^\| `([^`]+)` \|", PAGE, re.MULTILINE)) | {"node.sock", "node.lock"}
    assert {str(path.relative_to(tmp_path)) for path in files} <= {name.rstrip("/") for name in named}


def test_the_unit_is_a_unit_that_starts_a_node(tmp_path):
    text = block("ini")
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str
    unit.read_string(text)
    words = unit["Service"]["ExecStart"].split()
    assert words[1:] == ["-I", "-m", "glovebox", "serve"]
    assert unit["Service"]["User"] != "root"
    if shutil.which("systemd-analyze"):
        file = tmp_path / "glovebox.service"
        file.write_text(text.replace(words[0], sys.executable).replace("User=glovebox\n", ""))
        done = subprocess.run(["systemd-analyze", "verify", file], capture_output=True, text=True, check=False)
        assert not [line for line in done.stderr.splitlines() if "glovebox.service" in line], done.stderr


def test_the_container_runs_what_exists_and_not_as_root():
    text = block("dockerfile")
    lines = [line for line in text.replace("\\\n", " ").splitlines() if line and not line.startswith("#")]
    steps = dict(line.split(" ", 1) for line in lines)
    assert steps["USER"] != "0"
    assert "make .venv/run" in steps["RUN"]
    assert re.search(r"^\.venv/run:", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert ROOT.joinpath("src/glovebox/__main__.py").is_file()
    assert steps["ENTRYPOINT"].endswith('"-I", "-m", "glovebox"]')


def test_the_commands_exist_and_say_how_they_are_used(tmp_path):
    for line in (line for kind, text in BLOCKS if not kind for line in text.splitlines()):
        program, *words = line.split()
        match program:
            case "glovebox":
                names = [word for word in words if word.isalpha()]
                command = app
                for name in names:
                    command = command[name]
                flags = [word for word in words if word.startswith("--")]
                helped = subprocess.run(
                    [sys.executable, "-I", "-m", "glovebox", *names, "--help"],
                    capture_output=True,
                    text=True,
                    check=True,
                ).stdout
                assert all(flag in helped for flag in flags)
            case "python":
                assert ROOT.joinpath("benchmarks", "soak.py").is_file()
            case "sqlite3":
                assert '.backup ledger.backup"' in line
            case _:
                raise AssertionError(f"a command that no test knows: {line}")


def test_a_backup_made_while_a_ledger_is_open_is_the_ledger(tmp_path):
    import sqlite3

    from glovebox.node.ledger import Ledger

    ledger = Ledger(tmp_path / "ledger.sqlite")
    ledger.spend(bytes(32), bytes(16), "q", {0: 5})
    source, target = sqlite3.connect(tmp_path / "ledger.sqlite"), sqlite3.connect(tmp_path / "copy.sqlite")
    source.backup(target)  # what the shell's .backup does
    source.close()
    target.close()
    ledger.close()
    copy = Ledger(tmp_path / "copy.sqlite")
    assert copy.spent(bytes(32)) == {0: 5}
    copy.close()


def test_the_scrape_config_names_the_metrics_port():
    assert tomllib.loads(block("toml", "# node.toml"))["metrics"] in block("yaml")


def test_what_is_said_of_fsync_holds(tmp_path, monkeypatch):
    import os

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from glovebox.audit.log import Log
    from glovebox.node.state import State

    state = State(tmp_path / "state.sqlite")
    assert state._db.execute("PRAGMA synchronous").fetchone() == (2,)
    state.close()
    synced = []
    monkeypatch.setattr(os, "fsync", synced.append)
    log = Log(tmp_path / "log.jsonl", Ed25519PrivateKey.generate())
    log.write("serving")
    assert len(synced) == 1
    log.close()
