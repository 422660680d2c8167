"""The page on two owners says what holds: its snippets are a contract's and a node's, its examples are there."""

import re
import tomllib
from pathlib import Path

import msgspec
import pytest

from glovebox.contract.model import parse_contract
from glovebox.node.home import Settings

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "two-owners.md").read_text()


def block(first):
    (found,) = [text for text in re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL) if text.startswith(f"# {first}\n")]
    return found


@pytest.mark.parametrize(("name", "example"), [("contract", "two-owners"), ("thin contract", "two-owners-thin")])
def test_the_protocols_are_those_of_the_examples(name, example):
    assert f"examples/contracts/{example}.toml" in PAGE
    contract = parse_contract((ROOT / "examples" / "contracts" / f"{example}.toml").read_bytes())
    assert tomllib.loads(block(name)) == {"protocol": contract.protocol}


def test_low_traffic_is_a_protocol_for_the_same_contract():
    (protocol,) = tomllib.loads(block("sparing contract")).values()
    text = (ROOT / "examples" / "contracts" / "two-owners.toml").read_text()
    assert parse_contract(text.replace('"two-party"', f'"{protocol}"').encode()).protocol == protocol


def test_the_setting_is_a_nodes():
    settings = msgspec.convert({"name": "a", "listen": "b:1", **tomllib.loads(block("node.toml"))}, Settings)
    assert settings.ahead_mib == Settings(name="a", listen="b:1").ahead_mib


def test_the_benchmarks_that_are_named_are_there():
    named = re.findall(r"python -m benchmarks\.(\w+)", PAGE)
    assert named
    assert all((ROOT / "benchmarks" / f"{name}.py").exists() for name in named)
